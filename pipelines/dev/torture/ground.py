"""What every hurt is done to: two small nights of four vendors, whose clock stands still.

Since nothing changes at the vendors, the tables after the second night are known, however often it
was begun.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pendulum

from llm_usage_warehouse.layout import STAMP
from llm_usage_warehouse.settings import in_environment
from llm_usage_warehouse.simulator import Simulator, World
from llm_usage_warehouse.targets.changes import CHANGES, ORDER

NOW = pendulum.datetime(2026, 11, 20, 12)
"""The vendors' present, and that of the second night."""

BEFORE = NOW.subtract(days=1)
"""The present of the first night."""

ROWS_PER_DAY = 150
DAYS = 3
START = NOW.subtract(days=DAYS).to_date_string()
LATENCY = 0.02
"""Seconds of every answer: without it, a load is over before it can be hurt."""

NIGHT = (
    # A shell has what it starts in the background ignore Ctrl-C, and so does whatever that starts.
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "import sys; from llm_usage_warehouse.cli import app; app(sys.argv[1:])"
)
LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0})); "

OF_A_LOAD = {
    *("_dlt_load_id", "load_id", "window_start", "window_end", "row_in_window"),
    *("detail_read_at", "control_read_at", "loaded_at"),
}
"""Columns that say when a row was read, and with which others; all else must be equal."""

OF_A_RUN = {"load_ledger", "load_status", STAMP, *(one.split(".")[1] for one in (ORDER, CHANGES))}
"""Tables that tell of runs, and so of how many there were; those of schema `history` do, too."""

LEFT_OUT = {"detail.reconciliation": "measure = 'rows'"}
"""Rows that count what was read, and so what was read twice."""

Contents = dict[str, int | str | None]
"""Of each table how many rows it has; of these, and of each of its columns, a checksum."""


@dataclass(frozen=True)
class Ended:
    """How a night ended.

    Attributes:
        code: its exit code; negative where a signal killed it.
        said: what it printed.
        seconds: from its start.
    """

    code: int
    said: str
    seconds: float


class Ground:
    """A data folder with a first night in it, and vendors to go on from.

    Args:
        folder: an empty folder.
        simulator: the vendors.

    Raises:
        SystemExit: an undisturbed night fails, or two of them part.
    """

    def __init__(self, folder: Path, simulator: Simulator) -> None:
        (folder / ".dlt").mkdir(parents=True)
        self.folder = folder
        self.simulator = simulator
        self.data = folder / "data"
        self._first = folder / "first"
        self._finished(BEFORE)
        shutil.copytree(self.data, self._first)
        self.lengths = self._calm()
        self.expected = self.contents()

    def begin(self, *, empty: bool = False) -> None:
        """Put the data folder back to what it was after the first night, or before it."""
        shutil.rmtree(self.data, ignore_errors=True)
        for one in self.simulator.personalities.values():
            one.world.faults.clear()
            one.world.requests.clear()
        if not empty:
            shutil.copytree(self._first, self.data)

    def remove(self, name: str) -> None:
        """Remove a file or folder of the data folder."""
        for place in (self.data / name, self.data / f"{name}.wal"):
            shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)

    def put_back(self, name: str) -> None:
        """Put back a file or folder of the data folder as it was after the first night."""
        self.remove(name)
        earlier = self._first / name
        (shutil.copytree if earlier.is_dir() else shutil.copy2)(earlier, self.data / name)

    @contextmanager
    def night(self, file_limit: int | None = None) -> Iterator[subprocess.Popen[str]]:
        """Start the second night; it has ended when the block has.

        Args:
            file_limit: bytes beyond which no file can grow, as on a full disk.
        """
        with self._night(NOW, file_limit) as process:
            yield process

    def finish(self) -> Ended:
        """Run the second night, undisturbed, to its end."""
        began = time.monotonic()
        with self.night() as process:
            said, _ = process.communicate()
        return Ended(process.returncode, said, time.monotonic() - began)

    def phase(self, since: float) -> str:
        """Return what a night that began at Unix time `since` is doing: load, models or publish."""
        work = self.data / "dbt"
        if _newer(work / "target" / "run_results.json", since):
            return "publish"
        return "models" if _newer(work / "said.log", since) else "load"

    def contents(self) -> Contents:
        """Return what is in the raw tables and in the published ones."""
        is_read = "starts_with(schema_name, 'raw_') and schema_name <> 'raw_prices'"
        raw = _checksums(self.data / "warehouse.duckdb", is_read)
        return raw | _checksums(self.data / "llm_usage.duckdb", "schema_name in ('detail', 'ops')")

    def _calm(self) -> dict[str, float]:
        """Run the second night; return how many seconds each of its phases took."""
        lengths: dict[str, float] = {}
        began = before = time.time()
        phase = "load"
        with self.night() as process:
            while process.poll() is None:
                time.sleep(0.02)
                if (now := self.phase(began)) != phase:
                    lengths[phase], before, phase = time.time() - before, time.time(), now
            said, _ = process.communicate()
        lengths[phase] = time.time() - before
        _must_be_good(process.returncode, said)
        return lengths

    def _finished(self, until: pendulum.DateTime) -> None:
        with self._night(until) as process:
            said, _ = process.communicate()
        _must_be_good(process.returncode, said)

    @contextmanager
    def _night(
        self, until: pendulum.DateTime, file_limit: int | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        limit = "" if file_limit is None else LIMITED.format(file_limit)
        with subprocess.Popen(  # noqa: S603 - our own interpreter and our own program
            [sys.executable, "-c", limit + NIGHT, "nightly", "--until", until.isoformat()],
            env={**os.environ, **self._environment()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            yield process

    def _environment(self) -> Mapping[str, str]:
        found = {
            "DLT_PROJECT_DIR": str(self.folder),
            "WAREHOUSE__PATH": str(self.data / "warehouse.duckdb"),
            "WAREHOUSE__PUBLISHED_PATH": str(self.data / "llm_usage.duckdb"),
        }
        for name, settings in self.simulator.settings().items():
            own = {**settings, "start": START, "slice": "PT6H", "attempts": 3}
            found |= in_environment(f"sources.{name}", own)
        return found


@contextmanager
def ground() -> Iterator[Ground]:
    """Make a ground in a folder of its own, which is removed when all is done."""
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    world = World(now=NOW.timestamp, days=DAYS, rows_per_day=ROWS_PER_DAY, latency=LATENCY)
    with Simulator(world) as simulator:
        yield Ground(folder / "ground", simulator)
    shutil.rmtree(folder)


def _newer(path: Path, since: float) -> bool:
    return path.exists() and path.stat().st_mtime >= since


def _must_be_good(code: int, said: str) -> None:
    if code:
        raise SystemExit(f"an undisturbed night ended with {code}:\n{said}")


def _checksums(path: Path, where: str) -> Contents:
    found: Contents = {}
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        columns = (
            connection.table_function("duckdb_columns")
            .filter(f"not internal and {where}")
            .aggregate("schema_name || '.' || table_name, list(column_name order by column_index)")
        )
        for table, names in columns.fetchall():
            name = table.partition(".")[2]
            if name.startswith("_dlt") or name in OF_A_RUN:
                continue
            kept = [f'"{column}"' for column in names if column not in OF_A_LOAD]
            sums = [f"sum(hash({one}))::varchar" for one in (", ".join(kept), *kept)]
            of_all = f"select count(*), {', '.join(sums)} from {table}"  # noqa: S608
            (row,) = connection.execute(
                f"{of_all} where not ({LEFT_OUT.get(table, 'false')})"
            ).fetchall()
            found |= zip(
                (table, f"{table} as rows", *(f"{table}.{one}" for one in kept)), row, strict=True
            )
    return found
