"""How a load is watched: bars with an ETA on a terminal, plain log lines elsewhere."""

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from llm_usage_warehouse.planning import Step
from llm_usage_warehouse.telling import harmless, named, say

PageProgress = Callable[[int, int], None]

log = logging.getLogger("llm_usage")

PAGES_PER_SLICE = 1000
"""A slice counts as this many units of its bar, so that its pages move the bar before it ends."""

BAR, LONGEST_NAME = 10, 24
"""Characters of a bar, and those after which the name of its source goes on in the next line: at 80
columns there is room beside them for the ETA."""


@dataclass
class Count:
    """How far the load of a source has come: windows planned and in the warehouse, and rows."""

    planned: int = 0
    loaded: int = 0
    rows: int = 0

    def __str__(self) -> str:
        return f"{self.loaded:,} of {self.planned:,} windows ({self.rows:,} rows)"


class LogWatcher:
    """Writes a line per slice to the log `llm_usage`."""

    def __init__(self) -> None:
        self._counts: dict[str, Count] = defaultdict(Count)
        self._lock = threading.Lock()

    def so_far(self) -> str:
        """Return how much of each source is in the warehouse; nothing where none was planned."""
        with self._lock:
            return ", ".join(f"{source} {count}" for source, count in sorted(self._counts.items()))

    def planned(self, source: str, steps: int) -> None:
        """Say how much there is to do."""
        self._plan(source, steps)
        log.info("%s: %d windows to read", source, steps)

    def reading(self, source: str, step: Step) -> PageProgress:
        """Say what is read; pages are told at debug level."""

        def pages(done: int, total: int) -> None:
            log.debug(
                "%s: %s %s: page %d of %d", source, step.stream.name, step.window, done, total
            )

        return pages

    def loaded(self, source: str, step: Step, rows: int) -> None:
        """Say that a slice is in the warehouse."""
        self._count(source, rows)
        scope = f" {step.scope}" if step.scope else ""
        where = f"{step.stream.name}{harmless(scope)}"
        log.info("%s: %s %s: %d rows", source, where, step.window, rows)

    def failed(self, source: str, error: str) -> None:
        """Say why a source stopped."""
        log.error("%s", harmless(named(source, error)))

    def _plan(self, source: str, steps: int) -> None:
        with self._lock:
            self._counts[source].planned += steps

    def _count(self, source: str, rows: int) -> None:
        with self._lock:
            self._counts[source].loaded += 1
            self._counts[source].rows += rows


class BarWatcher(LogWatcher):
    """Draws a bar per source."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._shares: dict[tuple[str, str], float] = {}

    def planned(self, source: str, steps: int) -> None:
        """Start the source's bar, or make it longer."""
        self._plan(source, steps)
        with self._lock:
            if source not in self._tasks:
                self._tasks[source] = self._progress.add_task(source, total=0, step="")
            task = self._tasks[source]
            total = (self._progress.tasks[task].total or 0) + steps * PAGES_PER_SLICE
            self._progress.update(task, total=total)

    def reading(self, source: str, step: Step) -> PageProgress:
        """Move the bar within the slice, page by page."""
        day = step.window.start.to_date_string()
        self._move(source, step, 0, f"{day} {step.stream.name} {step.scope}")

        def pages(done: int, total: int) -> None:
            self._move(source, step, min(done / max(total, 1), 1))

        return pages

    def loaded(self, source: str, step: Step, rows: int) -> None:
        """Count a slice off."""
        self._count(source, rows)
        day = step.window.start.to_date_string()
        self._move(source, step, 1, f"{day} {step.stream.name}: {rows:,} rows")

    def failed(self, source: str, error: str) -> None:
        """Say above the bars why a source stopped; a line of the log would run into them."""
        say(self._progress.console, ("failed", "red"), f" {named(source, error)}")

    def _move(self, source: str, step: Step, share: float, said: str | None = None) -> None:
        with self._lock:
            slice_ = (source, str(step))
            gained = share - self._shares.get(slice_, 0)
            self._shares[slice_] = share
            task = self._tasks[source]
            self._progress.update(task, advance=gained * PAGES_PER_SLICE)
            if said is not None:
                self._progress.update(task, step=harmless(said))


@contextmanager
def watching(console: Console, *, quiet: bool = False) -> Iterator[LogWatcher]:
    """Watch with bars where `console` is a terminal, else, or if it is to be quiet, by the log."""
    if quiet or not console.is_terminal:
        yield LogWatcher()
        return
    # What is being read gets the room that is left: the name and the ETA are never cut.
    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    columns = (
        SpinnerColumn(table_column=Column(no_wrap=True)),
        TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(max_width=LONGEST_NAME, overflow="fold"),
        ),
        BarColumn(BAR, table_column=Column(no_wrap=True)),
        TaskProgressColumn(),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
        TextColumn("left", table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[step]}", markup=False, table_column=rest),
    )
    with Progress(*columns, console=console, expand=True) as progress:
        yield BarWatcher(progress)
