"""A night without its load: `python -m llm_usage_warehouse.dev.bench.models [build]`.

Models, tests and publishing, or with `build` no publishing. Which warehouse, the environment says.
"""

import json
import sys

from llm_usage_warehouse.connectors import connectors
from llm_usage_warehouse.publish import publish
from llm_usage_warehouse.settings import load_warehouse
from llm_usage_warehouse.transform import transform


def main(*, publishing: bool) -> None:
    """Build and test what new rows touch, publish it, and print how much that was."""
    warehouse = load_warehouse()
    outcome = transform(warehouse, connectors().values())
    if not outcome.ok:
        raise SystemExit("\n".join(outcome.problems))
    found = {"tests": outcome.tests}
    if publishing:
        published = publish(warehouse)
        found |= {"calls": published.rows["calls"], "whole": published.whole}
    print(json.dumps(found))  # noqa: T201 - for the parent process


if __name__ == "__main__":
    main(publishing="build" not in sys.argv)
