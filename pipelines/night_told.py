"""A night as the command line runs it: judged, told to people and machines, and its exit code."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

import pendulum
import typer

from llm_usage_warehouse import notify as notifications
from llm_usage_warehouse import report
from llm_usage_warehouse.checks import checked_settings
from llm_usage_warehouse.connectors import Source
from llm_usage_warehouse.ending import EXIT_FAILED, console, errors, how_far
from llm_usage_warehouse.errors import RunError, UsageError, in_a_line
from llm_usage_warehouse.interrupts import TerminatedError, kept
from llm_usage_warehouse.night_log import write_down
from llm_usage_warehouse.nightly import Night, run_night
from llm_usage_warehouse.notify_settings import NotifySettings, load_notify
from llm_usage_warehouse.progress import watching
from llm_usage_warehouse.settings import WarehouseSettings, demo_flag, refuse_demo
from llm_usage_warehouse.status import still_differing
from llm_usage_warehouse.telling import say
from llm_usage_warehouse.verdict import judge


def checked(names: list[str] | None) -> tuple[WarehouseSettings, list[Source]]:
    """Return all settings of a run into a warehouse of real rows.

    Raises:
        UsageError: some are wrong, or the warehouse is the demo's.
    """
    warehouse, sources = checked_settings(names or ())
    refuse_demo(warehouse)
    return warehouse, sources


def checked_or_told(names: list[str] | None) -> tuple[WarehouseSettings, list[Source]]:
    """Return all settings; that they are wrong is told by message, too, where that is possible.

    Raises:
        UsageError: as `checked` does.
    """
    try:
        return checked(names)
    except UsageError as error:
        with suppress(UsageError):
            line = "NOT STARTED: the settings or the command line are wrong"
            _warn(notifications.tell_end(load_notify(), line, error.problems))
        raise


def run_and_tell(
    warehouse: WarehouseSettings,
    sources: Sequence[Source],
    now: pendulum.DateTime | None = None,
    period: tuple[pendulum.DateTime, pendulum.DateTime] | None = None,
    audited: tuple[pendulum.DateTime, pendulum.DateTime] | None = None,
) -> None:
    """Run a night, and tell how it went.

    Args:
        warehouse: what is written.
        sources: what is read.
        now: what it takes for the present; by default the present.
        period: read this stretch again, instead of what is new.
        audited: what is held against the vendors' totals, instead of the audit window.

    Raises:
        typer.Exit: with 1, where something failed.
    """
    began = pendulum.now("UTC")
    ways = load_notify()
    with _end_told(warehouse, ways):
        night = run_watched(warehouse, sources, now, period, audited)
        verdict = judge(warehouse, night)
    night.warnings += notifications.tell_night(warehouse, ways, night, verdict)
    report.night(console, warehouse, night, verdict)
    failed = not night.ok or (warehouse.fail_on_differences and still_differing(warehouse))
    code = EXIT_FAILED if failed else 0
    write_down(warehouse, night, verdict, began, pendulum.now("UTC"), code)
    if failed:
        raise typer.Exit(code)


@contextmanager
def _end_told(warehouse: WarehouseSettings, ways: NotifySettings) -> Iterator[None]:
    """Tell by message, too, of a run that comes to no verdict, but for one ended by hand."""
    try:
        with kept():
            yield
    except TerminatedError as error:
        line, patience = f"TERMINATED{how_far(error)}", notifications.PATIENCE_AT_THE_END
        if not demo_flag(warehouse).exists():
            _warn(notifications.tell_end(ways, line, patience=patience))
        raise
    except Exception as error:
        line = str(error) if isinstance(error, RunError) else in_a_line(error)
        if not demo_flag(warehouse).exists():
            _warn(notifications.tell_end(ways, f"NOT PUBLISHED: {line}"))
        raise


def _warn(warnings: Iterable[str]) -> None:
    for one in warnings:
        say(errors, report.WARNING, f" {one}")


def run_watched(
    warehouse: WarehouseSettings,
    sources: Sequence[Source],
    now: pendulum.DateTime | None,
    period: tuple[pendulum.DateTime, pendulum.DateTime] | None = None,
    audited: tuple[pendulum.DateTime, pendulum.DateTime] | None = None,
) -> Night:
    """Run a night, with a bar for each source; what it had loaded is noted where it is ended."""
    with watching(errors, quiet=console.quiet) as watcher:
        present = now or pendulum.now("UTC")
        try:
            with kept():
                return run_night(sources, warehouse, watcher, present, period, audited)
        except KeyboardInterrupt as interrupt:
            if so_far := watcher.so_far():
                interrupt.add_note(so_far)
            raise
