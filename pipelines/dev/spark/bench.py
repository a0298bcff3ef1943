"""`make spark-bench`: all models over millions of calls, on DuckDB and on clusters of this machine.

The calls are those of `make bench`, one real load repeated by SQL; every figure is of a full build
without data tests, a cluster's in a process of its own, with a cluster that is new.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyspark
from rich.console import Console
from rich.table import Table

from llm_usage_warehouse.dev.bench.history import DAYS, with_history
from llm_usage_warehouse.dev.bench.processes import run
from llm_usage_warehouse.dev.bench.repeated import AiProxy
from llm_usage_warehouse.dev.spark.building import build_duckdb, build_lake
from llm_usage_warehouse.dev.spark.cluster import cluster
from llm_usage_warehouse.dev.spark.comparing import Compared, compare
from llm_usage_warehouse.dev.spark.cpu import DBT, DRIVER, cpu_by_process
from llm_usage_warehouse.dev.spark.loading import load_lake
from llm_usage_warehouse.errors import RunError
from llm_usage_warehouse.prices import load_public_prices
from llm_usage_warehouse.setting_files import project_root
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.spark import HEAP_OF_DRIVER, HEAP_OF_EXECUTOR, find_java, open_session

CALLS = 2_000_000
WORKERS = (1, 2)

SUMMED = ("daily_tokens", "daily_costs", "daily_charges", "daily_totals", "reconciliation")
"""What is compared: the marts that sum the calls by day."""

COLUMNS = ("models on", "raw tables, s", "models, s", "CPU, s", "of them driver", "us/call")


@dataclass(frozen=True)
class Built:
    """What a full build of all models took.

    Attributes:
        where: on what.
        loading: seconds in which the raw tables were given to the lake; 0 for DuckDB.
        wall: seconds of the build.
        cpu: processor seconds of it, of all processes.
        driver: those of the process that plans, and of dbt in it.
    """

    where: str
    loading: float
    wall: float
    cpu: float
    driver: float


def main() -> int:
    """Build on each and compare, and return 0 where the sums are equal."""
    parser = argparse.ArgumentParser(prog="python -m llm_usage_warehouse.dev.spark.bench")
    parser.add_argument("--calls", type=int, default=CALLS, help="how many calls")
    # What a process of ours is told.
    parser.add_argument("--on", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    folder = project_root() / "data" / "spark"
    warehouse = WarehouseSettings(path=folder / "history" / "warehouse.duckdb")
    if given.on:
        print(json.dumps(_on_cluster(warehouse, folder, given.on)))  # noqa: T201 - for the parent
        return 0
    if not cpu_by_process():
        raise RunError("the processor time of a cluster is read from /proc, which is not here")
    console = Console()
    calls = given.calls // DAYS * DAYS
    shutil.rmtree(warehouse.path.parent, ignore_errors=True)
    warehouse.path.parent.mkdir(parents=True)
    with_history(AiProxy(), str(warehouse.path.parent), calls)
    load_public_prices(warehouse)
    console.print(f"{calls:,} calls")
    built = [_on_duckdb(warehouse)]
    console.print(_told(built[-1]))
    found: list[Compared] = []
    for workers in WORKERS:
        said = run(["-m", "llm_usage_warehouse.dev.spark.bench", "--on", str(workers)]).said
        built.append(Built(**said))
        console.print(_told(built[-1]))
        found += _compared(warehouse, folder)
    is_equal = all(one.is_equal for one in found)
    lines = _lines(built, calls)
    console.print(_printed(lines))
    page = project_root() / "data" / "spark_bench.md"
    page.write_text(_page(lines, calls, is_equal=is_equal))
    for one in found:
        if not one.is_equal:
            console.print(str(one))
    console.print("equal" if is_equal else "NOT equal: see above")
    return 0 if is_equal else 1


def _on_duckdb(warehouse: WarehouseSettings) -> Built:
    before, began = cpu_by_process(), time.monotonic()
    build_duckdb(warehouse)
    wall, cpu = time.monotonic() - began, cpu_by_process()[DBT] - before[DBT]
    return Built(f"DuckDB in {warehouse.memory_for_duckdb}", 0, wall, cpu, cpu)


def _on_cluster(warehouse: WarehouseSettings, folder: Path, workers: int) -> dict[str, object]:
    """Build the lake on a new cluster, and leave what is compared as Parquet files."""
    os.environ["JAVA_HOME"] = str(find_java())
    for made in ("lake", "raw", "marts"):
        shutil.rmtree(folder / made, ignore_errors=True)
    with cluster(Path(pyspark.__file__).parent, folder / "cluster", workers) as master:
        session = open_session(master, str(folder / "lake"), folder, {})
        try:
            began = time.monotonic()
            load_lake(session, warehouse.path, folder / "raw")
            loading = time.monotonic() - began
            before, began = cpu_by_process(), time.monotonic()
            # What dbt says is none of ours.
            with redirect_stdout(sys.stderr):
                build_lake(warehouse, folder, tests=False)
            wall, after = time.monotonic() - began, cpu_by_process()
            for mart in SUMMED:
                file = str(folder / "marts" / f"{mart}.parquet")
                session.table(f"main.{mart}").write.mode("overwrite").parquet(file)
        finally:
            session.stop()
    took = {name: after[name] - before.get(name, 0) for name in after}
    driver = took[DRIVER] + took[DBT]
    return {
        "where": f"Spark, {workers} worker{'s' if workers > 1 else ''}",
        "loading": loading,
        "wall": wall,
        "cpu": sum(took.values()),
        "driver": driver,
    }


def _compared(warehouse: WarehouseSettings, folder: Path) -> Iterator[Compared]:
    with duckdb.connect(str(warehouse.path), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for mart in SUMMED:
            yield compare(connection, mart, folder / "marts" / f"{mart}.parquet")


def _told(one: Built) -> str:
    return f"{one.where}: {one.wall:.0f} s, {one.cpu:.0f} s of the processors"


def _lines(built: list[Built], calls: int) -> list[tuple[str, ...]]:
    return [
        (
            one.where,
            *(f"{figure:.0f}" for figure in (one.loading, one.wall, one.cpu, one.driver)),
            f"{1e6 * one.cpu / calls:.0f}",
        )
        for one in built
    ]


def _printed(lines: list[tuple[str, ...]]) -> Table:
    table = Table(*COLUMNS)
    for line in lines:
        table.add_row(*line)
    return table


def _page(lines: list[tuple[str, ...]], calls: int, *, is_equal: bool) -> str:
    rows = (COLUMNS, ("---",) * len(COLUMNS), *lines)
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    equal = "equal" if is_equal else "NOT equal"
    return (
        f"{calls:,} calls over {DAYS} days, {datetime.now(UTC):%Y-%m-%d}, "
        f"{os.cpu_count()} cores, {platform.machine()}; heaps: driver {HEAP_OF_DRIVER}, each "
        f"executor {HEAP_OF_EXECUTOR}.\n\n{table}\n\n"
        f"Rows of {', '.join(SUMMED)}: {equal} on all.\n"
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RunError as error:
        sys.exit(str(error))
