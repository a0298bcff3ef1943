"""Nights of four simulated vendors, in a warehouse of any engine."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from pendulum import DateTime

from llm_usage_warehouse.settings import in_environment
from llm_usage_warehouse.simulator import Simulator
from tests.loads import NOW, frozen

NIGHT = """
import sys
import pendulum
from llm_usage_warehouse.connectors import configured_sources
from llm_usage_warehouse.nightly import run_night
from llm_usage_warehouse.progress import LogWatcher
from llm_usage_warehouse.settings import load_warehouse
now, *names = sys.argv[1:]
night = run_night(
    configured_sources(names), load_warehouse(), LogWatcher(), pendulum.from_timestamp(int(now))
)
failed = [load.error for load in night.loads if load.error]
problems = night.models.problems if night.models else ()
wrong = [*failed, night.stopped or "", *problems, *night.warnings]
raise SystemExit(" | ".join(filter(None, wrong)) or None)
"""

LOAD = """
import sys
import pendulum
from llm_usage_warehouse.connectors import configured_sources
from llm_usage_warehouse.loading import load_sources
from llm_usage_warehouse.one_source import Run
from llm_usage_warehouse.progress import LogWatcher
from llm_usage_warehouse.settings import load_warehouse
from llm_usage_warehouse.warehouse import writing
now, *names = sys.argv[1:]
warehouse, at = load_warehouse(), pendulum.from_timestamp(int(now))
with writing(warehouse):
    done = load_sources(configured_sources(names), Run(now, at, warehouse), LogWatcher())
raise SystemExit(" | ".join(one.error for one in done if one.error) or None)
"""

BUILD = """
from llm_usage_warehouse.connectors import connectors
from llm_usage_warehouse.publish import publish
from llm_usage_warehouse.settings import load_warehouse
from llm_usage_warehouse.transform import transform
from llm_usage_warehouse.warehouse import writing
warehouse = load_warehouse()
with writing(warehouse):
    done = transform(warehouse, connectors().values())
    if not done.is_sound:
        raise SystemExit(" | ".join(done.problems))
    publish(warehouse, everything=done.tested_all)
"""

OF_A_RUN = (
    *("load_id", "run_id", "publication_id", "recorded_from", "recorded_to"),
    *("detail_read_at", "control_read_at", "held_since"),
)
"""Columns that say by which run, and when, something came to be known."""

CLOCKS = (
    *("publications", "restatements", "audits", "audit_runs", "load_status", "publishing_changes"),
    *("publishing_order", "publishing_stamp"),
)
"""Published tables that say it in all of their rows."""

Rows = list[tuple[object, ...]]


class Nights:
    """A project folder that reads four vendors.

    Args:
        folder: the project's, which is made.
        vendors: running.
        warehouse: its settings.

    Attributes:
        script: what a night is.
    """

    script = NIGHT

    def __init__(self, folder: Path, vendors: Simulator, **warehouse: str) -> None:
        (folder / ".dlt").mkdir(parents=True)
        self.folder = folder
        self._env = {name: text for name, text in os.environ.items() if "__" not in name}
        self._env |= {"DLT_PROJECT_DIR": str(folder), **in_environment("warehouse", warehouse)}
        for source, settings in vendors.settings().items():
            self._env |= in_environment(f"sources.{source}", {**settings, "start": "P3D"})

    def begin(self, *sources: str, now: DateTime = NOW) -> subprocess.Popen[str]:
        """Start a night of some sources, by default of all."""
        return subprocess.Popen(
            [sys.executable, "-c", self.script, str(now.int_timestamp), *sources],
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *sources: str, now: DateTime = NOW) -> None:
        """Run a night to its end, without a word of anything wrong."""
        code, said = self.tried(*sources, now=now)
        assert (code, said) == (0, ""), said

    def tried(self, *sources: str, now: DateTime = NOW) -> tuple[int, str]:
        """Run a night, and return its exit code and its last line, if it has one to say."""
        with self.begin(*sources, now=now) as process:
            return ended(process)

    def load(self, now: DateTime) -> None:
        """Load all sources, and build nothing."""
        self._python(LOAD, str(now.int_timestamp))

    def build(self) -> None:
        """Build, test and publish what is loaded."""
        self._python(BUILD)

    def _python(self, statements: str, *arguments: str) -> None:
        subprocess.run([sys.executable, "-c", statements, *arguments], env=self._env, check=True)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the program in the project."""
        return subprocess.run(
            [str(Path(sys.executable).with_name("llm-usage")), *arguments],
            env=self._env,
            capture_output=True,
            text=True,
            check=False,
        )

    def published(self) -> dict[str, Rows]:
        """Return the rows of each published table, without what tells one night from another.

        How many rows a vendor promised for what was read depends on how often it was read.
        """
        with duckdb.connect(str(self.folder / "data/llm_usage.duckdb"), read_only=True) as file:
            file.execute("set TimeZone = 'UTC'")
            found = file.execute(
                "select schema_name, table_name, list(column_name order by column_index) "
                "from duckdb_columns() inner join duckdb_tables() using (database_name, "
                "schema_name, table_name) where not list_contains(?, table_name) group by all",
                [list(CLOCKS)],
            ).fetchall()
            tables = {
                f"{schema}.{name}": file.execute(
                    f"select {', '.join(one for one in columns if one not in OF_A_RUN)} "
                    f"from {schema}.{name} order by all"
                ).fetchall()
                for schema, name, columns in found
            }
        compared = tables["detail.reconciliation"]
        tables["detail.reconciliation"] = [
            row for row in compared if not str(row[1]).endswith("_vs_reported_total")
        ]
        return tables


def compare_two_nights(file: Nights, lake: Nights, vendors: Simulator) -> None:
    """Make sure that a lake publishes what a file does, and again once there are late rows."""
    for one in (file, lake):
        one.run()
    assert lake.published() == file.published()
    deliver_late(vendors)
    for one in (file, lake):
        one.run(now=NOW.add(hours=1))
    assert lake.published() == file.published()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a night, and return its exit code and its last line, if it has one to say."""
    said, _ = process.communicate()
    return process.returncode, "" if process.returncode == 0 else said.splitlines()[-1]


@contextmanager
def four_vendors() -> Iterator[Simulator]:
    """Serve four vendors whose clocks stand still."""
    with Simulator(frozen(rows_per_day=120)) as vendors:
        yield vendors


def deliver_late(vendors: Simulator) -> None:
    """Let a gateway show five calls of two days ago which it had not shown before."""
    gateway = vendors["aiproxy"].data
    for number in range(5):
        at = NOW.subtract(days=2).add(seconds=number).int_timestamp * 1_000_000
        gateway.add(model="gpt-4o", created_at=at, inserted_at=at)
