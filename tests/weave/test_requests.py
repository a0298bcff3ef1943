"""What is asked of Weave, and what is refused before it is sent."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pendulum
import pytest
from pendulum import DateTime

from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.http import InvalidRequestError
from llm_usage_warehouse.settings import load_source
from llm_usage_warehouse.sources.weave.reader import Weave, WeaveSettings
from llm_usage_warehouse.sources.weave.request import granularity_for, stats_body
from llm_usage_warehouse.sources.weave.schema import CALLS, USAGE, Buckets, Metric
from llm_usage_warehouse.windows import Window

START = pendulum.datetime(2026, 3, 1)
HOURS = Window(START, START.add(hours=2))
SETTINGS = WeaveSettings(name="weave", project_id=["acme/app"], api_key="test-key-example")


def body(
    project_id: str = "acme/app",
    window: Window = HOURS,
    granularity: int = 3600,
    buckets: Buckets = USAGE,
) -> bytes:
    return stats_body("weave", project_id, window, granularity, buckets)


def test_a_request_for_calls() -> None:
    assert json.loads(body(buckets=CALLS)) == {
        "project_id": "acme/app",
        "start": "2026-03-01T00:00:00Z",
        "end": "2026-03-01T02:00:00Z",
        "granularity": 3600,
        "timezone": "UTC",
        "filter": {"trace_roots_only": True},
        "call_metrics": [
            {"metric": "call_count", "aggregations": ["sum"], "percentiles": []},
            {"metric": "error_count", "aggregations": ["sum"], "percentiles": []},
            {
                "metric": "latency_ms",
                "aggregations": ["sum", "min", "max", "count"],
                "percentiles": [50, 95, 99],
            },
        ],
    }


def test_costs_are_never_asked_for_without_the_tokens_that_they_are_made_of() -> None:
    sums = [metric["metric"] for metric in json.loads(body())["usage_metrics"]]
    assert sums == [
        "input_tokens",
        "output_tokens",
        "total_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "input_cost",
        "output_cost",
        "total_cost",
    ]


def window(start: str, end: str) -> Window:
    instants = [pendulum.parse(text) for text in (start, end)]
    first, last = (one for one in instants if isinstance(one, DateTime))
    return Window(first, last)


@pytest.mark.parametrize(
    ("asked", "granularity", "told"),
    [
        (HOURS, 0, "buckets cannot be 0 seconds long"),
        (HOURS, -3600, "buckets cannot be -3600 seconds long"),
        (HOURS, 7000, "cuts a bucket of 7000 seconds in two"),
        (window("2026-03-01T00:10:00Z", "2026-03-01T02:00:00Z"), 3600, "00:10:00.* cuts a bucket"),
        (window("2026-03-01T00:00:00.5Z", "2026-03-01T02:00:00Z"), 1, "cuts a bucket of 1 seconds"),
        (window("2026-03-01T00:00:00-05:00", "2026-03-02T00:00:00Z"), 3600, "is not in UTC"),
        (window("2026-03-01T00:00:00Z", "2026-04-01T01:00:00Z"), 3600, "is longer than 31 days"),
        (window("2026-03-01T00:00:00Z", "2026-03-08T00:00:00Z"), 60, "has more than 10000 buckets"),
    ],
)
def test_a_window_that_the_server_would_misread_is_not_sent(
    asked: Window, granularity: int, told: str
) -> None:
    with pytest.raises(InvalidRequestError, match=told):
        body(window=asked, granularity=granularity)


def test_31_days_and_10000_buckets_are_sent() -> None:
    longest = json.loads(body(window=Window(START, START.add(days=31))))
    assert longest["end"] == "2026-04-01T00:00:00Z"
    finest = json.loads(body(window=Window(START, START.add(minutes=10_000)), granularity=60))
    assert finest["end"] == "2026-03-07T22:40:00Z"


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        (Metric("latency_ms", ("sum",), (99.9,)), "percentile 99.9 is not whole"),
        (Metric("latency_ms", ("sum",), (101,)), "percentile 101 is not between 0 and 100"),
        (Metric("latency_ms", ("median",)), "'median' is none of the server's aggregations"),
        (Metric("input_tokens"), "'input_tokens' is none of the server's call_metrics"),
    ],
)
def test_a_metric_that_the_server_cannot_give_is_not_sent(metric: Metric, told: str) -> None:
    with pytest.raises(InvalidRequestError, match=told):
        body(buckets=replace(CALLS, metrics=(metric,)))


def test_no_metric_and_no_project_are_not_sent() -> None:
    with pytest.raises(InvalidRequestError, match="no metric is asked for"):
        body(buckets=replace(CALLS, metrics=()))
    with pytest.raises(InvalidRequestError, match="not of the form entity/project"):
        body(project_id="acme")


@pytest.mark.parametrize(
    "name", ["e/a#b", "e/a?b", "e/a%b", "e/a:b", "e/a\\b", "e/a/b", "e/ ", "/a"]
)
def test_a_name_that_no_project_can_have_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is not of the form entity/project"):
        Weave(replace(SETTINGS, project_id=[name]), "UTC")


@pytest.mark.parametrize(
    ("zone", "seconds"),
    [
        ("UTC", 3600),
        ("Asia/Shanghai", 3600),
        ("America/New_York", 3600),
        ("Asia/Kolkata", 900),
        ("Asia/Kathmandu", 900),
        ("Australia/Lord_Howe", 900),
    ],
)
def test_the_longest_bucket_that_days_are_made_of(zone: str, seconds: int) -> None:
    assert granularity_for(zone) == seconds


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"project_id": []}, "project_id is empty"),
        ({"project_id": ["acme/app", "app"]}, "'app' is not of the form entity/project"),
        ({"granularity": 0}, "not made of buckets of 0 seconds"),
        ({"granularity": -900}, "not made of buckets of -900 seconds"),
        ({"granularity": 3600}, "days of Asia/Kolkata are not made of buckets of 3600 seconds"),
        ({"slice": pendulum.duration(minutes=100)}, "slice must be whole hours"),
    ],
)
def test_settings_that_cannot_be_served_are_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Weave(replace(SETTINGS, **changed), "Asia/Kolkata")


def test_the_host_is_known_and_key_and_projects_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path))
    monkeypatch.setenv("SOURCES__WEAVE__PROJECT_ID", "acme/app, acme/search")
    with pytest.raises(UsageError, match="api_key is missing"):
        load_source(WeaveSettings, "weave")
    monkeypatch.setenv("SOURCES__WEAVE__API_KEY", "test-key-example")
    found = load_source(WeaveSettings, "weave")
    assert found is not None
    assert found.base_url == "https://trace.wandb.ai"
    assert found.project_id == ["acme/app", "acme/search"]
    assert found.granularity is None
