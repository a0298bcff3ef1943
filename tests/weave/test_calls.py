"""Weave call by call, end to end: only if asked for, whole or not at all, and nothing private."""

import json
from pathlib import Path
from typing import Any

import pytest

from llm_usage_warehouse.settings import load_warehouse
from llm_usage_warehouse.simulator import Fault, Personality
from llm_usage_warehouse.sources.weave import CONNECTOR, calls
from llm_usage_warehouse.warehouse import create_raw_tables
from tests.loads import NOW, Project

CHATBOT, SEARCH = "acme/chatbot", "acme/search"
STREAM, COUNT = "/calls/stream_query", "/calls/query_stats"
IDS = "select id from raw_weave.calls order by started_at, id"


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"project_id": [CHATBOT], "slice": "P31D", "attempts": 1, "read_calls": True}


def ended(weave: Personality, *scopes: str) -> list[dict[str, Any]]:
    """The calls that ended in the time that the first night reads, by start and id."""
    start, end = NOW.subtract(days=3), NOW.subtract(minutes=2)
    found = [
        row
        for scope in scopes
        for row in weave.data.rows(scope)
        if start.timestamp() * 1e6 <= (row["ended_us"] or 0) < end.timestamp() * 1e6
    ]
    return sorted(found, key=lambda row: (row["started_us"], row["id"]))


def sent(weave: Personality, path: str) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in weave.world.requests if one.path == path]


def night(weave: Personality, project: Project, days: float) -> None:
    now = NOW.add(seconds=int(days * 86400))
    weave.world.now = now.timestamp
    assert project.load(now, run_id=f"night-{days}").error is None


def rows_written(project: Project) -> list[Any]:
    """The calls; none where their table is not there either."""
    with_table = "select 1 from information_schema.tables where table_name = 'calls'"
    return project.query(IDS) if project.query(with_table) else []


def holding(project: Project, text: str) -> list[Path]:
    """The files of the project that hold a text: the warehouse, packages and logs alike."""
    files = [path for path in project.folder.rglob("*") if path.is_file()]
    return [path for path in files if text.encode() in path.read_bytes()]


def test_every_call_that_ended_is_there_once_with_its_usage(
    weave: Personality, project: Project
) -> None:
    project.set(project_id=[CHATBOT, SEARCH])
    outcome = project.load()
    assert (outcome.error, outcome.warnings) == (None, {})
    truth = ended(weave, CHATBOT, SEARCH)
    assert len(truth) > 100
    found = project.query(
        "select project_id, id, trace_id, parent_id, op_name, epoch_us(started_at), "
        "epoch_us(ended_at), summary_weave_status = 'error', cast(summary_usage as varchar) "
        "from raw_weave.calls order by started_at, id"
    )
    names = ("project_id", "id", "trace_id", "parent_id", "op_name", "started_us", "ended_us")
    assert [row[:8] for row in found] == [
        (*(row[name] for name in names), row["exception"] is not None) for row in truth
    ]
    assert [json.loads(row[8]) for row in found] == [row["usage"] for row in truth]


def test_the_columns_are_these_and_no_others(weave: Personality, project: Project) -> None:
    project.load()
    described = project.query("describe raw_weave.calls")
    assert [name for name, *_ in described] == [
        "source_name",
        "project_id",
        "id",
        "trace_id",
        "parent_id",
        "op_name",
        "display_name",
        "thread_id",
        "wb_user_id",
        "started_at",
        "started_at_raw",
        "ended_at",
        "ended_at_raw",
        "summary_usage",
        "summary_weave_status",
        "summary_weave_latency_ms",
        "unknown_fields",
        "_dlt_load_id",
    ]
    assert {tuple(body["columns"]) for body in sent(weave, STREAM)} == {calls.COLUMNS}
    assert not {"inputs", "output", "attributes", "exception"} & set(calls.COLUMNS)


def test_off_means_no_request_and_a_table_without_rows(
    weave: Personality, project: Project
) -> None:
    project.set(read_calls=False)
    outcome = project.load()
    assert outcome.error is None
    assert set(outcome.streams) == {"usage_buckets", "call_buckets"}
    assert {one.path for one in weave.world.requests} == {"/calls/stats", "/cost/query"}
    create_raw_tables(load_warehouse(), [CONNECTOR])
    assert project.query("select * from raw_weave.calls") == []


def test_a_call_that_ends_days_later_is_read_the_night_after(
    weave: Personality, project: Project
) -> None:
    project.set(project_id=["acme/agents"])
    own: dict[str, Any] = {"started_at": "2026-11-20T10:00:00Z", "project_id": "acme/agents"}
    late = weave.data.add(seconds=4 * 86400, id="late", **own)
    weave.data.add(seconds=None, id="never", **own)
    night(weave, project, 0)
    night(weave, project, 3)
    assert project.query(IDS) == []
    night(weave, project, 4)
    assert project.query(IDS) == [(late,)]


def test_a_call_that_was_sent_late_is_found_by_the_look_back(
    weave: Personality, project: Project
) -> None:
    project.set(project_id=["acme/batch"])
    began = NOW.subtract(hours=20).timestamp()
    weave.data.add(started_at=began, project_id="acme/batch", late_us=23 * 3600 * 10**6, id="b")
    night(weave, project, 0)
    night(weave, project, 0.25)
    assert project.query(IDS) == [("b",)]


def test_another_night_adds_nothing(weave: Personality, project: Project) -> None:
    project.load()
    before = project.query(IDS)
    assert project.load(run_id="again").error is None
    assert project.query(IDS) == before
    windows = [body["query"]["$expr"]["$and"][1]["$gte"][1] for body in sent(weave, STREAM)]
    assert windows[-1] == {"$literal": "2026-11-19T11:58:00Z"}


def test_pages_go_on_behind_the_last_call_even_within_one_instant(
    weave: Personality, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "PAGE_ROWS", 4)
    project.set(project_id=["acme/burst"])
    for number in range(10):
        weave.data.add(
            started_at=NOW.subtract(hours=5).timestamp(), project_id="acme/burst", id=f"c{number}"
        )
    assert project.load().error is None
    assert project.query(IDS) == [(f"c{number}",) for number in range(10)]
    assert len(sent(weave, STREAM)) == 3


def test_copies_of_a_retried_upload_are_one_call(weave: Personality, project: Project) -> None:
    project.set(project_id=["acme/retried"])
    id_ = weave.data.add(started_at=NOW.subtract(hours=5).timestamp(), project_id="acme/retried")
    weave.data.duplicate(id_)
    assert project.load().error is None
    assert project.query(IDS) == [(id_,)]
    totals = "select reported_total from raw_weave.load_ledger where stream = 'calls'"
    # The server counts copies: how many calls these are, it did not say.
    assert project.query(totals) == [(None,)]


def test_a_window_with_too_many_calls_is_cut(
    weave: Personality, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_usage_warehouse.extraction.ROWS_PER_SLICE", 50)
    assert project.load().error is None
    truth = ended(weave, CHATBOT)
    assert project.query(IDS) == [(row["id"],) for row in truth]
    slices = project.query(
        "select row_count, reported_total from raw_weave.load_ledger where stream = 'calls'"
    )
    assert len(slices) > 3
    assert all(rows == total for rows, total in slices)


BREAKS = "weave: the stream of calls breaks off at line "


def line(**fields: Any) -> str:
    began = "2026-11-20T03:00:00Z"
    row = {"id": "a", "trace_id": "t", "op_name": "o", "started_at": began, "ended_at": began}
    return json.dumps(row | fields) + "\n"


def answered(body: str) -> Fault:
    return Fault("status", STREAM, 99, 200, body=body)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault("truncated", STREAM, 99), BREAKS),
        (Fault("drop", STREAM, 99), "exchange with 127.0.0.1"),
        (Fault("empty", STREAM, 99), "weave: the response is empty"),
        (answered(line() + "oops\n" + line(id="b")), f"{BREAKS}2 of 3 (POST {STREAM}; HTTP 200)"),
        (answered(line() + '{"reason": "Query memory limit"}\n'), 'line 2 of 2: "Query memory lim'),
        (answered(line(started_at=None)), BREAKS),
        (answered(line(trace_id=None)), "trace_id is missing in 1 rows"),
        (answered(line(summary={"weave": {"status": 1}})), "status should be text and is an int"),
        (answered(line(ended_at="2026-11-01T00:00:00Z")), "some of them did not end in 2026-11-17"),
        (answered(line()), "not those that were asked for: the same calls came again"),
        (Fault("status", COUNT, 99, 200, body='{"total": 1}'), f"not one of {COUNT}"),
        (Fault("status", STREAM, 99, 403, body='{"reason": "Forbidden"}'), "W&B denied access"),
    ],
)
def test_a_broken_stream_is_an_error_and_nothing_is_written(
    weave: Personality, project: Project, fault: Fault, told: str
) -> None:
    weave.world.faults.append(fault)
    error = str(project.load().error)
    assert told in error
    assert f"[stream calls of {CHATBOT}, window 2026-11-17T12:00:00Z/2026-11-20T11:58:00Z]" in error
    assert rows_written(project) == []
    weave.world.faults.clear()
    assert project.load(run_id="next").error is None
    assert project.query(IDS) == [(row["id"],) for row in ended(weave, CHATBOT)]


def test_a_stream_that_breaks_off_once_is_asked_for_again(
    weave: Personality, project: Project
) -> None:
    project.set(attempts=2)
    weave.world.faults.append(Fault("truncated", STREAM))
    assert project.load().error is None
    assert len(project.query(IDS)) == len(ended(weave, CHATBOT))


def test_a_stream_that_breaks_off_between_two_calls_goes_on_there(
    weave: Personality, project: Project
) -> None:
    project.set(project_id=["acme/cut"])
    own: dict[str, Any] = {"started_at": "2026-11-20T03:00:00Z", "project_id": "acme/cut"}
    for name in ("a", "b"):
        weave.data.add(id=name, seconds=0, **own)
    weave.world.faults.append(Fault("status", STREAM, 1, 200, body=line()))
    assert project.load().error is None
    assert project.query(IDS) == [("a",), ("b",)]


def test_nothing_private_reaches_the_disk(weave: Personality, project: Project) -> None:
    """A server may send what nobody asked for."""
    mark = "marker-of-private-text"
    private = {name: {"messages": [mark]} for name in ("inputs", "attributes", "output")}
    summary = {"weave": {"status": "error", "note": mark}, "usage": {"m": {}}, "quoted": mark}
    project.set(project_id=["acme/private"])
    weave.data.add(started_at="2026-11-20T03:00:00Z", seconds=0, id="a", project_id="acme/private")
    seen = {"op_name": "name-of-an-operation", "exception": f"ValueError: {mark}"}
    text = line(**private, **seen, new_field=mark, summary=summary)
    weave.world.faults.append(Fault("status", STREAM, 1, 200, body=text))
    assert project.load().error is None
    assert project.query("select id, summary_weave_status from raw_weave.calls") == [("a", "error")]
    # What is stored can be found in the file, so that the one which is not found is not there.
    assert load_warehouse().path in holding(project, "name-of-an-operation")
    assert holding(project, mark) == []


def test_no_prompt_of_the_account_reaches_the_disk(weave: Personality, project: Project) -> None:
    project.load()
    assert project.query(IDS)
    assert holding(project, "example prompt of") + holding(project, "example answer of") == []
