"""`make bench`: what the way from a vendor's page to the table costs on this machine.

Each way runs in a process of its own, over the same pages, which the simulator's AI Proxy made.
Absolute seconds say as much about the machine as about the code; the ratios to the plain parse
below them carry over.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pendulum
from rich.console import Console
from rich.table import Table

from pipelines.connectors import Source
from pipelines.pages import to_table
from pipelines.progress import LogWatcher
from pipelines.runner import Run, load_source
from pipelines.settings import SourceSettings, WarehouseSettings
from pipelines.simulator import Simulator, World
from pipelines.sources.aiproxy import CONNECTOR
from pipelines.sources.aiproxy.reader import PAGES_PER_TABLE
from pipelines.sources.aiproxy.schema import LOG_CONSTANTS, LOGS_SCHEMA, logs_contract
from pipelines.streams import Progress, Reading, Stream, Write
from pipelines.windows import Grid, Window

ROWS = 500_000
PAGE_ROWS = 100
SLICES = 10
"""About what ten days of 50,000 calls are cut into; one slice is in memory at a time."""

CONSTANTS = dict.fromkeys(LOG_CONSTANTS, "bench")
NOW = pendulum.datetime(2026, 11, 20)


def make_pages(rows: int) -> Iterator[bytes]:
    """Yield pages of the simulated server's own rows, 100 to a page, ids all different."""
    world = World(now=NOW.timestamp, days=3, rows_per_day=4_000)
    seen = Simulator(world, ["aiproxy"])["aiproxy"].data.rows()
    for first in range(0, rows, PAGE_ROWS):
        page = [
            {**seen[number % len(seen)], "id": number} for number in range(first, first + PAGE_ROWS)
        ]
        yield orjson.dumps({"data": {"logs": page, "total": rows}, "success": True})


def parse_only(pages: Sequence[bytes]) -> int:
    """Parse every page into Python objects and drop them: what any reader pays at least."""
    return sum(len(orjson.loads(page)["data"]["logs"]) for page in pages)


def to_arrow(pages: Sequence[bytes]) -> int:
    """Type every page, as many at once as the reader does."""
    contract = logs_contract(frozenset({"metadata"}))
    return sum(
        to_table("bench", pages[at : at + PAGES_PER_TABLE], contract, CONSTANTS).table.num_rows
        for at in range(0, len(pages), PAGES_PER_TABLE)
    )


class PagesReader:
    """A source whose pages are at hand: the whole load, without the network."""

    requests = 0
    retries = 0

    def __init__(self, settings: "BenchSettings") -> None:
        self._settings = settings

    def __enter__(self) -> "PagesReader":
        return self

    def __exit__(self, *exc: object) -> None:
        """Nothing is open."""

    def streams(self) -> list[Stream]:
        """Return the one stream, of as many hours as there are slices."""
        return [
            Stream(
                name="logs",
                schema=LOGS_SCHEMA,
                write=Write.MERGE,
                pace=self._settings.pace(slices=Grid(pendulum.duration(hours=1))),
                read=self._read,
                key=("source_name", "id"),
            )
        ]

    def _read(self, _scope: str, window: Window, progress: Progress) -> Reading:
        pages = self._settings.pages
        step = max(1, len(pages) // SLICES)
        at = round((NOW - window.end).total_hours()) * step
        contract = logs_contract(frozenset({"metadata"}))
        tables = [
            to_table("bench", pages[first : first + PAGES_PER_TABLE], contract, CONSTANTS).table
            for first in range(at, at + step, PAGES_PER_TABLE)
        ]
        progress(step, step)
        return Reading(tables)


class BenchSettings(SourceSettings):
    """Settings of `PagesReader`, its pages among them."""

    pages: Sequence[bytes] = ()


def to_warehouse(pages: Sequence[bytes]) -> int:
    """Load every page through the real runner into a new DuckDB file."""
    nothing = pendulum.duration()
    settings = BenchSettings(
        "bench", base_url="", start=f"PT{SLICES}H", look_back=nothing, settle_lag=nothing
    )
    object.__setattr__(settings, "pages", pages)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "warehouse.duckdb"
        warehouse = WarehouseSettings(path=path, published_path=path)
        connector = type(CONNECTOR)("aiproxy", BenchSettings, PagesReader, CONNECTOR.source)
        run = Run("bench", "nightly", NOW, warehouse)
        outcome = load_source(Source("bench", connector, settings), run, LogWatcher())
        if outcome.error:
            raise SystemExit(outcome.error)
        with duckdb.connect(str(path)) as connection:
            found = connection.execute("select count(*) from raw_aiproxy.logs").fetchone()
    return int(found[0]) if found else 0


WAYS: dict[str, tuple[str, Callable[[Sequence[bytes]], int]]] = {
    "parse": ("parse JSON, keep nothing", parse_only),
    "arrow": ("pages to Arrow", to_arrow),
    "warehouse": ("pages to DuckDB", to_warehouse),
}


def measure(way: str, rows: int) -> dict[str, Any]:
    """Run one way in this process; report what it took beyond making the pages."""
    pages = list(make_pages(rows))
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    count = WAYS[way][1](pages)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "rows": count,
        "wall": wall,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "pages_mb": sum(map(len, pages)) / 1e6,
        "before_mb": before.ru_maxrss / 1e3,
        "peak_mb": after.ru_maxrss / 1e3,
    }


def main() -> None:
    """Measure each way and print the table."""
    parser = argparse.ArgumentParser(description="Measure the way from pages to the table.")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--way", choices=WAYS)
    args = parser.parse_args()
    if args.way:
        print(json.dumps(measure(args.way, args.rows)))  # noqa: T201 - read by the parent process
        return
    table = Table("way", "rows/s", "wall s", "CPU s", "CPU / parse", "peak MB", "pages MB")
    parse_cpu = 0.0
    for way, (meaning, _) in WAYS.items():
        command = [
            sys.executable,
            "-m",
            "pipelines.dev.bench",
            "--rows",
            str(args.rows),
            "--way",
            way,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        found = json.loads(done.stdout.splitlines()[-1])
        parse_cpu = parse_cpu or found["cpu"]
        table.add_row(
            meaning,
            f"{found['rows'] / found['wall']:,.0f}",
            f"{found['wall']:.1f}",
            f"{found['cpu']:.1f}",
            f"{found['cpu'] / parse_cpu:.1f}",
            f"{found['peak_mb']:,.0f}",
            f"{found['pages_mb']:,.0f}",
        )
    Console().print(f"{args.rows:,} AI Proxy log rows, {args.rows // PAGE_ROWS:,} pages")
    Console().print(table)


if __name__ == "__main__":
    main()
