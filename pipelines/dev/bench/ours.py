"""A night's load, no models: `python -m llm_usage_warehouse.dev.bench.ours INSTANT`.

Which sources, from where and into which folder, the environment says, as for any night.
"""

import atexit
import gc
import json
import sys

import pendulum

from llm_usage_warehouse.connectors import configured_sources
from llm_usage_warehouse.loading import load_sources
from llm_usage_warehouse.one_source import Run
from llm_usage_warehouse.progress import LogWatcher
from llm_usage_warehouse.settings import load_warehouse
from llm_usage_warehouse.warehouse import writing


def main(instant: float | None) -> None:
    """Load every configured source, and print how many rows and requests that were."""
    warehouse = load_warehouse()
    now = pendulum.now("UTC") if instant is None else pendulum.from_timestamp(instant)
    with writing(warehouse):
        outcomes = load_sources(configured_sources(), Run("bench", now, warehouse), LogWatcher())
    if errors := [one.error for one in outcomes if one.error]:
        raise SystemExit("\n".join(errors))
    tallies = [tally for one in outcomes for tally in one.streams.values()]
    found = {
        "rows": sum(tally.rows for tally in tallies),
        "requests": sum(tally.requests for tally in tallies),
    }
    print(json.dumps(found))  # noqa: T201 - for the parent process


if __name__ == "__main__":
    # As every command of the program does.
    atexit.register(gc.freeze)
    main(float(sys.argv[1]) if len(sys.argv) > 1 else None)
