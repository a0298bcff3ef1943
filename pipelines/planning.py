"""What a run reads of one scope of one stream: its mark, and the slices that follow from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pendulum
from pendulum import DateTime

from llm_usage_warehouse.streams import Reading, Stream, Write
from llm_usage_warehouse.windows import (
    Window,
    backfill_window,
    merged,
    nightly_window,
    outside,
    slices,
)


@dataclass(frozen=True)
class Mark:
    """How far one scope of one stream has been read, as dlt's state keeps it.

    Attributes:
        start: the first instant ever asked for.
        watermark: the end of what has been read without a gap; None before the first slice.
        unsettled: stretches behind it that are to be read: their rows were still changing, the
            ledger does not cover them, an audit doubts them, or `start` was moved back to them.
    """

    start: DateTime | None = None
    watermark: DateTime | None = None
    unsettled: tuple[Window, ...] = ()

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Mark":
        """Read what `to_state` wrote."""
        return cls(
            _instant(state.get("start")),
            _instant(state.get("watermark")),
            tuple(Window(_known(a), _known(b)) for a, b in state.get("unsettled", [])),
        )

    def to_state(self) -> dict[str, Any]:
        """Return it as JSON-ready text, for dlt's state."""
        return {
            "start": self.start.to_iso8601_string() if self.start else None,
            "watermark": self.watermark.to_iso8601_string() if self.watermark else None,
            "unsettled": [
                [w.start.to_iso8601_string(), w.end.to_iso8601_string()] for w in self.unsettled
            ],
        }

    def asked_from(self, first: DateTime) -> "Mark":
        """Return the mark where `first` is now the first instant asked for: an earlier one counts.

        The stretch that it adds is read once.
        """
        if self.start is None or first >= self.start:
            return self
        earlier = Window(first, self.start)
        return replace(self, start=first, unsettled=tuple(merged([*self.unsettled, earlier])))

    def borne_out(self, covered: Sequence[Window]) -> "Mark":
        """Return the mark as far as `covered`, what the ledger has lines of, bears it out.

        A watermark beyond it is pulled back, and what it leaves out before that is to be read.
        """
        if self.start is None or self.watermark is None:
            return self
        reached = min(self.watermark, max((one.end for one in covered), default=self.start))
        if reached <= self.start:
            return replace(self, watermark=None)
        missing = [Window(self.start, reached)]
        for one in covered:
            missing = outside(missing, one)
        unsettled = tuple(merged([*self.unsettled, *missing]))
        return replace(self, watermark=reached, unsettled=unsettled)

    def doubted(self, windows: Sequence[Window]) -> "Mark":
        """Return the mark where `windows`, too, are to be read."""
        return replace(self, unsettled=tuple(merged([*self.unsettled, *windows])))

    def after(self, window: Window, reading: Reading, *, first: DateTime, moves: bool) -> "Mark":
        """Return the mark once `window` has been read; only a run that `moves` it goes forward."""
        unsettled = merged([*outside(self.unsettled, window), *reading.unsettled])
        if not moves:
            return replace(self, unsettled=tuple(unsettled))
        # A look-back lies behind the watermark and must not pull it back.
        watermark = max(self.watermark, window.end) if self.watermark else window.end
        return Mark(self.start or first, watermark, tuple(unsettled))


Doubts = Mapping[tuple[str, str], Sequence[Window]]
"""What is to be read again of each stream and scope, as the vendor's totals say."""


@dataclass(frozen=True)
class Span:
    """Which time a run asks for.

    Attributes:
        now: the instant that it takes for the present.
        first: the first instant ever to load.
        period: `[start, end)` of a backfill; None for everything since the watermarks.
    """

    now: DateTime
    first: DateTime
    period: tuple[DateTime, DateTime] | None = None

    @property
    def kind(self) -> str:
        """`nightly` or `backfill`, as the ledger calls it."""
        return "backfill" if self.period else "nightly"


@dataclass(frozen=True)
class Step:
    """One slice to read.

    Attributes:
        stream: which endpoint.
        scope: which account, group or model of it.
        window: which stretch of time.
        kind: `nightly`, `backfill` or `reread` (of an unsettled stretch; see `Mark`).
        planned_scopes: how many scopes of the stream the run reads; fewer in its ledger lines tell
            that it was cut short.
        is_whole: whether it is read as one, however many rows it holds.
    """

    stream: Stream
    scope: str
    window: Window
    kind: str
    planned_scopes: int = 1
    is_whole: bool = False

    def __str__(self) -> str:
        scope = f" of {self.scope}" if self.scope else ""
        return f"stream {self.stream.name}{scope}, window {self.window}"

    def cut(self, count: int) -> list["Step"]:
        """Return the same slice in up to `count` pieces of equal time, on the stream's grid."""
        start, end = self.window.start, self.window.end
        length = (end - start).total_seconds()
        edges = [
            self.stream.cadence.grid.floor(start.add(seconds=length * number / count))
            for number in range(1, count)
        ]
        inner = sorted({edge for edge in edges if start < edge < end})
        if not inner:
            return [replace(self, is_whole=True)]
        return [
            replace(self, window=Window(a, b))
            for a, b in zip([start, *inner], [*inner, end], strict=True)
        ]


def plan(stream: Stream, scope: str, mark: Mark, span: Span) -> list[Step]:
    """Return the slices of a scope to read: unsettled stretches first, then oldest first."""
    nightly = span.kind == "nightly"
    if span.period:
        window = backfill_window(*span.period, span.now, stream.cadence)
    else:
        window = nightly_window(mark.watermark, mark.start or span.first, span.now, stream.cadence)
    if window is None:
        return []
    if stream.table.write is Write.SNAPSHOT:
        # The present state has no past: one read, named by the instant it was true at.
        now = Window(window.end.subtract(seconds=1), window.end)
        return [Step(stream, scope, now, span.kind)] if nightly else []
    unsettled = [
        backfill_window(one.start, one.end, span.now, stream.cadence) for one in mark.unsettled
    ]
    again = outside([one for one in unsettled if one], window) if nightly else []
    return [
        Step(stream, scope, piece, kind)
        for stretches, kind in ((again, "reread"), ([window], span.kind))
        for stretch in stretches
        for piece in slices(stretch, stream.cadence.slices)
    ]


def still_unsettled(stream: Stream, reading: Reading, span: Span) -> Reading:
    """Return a reading without the unsettled stretches that its stream waits for no longer."""
    if stream.unsettled_for is None:
        return reading
    oldest = span.now - stream.unsettled_for
    return replace(reading, unsettled=[one for one in reading.unsettled if one.start >= oldest])


def _known(text: str) -> DateTime:
    return pendulum.instance(datetime.fromisoformat(text)).in_timezone("UTC")


def _instant(text: str | None) -> DateTime | None:
    return _known(text) if text else None
