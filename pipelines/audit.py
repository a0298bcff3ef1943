"""Holds what was loaded long ago against the vendor's own totals, and says what to read again.

A look-back finds rows that come a little late. Whatever comes later, or was lost on the way, shows
in the totals: each night those of the open period are asked for again and compared with the stored
ones. Where they differ, and where the models have found that rows and totals part, the stretch is
read again with the night's load. Nothing is read that no total asks for.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date

import duckdb
import pendulum
import pyarrow as pa
from pendulum import DateTime

from llm_usage_warehouse.audit_queries import (
    DIFFERING,
    compared_columns,
    comparison,
    create_tables,
    tell_earlier_audits,
)
from llm_usage_warehouse.errors import RunError, in_a_line
from llm_usage_warehouse.extraction import ROWS_AHEAD, WAIT, ThreadPull
from llm_usage_warehouse.history import attach
from llm_usage_warehouse.http import SourceError, Traffic, counting
from llm_usage_warehouse.ledger import Coverage
from llm_usage_warehouse.pages import UTC_MICROS
from llm_usage_warehouse.planning import Doubts
from llm_usage_warehouse.read_ahead import Job, PageThreads, ReadAhead
from llm_usage_warehouse.settings import SourceSettings, WarehouseSettings
from llm_usage_warehouse.streams import Audit, Reader, Reading, Stream
from llm_usage_warehouse.windows import Window, merged, nightly_window, slices, within

MOST_REQUESTS = 300
"""An audit of a source sends no more, about: what is older then waits for a quieter night."""

THOROUGH = pendulum.duration(days=90)
"""How far the audit of a Sunday looks back at least, and one that somebody asks for."""

ROWS_COMPARED = 20_000
"""Rows of totals that are held, about, before they are compared."""

CHANGED = "the vendor's total is another one"
DIFFERS = "rows and the vendor's total part"
FEWER = "the vendor counts fewer calls than it did; those that were loaded stay"

log = logging.getLogger("llm_usage")


@dataclass(frozen=True)
class Finding:
    """A stretch in which something is not as it was.

    Attributes:
        stream: of what.
        scope: of which scope of it.
        window: when.
        reason: what is not; all but what has become fewer is read again.
        ours: how many calls the stored totals count, where they are more than the vendor's.
        vendors: how many those count.
    """

    stream: str
    scope: str
    window: Window
    reason: str
    ours: int | None = None
    vendors: int | None = None


@dataclass
class Audited:
    """What an audit of one source read and found.

    Attributes:
        reads: which totals were compared.
        findings: what is to be read again.
        requests: how many were sent, retries included.
        warnings: what a person should know of it.
    """

    reads: list[tuple[str, Window]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    requests: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def doubts(self) -> Doubts:
        """What is to be read again, by stream and scope."""
        found: dict[tuple[str, str], list[Window]] = {}
        for one in self.findings:
            if one.reason != FEWER:
                found.setdefault((one.stream, one.scope), []).append(one.window)
        return {key: merged(windows) for key, windows in found.items()}


@dataclass(frozen=True)
class _Step:
    stream: Stream
    audit: Audit
    scope: str
    window: Window

    def __str__(self) -> str:
        scope = f" of {self.scope}" if self.scope else ""
        return f"{self.stream.name}{scope}, window {self.window}"


_Read = tuple[_Step, pa.Table]


class _UnreadableError(Exception):
    """Totals could not be read: it costs the audit of what is older, and not the load."""

    def __init__(self, where: object, error: BaseException) -> None:
        told = str(error) if isinstance(error, SourceError | RunError) else in_a_line(error)
        super().__init__(
            f"the audit could not read the vendor's totals of long ago: {told} [stream {where}]"
        )


def open_period(
    now: DateTime,
    warehouse: WarehouseSettings,
    asked: tuple[DateTime, DateTime] | None = None,
) -> tuple[Window, bool]:
    """Return what an audit looks at, and whether also at what it already knows to differ.

    Args:
        now: the instant of the run.
        warehouse: how far back an audit looks, and whose Sundays are meant.
        asked: `[from, to)`, where somebody asked for it.
    """
    if asked:
        return Window(*asked), True
    local = now.in_timezone(warehouse.reporting_timezone)
    is_sunday = local.day_of_week == pendulum.SUNDAY
    days = warehouse.audit_window.total_days()
    if is_sunday:
        days = max(days, THOROUGH.total_days())
    start = local.start_of("day").subtract(days=int(days)).in_timezone("UTC")
    return Window(start, now), is_sunday


class Auditor:
    """The audit of one source.

    Args:
        settings: the source's.
        dataset: where its raw tables are.
        warehouse: whose days are counted, and what was published.
        period: what is looked at.
        thorough: whether also at differences that are known.
        covered: what the ledger has lines of.
        run_id: names the run.
        now: the instant that it takes for the present.
        opened: opens the warehouse.
    """

    def __init__(
        self,
        settings: SourceSettings,
        dataset: str,
        warehouse: WarehouseSettings,
        *,
        period: Window,
        thorough: bool,
        covered: Coverage,
        run_id: str,
        now: DateTime,
        opened: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
    ) -> None:
        self.done = Audited()
        self._settings = settings
        self._dataset = dataset
        self._warehouse = warehouse
        self._period = period
        self._thorough = thorough
        self._covered = covered
        self._run_id = run_id
        self._now = now
        self._opened = opened

    def audit(self, reader: Reader) -> Doubts:
        """Compare the totals, write down what was found, and return what is to be read again.

        A total that cannot be read costs the audit of its stretch, and is said in a warning.
        """
        streams = reader.streams()
        self._compare_totals(streams)
        with self._opened() as connection:
            self._look_at_known_differences(connection, streams)
            self._write(connection)
        return self.done.doubts

    def _compare_totals(self, streams: Sequence[Stream]) -> None:
        limits = self._settings.limits
        ahead: ReadAhead[tuple[Reading, int]] = ReadAhead(
            limits.concurrency, ROWS_AHEAD, f"{self._settings.name}-audit"
        )
        read: list[_Read] = []
        try:
            steps = self._planned(streams)
            # A few at a time: what one of them says may end the others.
            for first in range(0, len(steps), limits.concurrency):
                some = steps[first : first + limits.concurrency]
                jobs = [(step, ahead.submit(_reading(step))) for step in some]
                for step, job in jobs:
                    read.append(self._taken(ahead, step, job))
                if sum(table.num_rows for _, table in read) >= ROWS_COMPARED:
                    self._compare(read)
                    read.clear()
                if self.done.requests >= MOST_REQUESTS and first + len(some) < len(steps):
                    self.done.warnings.append(
                        f"the audit ended after {self.done.requests} requests; totals before "
                        f"{steps[first + len(some)].window.end} were not compared"
                    )
                    break
        except _UnreadableError as error:
            self.done.warnings.append(str(error))
        finally:
            ahead.stop()
        self._compare(read)

    def _planned(self, streams: Sequence[Stream]) -> list[_Step]:
        """Return what to read, the newest first."""
        steps: list[_Step] = []
        for stream in streams:
            if stream.audit is None:
                continue
            known = sorted(scope for name, scope in self._covered if name == stream.name)
            for scope in self._scopes(stream, known) if known else ():
                for window in self._old(stream, scope):
                    pieces = slices(window, stream.audit.slices)
                    steps += [_Step(stream, stream.audit, scope, piece) for piece in pieces]
        return sorted(steps, key=lambda step: step.window.end, reverse=True)

    def _scopes(self, stream: Stream, known: Sequence[str]) -> Sequence[str]:
        try:
            return stream.scopes(known)
        except Exception as error:
            raise _UnreadableError(stream.name, error) from error

    def _old(self, stream: Stream, scope: str) -> list[Window]:
        """Return what was loaded of a scope and is not read tonight in any case."""
        covered = self._covered.get((stream.name, scope), ())
        if not covered:
            return []
        night = nightly_window(covered[-1].end, covered[0].start, self._now, stream.cadence)
        end = min(night.start, self._period.end) if night else self._period.end
        start = stream.cadence.shortest.floor(self._period.start)
        return within(covered, Window(start, end)) if start < end else []

    def _taken(
        self,
        ahead: ReadAhead[tuple[Reading, int]],
        step: _Step,
        job: Job[tuple[Reading, int]],
    ) -> _Read:
        """Wait for a reading, and return what of it is compared."""
        while not ahead.wait(job, WAIT):
            pass
        ahead.release(job)
        try:
            reading, requests = job.outcome.result()
        except Exception as error:
            raise _UnreadableError(step, error) from error
        self.done.requests += requests
        self.done.reads.append((step.stream.name, step.window))
        fresh = pa.concat_tables(reading.tables).select(list(compared_columns(step.stream)))
        if step.stream.table.at not in fresh.column_names:
            # Its rows are of a window as a whole.
            start = pa.repeat(pa.scalar(step.window.start, UTC_MICROS), fresh.num_rows)
            fresh = fresh.append_column(step.stream.table.at, start)
        scope = pa.repeat(pa.scalar(step.scope, pa.string()), fresh.num_rows)
        return step, fresh.append_column("scope", scope)

    def _compare(self, read: Sequence[_Read]) -> None:
        """Doubt each stretch whose totals are not the stored ones."""
        if not read:
            return
        with self._opened() as connection:
            for stream in {step.stream.name: step.stream for step, _ in read}.values():
                same = [(step, fresh) for step, fresh in read if step.stream is stream]
                self._compare_stream(connection, stream, same)

    def _compare_stream(
        self, connection: duckdb.DuckDBPyConnection, stream: Stream, read: Sequence[_Read]
    ) -> None:
        assert stream.audit is not None  # noqa: S101 - or nothing would have been read
        windows = [(step.scope, step.window.start, step.window.end) for step, _ in read]
        columns = dict(
            zip(("scope", "starts_at", "ends_at"), zip(*windows, strict=True), strict=True)
        )
        connection.register("windows", pa.table(columns))
        connection.register("fresh", pa.concat_tables([fresh for _, fresh in read]))
        stored = connection.sql(f'from "{self._dataset}"."{stream.table.name}"').columns
        query = comparison(self._dataset, stream, stream.audit, stored)
        bounds = {
            "first": min(step.window.start for step, _ in read),
            "last": max(step.window.end for step, _ in read),
        }
        found = connection.execute(query, {"source": self._settings.name, **bounds}).fetchall()
        grid = stream.cadence.shortest
        changed: dict[str, list[Window]] = {}
        for scope, instant, ours, vendors in found:
            start = grid.floor(pendulum.from_timestamp(instant / 1_000_000))
            window = Window(start, grid.after(start))
            if vendors < ours:
                fewer = Finding(stream.name, scope, window, FEWER, ours, vendors)
                self.done.findings.append(fewer)
            else:
                changed.setdefault(scope, []).append(window)
        for scope, stretches in changed.items():
            for window in merged(stretches):
                self._doubt((stream.name, *stream.audit.checks), scope, window, CHANGED)

    def _look_at_known_differences(
        self, connection: duckdb.DuckDBPyConnection, streams: Sequence[Stream]
    ) -> None:
        names = {stream.name for stream in streams}
        for detail, control, day in self._differing(connection):
            start = pendulum.datetime(
                day.year, day.month, day.day, tz=self._warehouse.reporting_timezone
            )
            window = Window(start.in_timezone("UTC"), start.add(days=1).in_timezone("UTC"))
            self._doubt({detail, control} & names, None, window, DIFFERS)

    def _differing(self, connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, date]]:
        """Return the streams and days of which rows and totals part, but for what is known."""
        zone = self._warehouse.reporting_timezone
        values = {
            "source": self._settings.name,
            "first": self._period.start.in_timezone(zone).date(),
            "last": self._period.end.in_timezone(zone).date(),
        }
        try:
            tell_earlier_audits(connection, self._published(connection))
            return connection.execute(DIFFERING, values).fetchall()
        except duckdb.CatalogException:
            # No models were built yet.
            return []
        finally:
            connection.execute("detach database if exists earlier")

    def _published(self, connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
        """Attach the published file as `earlier`, where it counts what was known before."""
        path = self._warehouse.published_path
        if self._thorough or not path.exists():
            return {}
        try:
            return attach(connection, path)
        except RunError as error:
            # The publishing will say so; all that it costs here is another reading.
            log.debug("%s", error)
            return {}

    def _doubt(
        self, streams: Iterable[str], scope: str | None, window: Window, reason: str
    ) -> None:
        for name in streams:
            scopes = [known for stream, known in self._covered if stream == name]
            # The total of a scope that the stream is not read by counts rows of all of them.
            for one in [scope] if scope in scopes and scope is not None else scopes:
                for piece in within(self._covered[name, one], window):
                    self.done.findings.append(Finding(name, one, piece, reason))

    def _write(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Write down what was read and found, for the next publishing to tell what came of it."""
        create_tables(connection)
        run, now = (self._run_id, self._settings.name), pendulum.now("UTC")
        connection.begin()
        for stream in sorted({name for name, _ in self.done.reads}):
            for window in merged(window for name, window in self.done.reads if name == stream):
                connection.execute(
                    "insert into transform_state.audit_reads values (?, ?, ?, ?, ?, ?)",
                    [*run, stream, window.start, window.end, now],
                )
        for one in self.done.findings:
            row = [*run, one.stream, one.scope, one.window.start, one.window.end, one.reason]
            connection.execute(
                "insert into transform_state.audit_findings values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [*row, one.ours, one.vendors, now],
            )
        connection.execute(
            "insert into transform_state.audit_requests values (?, ?, ?, ?)",
            [*run, self.done.requests, now],
        )
        connection.commit()


def _reading(step: _Step) -> Callable[[PageThreads], tuple[Reading, int]]:
    def read(threads: PageThreads) -> tuple[Reading, int]:
        with counting(Traffic()) as traffic:
            pull = ThreadPull(threads, lambda *_: None, None)
            reading = step.audit.read(step.scope, step.window, pull)
        return reading, traffic.requests

    return read
