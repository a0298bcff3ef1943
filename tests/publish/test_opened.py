"""The six views that BI opens: each sums to what the marts say, to the last decimal."""

import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from llm_usage_warehouse.asking import Format, ask
from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.layout import OPENED
from llm_usage_warehouse.page.queries import QUERIES
from llm_usage_warehouse.settings import WarehouseSettings
from tests.four_vendors import give_morning
from tests.sql_helpers import open_file


class File:
    """A published file of all four vendors, of which Weave only observes."""

    def __init__(self, warehouse: WarehouseSettings) -> None:
        self.warehouse = warehouse

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with open_file(self.warehouse.published_path) as connection:
            return connection.execute(sql).fetchall()

    def same(self, one: str, other: str) -> None:
        found = self.ask(one)
        assert found == self.ask(other)
        assert found
        assert None not in found[0]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[File]:
    with pytest.MonkeyPatch.context() as patch:
        yield File(give_morning(tmp_path_factory.mktemp("opened"), patch))


def test_bi_sees_six_and_all_else_by_purpose(file: File) -> None:
    found = dict(
        file.ask(
            "select schema_name, list(table_name order by table_name) from "
            "(select schema_name, table_name from duckdb_tables() union all "
            "select schema_name, view_name from duckdb_views() where not internal) group by 1"
        )
    )
    assert found.keys() == {"main", "detail", "history", "ops"}
    assert found["main"] == sorted(OPENED)
    assert {"calls", "call_costs", "daily_costs", "focus_charges"} < set(found["detail"])
    assert {"publications", "restatements", "audits", "team_costs_history"} < set(found["history"])
    assert {"alerts", "held_sources", "load_status", "rejected_values"} < set(found["ops"])


def test_costs_sum_to_the_totals(file: File) -> None:
    sums = "select currency, sum(cost), sum(calls) from {} where currency is not null {} group by 1"
    file.same(
        sums.format("costs", "") + " order by 1", sums.format("daily_totals", "") + " order by 1"
    )
    file.same(
        "select sum(cost_in_reporting_currency), any_value(reporting_currency), sum(calls), "
        "sum(unpriced_calls), sum(unconverted_calls), sum(unpriced_tokens) from costs",
        "select sum(cost_in_reporting_currency), any_value(reporting_currency), sum(calls), "
        "sum(calls) filter (cost is null), sum(unconverted_calls), sum(unpriced_tokens) "
        "from daily_costs_converted where counts_in_totals",
    )


def test_tokens_sum_to_the_totals(file: File) -> None:
    sums = (
        "select usage_date, model, sum(calls), sum(errors), sum(input_tokens), "
        "sum(output_tokens), sum(total_tokens), sum(cache_read_input_tokens), "
        "sum(cache_creation_input_tokens), sum(reasoning_output_tokens) from {} "
        "group by all order by 1, 2"
    )
    assert file.ask(sums.format("tokens")) == file.ask(sums.format("daily_totals"))
    assert file.ask("select count(*), count(team) from tokens") == file.ask(
        "select count(*), count(*) from daily_tokens where counts_in_totals"
    )


def test_observers_are_left_out_of_what_is_summed(file: File) -> None:
    for name in ("costs", "tokens", "calls"):
        assert file.ask(f"select count(*) from {name} where source_name = 'weave'") == [(0,)]
    assert file.ask("select count(*) > 0 from daily_costs where not counts_in_totals") == [(True,)]


def test_calls_are_there_once_with_their_cost(file: File) -> None:
    sums = (
        "select source_name, currency, count(*), sum(cost), sum(input_tokens), count(error_type) "
        "from {} group by all order by all"
    )
    joined = "(select c.*, p.cost, p.currency from (select * exclude (currency) from detail.calls) "
    joined += "as c inner join call_costs as p using (call_id) where c.source_name <> 'weave')"
    assert file.ask(sums.format("calls")) == file.ask(sums.format(joined))
    # Of sources whose days are summed from calls, but for money that is laid to no call.
    file.same(
        "select source_name, currency, sum(cost), count(*) from calls "
        "where currency is not null group by all order by all",
        "select source_name, currency, sum(cost_of_calls), sum(calls) from daily_costs "
        "where counts_in_totals and currency is not null group by all order by all",
    )


def test_a_call_says_its_team_and_its_cost_in_the_reporting_currency(file: File) -> None:
    ((apart,),) = file.ask(
        "select max(abs(calls.converted - days.converted)) from "
        "(select call_date, team, source_name, sum(cost_in_reporting_currency) as converted "
        "from calls group by all) as calls inner join "
        "(select usage_date as call_date, team, source_name, sum(cost_in_reporting_currency) as "
        "converted from costs where calls > 0 and source_name = 'aiproxy' group by all) as days "
        "using (call_date, team, source_name)"
    )
    # Each call is rounded to twelve decimals, a day of them once.
    assert apart < Decimal("0.000000001")
    assert file.ask("select count(*) from calls where team is null or cost_basis is null") == [(0,)]
    assert file.ask(
        "select count(*) from calls where (cost is null) <> (reason_unpriced is not null) "
        "or (cost is null) <> (currency is null)"
    ) == [(0,)]


BUDGETS = "select currency, sum(spent), sum(spent_in_reporting_currency) from budgets "
BUDGETS += "where spent > 0 group by 1 order by 1"


def test_budgets_sum_to_the_costs_of_complete_days(file: File) -> None:
    file.same(
        BUDGETS,
        "select currency, sum(cost), sum(cost_in_reporting_currency) from costs inner join "
        "(select distinct source_name, complete_through from freshness) using (source_name) "
        "where usage_date <= complete_through and cost is not null group by 1 order by 1",
    )
    assert file.ask(
        "select count(*) from budgets where currency = 'USD' and (budget, spent, "
        "expected_landing) is distinct from (budget_in_reporting_currency, "
        "spent_in_reporting_currency, expected_landing_in_reporting_currency)"
    ) == [(0,)]


def test_an_amount_of_which_a_part_has_no_rate_is_not_known(file: File, tmp_path: Path) -> None:
    path = Path(shutil.copy(file.warehouse.published_path, tmp_path / "p.duckdb"))
    path.chmod(0o600)
    with open_file(path, read_only=False) as connection:
        connection.execute(
            "update team_costs set cost_in_reporting_currency = null where currency = 'CNY' "
            "and usage_date <> '2026-11-18'"
        )
        found = connection.execute(
            "select distinct currency, count(spent_in_reporting_currency) from budgets "
            "where spent > 0 group by currency, team order by 1"
        ).fetchall()
    assert found == [("CNY", 0), ("USD", 1)], "the rows of 18 November alone are no answer"


def test_freshness_is_as_of_the_publishing(file: File) -> None:
    file.same(
        "select count(*), sum(rows_read), max(published_at), max(loaded_to) from freshness",
        "select count(*), sum(rows_read), (select max(recorded_at) from publications), "
        "max(last_window_end) from load_status",
    )
    assert file.ask(
        "select count(*) from freshness "
        "where abs(epoch(published_at) - epoch(loaded_to) - age_hours::double * 3600) > 20"
    ) == [(0,)]


def test_reconciliation_is_as_it_is_and_says_its_currency(file: File) -> None:
    file.same(
        "select verdict, count(*) from reconciliation group by 1 order by 1",
        "select verdict, count(*) from detail.reconciliation group by 1 order by 1",
    )
    assert file.ask(
        "select distinct currency is not null from reconciliation where measure = 'cost' "
        "and source_name = 'aiproxy'"
    ) == [(True,)]


def test_the_past_of_costs_and_tokens_can_be_asked(
    file: File, capfd: pytest.CaptureFixture[str]
) -> None:
    ((now,),) = file.ask("select max(recorded_at) from publications")
    for name in ("costs", "tokens", "daily_costs", "detail.daily_costs"):
        sql = f"select sum(calls) as n from {name} where source_name = 'aiproxy'"
        ask(file.warehouse, sql, Format.csv, as_of=now)
        assert capfd.readouterr().out.split() == ['"n"', str(file.ask(sql)[0][0])]
    with pytest.raises(UsageError, match=r"budgets keeps no history.*\.main\.budgets is the one"):
        ask(file.warehouse, "from budgets", as_of=now)


def test_what_is_printed_to_copy_runs_in_any_tool(file: File) -> None:
    alerts = [query for (query,) in file.ask("select query from alerts")]
    with duckdb.connect(str(file.warehouse.published_path), read_only=True) as connection:
        for sql in (*(path.read_text() for path in QUERIES.glob("*.sql")), *alerts):
            assert connection.sql(sql).columns


def test_each_view_stands_on_its_own_file_wherever_that_is_attached(
    file: File, tmp_path: Path
) -> None:
    path = shutil.copy(file.warehouse.published_path, tmp_path / "other.duckdb")
    with duckdb.connect() as connection:
        connection.execute(f"attach '{path}' as elsewhere (read_only)")
        for name in OPENED:
            connection.execute(f"from elsewhere.{name} limit 1")
