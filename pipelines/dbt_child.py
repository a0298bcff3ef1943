"""dbt, in a process that never outlives the command that started it.

`python -m llm_usage_warehouse.dbt_child` imports dbt, and waits for a line of JSON at its standard
input: `arguments` of dbt, what to add to the `environment`, the file for its `output`, or null, and
the session of `spark` to open before, or null.
Then it is `dbt ARGUMENTS` in the warehouse's folder. It ends at once when its standard input
closes, as it does when the parent ends, however it ends: a dbt that went on alone would hold the
warehouse's lock against the next night.
"""

import gc
import json
import os
import signal
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

ORPHANED = 3
"""Exit code that nobody is left to see."""


def _told() -> dict[str, Any]:
    # Not through sys.stdin, whose buffer an interpreter that ends wants for itself.
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(0, 65_536)
        if not piece:
            # There was nothing to run.
            os._exit(0)
        line += piece
    told: dict[str, Any] = json.loads(line)
    return told


def _end_with_parent() -> None:
    os.read(0, 1)
    # What dbt was writing is one transaction of DuckDB's: it is there whole, or not at all.
    os._exit(ORPHANED)


def _say_into(output: str) -> None:
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.close(file)


def _go_to_warehouse() -> None:
    """Let the path of the warehouse, by which dbt knows what it read, be the same in any folder."""
    path = Path(os.environ["LLM_USAGE_WAREHOUSE"])
    os.chdir(path.parent)
    # The dot keeps a name with a colon from being read as an address.
    os.environ["LLM_USAGE_WAREHOUSE"] = f"./{path.name}"


def _open_spark(
    master: str, lake: str, tables: list[Any], work: str, first: list[str] | None
) -> None:
    spark = import_module("llm_usage_warehouse.spark")
    try:
        session = spark.open_session(master, lake, Path(work))
    except Exception as error:
        said = str(error).splitlines()[:1]
        sys.exit(f"Spark could not be started ({' '.join(said)}): {work}/driver.log says why")
    spark.tell_tables(session, lake, tables)
    if first:
        import_module("dbt.cli.main").dbtRunner().invoke(first)


def main() -> None:
    """Wait for what to run, and run it."""
    # An interrupt is meant for the parent, and is not to be told of twice.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A run would import the adapter; here it is there before there is one.
    import_module("dbt.adapters.duckdb")
    cli = import_module("dbt.cli.main").cli
    # What is imported lasts as long as the process: looking for garbage among it again and again
    # takes a tenth of dbt's time.
    gc.freeze()
    told = _told()
    # From here on dbt ends by it as it would alone.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if told["output"]:
        _say_into(told["output"])
    os.environ.update(told["environment"])
    if told["spark"]:
        _open_spark(**told["spark"])
    _go_to_warehouse()
    sys.argv = ["dbt", *told["arguments"]]
    cli()


if __name__ == "__main__":
    main()
