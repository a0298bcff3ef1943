"""Async jobs of AI Proxy: whose failure is one, and in which hour what they used is compared."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sql_helpers import WITHOUT_TESTS, SqlWarehouse

EARLY = "the control was read before an async job of this hour ended"

# Number, model, hours of the request and of the end, status of the job, load, and output tokens.
JOBS: list[tuple[int, str, int, int, int, str, int | None]] = [
    (1, "video", 5, 6, 2, "l1", 9),
    (2, "video", 8, 8, 3, "l1", None),
    (3, "pending", 5, 5, 1, "l1", None),
    (4, "late", 5, 5, 2, "l2", 7),
]


@pytest.fixture(scope="module")
def built() -> Iterator[SqlWarehouse]:
    one = SqlWarehouse()
    for number, model, asked, ended, status, load_id, tokens in JOBS:
        cost = {} if tokens is None else {"used_amount": 0.5, "price_output_price": 0.05}
        insert(
            one,
            "logs",
            **{"id": number, "request_at": hour(asked), "created_at": hour(ended)},
            **{"model": model, "code": 200, "async_usage_status": status, "currency": "USD"},
            **{"usage_output_tokens": tokens, "_dlt_load_id": load_id, **cost},
        )
    for model, at, calls, tokens in [
        ("video", 5, 0, 9),
        ("video", 6, 1, 0),
        ("video", 8, 1, 0),
        ("pending", 5, 1, 3),
        ("late", 5, 1, 0),
    ]:
        insert(
            one,
            "dashboard",
            **{"bucket_start": hour(at), "scope": "", "model": model, "channel_id": 1},
            **{"request_count": calls, "output_tokens": tokens, "_dlt_load_id": "l1"},
        )
    insert(
        one,
        "load_ledger",
        **{"slice_id": "dashboard", "stream": "dashboard", "scope": "", "_dlt_load_id": "l1"},
        **{"window_start": hour(0), "window_end": hour(23), "read_started_at": hour(23)},
    )
    done = one.dbt(
        "build", "--select", "+stg_aiproxy__checked_totals", *WITHOUT_TESTS, timezone="UTC"
    )
    assert done.ok, done.said
    yield one


def insert(one: SqlWarehouse, table: str, **row: Any) -> None:
    one.insert(f"raw_aiproxy.{table}", source_name="proxy", **row)


def hour(number: int) -> str:
    return f"2026-11-01 {number:02}:00:00Z"


def test_a_job_that_failed_is_an_error_that_cost_nothing(built: SqlWarehouse) -> None:
    found = built.run(
        "select call_id, status_code, error_type, is_settled, cost_reported::double, currency "
        "from staging.stg_aiproxy__calls order by call_id"
    )
    assert found == [
        ("proxy:1", 200, None, True, 0.5, "USD"),
        ("proxy:2", 200, "job_failed", True, 0, "USD"),
        ("proxy:3", 200, None, False, None, None),
        ("proxy:4", 200, None, True, 0.5, "USD"),
    ]


def compared(built: SqlWarehouse, model: str, measure: str) -> list[tuple[Any, ...]]:
    """Return the hour, the value of the log and of the dashboard, and the caveat of the latter."""
    return built.run(
        "select hour(bucket_start), max(value) filter (side = 'detail')::int, "
        "max(value) filter (side = 'control')::int, max(caveat) "
        "from staging.stg_aiproxy__checked_totals where model = ? and measure = ? "
        "group by 1 order by 1",
        *(model, measure),
    )


def test_a_job_is_counted_where_it_ended_and_its_usage_where_it_was_asked_for(
    built: SqlWarehouse,
) -> None:
    assert compared(built, "video", "calls") == [(5, 0, 0, None), (6, 1, 1, None), (8, 1, 1, None)]
    tokens = [(5, 9, 9, None), (6, 0, 0, None), (8, 0, 0, None)]
    assert compared(built, "video", "output_tokens") == tokens


def test_a_job_that_ends_after_the_dashboard_was_read_makes_its_hour_incomparable(
    built: SqlWarehouse,
) -> None:
    assert compared(built, "pending", "output_tokens") == [(5, None, 3, EARLY)]
    assert compared(built, "late", "output_tokens") == [(5, 7, 0, EARLY)]
    assert compared(built, "late", "calls") == [(5, 1, 1, None)]
