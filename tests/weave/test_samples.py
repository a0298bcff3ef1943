"""Real answers of Weave's trace server parse to the rows that they hold."""

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import orjson
import pendulum
import pytest

from llm_usage_warehouse.http import BadResponseError, InvalidRequestError, VendorFaultError
from llm_usage_warehouse.pages import Parsed
from llm_usage_warehouse.sources.weave.calls import TABLE as CALLS_TABLE
from llm_usage_warehouse.sources.weave.reader import WeaveSettings
from llm_usage_warehouse.sources.weave.response import call_lines, read_answer, weave_judge
from llm_usage_warehouse.sources.weave.schema import CALLS, USAGE, Buckets, Metric
from llm_usage_warehouse.windows import Window

SETTINGS = WeaveSettings(name="weave", project_id=["a/b"], api_key="key")
SAMPLES = Path(__file__).with_name("samples")
GPT, CLAUDE = "gpt-4o-2024-08-06", "claude-3-5-sonnet-20241022"


def sample(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_bytes())
    return found


def asked_in(request: dict[str, Any], buckets: Buckets) -> Buckets:
    """Return what a sample's request asked for, of which a row's fields are made."""
    metrics = tuple(
        Metric(
            one["metric"],
            tuple(one.get("aggregations", ["sum"])),
            tuple(one.get("percentiles", [])),
        )
        for one in request.get(buckets.asked_as, [])
    )
    return Buckets(buckets.name, buckets.asked_as, buckets.dimensions, metrics, buckets.always)


def parsed(name: str, buckets: Buckets, granularity: int = 86400) -> Parsed:
    found = sample(name)
    body = found["response"]
    start, end = (
        pendulum.instance(datetime.fromisoformat(body[edge])) for edge in ("start", "end")
    )
    asked = asked_in(found["request"]["body"], buckets) if "request" in found else buckets
    raw = orjson.dumps(body)
    return read_answer(SETTINGS, raw, asked, Window(start, end), granularity, "x")


def rows(name: str, buckets: Buckets, *columns: str, granularity: int = 86400) -> list[Any]:
    table = parsed(name, buckets, granularity).table
    return [tuple(row[column] for column in columns) for row in table.to_pylist()]


def test_an_answer_of_the_hosted_service() -> None:
    answer = sample("docs_production_example")["response"]
    asked = {
        "usage_metrics": [
            {"metric": name} for name in ("total_tokens", "input_tokens", "output_tokens")
        ]
        + [{"metric": "total_cost"}]
    }
    window = Window(pendulum.datetime(2026, 3, 3), pendulum.datetime(2026, 3, 5))
    body = orjson.dumps(answer)
    table = read_answer(SETTINGS, body, asked_in(asked, USAGE), window, 86400, "x").table
    assert [
        (row["bucket_start_raw"], row["model"], row["sum_total_tokens"], row["sum_total_cost"])
        for row in table.to_pylist()
    ] == [
        ("2026-03-03T00:00:00", GPT, 498.0, Decimal("0.003337499915687658")),
        ("2026-03-04T00:00:00", GPT, 58.0, Decimal("0.000377499990463548")),
        ("2026-03-04T00:00:00", "gpt-5-2025-08-07", 427.0, Decimal("0.004042499897877860")),
    ]


def test_days_of_usage_with_every_metric_that_we_ask_for() -> None:
    columns = ["bucket_start_raw", "model", "bucket_count"]
    columns += ["sum_input_tokens", "sum_total_tokens", "sum_cache_read_input_tokens"]
    columns += ["sum_total_cost"]
    asked = asked_in(sample("stats_daily")["request"]["body"], USAGE)
    assert [one.name for one in asked.metrics] == [one.name for one in USAGE.metrics]
    held = [
        tuple(row[name] for name in ("timestamp", "model", "count", *columns[3:6]))
        for row in sample("stats_daily")["response"]["usage_buckets"]
        if row["count"]
    ]
    found = rows("stats_daily", USAGE, *columns)
    assert [row[:6] for row in found] == held
    assert found[0][6] == Decimal("0.003000000033352990")
    assert parsed("stats_daily", USAGE).unknown == frozenset()


def test_a_total_that_no_client_logged_counts_for_nothing() -> None:
    columns = ("model", "bucket_count", "count_total_tokens")
    counted = rows("stats_hourly_all_aggs", USAGE, *columns, granularity=3600)
    assert {(model, total / all_) for model, all_, total in counted} == {(CLAUDE, 0), (GPT, 1)}


def test_roots_only_hold_each_request_once() -> None:
    columns = ("model", "sum_input_tokens", "sum_output_tokens", "bucket_count")
    assert rows("stats_roots_only", USAGE, *columns) == [(CLAUDE, 1000, 40, 1), (GPT, 300, 130, 2)]
    assert rows("stats_roots_only", CALLS, "sum_call_count") == [(3,)]


def test_hours_without_calls_leave_no_rows() -> None:
    columns = ("bucket_start_raw", "model", "sum_total_tokens", "p95_total_tokens")
    assert rows("stats_hourly_all_aggs", USAGE, *columns, granularity=3600) == [
        (row["timestamp"], row["model"], row["sum_total_tokens"], row["p95_total_tokens"])
        for row in sample("stats_hourly_all_aggs")["response"]["usage_buckets"]
        if row["count"]
    ]
    assert rows("stats_empty_range", USAGE, "model") == []
    assert rows("stats_empty_range", CALLS, "sum_call_count") == []


def test_an_empty_model_a_missing_total_and_tokens_beyond_exact_floats() -> None:
    columns = ("model", "sum_input_tokens", "sum_output_tokens", "sum_total_tokens")
    assert rows("stats_edge_tokens", USAGE, *columns) == [
        ("", 42, 0, 0),
        ("big-model", 9007199254740992, 1, 9007199254740994),
        ("dup-model", 200, 20, 110),
        ("nototal-model", 100, 0, 0),
    ]


def test_a_running_call_counts_and_has_no_latency() -> None:
    columns = ("sum_call_count", "count_latency_ms", "avg_latency_ms", "sum_error_count")
    assert rows("stats_legacy_with_running_call", CALLS, *columns) == [(3, 2, 2000.0, 0)]


@pytest.mark.parametrize(
    ("name", "cost"),
    [
        ("stats_cost_only_total", "0.003600000090955291"),
        ("stats_cost_total_with_cache_metrics", "0.001500000016676495"),
    ],
)
def test_a_cost_depends_on_the_tokens_asked_for_beside_it(name: str, cost: str) -> None:
    assert rows(name, USAGE, "model", "sum_total_cost")[0] == (CLAUDE, Decimal(cost))


def test_tokens_that_nobody_asked_for_are_kept_as_unknown() -> None:
    found = parsed("stats_cost_after_price_change", USAGE)
    assert found.unknown == {"sum_input_tokens", "sum_output_tokens"}
    assert json.loads(found.table["unknown_fields"][0].as_py()) == {
        "sum_input_tokens": 7.0,
        "sum_output_tokens": 3.0,
    }


@pytest.mark.parametrize(
    ("name", "granularity", "told"),
    [
        ("granularity_1s_31d", 1, "buckets of 268 seconds came instead of 1"),
        ("stats_misaligned_start", 3600, "outside the window or between two buckets"),
        # Days of New York, asked for as such, are days of UTC.
        ("tz_newyork_daily_dst", 86400, "outside the window or between two buckets"),
        # Midnight at -05:00 is answered with the bucket of midnight UTC.
        ("offset_start_end", 3600, "outside the window or between two buckets"),
    ],
)
def test_other_buckets_than_asked_for_are_refused(name: str, granularity: int, told: str) -> None:
    with pytest.raises(BadResponseError, match=told):
        parsed(name, USAGE, granularity)


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("err_bad_metric", InvalidRequestError, "Input should be 'input_tokens', 'output_tokens'"),
        ("err_range_gt_31d", InvalidRequestError, "date range cannot exceed 31 days"),
        ("err_bad_timezone", VendorFaultError, "Temporary backend error"),
    ],
)
def test_errors_are_quoted_in_the_servers_words(
    name: str, kind: type[Exception], told: str
) -> None:
    found = sample(name)
    error = weave_judge("weave")(httpx.Response(found["status"], json=found["response"]))
    assert isinstance(error, kind)
    assert told in str(error)


def test_an_old_server_is_named_as_such() -> None:
    detail = [{"msg": "Input should be ...", "input": "cache_read_input_tokens"}]
    response = httpx.Response(422, json={"detail": detail})
    error = weave_judge("weave")(response)
    assert error is not None
    assert "older than Weave 0.52.38" in str(error)


def test_calls_of_the_real_server_are_typed_and_nothing_else_of_them_is_kept() -> None:
    lines = [orjson.dumps(one) for one in sample("stream_query_columns")["response"]]
    assert call_lines("weave", b"\n".join(lines)) == lines
    parsed = CALLS_TABLE.typed(SETTINGS, lines, project_id="acme/llm-app")
    names = ("project_id", "ended_at_raw", "summary_weave_status", "summary_weave_latency_ms")
    first = parsed.table.to_pylist()[0]
    assert [first[name] for name in names] == [
        "acme/llm-app",
        "2026-03-01T00:10:01.623456Z",
        "success",
        1500,
    ]
    assert json.loads(first["summary_usage"]) == {
        GPT: {"prompt_tokens": 100, "completion_tokens": 50, "requests": 1, "total_tokens": 150}
    }
    assert (first["unknown_fields"], parsed.unknown) == (None, frozenset())


def test_without_its_summary_a_call_looks_as_if_it_ran() -> None:
    lines = [orjson.dumps(one) for one in sample("stream_query_columns_nosummary")["response"]]
    with pytest.raises(BadResponseError, match="ended_at is missing in 1 rows"):
        CALLS_TABLE.typed(SETTINGS, lines, project_id="acme/llm-app")
