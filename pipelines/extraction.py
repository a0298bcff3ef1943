"""One source being read: planned once, read ahead, handed to dlt in as many packages as it takes.

The nightly run keeps an `Extraction` from one package to the next, and says how full each may be;
without that, a run of a pipeline is one package.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar
from uuid import uuid4

import dlt
import pendulum
from dlt.extract import DltResource
from pendulum import DateTime

from llm_usage_warehouse.http import SourceError, Traffic, counting
from llm_usage_warehouse.ledger import Coverage
from llm_usage_warehouse.packages import Package, Portion, ReadStep, resource
from llm_usage_warehouse.planning import Doubts, Mark, Span, Step, plan, still_unsettled
from llm_usage_warehouse.read_ahead import Job, PageThreads, ReadAhead
from llm_usage_warehouse.settings import SourceSettings
from llm_usage_warehouse.streams import Connector, Pull, Reader, Stream, TooManyRowsError, Write
from llm_usage_warehouse.values import first_instant, parse_instant
from llm_usage_warehouse.warnings import moved_marks, unread

T = TypeVar("T")
R = TypeVar("R")

ROWS_AHEAD = 25_000
"""Rows that may be read and not yet handed to dlt."""

ROWS_PER_SLICE = 20_000
"""A slice that holds more is cut: it is in memory as a whole, and a crash costs all of it."""

WAIT = 0.05
"""Seconds between two looks at whether a slice is done, so that an interrupt is noticed."""


log = logging.getLogger("llm_usage")


class Watcher(Protocol):
    """Told how the reading of a source goes on, by several threads."""

    def planned(self, source: str, steps: int) -> None:
        """`steps` more slices will be read."""

    def reading(self, source: str, step: Step) -> Callable[[int, int], None]:
        """A slice is begun; returns what is told of its pages: how many are done, of how many."""

    def loaded(self, source: str, step: Step, rows: int) -> None:
        """A slice is in the warehouse."""

    def failed(self, source: str, error: str) -> None:
        """The source stopped."""


@dataclass(frozen=True)
class ThreadPull(Pull):
    """Asks for pages through the threads of a read-ahead.

    Attributes:
        threads: as the job sees them.
        tell: told of pages.
        limit: how many rows the job's window may hold; None for any number.
    """

    threads: PageThreads
    tell: Callable[[int, int], None]
    limit: int | None

    def map(self, fn: Callable[[T], R], items: Iterable[T], rows: int = 0) -> Iterator[R]:
        """Yield `fn(item)` for each item, in order; see `PageThreads.map`."""
        return self.threads.map(fn, items, rows)

    def told(self, done: int, total: int) -> None:
        """Pass on how many pages are done."""
        self.tell(done, total)

    def check_size(self, rows: int) -> None:
        """Refuse a window of more rows than `limit`."""
        if self.limit is not None and rows > self.limit:
            raise TooManyRowsError(rows)


class _Feed:
    """The slices of one stream in their order, and who reads them ahead."""

    def __init__(self, stream: Stream, steps: list[tuple[Step, Job[ReadStep]]]) -> None:
        self.stream = stream
        self.steps = steps[::-1]


class Extraction:
    """One source being read.

    Args:
        connector: the vendor.
        settings: the source's.
        timezone: IANA name of the zone whose days reports count.
        now: the instant that it takes for the present; by default that of the first look.
        period: `[start, end)` of a backfill; None for everything since the watermarks.
        run_id: names the run in the ledger.
        package_rows: about how many rows one load package may hold.
        package_bytes: the same in bytes of Arrow tables.
        package_seconds: how long a package may wait for more slices.
        covered: what the ledger has lines of; a nightly run reads what of the marks it does not
            bear out. None where dlt's state is all there is.
        audit: returns what else is to be read again, given the reader; asked before anything is.
        watcher: told how it goes on.
        in_database: whether what it is loaded into can delete rows, and insert others for them.

    Attributes:
        error: what ended the reading before its plan was done, where `package_rows` is given; it
            is for the caller to raise, once what came before it is loaded.
        failed_at: the slice or the stream that it happened in; empty where in none.
        warnings: what a person should know of the plan and of streams that were given up, each with
            the slices that it is true of.
        package: the load package being filled.
    """

    def __init__(
        self,
        connector: Connector,
        settings: SourceSettings,
        timezone: str,
        *,
        now: DateTime | None = None,
        period: tuple[DateTime, DateTime] | None = None,
        run_id: str | None = None,
        package_rows: int | None = None,
        package_bytes: int | None = None,
        package_seconds: float | None = None,
        covered: Coverage | None = None,
        audit: Callable[[Reader], Doubts] | None = None,
        watcher: Watcher | None = None,
        in_database: bool = True,
    ) -> None:
        self.error: BaseException | None = None
        self.failed_at = ""
        self.warnings: dict[str, list[str]] = {}
        self._connector = connector
        self._settings = settings
        self._timezone = timezone
        self._now = now
        self._period = period
        self._run_id = run_id
        self._budget = (package_rows, package_bytes, package_seconds)
        self._covered = covered
        self._audit = audit
        self._doubts: Doubts = {}
        self._watcher = watcher
        self._in_database = in_database
        self.package = Package(*self._budget)
        self._reader: Reader | None = None
        self._streams: dict[str, Stream] = {}
        self._ahead: ReadAhead[ReadStep] | None = None
        self._feeds: dict[str, _Feed] = {}

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to be read."""
        return self.error is not None or not any(feed.steps for feed in self._feeds.values())

    def resources(self) -> list[DltResource]:
        """Return a resource for each table, of which the next load package is made."""
        self.package = Package(*self._budget)
        return [
            resource(
                table,
                self._generator(table.name),
                deduplicated=self._is_shared and self._in_database,
            )
            for table in self._connector.tables
        ]

    def close(self) -> None:
        """End every thread and every request."""
        if self._ahead is not None:
            self._ahead.stop()
        if self._reader is not None:
            self._reader.close()
        self._reader = self._ahead = None

    def _generator(self, name: str) -> Callable[[], Iterator[Any]]:
        # dlt calls it anew for each package.
        def rows() -> Iterator[Any]:
            return self._rows(name)

        return rows

    def _rows(self, name: str) -> Iterator[Any]:
        """Yield one stream's part of the package; None where others should go on meanwhile."""
        try:
            yield from self._filled(name)
        except BaseException:
            # The generator was closed, interrupted or failed: nothing of this read will be used.
            self.close()
            raise
        if not self._is_shared and self.is_done:
            self.close()
            self._feeds.clear()

    def _filled(self, name: str) -> Iterator[Any]:
        feed = self._feed(name)
        if feed is None:
            return
        portion = Portion(
            feed.stream.table,
            self._run_id or "",
            self._settings.name,
            deduplicated=self._is_shared,
        )
        state = dlt.current.resource_state(name).setdefault(self._settings.name, {})
        # Instants cost more to spell out than to move, and a mark may name a hundred of them.
        marks: dict[str, Mark] = {}
        while feed.steps and not self.package.is_full and self.error is None:
            read = None
            with self._kept():
                read = self._next(feed)
            if read is None:
                yield None
                continue
            # What goes wrong from here on ends the package, with the marks that it would move.
            portion.add(read)
            self.package.add(read)
            self._move_mark(marks, state, read)
            if portion.is_large:
                yield from portion.rows()
        state |= {scope: mark.to_state() for scope, mark in marks.items()}
        yield from portion.items()

    @property
    def _is_shared(self) -> bool:
        """Whether the caller loads package after package, and wants what came before an error."""
        return self._budget[0] is not None

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Keep an error for the caller, where there is one that loads what came before it."""
        try:
            yield
        except Exception as error:
            if not self._is_shared:
                raise
            self.error = error

    def _feed(self, name: str) -> _Feed | None:
        """Return the slices of a stream, planned on the first look; None where it has none."""
        if name not in self._feeds and self.error is None:
            with self._kept():
                self._open()
                if name in self._streams:
                    self._feeds[name] = self._planned_or_missed(self._streams[name])
        return self._feeds.get(name)

    def _open(self) -> None:
        if self._reader is None:
            self._reader = self._connector.open(self._settings, self._timezone)
            self._streams = {stream.name: stream for stream in self._reader.streams()}
            threads = self._settings.limits.concurrency
            self._ahead = ReadAhead(threads, ROWS_AHEAD, self._settings.name)
            self._run_id = self._run_id or uuid4().hex
            if self._audit is not None:
                self._doubts = self._audit(self._reader)

    def _planned_or_missed(self, stream: Stream) -> _Feed:
        try:
            return self._planned(stream)
        except Exception as error:
            if isinstance(error, SourceError) and self._is_missed(stream, error):
                return _Feed(stream, [])
            self.failed_at = f"stream {stream.name}"
            raise

    def _is_missed(self, stream: Stream, error: SourceError, where: str = "") -> bool:
        """Say whether the source can do without a stream that is refused, and write it down."""
        if not stream.missed or not error.is_refusal:
            return False
        text = f"stream {stream.name} was not read, which costs {stream.missed}: {error}"
        self.warnings[text] = [where] if where else []
        log.warning("%s", text)
        return True

    def _planned(self, stream: Stream) -> _Feed:
        state = dlt.current.resource_state(stream.name).setdefault(self._settings.name, {})
        scopes = stream.scopes(sorted(state))
        self._span = span = self._asked()
        known = {scope: Mark.from_state(state.get(scope, {})) for scope in scopes}
        marked = {scope: self._checked(stream, scope, mark) for scope, mark in known.items()}
        goals = {
            scope: mark.doubted(self._doubts.get((stream.name, scope), ()))
            for scope, mark in marked.items()
        }
        state.update(
            {scope: mark.to_state() for scope, mark in goals.items() if mark != known[scope]}
        )
        plans = [plan(stream, scope, goals[scope], span) for scope in scopes]
        count = sum(1 for one in plans if one)
        steps = [replace(step, planned_scopes=count) for one in plans for step in one]
        sentences = moved_marks(stream, known, marked)
        if not steps:
            sentences += unread(stream, scopes, span)
        self.warnings |= {one: [] for one in sentences}
        if self._watcher:
            self._watcher.planned(self._settings.name, len(steps))
        return _Feed(stream, [(step, self._submit(step)) for step in steps])

    def _asked(self) -> Span:
        """Return which time is asked for: a duration of `start` counts from the first run."""
        now = self._now or pendulum.now("UTC")
        counted_from = now
        if self._period is None:
            runs = dlt.current.source_state().setdefault("first_runs", {})
            text = runs.setdefault(self._settings.name, now.to_iso8601_string())
            counted_from = parse_instant(text, "UTC")
        first = first_instant(self._settings.start, self._timezone, counted_from)
        return Span(now, first, self._period)

    def _checked(self, stream: Stream, scope: str, mark: Mark) -> Mark:
        """Return the mark of a scope as a nightly run goes on from it."""
        if self._period is not None:
            return mark
        if self._covered is not None:
            mark = mark.borne_out(self._covered.get((stream.name, scope), ()))
        return mark.asked_from(self._span.first)

    def _submit(self, step: Step, order: int | None = None) -> Job[ReadStep]:
        assert self._ahead is not None  # noqa: S101 - opened with the reader
        return self._ahead.submit(lambda threads: self._read(step, threads), order)

    def _read(self, step: Step, threads: PageThreads) -> ReadStep:
        """Read one slice, in a thread of the read-ahead."""
        tell = self._watcher.reading(self._settings.name, step) if self._watcher else _untold
        is_whole = step.is_whole or step.stream.table.write is Write.SNAPSHOT
        started = pendulum.now("UTC")
        with counting(Traffic()) as traffic:
            pull = ThreadPull(threads, tell, None if is_whole else ROWS_PER_SLICE)
            reading = step.stream.read(step.scope, step.window, pull)
        finished = pendulum.now("UTC")
        rows = step.stream.table.count(reading.tables)
        return ReadStep(step, reading, rows, traffic.requests, traffic.retries, started, finished)

    def _next(self, feed: _Feed) -> ReadStep | None:
        """Return the next slice of a stream once it is read, else None."""
        assert self._ahead is not None  # noqa: S101 - opened with the reader
        step, job = feed.steps[-1]
        if not self._ahead.wait(job, WAIT):
            return None
        feed.steps.pop()
        self._ahead.release(job)
        try:
            return job.outcome.result()
        except TooManyRowsError as error:
            self._cut(feed, step, job, error.rows)
            return None
        except Exception as error:
            if isinstance(error, SourceError) and self._is_missed(feed.stream, error, str(step)):
                self._drop(feed)
                return None
            self.failed_at = str(step)
            error.add_note(f"[{step}]")
            raise

    def _drop(self, feed: _Feed) -> None:
        """Leave the rest of a stream to the next run: its mark must not pass what was refused."""
        assert self._ahead is not None  # noqa: S101 - opened with the reader
        for _, job in feed.steps:
            self._ahead.drop(job)
        if self._watcher:
            self._watcher.planned(self._settings.name, -1 - len(feed.steps))
        feed.steps.clear()

    def _cut(self, feed: _Feed, step: Step, job: Job[ReadStep], rows: int) -> None:
        """Put the pieces of a slice in its place."""
        pieces = step.cut(-(-rows // ROWS_PER_SLICE))
        if self._watcher:
            self._watcher.planned(self._settings.name, len(pieces) - 1)
        feed.steps += [(piece, self._submit(piece, job.order)) for piece in pieces][::-1]

    def _move_mark(self, marks: dict[str, Mark], state: dict[str, Any], read: ReadStep) -> None:
        if read.step.stream.table.write is Write.SNAPSHOT:
            return
        scope = read.step.scope
        known = marks.get(scope) or Mark.from_state(state.get(scope, {}))
        marks[scope] = known.after(
            read.step.window,
            still_unsettled(read.step.stream, read.reading, self._span),
            first=self._span.first,
            moves=self._period is None,
        )


def _untold(_done: int, _total: int) -> None:
    """Tell nobody."""
