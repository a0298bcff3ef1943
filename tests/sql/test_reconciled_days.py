"""A night reconciles the days that it touched and their neighbours, as a full rebuild would."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest

from tests.raw_rows import slice_row
from tests.sql_helpers import WITHOUT_TESTS, SqlWarehouse

# In `make test`, test_rebuild.py holds the same of all marts, and test_reconciliation.py the words.
pytestmark = pytest.mark.slow

# The hour of 18:00 UTC begins half an hour before midnight there.
KOLKATA = "Asia/Kolkata"
D1, D2, D3, D4 = (date(2026, 11, day) for day in (1, 2, 3, 4))
START, END = "2026-10-31 18:00:00Z", "2026-11-04 18:00:00Z"
COLUMNS = "usage_date, pair, model, measure, detail_value, control_value, verdict, reason"


@dataclass
class Story:
    """What `reconciliation` said after each run."""

    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)

    def run(self, name: str, warehouse: SqlWarehouse, *arguments: str) -> None:
        finished = warehouse.dbt("build", *WITHOUT_TESTS, *arguments, timezone=KOLKATA)
        assert finished.ok, finished.said
        query = f"select {COLUMNS} from reconciliation order by all"
        self.rows[name] = warehouse.run(query)

    def found(self, name: str, day: date, measure: str) -> tuple[Any, ...]:
        """Return values, verdict and reason of the logs against the dashboard."""
        (row,) = (row[4:] for row in self.rows[name] if row[:4] == (day, PAIR, MODEL, measure))
        return row


PAIR, MODEL = "logs_vs_dashboard", "gpt-4o"


@pytest.fixture(scope="module")
def story() -> Story:
    story = Story()
    one = SqlWarehouse(timezone=KOLKATA)
    tell(story, one)
    return story


def tell(story: Story, one: SqlWarehouse) -> None:
    hours = [f"2026-11-{day:02} {hour}:00:00Z" for day in (1, 2, 3, 4) for hour in (10, 12)]
    hours.append("2026-11-02 18:00:00Z")
    one.load("l1", START, END, dict(enumerate(hours)))
    for hour in hours:
        total(one, hour, tokens=10 if "-04 10" not in hour else 11)
    read_totals(one)
    story.run("first", one)

    one.run("update reconciliation set reason = 'stays' where usage_date = '2026-11-01'")
    # A job that was asked for just after midnight: it touches the third day only.
    window = ("2026-11-02 18:30:00Z", "2026-11-02 19:00:00Z")
    one.load("l2", *window, {100: "2026-11-02 18:40:00Z"})
    one.run("update raw_aiproxy.logs set async_usage_status = 2 where id = 100")
    story.run("night", one)
    story.run("whole", one, "--full-refresh")


def total(one: SqlWarehouse, hour: str, *, tokens: int) -> None:
    one.insert(
        "raw_aiproxy.dashboard",
        **{"source_name": "proxy", "scope": "", "model": MODEL, "bucket_start": hour},
        **{"request_count": 1, "exception_count": 0, "used_amount": 0.5, "_dlt_load_id": "l1"},
        **{"input_tokens": 10, "total_tokens": tokens},
    )


def read_totals(one: SqlWarehouse) -> None:
    line = slice_row("proxy", "dashboard", START, END, row_count=9, _dlt_load_id="l1")
    one.insert("raw_aiproxy.load_ledger", **line)


def test_a_night_equals_a_rebuild(story: Story) -> None:
    night, whole = (
        [row for row in story.rows[name] if row[0] != D1] for name in ("night", "whole")
    )
    assert {row[0] for row in whole} == {D2, D3, D4}
    assert night == whole


def test_days_that_are_no_neighbours_stay(story: Story) -> None:
    assert {row[-1] for row in story.rows["night"] if row[0] == D1} == {"stays"}
    assert {row[-1] for row in story.rows["whole"] if row[0] == D1} == {"equal"}


def test_the_hour_that_midnight_divides_is_of_the_day_before(story: Story) -> None:
    assert story.found("first", D2, "calls") == (3, 3, "agrees", "equal")
    assert story.found("night", D2, "calls")[:3] == (4, 3, "differs")


def test_a_job_explains_the_total_of_the_hour_of_its_request(story: Story) -> None:
    for name in ("first", "night"):
        assert story.found(name, D4, "total_tokens") == (20, 21, "differs", "unexplained")
    reason = "the control was read before an async job of this hour ended"
    assert story.found("night", D2, "total_tokens") == (40, 30, "not_comparable", reason)
