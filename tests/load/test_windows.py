"""Which stretches of time a run reads."""

from datetime import datetime
from itertools import pairwise
from typing import Any

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pendulum import DateTime, Duration

from llm_usage_warehouse.values import first_instant
from llm_usage_warehouse.windows import (
    Cadence,
    Grid,
    Window,
    backfill_window,
    merged,
    nightly_window,
    outside,
    slices,
)

HOUR = pendulum.duration(hours=1)
DAY = pendulum.duration(days=1)


def at(text: str) -> DateTime:
    found = pendulum.parse(text)
    assert isinstance(found, DateTime)
    return found


def window(start: str, end: str) -> Window:
    return Window(at(start), at(end))


def cadence(**changes: Any) -> Cadence:
    own: dict[str, Any] = {
        "look_back": pendulum.duration(hours=3),
        "settle_lag": pendulum.duration(minutes=2),
        "slices": Grid(DAY),
    }
    return Cadence(**{**own, **changes})


def test_first_night_reads_from_the_first_instant_to_the_settle_lag() -> None:
    found = nightly_window(None, at("2026-11-01"), at("2026-11-03T10:00:00Z"), cadence())
    assert found == window("2026-11-01", "2026-11-03T09:58:00Z")


def test_later_night_goes_back_by_the_look_back() -> None:
    mark, now = at("2026-11-03T09:58:00Z"), at("2026-11-04T10:00:00Z")
    found = nightly_window(mark, at("2026-11-01"), now, cadence())
    assert found == window("2026-11-03T06:58:00Z", "2026-11-04T09:58:00Z")


def test_look_back_never_goes_before_the_first_instant() -> None:
    mark, now = at("2026-11-01T01:00:00Z"), at("2026-11-01T05:00:00Z")
    found = nightly_window(mark, at("2026-11-01"), now, cadence())
    assert found == window("2026-11-01", "2026-11-01T04:58:00Z")


def test_a_run_with_an_earlier_present_still_reads_its_own_look_back() -> None:
    mark, now = at("2026-11-10"), at("2026-11-05T00:02:00Z")
    found = nightly_window(mark, at("2026-11-01"), now, cadence())
    assert found == window("2026-11-04T21:00:00Z", "2026-11-05")


def test_nothing_is_read_before_anything_settled() -> None:
    assert nightly_window(None, at("2026-11-03"), at("2026-11-03T00:01:00Z"), cadence()) is None


def test_both_ends_lie_on_the_grid() -> None:
    mark, now = at("2026-11-03T09:00:00Z"), at("2026-11-03T13:31:00Z")
    found = nightly_window(mark, at("2026-11-01T00:20:00Z"), now, cadence(grid=Grid(HOUR)))
    assert found == window("2026-11-03T06:00:00Z", "2026-11-03T13:00:00Z")


def test_whole_slices_begin_where_they_are_cut() -> None:
    days = Grid(DAY, "Asia/Shanghai")
    mark, now = at("2026-11-03T09:00:00Z"), at("2026-11-04T10:00:00Z")
    found = nightly_window(mark, at("2026-11-01"), now, cadence(slices=days, whole=True))
    assert found == window("2026-11-02T16:00:00Z", "2026-11-04T09:58:00Z")


def test_slices_are_cut_at_utc_midnights() -> None:
    found = slices(window("2026-11-01T22:00:00Z", "2026-11-03T01:00:00Z"), Grid(DAY))
    assert found == [
        window("2026-11-01T22:00:00Z", "2026-11-02"),
        window("2026-11-02", "2026-11-03"),
        window("2026-11-03", "2026-11-03T01:00:00Z"),
    ]


def test_local_days_last_25_hours_when_summer_time_ends() -> None:
    days = Grid(DAY, "America/New_York")
    found = slices(window("2026-10-31T04:00:00Z", "2026-11-02T05:00:00Z"), days)
    assert [(one.end - one.start).total_hours() for one in found] == [24, 25]


@given(
    st.datetimes(pendulum.naive(2020, 1, 1), pendulum.naive(2030, 1, 1)),
    st.integers(1, 3_000_000),
    st.sampled_from([HOUR, DAY, pendulum.duration(days=7), pendulum.duration(minutes=15)]),
    st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York", "Asia/Kathmandu"]),
)
def test_slices_neither_overlap_nor_leave_a_gap(
    start: datetime, seconds: int, step: Duration, zone: str
) -> None:
    begin = pendulum.instance(start, tz="UTC")
    whole = Window(begin, begin.add(seconds=seconds))
    found = slices(whole, Grid(step, zone))
    assert (found[0].start, found[-1].end) == (whole.start, whole.end)
    assert all(a.end == b.start for a, b in pairwise(found))


def test_backfill_is_widened_to_the_grid_and_ends_at_the_present() -> None:
    now = at("2026-11-03T10:30:00Z")
    found = backfill_window(
        at("2026-11-01T00:20:00Z"), at("2026-12-01"), now, cadence(grid=Grid(HOUR))
    )
    assert found == window("2026-11-01", "2026-11-03T10:00:00Z")


def test_merging_joins_neighbours_and_overlaps() -> None:
    found = merged(
        [
            window("2026-11-02", "2026-11-03"),
            window("2026-11-01", "2026-11-02"),
            window("2026-11-05", "2026-11-06"),
        ]
    )
    assert found == [window("2026-11-01", "2026-11-03"), window("2026-11-05", "2026-11-06")]


def test_what_is_outside_keeps_both_sides() -> None:
    found = outside([window("2026-11-01", "2026-11-10")], window("2026-11-03", "2026-11-04"))
    assert found == [window("2026-11-01", "2026-11-03"), window("2026-11-04", "2026-11-10")]


def test_what_lies_apart_from_the_covered_stretch_stays_whole() -> None:
    found = outside([window("2026-11-01", "2026-11-02")], window("2026-11-03", "2026-11-04"))
    assert found == [window("2026-11-01", "2026-11-02")]


def test_a_window_must_end_after_it_starts() -> None:
    with pytest.raises(ValueError, match="must end after"):
        window("2026-11-02", "2026-11-02")


@pytest.mark.parametrize(
    ("days", "watermark", "now"),
    [
        (30, "2026-10-01T03:00:00Z", "2026-11-05T03:00:00Z"),
        (3, "2026-11-10T00:00:00Z", "2026-11-20T00:00:00Z"),
        (1, "2026-10-01T03:00:00Z", "2026-10-05T03:00:00Z"),
    ],
)
def test_an_absence_longer_than_start_loses_nothing(days: int, watermark: str, now: str) -> None:
    found = nightly_window(at(watermark), at(now).subtract(days=days), at(now), cadence())
    assert found
    assert found.start <= at(watermark)


@pytest.mark.parametrize(
    ("start", "watermark", "now"),
    [
        ("P30D", "2026-10-01T03:00:00Z", "2026-11-05T03:00:00Z"),
        ("P3D", "2026-11-10T00:00:00Z", "2026-11-20T00:00:00Z"),
        ("P1D", "2026-10-01T03:00:00Z", "2026-10-05T03:00:00Z"),
        ("P1D", "2026-10-01T03:00:00Z", "2027-10-01T03:00:00Z"),
    ],
)
def test_start_duration_moves(start: str, watermark: str, now: str) -> None:
    """Reported as dbt-labs/dbt-core#15518, PostHog/posthog#64417, airbytehq/airbyte#69297."""
    moved = first_instant(start, "UTC", at(now))
    read = nightly_window(at(watermark), moved, at(now), cadence())
    assert read
    assert read.start <= at(watermark)
