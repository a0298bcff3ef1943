"""The twelve questions of the morning, asked of a published file: each answer equals what its calls
and buckets say, computed another way.
"""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner, Result

from llm_usage_warehouse.cli import app
from llm_usage_warehouse.dev import docs
from llm_usage_warehouse.publish import publish
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.warehouse import connect
from tests.four_vendors import give_morning
from tests.loads import NOW
from tests.sql_helpers import open_file

YESTERDAY = date(2026, 11, 19)
WEEK = "between '2026-11-13' and '2026-11-19'"

Row = dict[str, Any]


@dataclass(frozen=True)
class Morning:
    """A published file, and what it was at first."""

    warehouse: WarehouseSettings
    first_published: str

    def ask(self, number: int) -> list[Row]:
        """Return the answer to a question, row by row."""
        return self.rows(docs.questions()[number - 1].sql)

    def rows(self, sql: str) -> list[Row]:
        with open_file(self.warehouse.published_path) as connection:
            connection.execute("set TimeZone = 'UTC'")
            found = connection.sql(sql)
            return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]

    def one(self, sql: str) -> Any:
        ((value,),) = [row.values() for row in self.rows(sql)]
        return value


def query(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["query", *arguments])


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Morning]:
    """All four vendors, loaded, modelled and published; then another rate for yesterday."""
    with pytest.MonkeyPatch.context() as patch:
        warehouse = give_morning(tmp_path_factory.mktemp("morning"), patch)
        first = Morning(warehouse, "").one("select max(recorded_at)::varchar from publications")
        convert_yesterday(warehouse)
        publish(warehouse)
        yield Morning(warehouse, first)


def convert_yesterday(warehouse: WarehouseSettings) -> None:
    """Convert what yesterday cost in CNY anew, as the models do once they know another rate."""
    with connect(warehouse) as connection:
        connection.execute(
            "update daily_costs_converted set cost_in_reporting_currency = cost / 8 "
            "where currency = 'CNY' and usage_date = ?",
            [YESTERDAY],
        )


def test_there_are_twelve_short_questions() -> None:
    asked = docs.questions()
    assert [one.number for one in asked] == list(range(1, 13))
    assert all(one.text.endswith("?") and one.sql.startswith("-- ") for one in asked)
    assert max(len(one.sql.splitlines()) for one in asked) < 15


def test_no_answer_has_a_type_that_bi_cannot_show(morning: Morning) -> None:
    with duckdb.connect(str(morning.warehouse.published_path), read_only=True) as connection:
        answers = [connection.sql(one.sql) for one in docs.questions()]
        types = {str(kind) for answer in answers for kind in answer.types}
    assert types.isdisjoint({"HUGEINT", "DECIMAL(38,0)"})


def test_the_command_line_takes_a_file_and_an_instant(morning: Morning) -> None:
    sql = docs.questions()[1].sql
    now = query(sql)
    first = query(sql, "--as-of", morning.first_published)
    assert (now.exit_code, first.exit_code) == (0, 0), first.output
    assert "cost_converted" in now.output
    assert now.output != first.output


def test_01_each_source_is_as_fresh_as_its_ledger(morning: Morning) -> None:
    found = {row["source_name"]: row for row in morning.ask(1)}
    assert set(found) == {"aiproxy", "alibaba_model_router", "tencent_lke", "weave"}
    for row in found.values():
        assert (row["last_complete_date"], row["gaps"]) == (YESTERDAY, 0)
        assert row["disagreeing_windows"] == 0
        # Streams of hours end with the last whole one, late logs are read minutes after.
        assert 0 <= (NOW - row["loaded_up_to"]).total_seconds() < 4 * 3600
        assert row["hours_behind"] > 0


def test_02_yesterday_costs_what_its_calls_cost(morning: Morning) -> None:
    found = morning.ask(2)
    assert {"team", "account_id", "app_or_key", "model", "cost_converted"} < set(found[0])
    for currency in ("USD", "CNY"):
        cost = sum(row["cost"] for row in found if row["currency"] == currency)
        assert cost == morning.one(
            f"select sum(cost) from call_costs where currency = '{currency}' "
            f"and call_date = '{YESTERDAY}'"
        ) + morning.one(
            "select coalesce(sum(cost_reported), 0) from usage_buckets where calls = 0 "
            f"and total_tokens is null and currency = '{currency}' "
            f"and bucket_date = '{YESTERDAY}'"
        )
    calls = f"select count(*) from detail.calls where call_date = '{YESTERDAY}'"
    assert sum(row["calls"] for row in found) == morning.one(calls)
    assert {row["team"] for row in found} >= {"platform", "research", "unassigned"}


@pytest.fixture
def late(morning: Morning, tmp_path: Path) -> Morning:
    """The same morning, but that one source is two days late."""
    file = tmp_path / "late.duckdb"
    shutil.copyfile(morning.warehouse.published_path, file)
    with open_file(file, read_only=False) as connection:
        connection.execute(
            "update publications set last_complete_date = last_complete_date - 2 "
            "where source_name = 'aiproxy'; delete from daily_costs_converted "
            f"where source_name = 'aiproxy' and usage_date = '{YESTERDAY}'"
        )
    return Morning(replace(morning.warehouse, published_path=file), "")


def test_02_a_late_source_is_shown_as_late(morning: Morning, late: Morning) -> None:
    found = late.ask(2)
    (row,) = (row for row in found if row["source_name"] == "aiproxy")
    assert (row["cost"], row["calls"]) == (None, None)
    assert row["known_through"] == YESTERDAY - timedelta(days=2)
    others = [row for row in found if row["source_name"] != "aiproxy"]
    assert {row["known_through"] for row in others} == {YESTERDAY}
    before = [row for row in morning.ask(2) if row["source_name"] != "aiproxy"]
    assert sorted(others, key=str) == sorted(before, key=str)


@pytest.mark.parametrize("number", [3, 7])
def test_a_late_source_is_asked_of_the_last_day_that_it_knows(late: Morning, number: int) -> None:
    days = {(row["source_name"], row["usage_date"]) for row in late.ask(number)}
    assert ("aiproxy", YESTERDAY - timedelta(days=2)) in days
    assert {day for name, day in days if name != "aiproxy"} == {YESTERDAY}


def test_10_says_which_source_is_behind(late: Morning) -> None:
    file = late.warehouse.published_path
    with open_file(file, read_only=False) as connection:
        connection.execute("update publications set sources_behind = 'aiproxy to 2026-11-17'")
    assert {row["sources_behind"] for row in late.ask(10)} == {"aiproxy to 2026-11-17"}


def test_03_drivers_sum_to_the_change_since_the_same_weekday(morning: Morning) -> None:
    found = [row for row in morning.ask(3) if row["source_name"] == "aiproxy"]
    assert {row["baseline_date"] for row in found} == {date(2026, 11, 12)}
    assert all(
        abs(row["volume"] + row["mix"] + row["price"] + row["cache"] - row["cost_change"])
        < Decimal("0.00001")
        for row in found
    )
    cost = (
        "select sum(cost_reported) from detail.calls where source_name = 'aiproxy' and call_date = "
    )
    change = morning.one(f"{cost} '2026-11-19'") - morning.one(f"{cost} '2026-11-12'")
    assert sum(row["cost_change"] for row in found) == change


def test_04_unpriced_are_the_calls_and_buckets_without_any_cost(morning: Morning) -> None:
    found = morning.ask(4)
    assert all(row["reason"] and row["first_seen_date"] <= row["last_seen_date"] for row in found)
    lke = sum(row["calls"] for row in found if row["source_name"] == "tencent_lke")
    assert lke == morning.one("select count(*) from detail.calls where source_name = 'tencent_lke'")
    tokens = sum(row["total_tokens"] or 0 for row in found)
    assert tokens == morning.one(
        "select sum(total_tokens) from (select total_tokens from call_costs where cost is null "
        "union all select total_tokens from usage_buckets where cost_reported is null "
        "and source_name = 'weave')"
    )


def test_05_totals_agree_and_none_is_left_out(morning: Morning) -> None:
    found = morning.ask(5)
    assert {row["verdict"] for row in found} <= {"agrees", "not_comparable"}
    assert {row["source_name"] for row in found if row["verdict"] == "agrees"} == {
        *("aiproxy", "alibaba_model_router", "tencent_lke", "weave")
    }
    counted = morning.one(f"select count(*) from reconciliation where usage_date {WEEK}")
    assert sum(row["totals"] for row in found) == counted


def test_06_variance_is_derived_less_reported_with_its_reason(morning: Morning) -> None:
    found = morning.ask(6)
    comparable = [row for row in found if row["cost_variance"] is not None]
    assert all(
        row["cost_variance"] == row["cost_derived"] - row["cost_reported"] for row in comparable
    )
    assert {row["cost_variance"] for row in found if row["reason"] == "none"} == {0}
    assert sum(row["cost_reported"] for row in found) == morning.one(
        f"select sum(cost_reported) from detail.calls where call_date {WEEK}"
    )


def test_07_caching_saves_what_cached_tokens_cost_less(morning: Morning) -> None:
    found = {(row["source_name"], row["model"]): row for row in morning.ask(7)}
    (row,) = morning.rows(
        "select round(sum(cache_read_input_tokens) "
        "/ sum(input_tokens) filter (cache_read_input_tokens is not null), 3) as hit_ratio, "
        "sum(cost_derived) as cost, sum(cache_read_input_tokens) as cached, "
        "sum(cache_creation_input_tokens) as written from detail.calls "
        "join call_costs on calls.call_id = call_costs.call_id "
        f"where calls.model = 'claude-sonnet-4-5' and calls.call_date = '{YESTERDAY}'"
    )
    # Dollars per million: 3 for input, 0.3 for cached, 3.75 for input that is cached.
    saved = (row["cached"] * Decimal("2.7") - row["written"] * Decimal("0.75")) / 1_000_000
    answer = found["aiproxy", "claude-sonnet-4-5"]
    assert (answer["hit_ratio"], answer["saved"]) == (row["hit_ratio"], saved)
    assert answer["saved"] > 0
    assert found["tencent_lke", "hy3"]["hit_ratio"] is None


def test_08_failures_and_retries_are_those_of_the_calls(morning: Morning) -> None:
    found = morning.ask(8)
    (row,) = morning.rows(
        "select count(error_type) as failed, sum(request_count - 1) as retries from detail.calls "
        f"where call_date {WEEK}"
    )
    assert sum(one["failed"] for one in found) == row["failed"] > 0
    assert sum(one["retries"] or 0 for one in found) == row["retries"] > 0
    retried = morning.one(
        "select sum(cost_reported) from detail.calls "
        f"where request_count > 1 and call_date {WEEK} and source_name = 'aiproxy'"
    )
    assert sum(one["cost_of_retried"] or 0 for one in found) == retried
    assert all(one["failed_without_cost"] == one["failed"] for one in found if not one["currency"])


def test_09_unit_costs_are_quotients_of_the_calls(morning: Morning) -> None:
    account, key = "team-platform", "ci"
    (row,) = (
        one for one in morning.ask(9) if (one["account_id"], one["app_or_key"]) == (account, key)
    )
    (calls,) = morning.rows(
        "select count(*) as calls, sum(cost_reported) as cost, sum(total_tokens) as tokens "
        f"from detail.calls where account_id = '{account}' and api_key_name = '{key}' "
        f"and cost_reported is not null and call_date {WEEK}"
    )
    assert (row["calls"], row["cost"]) == (calls["calls"], calls["cost"])
    assert row["per_call"] == pytest.approx(float(calls["cost"]) / calls["calls"], abs=1e-6)
    per_million = float(calls["cost"]) / calls["tokens"] * 1_000_000
    assert row["per_million_tokens"] == pytest.approx(per_million, abs=1e-4)


def test_09_money_of_no_call_makes_no_call_dearer(morning: Morning) -> None:
    """Model Router bills some lines that no log row belongs to: they are money, and no calls."""
    billed = {
        (row["account_id"], row["app_or_key"]): row
        for row in morning.ask(9)
        if row["source_name"] == "alibaba_model_router"
    }
    calls = morning.rows(
        "select account_id, coalesce(app_name, api_key_name) as app_or_key, "
        "sum(cost) as cost, count(*) as calls from detail.calls join call_costs using (call_id) "
        "where calls.source_name = 'alibaba_model_router' and cost is not null "
        f"and calls.call_date {WEEK} group by all"
    )
    apart = 0
    for one in calls:
        row = billed[one["account_id"], one["app_or_key"]]
        assert row["per_call"] == pytest.approx(float(one["cost"]) / one["calls"], abs=1e-6)
        apart += row["cost"] > one["cost"]
    assert apart, "no money came without calls: the test could not fail"


def test_10_month_holds_its_complete_days_and_lands_in_its_range(morning: Morning) -> None:
    found = morning.ask(10)
    assert {row["through_date"] for row in found} == {YESTERDAY}
    spent = sum(row["spent"] for row in found if row["currency"] == "USD")
    assert spent == morning.one(
        "select sum(cost) from call_costs where currency = 'USD' "
        "and call_date between '2026-11-01' and '2026-11-19'"
    )
    (row,) = (one for one in found if (one["team"], one["currency"]) == ("platform", "USD"))
    assert row["budget_share"] == round(row["spent"] / 500, 3)
    assert row["lowest_landing"] <= row["expected_landing"] <= row["highest_landing"]


def test_11_new_and_idle_come_first_with_their_calls(morning: Morning) -> None:
    found = morning.ask(11)
    states = {row["model"]: row for row in found if row["model"] in ("fresh", "gone")}
    assert (states["fresh"]["state"], states["fresh"]["calls"]) == ("new", 3)
    assert (states["gone"]["state"], states["gone"]["calls_week_before"]) == ("idle", 2)
    assert [row["state"] == "active" for row in found] == sorted(
        row["state"] == "active" for row in found
    )
    assert sum(row["calls"] for row in found) == morning.one(
        f"select count(*) from detail.calls where call_date {WEEK}"
    )


def test_11_latency_and_reasoning_are_those_of_the_week(morning: Morning) -> None:
    (row,) = (
        one
        for one in morning.ask(11)
        if (one["account_id"], one["app_or_key"], one["model"])
        == ("team-platform", "prod", "gpt-5-mini")
    )
    latencies = morning.rows(
        "select latency_ms from detail.calls where account_id = 'team-platform' "
        f"and api_key_name = 'prod' and model = 'gpt-5-mini' and call_date {WEEK} order by 1"
    )
    slower = sum(one["latency_ms"] >= row["p95_latency_ms"] for one in latencies)
    assert 0 < slower <= max(1, len(latencies) * 0.1)
    assert 0 < row["reasoning_ratio"] < 1


def test_12_a_closed_day_that_changed_is_told(morning: Morning) -> None:
    found = {row["source_name"]: row for row in morning.ask(12)}
    router, proxy = found["alibaba_model_router"], found["aiproxy"]
    assert (router["month"], router["restated_days"], router["causes"]) == (
        *(date(2026, 11, 1), 1),
        "rate",
    )
    assert router["restated_at"] is not None
    assert (proxy["restated_days"], proxy["causes"]) == (0, None)
    # The month is not over, so that no publication had it whole.
    assert {row["complete_as_of"] for row in found.values()} == {None}


def test_the_readme_lists_every_question_and_every_published_table(morning: Morning) -> None:
    page = docs.README.read_text(encoding="utf-8")
    manifest = json.loads((morning.warehouse.data_folder / "dbt/target/manifest.json").read_text())
    there = {(row["schema"], row["name"]) for row in morning.rows("show all tables")}
    told = docs.published_tables(manifest)
    named = {(schema, name) for schema, tables in told.items() for name in tables}
    assert named == there, "a table lacks a line in some yml"
    assert docs.PUBLISHED.read_text(encoding="utf-8") == docs.render_published(manifest)
    made = docs.put_block(page, "tables", docs.render_tables(told["main"]))
    made = docs.put_block(made, "questions", docs.render_questions(docs.questions()))
    assert made == page, "run `make demo docs`"


def test_the_answers_on_file_are_of_these_questions(morning: Morning) -> None:
    page = (docs.ANALYSES / "README.md").read_text(encoding="utf-8")
    with duckdb.connect(str(morning.warehouse.published_path), read_only=True) as connection:
        made = docs.render_answers(docs.questions(), connection)
    assert without_rows(page) == without_rows(made), "run `make demo docs`"
    assert page.count("\n| --- |") == 12


def without_rows(page: str) -> str:
    """Return all but what the figures are: the lines from below a table's head to its end."""
    return re.sub(r"^\| -.*(\n\| .*)*(\n\nand [\d,]+ more)?$", "", page, flags=re.MULTILINE)


def test_the_figures_of_a_real_warehouse_are_not_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path))
    with pytest.raises(SystemExit, match="is not the demo's; run `make demo` first"):
        docs.main()
