"""W&B Weave, end to end: what is in DuckDB is what the simulated account holds."""

import json
from datetime import datetime
from typing import Any

import orjson
import pytest
from pendulum import DateTime

from llm_usage_warehouse.simulator import Fault, Personality
from tests.loads import NOW, Project

CHATBOT, SEARCH = "acme/chatbot", "acme/search"
GPT = "gpt-4o-2024-08-06"
KINDS = ("input", "output", "cache_read_input", "cache_creation_input")
INPUT = "select sum(sum_input_tokens) from raw_weave.usage_buckets"
ROWS = f"""
    select scope, bucket_start, model, bucket_count, {", ".join(f"sum_{k}_tokens" for k in KINDS)}
    from raw_weave.usage_buckets order by all
"""


def used(prompt: int, completion: int, model: str = GPT) -> dict[str, dict[str, int]]:
    return {model: {"prompt_tokens": prompt, "completion_tokens": completion}}


def asked(weave: Personality) -> list[dict[str, Any]]:
    """The requests for statistics."""
    sent = weave.world.requests
    return [json.loads(one.body) for one in sent if one.path == "/calls/stats"]


def prices_asked(weave: Personality) -> list[str]:
    """The projects whose own prices were asked for."""
    sent = weave.world.requests
    return [json.loads(one.body)["project_id"] for one in sent if one.path == "/cost/query"]


def spans(weave: Personality) -> list[float]:
    """The seconds that each request asked for."""
    ends = [[datetime.fromisoformat(b[name]) for name in ("start", "end")] for b in asked(weave)]
    return [(end - start).total_seconds() for start, end in ends]


def truth(weave: Personality, scope: str, start: DateTime, end: DateTime) -> dict[str, list[int]]:
    totals = weave.data.totals(scope, start.timestamp(), end.timestamp())
    return {model: [t["count"], *(t[f"{k}_tokens"] for k in KINDS)] for model, t in totals.items()}


def input_tokens(weave: Personality, scope: str) -> int:
    models = truth(weave, scope, NOW.subtract(days=3), NOW.subtract(hours=1))
    return sum(counts[1] for counts in models.values())


def loaded(project: Project, scope: str, day: str, zone: str) -> dict[str, list[int]]:
    sums = ", ".join(f"sum(sum_{kind}_tokens)" for kind in KINDS)
    found = project.query(
        f"select model, sum(bucket_count), {sums} from raw_weave.usage_buckets "
        f"where scope = '{scope}' and cast(timezone('{zone}', bucket_start) as date) = '{day}' "
        "group by model"
    )
    return {model: [int(value) for value in values] for model, *values in found}


def night(weave: Personality, project: Project, days: int) -> list[str]:
    """Load the night that lies days after `NOW`; return the hours on which its requests began."""
    now = NOW.add(days=days)
    weave.world.now = now.timestamp
    sent = len(asked(weave))
    assert project.load(now, run_id=f"night-{days}").error is None
    return [body["start"] for body in asked(weave)[sent:]]


@pytest.mark.parametrize(
    ("zone", "seconds"),
    [("Asia/Shanghai", 3600), ("Asia/Kolkata", 900)],
)
def test_each_local_day_holds_what_the_account_used(
    weave: Personality, project: Project, zone: str, seconds: int
) -> None:
    project.set_warehouse(reporting_timezone=zone)
    project.set(project_id=[CHATBOT, SEARCH])
    assert project.load().error is None
    assert {body["granularity"] for body in asked(weave)} == {seconds}
    day = NOW.in_timezone(zone).start_of("day").subtract(days=1)
    for scope in (CHATBOT, SEARCH):
        expected = truth(weave, scope, day, day.add(days=1))
        assert len(expected) >= 2
        assert loaded(project, scope, day.to_date_string(), zone) == expected


def test_the_whole_load_holds_every_call_once(weave: Personality, project: Project) -> None:
    assert project.load().warnings == {}
    start, end = NOW.subtract(days=3), NOW.subtract(hours=1)
    roots = [
        row
        for row in weave.data.rows(CHATBOT)
        if not row["parent_id"]
        and start.timestamp() * 1e6 <= row["started_us"]
        and row["started_us"] < end.timestamp() * 1e6
    ]
    assert project.one("select sum(sum_call_count) from raw_weave.call_buckets") == len(roots)
    assert project.one(INPUT) == input_tokens(weave, CHATBOT)


def test_calls_errors_and_latency_come_by_bucket(weave: Personality, project: Project) -> None:
    project.set(project_id=["acme/latency"])
    for seconds in (1.0, 2.0, 4.0):
        weave.data.add(
            used(1, 1),
            started_at="2026-11-20T08:30:00Z",
            seconds=seconds,
            project_id="acme/latency",
            exception="boom" if seconds == 4.0 else None,
        )
    project.load()
    assert project.query(
        "select bucket_start_raw, sum_call_count, sum_error_count, sum_latency_ms, min_latency_ms, "
        "max_latency_ms, count_latency_ms, p50_latency_ms, bucket_end from raw_weave.call_buckets"
    ) == [("2026-11-20T08:00:00", 3, 1, 7000, 1000, 4000, 3, 2000.0, NOW.subtract(hours=3))]


def test_weave_project_with_a_space(weave: Personality, project: Project) -> None:
    """Reported as wandb/wandb#551 and #95; ultralytics/yolov5#10940 lists what W&B forbids."""
    name = "e/Transformer-XL source code"
    project.set(project_id=[name])
    weave.data.add(used(9, 1), started_at=NOW.subtract(hours=5).timestamp(), project_id=name)
    assert project.load().error is None
    assert project.query("select scope, sum_input_tokens from raw_weave.usage_buckets") == [
        (name, 9.0)
    ]


def spelled(body: dict[str, Any]) -> str:
    return json.dumps(body)


def test_requests_are_those_that_the_server_answers_in_full(
    weave: Personality, project: Project
) -> None:
    project.set(start="P40D", slice="P90D")
    project.load()
    bodies = asked(weave)
    # What is counted is that of roots; all calls only tell what runs and what roots leave out.
    counted = [
        body for body in bodies if "total_cost" in spelled(body) or "error_count" in spelled(body)
    ]
    others = [body for body in bodies if body["filter"] != {"trace_roots_only": True}]
    assert all(body["filter"] == {"trace_roots_only": True} for body in counted)
    assert len(counted) == 2 * len(others) == 4
    assert all(body["start"].endswith(":00:00Z") for body in bodies)
    assert {body["timezone"] for body in bodies} == {"UTC"}
    assert max(spans(weave)) == 31 * 86400
    metrics = {m["metric"] for body in bodies for m in body.get("usage_metrics", [])}
    assert {f"{kind}_tokens" for kind in KINDS} | {"total_cost"} <= metrics


def test_another_night_adds_nothing_and_moves_the_watermark(
    weave: Personality, project: Project
) -> None:
    project.load(NOW.subtract(hours=6))
    project.load(NOW)
    before = project.query(ROWS)
    sent = len(asked(weave))
    assert project.load(NOW.add(hours=1)).error is None
    assert project.query(ROWS)[: len(before)] == before
    edges = [(body["start"], body["end"]) for body in asked(weave)[sent:]]
    # The audit, of what lies before a day before the last night's end; from there to this night's.
    audited, read = edges[:2], edges[2:]
    assert audited == [("2026-11-17T06:00:00Z", "2026-11-19T11:00:00Z")] * 2
    assert read == [("2026-11-19T11:00:00Z", "2026-11-20T12:00:00Z")] * 3


def test_late_calls_within_the_look_back_are_found(weave: Personality, project: Project) -> None:
    project.load()
    weave.data.add(used(1000, 1, "late-model"), started_at=NOW.subtract(hours=20).timestamp())
    project.load(run_id="next")
    assert project.query(
        "select bucket_start, sum_input_tokens from raw_weave.usage_buckets "
        "where model = 'late-model'"
    ) == [(NOW.subtract(hours=20), 1000.0)]


def test_a_call_that_runs_for_days_is_counted_by_the_night_after_its_end(
    weave: Personality, project: Project
) -> None:
    project.set(project_id=["acme/agents"])
    began = "2026-11-20T10:00:00Z"
    weave.data.add(used(700, 30), started_at=began, seconds=4 * 86400 - 1, project_id="acme/agents")
    calls = "select sum_call_count, count_latency_ms from raw_weave.call_buckets"
    starts = {days: night(weave, project, days) for days in (0, 2, 3)}
    assert (project.one(INPUT), project.query(calls)) == (None, [(1, 0)])
    starts |= {days: night(weave, project, days) for days in (4, 5)}
    assert (project.one(INPUT), project.query(calls)) == (700, [(1, 1)])
    # Both tables, and no longer than it takes.
    assert [starts[days].count(began) for days in (3, 4, 5)] == [3, 3, 0]


def test_a_call_that_never_ends_is_waited_for_30_days(weave: Personality, project: Project) -> None:
    project.set(project_id=["acme/agents"])
    began = "2026-11-20T10:00:00Z"
    weave.data.add(started_at=began, seconds=None, project_id="acme/agents")
    starts = {days: night(weave, project, days) for days in (0, 28, 29, 30, 31)}
    # The last wait is decided on the day before.
    assert {days: starts[days].count(began) for days in (29, 30, 31)} == {29: 3, 30: 3, 31: 0}


def test_a_span_beneath_a_root_that_has_ended_is_waited_for(
    weave: Personality, project: Project
) -> None:
    own: dict[str, Any] = {"started_at": "2026-11-20T10:00:00Z", "project_id": "acme/spans"}
    project.set(project_id=["acme/spans"])
    root = weave.data.add(otel=True, **own)
    weave.data.add(used(50, 5), seconds=3 * 86400, otel=True, parent_id=root, **own)
    for days in (0, 2, 4):
        night(weave, project, days)
    assert project.one(INPUT) == 50


def test_a_window_shrinks_and_its_neighbours_stay(weave: Personality, project: Project) -> None:
    project.set(project_id=[CHATBOT, SEARCH])
    project.load()
    edge = NOW.subtract(hours=25)
    old = f"select * from raw_weave.usage_buckets where bucket_start < '{edge}' order by all"
    new = "select count(*) from raw_weave.usage_buckets where bucket_start >= '{}' and scope = '{}'"
    kept, other = project.query(old), project.one(new.format(edge, SEARCH))
    assert project.one(new.format(edge, CHATBOT)) > 0
    weave.data.delete(*(row["id"] for row in weave.data.rows(CHATBOT)))
    project.load(run_id="next")
    assert project.one(new.format(edge, CHATBOT)) == 0
    assert project.one(new.format(edge, SEARCH)) == other > 0
    assert project.query(old) == kept


def test_a_backfill_replaces_its_window_only(weave: Personality, project: Project) -> None:
    project.set(project_id=["acme/retried"])
    ids = [
        weave.data.add(
            used(10, 1), started_at=NOW.subtract(hours=h).timestamp(), project_id="acme/retried"
        )
        for h in (50, 40)
    ]
    for id_ in ids:
        weave.data.duplicate(id_)
    project.load()
    weave.data.merge()
    project.load(period=(NOW.subtract(hours=45), NOW.subtract(hours=30)), run_id="again")
    counts = "select sum_input_tokens from raw_weave.usage_buckets order by bucket_start"
    assert project.query(counts) == [(20.0,), (10.0,)]


def test_a_backfill_leaves_the_watermark(weave: Personality, project: Project) -> None:
    assert project.load(period=(NOW.subtract(hours=9), NOW.subtract(hours=5))).error is None
    assert asked(weave)[0]["start"] == "2026-11-20T03:00:00Z"
    project.load(run_id="first-night")
    assert asked(weave)[3]["start"] == "2026-11-17T12:00:00Z"


def test_passing_faults_change_nothing(weave: Personality, project: Project) -> None:
    weave.world.faults += [
        Fault("status", "total_cost", status=500, body='{"reason": "Internal server error"}'),
        Fault("truncated", "total_cost"),
        Fault("status", "error_count", status=502, body='{"reason": "Temporary backend error"}'),
        Fault("status", "error_count", status=429, headers={"Retry-After": "0"}),
    ]
    outcome = project.load()
    assert outcome.error is None
    assert {name: one.retries for name, one in outcome.streams.items()} == {
        "usage_buckets": 2,
        "call_buckets": 2,
    }
    assert project.one(INPUT) == input_tokens(weave, CHATBOT)


def test_a_window_that_times_out_is_halved(weave: Personality, project: Project) -> None:
    project.set(attempts=1)
    weave.data.max_hours_per_query = 9
    assert project.load().error is None
    hours = [span / 3600 for span in spans(weave)]
    # Both tables are read side by side, and what one has found out spares the other the asking.
    assert {one for one in hours if one > 9} <= {71, 36, 18}
    assert len([one for one in hours if one > 9]) <= 6
    assert sum(one for one in hours if one <= 9) == 3 * 71
    assert project.one(INPUT) == input_tokens(weave, CHATBOT)


def test_an_outage_ends_after_few_requests_and_leaves_nothing_behind(
    weave: Personality, project: Project
) -> None:
    project.load(NOW.subtract(hours=10))
    before, ledger = project.query(ROWS), project.one("select count(*) from raw_weave.load_ledger")
    weave.world.faults.append(Fault("status", status=504, times=10**6))
    sent = len(weave.world.requests)
    project.set(attempts=1)
    error = str(project.load(run_id="next").error)
    assert "could not finish the query (POST /calls/stats; HTTP 504). Run again later" in error
    # 34 hours are halved down to one, at worst by both tables at once; the audit asks once.
    assert len(weave.world.requests) - sent <= 2 * 7 + 1
    assert project.query(ROWS) == before
    assert project.one("select count(*) from raw_weave.load_ledger") == ledger


def test_prices_are_asked_for_once_a_night(weave: Personality, project: Project) -> None:
    project.set(project_id=[CHATBOT, SEARCH], slice="P1D")
    weave.data.set_price(CHATBOT, "gpt-5-2025-08-07", "2026-01-01", 9e-6, 9e-5, ("CNY", "CNY"))
    assert project.load().error is None
    assert sorted(prices_asked(weave)) == [CHATBOT, SEARCH]
    units = project.query("select distinct scope, model, cost_unit from raw_weave.usage_buckets")
    assert {unit for _, _, unit in units} == {"CNY", "USD"}
    assert [one for one in units if one[2] == "CNY"] == [(CHATBOT, "gpt-5-2025-08-07", "CNY")]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", "/cost/query", 99, 403, body='{"reason": "Forbidden"}'),
        Fault("status", "/cost/query", 99, 404),
        Fault("status", "/cost/query", 99, 502),
        Fault("status", "/cost/query", 99, 200, body='{"results": [{"llm_id": 1}]}'),
        Fault("status", "/cost/query", 99, 200, body='{"prices": []}'),
    ],
    ids=["forbidden", "absent", "broken", "retyped", "renamed"],
)
def test_without_prices_the_usage_is_loaded_all_the_same(
    weave: Personality, project: Project, fault: Fault
) -> None:
    weave.world.faults.append(fault)
    project.set(attempts=1)
    outcome = project.load()
    assert outcome.error is None
    (text,) = outcome.warnings
    assert text.startswith(f"project {CHATBOT}: its own prices were not read, which costs the curr")
    assert project.query("select distinct cost_unit from raw_weave.usage_buckets") == [(None,)]
    assert project.one(INPUT) == input_tokens(weave, CHATBOT)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            {"api_key": "test-wrong-key-example"},
            'weave: W&B refused the API key: "Unauthorized" (POST /calls/stats; HTTP 401). Put a '
            "key from https://wandb.ai/authorize into .dlt/secrets.toml as [sources.weave] api_key",
        ),
        (
            {"project_id": ["acme/forbidden"]},
            'weave: W&B denied access to the project: "Forbidden" (POST /calls/stats; HTTP 403). '
            "Ask the project's owner to let the key's user read it, or take it out of "
            "[sources.weave] project_id. [stream usage_buckets of acme/forbidden",
        ),
        ({"project_id": ["acme/misspelt"]}, '"Project acme/misspelt not found"'),
    ],
    ids=["key", "permission", "project"],
)
def test_a_refusal_says_what_to_do(
    weave: Personality, project: Project, wrong: dict[str, Any], told: str
) -> None:
    project.set(**wrong)
    error = str(project.load().error)
    assert told in error
    assert "wrong-key" not in error
    assert len(weave.world.requests) == 1


def test_a_wrong_address_is_told_from_a_wrong_project(project: Project, weave: Personality) -> None:
    project.set(base_url=f"{weave.url}/traces")
    assert "base_url must be https://trace.wandb.ai" in str(project.load().error)


@pytest.mark.parametrize(
    ("lie", "told"),
    [
        ("granularity", "buckets of 7200 seconds came instead of 3600"),
        ("hidden_granularity", "is missing"),
    ],
)
def test_other_buckets_than_asked_for_are_not_written(
    weave: Personality, project: Project, lie: str, told: str
) -> None:
    weave.data.lie(lie, 2)
    outcome = project.load()
    assert told in str(outcome.error)
    # The other stream is read at the same time, and may have been loaded by then.
    assert "usage_buckets" not in outcome.streams
    written = "select 1 from information_schema.tables where table_name = 'usage_buckets'"
    if project.query(written):
        assert project.query(ROWS) == []


def answer(**usage: Any) -> Fault:
    hours = [NOW.subtract(hours=25 - hour) for hour in range(24)]
    body = {
        "start": "",
        "end": "",
        "granularity": 3600,
        "timezone": "UTC",
        "call_buckets": [],
        "usage_buckets": [
            {"timestamp": hour.strftime("%Y-%m-%dT%H:%M:%S"), "model": GPT, "count": 1}
            | {f"sum_{kind}_tokens": 1.0 for kind in (*KINDS, "total")}
            | usage
            for hour in hours
        ],
    }
    return Fault("status", "total_cost", status=200, body=orjson.dumps(body).decode())


def read_answer(weave: Personality, project: Project, fault: Fault) -> str | None:
    project.set(start="PT25H")
    weave.world.faults.append(fault)
    return project.load().error


def test_a_retyped_field_stops_the_source(weave: Personality, project: Project) -> None:
    error = read_answer(weave, project, answer(sum_input_tokens="many"))
    assert "sum_input_tokens should be float and is text" in str(error)


def test_a_sum_that_no_longer_comes_stops_the_source(weave: Personality, project: Project) -> None:
    error = read_answer(weave, project, answer(sum_input_tokens=None))
    assert "sum_input_tokens is missing in 24 rows" in str(error)


def test_an_unknown_field_is_kept_and_reported(weave: Personality, project: Project) -> None:
    assert read_answer(weave, project, answer(sum_reasoning_tokens=7.0)) is None
    assert project.query("select distinct unknown_fields from raw_weave.usage_buckets") == [
        ('{"sum_reasoning_tokens":7.0}',)
    ]
    told = "select unknown_fields from raw_weave.load_ledger where stream = 'usage_buckets'"
    assert project.one(told) == "sum_reasoning_tokens"
