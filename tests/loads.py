"""What tests of loading share: a project folder of their own, a vendor on loopback, one load."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path
from typing import Any, TypeVar

import pendulum
import pytest
from pendulum import DateTime

from llm_usage_warehouse.connectors import configured_sources
from llm_usage_warehouse.extraction import ThreadPull
from llm_usage_warehouse.loading import load_sources
from llm_usage_warehouse.one_source import Run, SourceOutcome
from llm_usage_warehouse.progress import LogWatcher
from llm_usage_warehouse.read_ahead import ReadAhead
from llm_usage_warehouse.settings import in_environment, load_warehouse
from llm_usage_warehouse.simulator import Personality, Simulator, World
from llm_usage_warehouse.streams import Pull
from llm_usage_warehouse.warehouse import connect, writing

T = TypeVar("T")

NOW = pendulum.datetime(2026, 11, 20, 12, 0, 0)
"""The present of every simulated vendor in a test."""


def frozen(now: DateTime = NOW, **changes: Any) -> World:
    """Return a small world whose clock stands still."""
    return World(**{"now": now.timestamp, "days": 3, "rows_per_day": 240, **changes})


def pulled(read: Callable[[Pull], T], limit: int | None = None, threads: int = 4) -> T:
    """Run what reads from a vendor in the threads that a load uses, counted where it is called."""
    ahead: ReadAhead[T] = ReadAhead(threads, 10_000, "test")
    context = copy_context()
    try:
        job = ahead.submit(
            lambda pages: context.run(read, ThreadPull(pages, lambda *_: None, limit))
        )
        return job.outcome.result(60)
    finally:
        ahead.stop()


class Project:
    """A project folder in which one source is configured.

    Args:
        folder: an empty folder.
        monkeypatch: sets the environment, which overrides every other setting.
        source: the source's name.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
        (folder / ".dlt").mkdir(exist_ok=True)
        self.folder = folder
        self.source = source
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("DLT_PROJECT_DIR", str(folder))
        self.set(start="P3D", attempts=3, timeout="PT10S")

    def set(self, **settings: Any) -> None:
        """Set settings of the source; lists and tables are written as JSON."""
        for name, text in in_environment(f"sources.{self.source}", settings).items():
            self._monkeypatch.setenv(name, text)

    def set_warehouse(self, **settings: str) -> None:
        """Set settings of the warehouse."""
        for name, text in in_environment("warehouse", settings).items():
            self._monkeypatch.setenv(name, text)

    def load(
        self,
        now: DateTime = NOW,
        period: tuple[DateTime, DateTime] | None = None,
        *,
        run_id: str = "run",
    ) -> SourceOutcome:
        """Run one nightly load at `now`, or a backfill of `period`."""
        warehouse = load_warehouse()
        (source,) = configured_sources([self.source])
        run = Run(run_id, now, warehouse, period)
        with writing(warehouse):
            (outcome,) = load_sources([source], run, LogWatcher())
        return outcome

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query on the private warehouse."""
        with connect(load_warehouse(), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def one(self, sql: str) -> Any:
        """Return the single value of a query."""
        ((value,),) = self.query(sql)
        return value


@contextmanager
def vendor(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, world: World
) -> Iterator[tuple[Personality, Project]]:
    """Run a simulated vendor, and yield it with a project that is set up to read it."""
    with Simulator(world, [name]) as simulator:
        project = Project(folder, monkeypatch, name)
        project.set(**simulator[name].settings)
        yield simulator[name], project
