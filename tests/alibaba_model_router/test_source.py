"""ModelRouter: what the tenant's books hold is what the warehouse holds, night after night."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pendulum import DateTime

from llm_usage_warehouse.settings import load_source
from llm_usage_warehouse.simulator import Fault, Personality
from llm_usage_warehouse.simulator.alibaba_model_router import (
    ANSWER_MARKER,
    KEY_MARKER,
    PROMPT_MARKER,
)
from llm_usage_warehouse.sources.alibaba_model_router.reader import ModelRouterSettings
from tests.loads import NOW, Project, frozen, vendor

NAME = "alibaba_model_router"
RAW = f"raw_{NAME}"
START, SETTLED = NOW.subtract(hours=30), NOW.subtract(minutes=2)
LOGS, DETAILS = "/observation/logs", "/billing/details"

Both = tuple[Personality, Project]


@pytest.fixture
def busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    with vendor(tmp_path, monkeypatch, NAME, frozen()) as both:
        both[1].set(start=START.to_iso8601_string())
        yield both


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    with vendor(tmp_path, monkeypatch, NAME, frozen(rows_per_day=0)) as both:
        both[1].set(start="PT11H")
        yield both


def seconds(instant: DateTime) -> int:
    return round(instant.timestamp())


def iso(instant: DateTime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def settled_logs(router: Personality) -> list[dict[str, Any]]:
    """Return the log rows that a night at NOW must hold, the last second included."""
    rows = router.data.rows()
    return [row for row in rows if iso(START) <= row["requestTime"] <= iso(SETTLED)]


def settled_bills(router: Personality) -> list[dict[str, Any]]:
    window = range(seconds(START), seconds(SETTLED))
    return [bill for bill in router.data.bills() if bill["requestTime"] in window]


def test_a_night_holds_what_the_books_hold_and_a_second_one_adds_nothing(busy: Both) -> None:
    router, project = busy
    first = project.load()
    assert (first.error, {tally.disagreeing for tally in first.streams.values()}) == (None, {0})
    logs, bills = settled_logs(router), settled_bills(router)
    assert len(logs) > 50
    names = ["promptTokens", "completionTokens", "totalTokens"]
    assert project.query(
        f"select count(*), sum(prompt_tokens), sum(completion_tokens), sum(total_tokens) "
        f"from {RAW}.observation_logs"
    ) == [(len(logs), *(sum(row[name] for row in logs) for name in names))]
    names = ["inputTokens", "outputTokens", "cachedTokens", "reasoningTokens", "amount"]
    totals = (
        "select count(*), sum(input_tokens), sum(output_tokens), sum(cached_tokens), "
        f"sum(reasoning_tokens), sum(amount) from {RAW}.billing_details"
    )
    assert project.query(totals) == [
        (len(bills), *(sum(bill[name] for bill in bills) for name in names))
    ]
    again = project.load(NOW.add(seconds=30), run_id="again")
    assert (again.error, again.streams["observation_logs"].windows) == (None, 1)
    assert project.query(totals)[0][0] == len(settled_bills(router))
    assert project.one(f"select count(*) from {RAW}.observation_logs") == len(logs)
    ends = dict(
        project.query(f"select stream, max(window_end) from {RAW}.load_ledger group by stream")
    )
    assert ends.pop("usage_breakdown") == ends.pop("cost_breakdown") == NOW.subtract(hours=1)
    assert set(ends.values()) == {SETTLED.add(seconds=30)}


def test_a_late_row_a_later_line_and_a_changed_row_are_read(empty: Both) -> None:
    router, project = empty
    called, later = NOW.subtract(hours=1), NOW.add(minutes=30)
    early = router.data.add(seconds(called))
    router.data.add(
        seconds(called), logged_at=seconds(NOW) + 60, billed_at=seconds(NOW.add(minutes=15))
    )
    project.load()
    found = (
        f"select list(total_tokens order by id), (select count(*) from {RAW}.billing_details) "
        f"from {RAW}.observation_logs"
    )
    assert project.query(found) == [([150], 1)]
    router.data.update(early["id"], totalTokens=777)
    router.world.now = later.timestamp
    project.load(later, run_id="later")
    assert project.query(found) == [([777, 150], 2)]


def test_a_window_of_lines_shrinks_to_nothing_and_its_neighbours_stay(empty: Both) -> None:
    router, project = empty
    hours = [NOW.subtract(hours=back) for back in (6, 5, 4)]
    rows = [router.data.add(seconds(at)) for at in hours]
    project.load()
    router.data.delete(rows[1]["id"])
    window = (hours[1], hours[1].add(hours=1))
    assert project.load(period=window, run_id="backfill").error is None
    kept = [(hours[0],), (hours[2],)]
    lines = f"select request_time from {RAW}.billing_details order by 1"
    assert project.query(lines) == kept
    buckets = f"select summary_time from {RAW}.usage_breakdown order by 1"
    assert project.query(buckets) == kept
    # A row with an id stays when it vanishes at the vendor.
    assert project.one(f"select count(*) from {RAW}.observation_logs") == 3


def test_passing_faults_change_nothing(empty: Both, caplog: pytest.LogCaptureFixture) -> None:
    router, project = empty
    for minutes in range(10):
        router.data.add(seconds(NOW.subtract(hours=2, minutes=minutes)))
    for kind, path in (("status", LOGS), ("truncated", LOGS), ("drop", DETAILS)):
        router.world.faults.append(Fault(kind, path=path))
    outcome = project.load()
    assert outcome.error is None
    assert project.one(f"select count(*) from {RAW}.billing_details") == 10
    # And those for the clock, which stands still at the vendor: streams may find that out at once.
    skewed = [line for line in caplog.messages if "this machine's clock is" in line]
    assert skewed
    assert sum(tally.retries for tally in outcome.streams.values()) == 3 + len(skewed)


def test_a_failing_endpoint_leaves_nothing_half_written_and_is_made_up_for(busy: Both) -> None:
    router, project = busy
    project.set(attempts=1)
    router.data.fail("B.Permission.DeniedException", status=403, path=DETAILS, skip=1)
    error = project.load().error
    assert error
    assert "aicontent:ModelRouterQueryBillingDetails" in error
    assert "[stream billing_details, window 2026-11-20T00:00:00Z/" in error
    half = project.one(f"select count(*) from {RAW}.billing_details")
    assert 0 < half < len(settled_bills(router))
    assert project.load(run_id="mended").error is None
    assert project.one(f"select count(*) from {RAW}.billing_details") == len(settled_bills(router))


def test_a_retyped_field_stops_the_stream_before_anything_is_written(busy: Both) -> None:
    router, project = busy
    router.data.update(settled_logs(router)[0]["id"], statusCode="200")
    error = project.load().error
    assert error
    assert "status_code should be int" in error
    tables = "select * from information_schema.tables where table_name = 'observation_logs'"
    assert project.query(tables) == []


def test_nothing_private_and_no_secret_reaches_the_disk(busy: Both) -> None:
    router, project = busy
    project.load()
    hidden = [PROMPT_MARKER, ANSWER_MARKER, KEY_MARKER, "李雷", "13800000000"]
    hidden += [router.settings["access_key_id"], router.settings["access_key_secret"]]
    for file in project.folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not [text for text in hidden if text.encode() in content], file
    # DuckDB packs text, so that a scan of the bytes alone would not be proof enough.
    bodies = f"select distinct request_body, response_body from {RAW}.observation_logs"
    assert project.query(bodies) == [(None, None)]
    columns = f"select column_name from information_schema.columns where table_schema = '{RAW}'"
    assert not {"key", "contact", "address", "member_user_name"} & {
        name for (name,) in project.query(columns)
    }


def test_a_wrong_key_is_told_in_one_line(empty: Both) -> None:
    _, project = empty
    project.set(access_key_secret="test-wrong-secret-example")
    error = project.load().error
    assert error
    assert "Alibaba Cloud refused the access key" in error
    assert "\n" not in error
    assert "test-wrong-secret-example" not in error


def test_only_the_key_must_be_set(empty: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCES__ALIBABA_MODEL_ROUTER__BASE_URL")
    settings = load_source(ModelRouterSettings, NAME)
    assert settings
    assert settings.base_url == "https://aicontent.aliyuncs.com"
    assert (settings.keep_bodies, settings.currency) == (False, "CNY")
