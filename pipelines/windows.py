"""Which stretches of time a run reads: pure arithmetic on UTC instants, no clock and no I/O.

A window is `[start, end)`. A load is a list of them, each short enough to be read in one go. The
watermark of a stream is the end of what has been read without a gap; a nightly run goes from the
watermark minus a look-back to now minus a settle lag, and a backfill goes wherever it is told
without moving the watermark.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pendulum
from pendulum import DateTime, Duration

ONE_DAY = pendulum.duration(days=1)


@dataclass(frozen=True, order=True)
class Window:
    """A stretch of time `[start, end)`, both UTC instants, `start < end`."""

    start: DateTime
    end: DateTime

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise ValueError(f"a window must end after it starts: {self}")

    def __str__(self) -> str:
        return f"{self.start.to_iso8601_string()}/{self.end.to_iso8601_string()}"

    @property
    def start_ms(self) -> int:
        """The start in Unix milliseconds."""
        return round(self.start.timestamp() * 1000)

    @property
    def end_ms(self) -> int:
        """The end in Unix milliseconds."""
        return round(self.end.timestamp() * 1000)


@dataclass(frozen=True)
class Grid:
    """Equally spaced instants at which windows and slices may begin and end.

    Attributes:
        step: the spacing. Steps of one day lie at local midnights, so that one of them may last 23
            or 25 hours; all others are multiples since the Unix epoch.
        timezone: whose midnights.
    """

    step: Duration
    timezone: str = "UTC"

    def floor(self, instant: DateTime) -> DateTime:
        """Return the last point of the grid that is not after `instant`."""
        if self.step == ONE_DAY:
            return instant.in_timezone(self.timezone).start_of("day").in_timezone("UTC")
        seconds = int(self.step.total_seconds())
        return pendulum.from_timestamp(int(instant.timestamp()) // seconds * seconds)

    def after(self, instant: DateTime) -> DateTime:
        """Return the first point of the grid that is after `instant`."""
        floor = self.floor(instant)
        if self.step == ONE_DAY:
            return floor.in_timezone(self.timezone).add(days=1).in_timezone("UTC")
        return floor + self.step

    def ceil(self, instant: DateTime) -> DateTime:
        """Return the first point of the grid that is not before `instant`."""
        floor = self.floor(instant)
        return floor if floor == instant else self.after(instant)


SECONDS = Grid(pendulum.duration(seconds=1))


@dataclass(frozen=True)
class Cadence:
    """How a stream's windows are planned.

    Attributes:
        look_back: how far before the watermark rows may still change or arrive.
        settle_lag: how long before now rows are still being written.
        slices: where a window is cut into slices.
        grid: both ends of every window lie on it.
        whole: whether a slice must begin where `slices` cuts, because a shorter one would not
            replace what the full one wrote.
    """

    look_back: Duration
    settle_lag: Duration
    slices: Grid
    grid: Grid = SECONDS
    whole: bool = False

    def start(self, instant: DateTime) -> DateTime:
        """Return where a window that must hold `instant` may begin."""
        return self.grid.floor(self.slices.floor(instant) if self.whole else instant)

    @property
    def shortest(self) -> Grid:
        """The stretches that windows are made of: a window holds each of them whole, or not."""
        return self.slices if self.whole else self.grid


def nightly_window(
    watermark: DateTime | None, first: DateTime, now: DateTime, cadence: Cadence
) -> Window | None:
    """Return what a nightly run reads of one stream.

    Args:
        watermark: the end of what was read before, or None on the first run.
        first: the first instant ever to load; nothing before it is read.
        now: the instant of the run.
        cadence: the stream's.

    Returns:
        The window, or None where nothing has settled since `first`.
    """
    end = cadence.grid.floor(now - cadence.settle_lag)
    start = cadence.start(first)
    if watermark is not None:
        # A run with an earlier `now` must not read less than the look-back of its own end; and
        # whatever `first` says by now, nothing behind the watermark is left out.
        start = max(
            cadence.start(min(first, watermark)),
            cadence.start(min(watermark, end) - cadence.look_back),
        )
    return Window(start, end) if start < end else None


def backfill_window(
    start: DateTime, end: DateTime, now: DateTime, cadence: Cadence
) -> Window | None:
    """Return the stretch of `[start, end)` that can be read, widened to the stream's grid."""
    # Cut short, a whole slice would take the place of the full one that was read before.
    last = min(cadence.shortest.ceil(end), cadence.grid.floor(now))
    begin = cadence.start(start)
    return Window(begin, last) if begin < last else None


def slices(window: Window, grid: Grid) -> list[Window]:
    """Cut a window at the points of `grid`, oldest first.

    Cutting on a grid rather than from the window's start gives the same slices every night.
    """
    cuts = [window.start]
    while (edge := grid.after(cuts[-1])) < window.end:
        cuts.append(edge)
    return [Window(a, b) for a, b in zip(cuts, [*cuts[1:], window.end], strict=True)]


def merged(windows: Iterable[Window]) -> list[Window]:
    """Return the same instants as few windows, oldest first."""
    out: list[Window] = []
    for window in sorted(windows):
        if out and window.start <= out[-1].end:
            out[-1] = Window(out[-1].start, max(out[-1].end, window.end))
        else:
            out.append(window)
    return out


def within(windows: Iterable[Window], stretch: Window) -> list[Window]:
    """Return what of `windows` lies within `stretch`, in their order."""
    cut = [(max(one.start, stretch.start), min(one.end, stretch.end)) for one in windows]
    return [Window(start, end) for start, end in cut if start < end]


def outside(windows: Iterable[Window], covered: Window) -> list[Window]:
    """Return what of `windows` lies outside `covered`, as few windows, oldest first."""
    left: list[Window] = []
    for window in windows:
        if window.start < covered.start:
            left.append(Window(window.start, min(window.end, covered.start)))
        if window.end > covered.end:
            left.append(Window(max(window.start, covered.end), window.end))
    return merged(left)
