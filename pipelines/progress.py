"""How a load is watched: bars with an ETA on a terminal, plain log lines elsewhere."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

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

from pipelines.runner import Step
from pipelines.streams import Progress as PageProgress

log = logging.getLogger("llm_usage")

PAGES_PER_SLICE = 1000
"""A slice counts as this many units of its bar, so that its pages move the bar before it ends."""


class LogWatcher:
    """Writes a line per slice to the log `llm_usage`."""

    def planned(self, source: str, steps: int) -> None:
        """Say how much there is to do."""
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
        scope = f" {step.scope}" if step.scope else ""
        log.info("%s: %s%s %s: %d rows", source, step.stream.name, scope, step.window, rows)

    def failed(self, source: str, error: str) -> None:
        """Say why a source stopped."""
        log.error("%s", error if error.startswith(source) else f"{source}: {error}")


class BarWatcher(LogWatcher):
    """Draws a bar per source; errors go to the log as they do without a terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._slices_done: dict[str, int] = {}
        self._lock = threading.Lock()

    def planned(self, source: str, steps: int) -> None:
        """Start the source's bar."""
        with self._lock:
            total = max(steps, 1) * PAGES_PER_SLICE
            self._tasks[source] = self._progress.add_task(source, total=total, step="")
            self._slices_done[source] = 0

    def reading(self, source: str, step: Step) -> PageProgress:
        """Move the bar within the slice, page by page."""
        day = step.window.start.to_date_string()
        before = self._slices_done[source] * PAGES_PER_SLICE
        self._progress.update(self._tasks[source], step=f"{step.stream.name} {step.scope} {day}")

        def pages(done: int, total: int) -> None:
            within = PAGES_PER_SLICE * min(done / max(total, 1), 1)
            self._progress.update(self._tasks[source], completed=before + within)

        return pages

    def loaded(self, source: str, step: Step, rows: int) -> None:
        """Count a slice off."""
        self._slices_done[source] += 1
        completed = self._slices_done[source] * PAGES_PER_SLICE
        done = f"{step.stream.name} {step.window.start.to_date_string()}: {rows} rows"
        self._progress.update(self._tasks[source], completed=completed, step=done)


@contextmanager
def watching(console: Console) -> Iterator[LogWatcher]:
    """Watch with bars where `console` is a terminal, else with log lines."""
    if not console.is_terminal:
        yield LogWatcher()
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[step]}"),
    )
    with Progress(*columns, console=console) as progress:
        yield BarWatcher(progress)
