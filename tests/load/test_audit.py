"""The audit: what the vendors' totals say of days long loaded, and what is read again for it.

Each vendor gets rows and corrections that no look-back would find; one night later the warehouse
holds what the vendor's books hold.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pendulum
import pytest
from pendulum import DateTime

from llm_usage_warehouse import audit
from llm_usage_warehouse.audit import CHANGED, FEWER
from llm_usage_warehouse.one_source import SourceOutcome
from llm_usage_warehouse.settings import load_warehouse
from llm_usage_warehouse.simulator import Personality
from llm_usage_warehouse.simulator.weave._traffic import CHATBOT
from tests.loads import NOW, Project, frozen, vendor

LONG_AGO = NOW.subtract(days=3)
EVE = NOW.subtract(hours=1)
NEXT = NOW.add(days=1)
VENDORS = ("aiproxy", "alibaba_model_router", "tencent_lke", "weave")
PROJECT = CHATBOT
MODEL = "cs-normal-70b"
"""One that ListModel tells of; the account has used others that no list names."""

Both = tuple[Personality, Project]


@pytest.fixture(params=VENDORS)
def audited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Both]:
    """A vendor whose last four days are loaded."""
    world = frozen(days=4, rows_per_day=60)
    with vendor(tmp_path, monkeypatch, request.param, world) as (personality, project):
        pace = 100.0
        if request.param == "tencent_lke":
            # Each of its models takes dozens of requests a day, at a pace.
            pace = 19.0
            personality.data.account.listed = {MODEL}
        project.set(start="P4D", requests_per_second=pace)
        assert project.load().error is None
        yield personality, project


def night(both: Both, now: DateTime = NEXT) -> SourceOutcome:
    """Load what is new at an instant."""
    personality, project = both
    personality.world.now = now.timestamp
    outcome = project.load(now, run_id=f"night of {now}")
    assert outcome.error is None
    return outcome


def seconds(instant: DateTime) -> int:
    return int(instant.timestamp())


def change_aiproxy(books: Any) -> None:
    (row, *_) = books.between(seconds(LONG_AGO) * 10**6, seconds(NOW) * 10**6)
    books.update(row.id, usage={"input_tokens": 31337, "total_tokens": 31337})
    entered = EVE.add(hours=23)
    books.add(created_at=seconds(EVE) * 10**6, inserted_at=seconds(entered) * 10**6)


def change_model_router(books: Any) -> None:
    (row, *_) = [one for one in books.bills() if one["requestTime"] >= seconds(LONG_AGO)]
    (log,) = [one for one in books.rows() if one["requestId"] == row["requestId"]][:1]
    books.update_bill(log["id"], inputTokens=31337, amount=Decimal("3.1337"))
    books.update(log["id"], totalTokens=31337)
    late = {"logged_at": seconds(EVE.add(hours=20)), "billed_at": seconds(EVE.add(hours=22))}
    books.add(seconds(LONG_AGO), **late)


def change_tencent(books: Any) -> None:
    row = books.rows(MODEL, seconds(LONG_AGO))[-1]
    assert books.update(lambda one: one == row, InputTokenUsage=31337)
    books.add(at=seconds(LONG_AGO), visible_at=seconds(NOW.add(hours=2)))


def change_weave(books: Any) -> None:
    usage = {"late-model": {"prompt_tokens": 1000, "completion_tokens": 1}}
    books.add(usage, started_at=LONG_AGO.timestamp(), project_id=PROJECT)
    old = [
        row
        for row in books.rows(PROJECT)
        if row["usage"] and row["started_us"] >= seconds(LONG_AGO) * 10**6 and not row["parent_id"]
    ]
    books.update(old[0]["id"], usage={"corrected": {"prompt_tokens": 5, "completion_tokens": 5}})


CHANGES: dict[str, Callable[[Any], None]] = {
    "aiproxy": change_aiproxy,
    "alibaba_model_router": change_model_router,
    "tencent_lke": change_tencent,
    "weave": change_weave,
}


def held(project: Project) -> list[tuple[Any, ...]]:
    """Return what the warehouse holds, from `LONG_AGO` on."""
    queries = {
        "aiproxy": "select id, coalesce(usage_input_tokens, 0) from raw_aiproxy.logs "
        "where created_at >= '{}' order by 1",
        "alibaba_model_router": "select 'log', id, total_tokens "
        "from raw_alibaba_model_router.observation_logs where request_time >= '{0}' "
        "union all select 'bill', request_time_raw, input_tokens "
        "from raw_alibaba_model_router.billing_details where request_time >= '{0}' order by all",
        "tencent_lke": "select epoch(call_time)::bigint, input_token_usage::bigint "
        "from raw_tencent_lke.usage_call_details where scope = '"
        + MODEL
        + "' and call_time >= '{}' order by all",
        "weave": "select model, sum(sum_input_tokens) from raw_weave.usage_buckets "
        "where bucket_start >= '{}' and scope = '" + PROJECT + "' group by all order by all",
    }
    return project.query(queries[project.source].format(LONG_AGO))


def true(name: str, books: Any, until: DateTime) -> list[tuple[Any, ...]]:
    """Return what the vendor's own books hold of the same."""
    start, end = seconds(LONG_AGO), seconds(until)
    if name == "aiproxy":
        rows = books.between(start * 10**6, end * 10**6 - 1)
        return sorted((row.id, row.usage.get("input_tokens", 0)) for row in rows)
    if name == "alibaba_model_router":
        logs = [(row["requestTime"], row["id"], row["totalTokens"]) for row in books.rows()]
        bills = [(row["requestTime"], row["inputTokens"]) for row in books.bills()]
        since = LONG_AGO.to_iso8601_string()
        return sorted(
            [("log", number, tokens) for at, number, tokens in logs if iso(at) >= since]
            + [("bill", at, tokens) for at, tokens in bills if at >= start]
        )
    if name == "tencent_lke":
        rows = books.rows(MODEL, start, end - 1)
        return sorted((int(row["CallTime"]), int(row["InputTokenUsage"])) for row in rows)
    totals = books.totals(PROJECT, start, end)
    return sorted((model, float(sums["input_tokens"])) for model, sums in totals.items())


def iso(instant: str) -> str:
    return pendulum.instance(datetime.fromisoformat(instant)).in_timezone("UTC").to_iso8601_string()


def findings(project: Project) -> set[str]:
    rows = project.query("select distinct reason from transform_state.audit_findings")
    return {reason for (reason,) in rows}


def test_what_comes_late_or_is_corrected_long_ago_is_read(audited: Both) -> None:
    personality, project = audited
    CHANGES[project.source](personality.data)
    night(audited)
    until = NEXT.start_of("hour") if project.source == "weave" else NEXT.subtract(minutes=2)
    assert held(project) == true(project.source, personality.data, until)
    assert findings(project) == {CHANGED}


def test_where_nothing_changed_only_totals_are_read(audited: Both) -> None:
    outcome = night(audited)
    assert findings(audited[1]) == set()
    assert outcome.audited
    assert 0 < outcome.audited.requests <= 6
    assert outcome.audited.warnings == []


@pytest.mark.parametrize("audited", ["weave"], indirect=True)
def test_what_a_vendor_deletes_stays(audited: Both) -> None:
    weave, project = audited
    before = held(project)
    assert before
    weave.data.delete(*(row["id"] for row in weave.data.rows(PROJECT)))
    project.set(look_back="PT1H")
    night(audited, NOW.add(hours=1))
    assert len(held(project)) >= len(before) - 1
    assert findings(project) == {FEWER}


@pytest.mark.parametrize("audited", ["tencent_lke"], indirect=True)
def test_totals_that_cannot_be_read_cost_their_audit_only(audited: Both) -> None:
    lke, project = audited
    before = len(held(project))
    lke.data.fail("UnauthorizedOperation", "DescribeTokenUsage")
    outcome = night(audited)
    (warning,) = [one for one in outcome.warnings if "audit" in one]
    assert "UnauthorizedOperation" in warning
    assert len(held(project)) > before


@pytest.mark.parametrize("audited", ["tencent_lke"], indirect=True)
def test_an_audit_ends_where_it_takes_too_many_requests(
    audited: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MOST_REQUESTS", 1)
    project = audited[1]
    project.set(concurrency=1)
    outcome = night(audited)
    assert outcome.audited
    (warning,) = outcome.audited.warnings
    assert warning.startswith(f"the audit ended after {outcome.audited.requests} requests; totals ")
    # The newest first: what is left is the oldest.
    ((_, window),) = outcome.audited.reads
    assert window.end == NEXT.start_of("day").subtract(days=2)


@pytest.mark.parametrize("audited", ["weave"], indirect=True)
def test_a_published_file_that_cannot_be_read_keeps_no_source_from_its_audit(audited: Both) -> None:
    project = audited[1]
    project.set_warehouse(published_path=str(project.folder / "data/broken.duckdb"))
    (project.folder / "data/broken.duckdb").write_text("no database")
    assert night(audited).audited


@pytest.mark.parametrize("audited", ["aiproxy"], indirect=True)
def test_a_column_that_is_newer_than_the_table_is_no_difference(audited: Both) -> None:
    project = audited[1]
    with duckdb.connect(str(load_warehouse().path)) as connection:
        connection.execute("alter table raw_aiproxy.dashboard drop column cache_hit_count")
    night(audited)
    assert findings(project) == set()
