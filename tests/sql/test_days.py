"""Runs of the models rebuild the touched days, all of them and no others."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest

from tests.sql_helpers import WITHOUT_TESTS, SqlWarehouse

MODELS_ONLY = (*WITHOUT_TESTS, "--exclude-resource-type", "seed")
KOLKATA = "Asia/Kolkata"
D1, D2, D3, D4 = (date(2026, 11, day) for day in (1, 2, 3, 4))
MARTS = ("daily_tokens", "daily_costs", "daily_totals")


@dataclass
class Story:
    """What each run of one warehouse's story left behind."""

    said: dict[str, str] = field(default_factory=dict)
    calls: dict[str, dict[str, date]] = field(default_factory=dict)
    days: dict[str, dict[str, dict[date, int]]] = field(default_factory=dict)
    unpriced: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    marked: dict[str, int] = field(default_factory=dict)
    timezone: dict[str, Any] = field(default_factory=dict)

    def run(
        self,
        name: str,
        warehouse: SqlWarehouse,
        *arguments: str,
        timezone: str,
        ok: bool = True,
        **told: str,
    ) -> None:
        finished = warehouse.dbt(*arguments, timezone=timezone, **told)
        assert finished.ok is ok, finished.said
        self.said[name] = finished.said
        self.calls[name] = dict(warehouse.run("select call_id, call_date from calls"))
        self.days[name] = {
            mart: dict(
                warehouse.run(f"select usage_date, sum(calls)::bigint from {mart} group by all")
            )
            for mart in MARTS
        }
        self.unpriced[name] = warehouse.run(
            "select calls, first_seen_date, last_seen_date from unpriced_usage"
        )
        state = "transform_state"
        self.marked[name] = warehouse.run(f"select count(*) from {state}.processed_slices")[0][0]
        zone = f"select value from {state}.settings where name = 'reporting_timezone'"
        self.timezone[name] = warehouse.run(zone)


@pytest.fixture(scope="module")
def story() -> Story:
    story = Story()
    one = SqlWarehouse(timezone=KOLKATA)
    tell(story, one)
    return story


def tell(story: Story, one: SqlWarehouse) -> None:
    # A day of Kolkata ends at 18:30 UTC.
    one.load("l1", "2026-10-31 18:30:00Z", "2026-11-01 18:30:00Z", {1: "2026-11-01 18:29:59.999Z"})
    one.load("l2", "2026-11-01 18:30:00Z", "2026-11-02 18:30:00Z", {2: "2026-11-01 18:30:00Z"})
    one.load("l3", "2026-11-02 18:30:00Z", "2026-11-03 18:30:00Z", {3: "2026-11-03 01:00:00Z"})
    one.run("update raw_aiproxy.logs set used_amount = null where id = 1")
    story.run("first", one, "build", timezone=KOLKATA)

    for mart in MARTS:
        one.run(f"update {mart} set calls = 70 where usage_date = '2026-11-01'")
        one.run(f"update {mart} set calls = 80 where usage_date = '2026-11-02'")
    one.run("update intermediate.int_unpriced_days set calls = 70")
    one.run("update calls set call_id = 'spoilt' where call_date = '2026-11-02'")
    # One late row in the second day, one on the very end of the window; the third day empties.
    late = {4: "2026-11-01 19:00:00Z", 5: "2026-11-03 18:30:00Z"}
    one.load("l4", "2026-11-01 19:00:00Z", "2026-11-01 20:00:00Z", late)
    one.run("update raw_aiproxy.logs set used_amount = null where id = 4")
    one.run("delete from raw_aiproxy.logs where id = 3")
    one.load("l5", "2026-11-03 00:00:00Z", "2026-11-03 02:00:00Z", {})
    story.run("late", one, "build", *MODELS_ONLY, timezone=KOLKATA)

    story.run("checked", one, "test", "--select", "test_type:singular", timezone=KOLKATA, ok=False)

    one.load("l6", "2026-11-01 19:00:00Z", "2026-11-01 20:00:00Z", {6: "2026-11-01 19:30:00Z"})
    one.run("update raw_aiproxy.logs set metadata = 'no json' where id = 6")
    story.run("failed", one, "build", *MODELS_ONLY, timezone=KOLKATA, ok=False)

    one.run("update raw_aiproxy.logs set metadata = null where id = 6")
    story.run("moved", one, "build", *MODELS_ONLY, "--select", "calls", timezone="UTC", ok=False)
    by_hand = {"LLM_USAGE_TIMEZONE": ""}
    story.run("plain", one, "build", *MODELS_ONLY, timezone="UTC", ok=False, **by_hand)
    no_unit_tests = ("--exclude-resource-type", "unit_test")
    story.run("utc", one, "build", *no_unit_tests, timezone="UTC")

    one.run("update daily_tokens set calls = 70 where usage_date = '2026-11-01'")
    one.load("l7", "2026-11-03 20:00:00Z", "2026-11-03 21:00:00Z", {7: "2026-11-03 20:30:00Z"})
    story.run("night", one, "build", *no_unit_tests, timezone="UTC", LLM_USAGE_TEST_ALL="false")
    story.run(
        "macro", one, "build", *MODELS_ONLY, timezone="UTC", LLM_USAGE_MACROS_CHECKSUM="changed"
    )


def test_first_run_builds_every_day(story: Story) -> None:
    assert story.calls["first"] == {"proxy:1": D1, "proxy:2": D2, "proxy:3": D3}
    assert story.days["first"] == {mart: {D1: 1, D2: 1, D3: 1} for mart in MARTS}


def test_complete_run_marks_its_slices(story: Story) -> None:
    assert story.marked["first"] == 3
    assert story.marked["late"] == 5
    assert story.timezone["first"] == [(KOLKATA,)]


def test_late_row_rebuilds_its_local_day(story: Story) -> None:
    assert story.calls["late"]["proxy:2"] == story.calls["late"]["proxy:4"] == D2
    assert "spoilt" not in story.calls["late"]


def test_days_that_no_slice_touches_stay(story: Story) -> None:
    assert all(story.days["late"][mart][D1] == 70 for mart in MARTS)


def test_row_on_the_end_of_its_window_is_not_lost(story: Story) -> None:
    assert story.calls["late"]["proxy:5"] == D4


def test_day_that_became_empty_is_emptied(story: Story) -> None:
    assert "proxy:3" not in story.calls["late"]
    assert story.days["late"] == {mart: {D1: 70, D2: 2, D4: 1} for mart in MARTS}


def test_unpriced_usage_sums_the_days(story: Story) -> None:
    assert story.unpriced["first"] == [(1, D1, D1)]
    assert story.unpriced["late"] == [(71, D1, D2)]
    assert story.unpriced["utc"] == [(2, D1, D1)]


def test_data_tests_notice_a_spoilt_day(story: Story) -> None:
    assert "FAIL 2 daily_tokens_sum_the_usage" in story.said["checked"]
    assert "PASS calls_hold_every_staged_call" in story.said["checked"]


def test_failed_run_leaves_the_day_and_marks_nothing(story: Story) -> None:
    assert story.calls["failed"] == story.calls["late"]
    assert story.marked["failed"] == story.marked["late"]
    assert "ERROR creating sql incremental model main.calls" in story.said["failed"]


def test_part_of_the_models_does_not_move_to_another_zone(story: Story) -> None:
    assert "days of Asia/Kolkata, not of UTC: build all models" in story.said["moved"]
    assert story.calls["moved"] == story.calls["late"]


def test_another_zone_rebuilds_every_day(story: Story) -> None:
    by_day = {D1: ["proxy:1", "proxy:2", "proxy:4", "proxy:6"], D3: ["proxy:5"]}
    assert story.calls["utc"] == {call: day for day, calls in by_day.items() for call in calls}
    assert story.days["utc"] == {mart: {D1: 4, D3: 1} for mart in MARTS}


def test_a_plain_dbt_does_not_move_the_warehouse_to_its_default_zone(story: Story) -> None:
    assert (
        "the tables count days of Asia/Kolkata, and this dbt those of UTC" in (story.said["plain"])
    )
    assert "run `llm-usage dbt` instead" in story.said["plain"]
    assert (story.calls["plain"], story.marked["plain"]) == (
        (story.calls["moved"], story.marked["moved"])
    )


def test_another_zone_is_remembered(story: Story) -> None:
    assert story.timezone["failed"] == story.timezone["moved"] == [(KOLKATA,)]
    assert story.timezone["utc"] == [("UTC",)]


def test_a_night_tests_the_days_that_it_touched(story: Story) -> None:
    assert story.days["night"]["daily_tokens"] == {D1: 70, D3: 2}


def test_a_changed_macro_rebuilds_every_day(story: Story) -> None:
    assert story.days["macro"]["daily_tokens"] == {D1: 4, D3: 2}
