"""`make spark-test`: the demo's two nights on a cluster of this machine, against DuckDB."""

import os
import shutil
import signal
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TypeVar

import pyspark
from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table

from llm_usage_warehouse.dev.spark.building import build_duckdb, build_lake, compiled
from llm_usage_warehouse.dev.spark.cluster import cluster
from llm_usage_warehouse.dev.spark.comparing import Compared, compare_marts
from llm_usage_warehouse.dev.spark.cpu import cpu_by_process
from llm_usage_warehouse.dev.spark.loading import Night, load_duckdb, load_lake, nights
from llm_usage_warehouse.dev.spark.traps import Trap, traps
from llm_usage_warehouse.errors import RunError, UsageError
from llm_usage_warehouse.setting_files import project_root
from llm_usage_warehouse.settings import WarehouseSettings, demo_flag, load_warehouse
from llm_usage_warehouse.spark import find_java, open_session

T = TypeVar("T")

WORDS = "tests/sql/spark_words.toml"


def main() -> int:
    """Build and compare both nights, try the traps, and return 0 where all is equal and cured."""
    console = Console()
    folder = project_root() / "data" / "spark"
    demo = load_warehouse().path
    if not demo.exists() or not demo_flag(load_warehouse()).exists():
        raise RunError(f"{demo} is not the demo's warehouse; run `make demo` first")
    os.environ["JAVA_HOME"] = str(find_java())
    for made in ("lake", "raw", "marts", "night"):
        shutil.rmtree(folder / made, ignore_errors=True)
    warehouse = replace(load_warehouse(), path=folder / "night" / "warehouse.duckdb")
    warehouse.data_folder.mkdir(parents=True)
    # The demo's own teams and budgets.
    demo_flag(warehouse).touch()
    ok = True
    with cluster(Path(pyspark.__file__).parent, folder / "cluster") as master:
        session = open_session(master, str(folder / "lake"), folder)
        try:
            for night in nights(demo):
                ok &= _try_night(console, session, demo, night, warehouse, folder)
            found = list(traps(session, lambda text: compiled(warehouse, folder, text)))
            console.print(_trap_table(found))
            ok &= all(trap.is_cured for trap in found)
            ok &= _knows_functions(console, session)
        finally:
            session.stop()
    console.print("equal" if ok else "NOT equal: see above")
    return 0 if ok else 1


def _try_night(
    console: Console,
    session: SparkSession,
    demo: Path,
    night: Night,
    warehouse: WarehouseSettings,
    folder: Path,
) -> bool:
    console.rule(night.name)
    load_duckdb(demo, night, warehouse.path)
    _timed(console, "DuckDB: models", lambda: build_duckdb(warehouse))
    tables = _timed(
        console, "Spark: raw tables", lambda: load_lake(session, warehouse.path, folder / "raw")
    )
    # One night's data tests do: they are a third of the time, and look at all of history.
    is_last = night.loads is None
    built, tests = _timed(
        console, "Spark: models", lambda: build_lake(warehouse, folder, tests=is_last)
    )
    console.print(f"{tables} raw tables, {built} models, snapshots and seeds, {tests} data tests")
    found = list(compare_marts(session, warehouse.path, folder / "marts"))
    console.print(_mart_table(found))
    return all(one.is_equal for one in found)


def _timed(console: Console, what: str, do: Callable[[], T]) -> T:
    began, before = time.monotonic(), sum(cpu_by_process().values())
    done = do()
    wall, cpu = time.monotonic() - began, sum(cpu_by_process().values()) - before
    console.print(f"{what}: {wall:.0f} s, {cpu:.0f} s of the processors")
    return done


def _mart_table(found: list[Compared]) -> Table:
    table = Table("mart", "rows", "on Spark", "sums that differ", "rows that differ", "equal")
    for one in found:
        figures = (one.rows, one.rows_of_spark, one.differing_sums, one.differing_rows)
        table.add_row(one.mart, *map(str, figures), "yes" if one.is_equal else "NO")
    return table


def _trap_table(found: list[Trap]) -> Table:
    table = Table("trap", "without its cure", "with it", "cured", "still needed")
    for one in found:
        words = ("yes" if one.is_cured else "NO", "yes" if one.is_needed else "no: remove it")
        table.add_row(one.name, repr(one.alone), repr(one.cured), *words)
    return table


def _knows_functions(console: Console, session: SparkSession) -> bool:
    """Ask Spark whether it has every function that the compile test lets pass."""
    words = tomllib.loads((project_root() / WORDS).read_text())
    known = {row[0] for row in session.sql("show functions").collect()}
    # What its grammar has is no function to it.
    unknown = {*words["alike"], *words["of_macros"]} - known - {"try_cast"}
    if unknown:
        console.print(f"{WORDS}: Spark has no {', '.join(sorted(unknown))}")
    return not unknown


def _end(signum: int, _frame: FrameType | None) -> None:
    sys.exit(128 + signum)


if __name__ == "__main__":
    # So that what was started is stopped.
    signal.signal(signal.SIGTERM, _end)
    try:
        sys.exit(main())
    except (UsageError, RunError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
