"""Each rule of alerts, below its limit and above: literal rows of the tables that it goes by."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from llm_usage_warehouse.publish import publish
from llm_usage_warehouse.settings import AlertSettings, WarehouseSettings
from tests.sql_helpers import SQL, WITHOUT_TESTS, SqlWarehouse, run_dbt

MODELS = ("int_spending_alerts", "int_load_alerts", "alerts")
TABLES = ("cost_drivers", "daily_costs", "month_to_date", "reconciliation", "held_sources")


class Alerts:
    """A warehouse whose source `proxy` has all days complete from 2026-11-01 to 2026-11-19."""

    def __init__(self) -> None:
        self.warehouse = SqlWarehouse()
        self.warehouse.load("l1", "2026-11-01 00:00:00Z", "2026-11-20 00:00:00Z", {})
        done = self.warehouse.dbt("build", *WITHOUT_TESTS, timezone="UTC")
        assert done.ok, done.said

    def spent(self, day: str, cost: Any, usual: Any, source: str = "proxy") -> None:
        self.warehouse.insert(
            "main.cost_drivers",
            **{"source_name": source, "usage_date": day, "model": "m", "currency": "USD"},
            **{"cost": cost, "baseline_cost": usual, "baseline_date": usual and "2026-11-05"},
        )

    def used(self, day: str, priced: int, unpriced: int) -> None:
        self.warehouse.insert(
            "main.daily_costs",
            **{"source_name": "proxy", "usage_date": day, "currency": None, "model": "m"},
            **{"priced_tokens": priced, "unpriced_tokens": unpriced},
        )

    def month(self, team: str, spent: Any, landing: Any, budget: Any, month: str = "11") -> None:
        self.warehouse.insert(
            "main.month_to_date",
            **{"month": f"2026-{month}-01", "team": team, "currency": "USD", "budget": budget},
            **{"through_date": "2026-11-19", "spent": spent, "expected_landing": landing},
            **{"lowest_landing": landing, "highest_landing": landing},
        )

    def found(self) -> list[tuple[Any, ...]]:
        done = self.warehouse.dbt("build", "--select", *MODELS, timezone="UTC")
        assert done.ok, done.said
        return self.warehouse.run(
            "select rule, coalesce(source_name, team), coalesce(usage_date, month), value, "
            "threshold from main.alerts order by all"
        )

    def says(self) -> list[tuple[str, str]]:
        found = self.warehouse.run("select message, query from main.alerts order by all")
        return [(message, query) for message, query in found]


@pytest.fixture(scope="module")
def built() -> Alerts:
    return Alerts()


@pytest.fixture
def alerts(built: Alerts) -> Iterator[Alerts]:
    yield built
    for table in TABLES:
        built.warehouse.run(f"delete from main.{table}")


def test_a_day_that_cost_more_than_twice_its_weekday(alerts: Alerts) -> None:
    alerts.spent("2026-11-19", "4.01", "2")
    alerts.spent("2026-11-18", "4.00", "2")
    alerts.spent("2026-11-12", "9", "2")  # longer ago than seven days
    alerts.spent("2026-11-17", "9", None)  # nothing to hold it against
    alerts.spent("2026-11-16", "0.004", "0")
    alerts.spent("2026-11-15", "0.005", "0")
    alerts.spent("2026-11-19", "9", "2", source="of no ledger")
    assert alerts.found() == [
        ("spend", "proxy", date(2026, 11, 15), Decimal("0.005"), 0),
        ("spend", "proxy", date(2026, 11, 19), Decimal("4.01"), 4),
    ]
    assert alerts.says()[1] == (
        "proxy cost 4.01 USD on 2026-11-19, more than 2 times the 2.00 USD that this weekday "
        "usually costs",
        "select model, cost, baseline_cost, cost_change, calls, baseline_calls from "
        "detail.cost_drivers "
        "where source_name = 'proxy' and currency = 'USD' and usage_date = '2026-11-19' "
        "order by cost_change desc",
    )


def test_a_budget_is_told_by_the_highest_step_that_is_passed(alerts: Alerts) -> None:
    alerts.month("at 80", 80, None, 100)
    alerts.month("above 80", "80.01", None, 100)
    alerts.month("above 100", "100.01", "200", 100)
    alerts.month("of none", "0.01", None, 0)
    alerts.month("without", 500, 500, None)
    alerts.month("long ago", 500, 500, 100, month="10")
    first = date(2026, 11, 1)
    assert alerts.found() == [
        ("budget", "above 100", first, Decimal("100.01"), 100),
        ("budget", "above 80", first, Decimal("80.01"), 80),
        ("budget", "of none", first, Decimal("0.01"), 0),
    ]
    assert alerts.says()[0][0] == (
        "above 100 spent 100.01 USD in 2026-11 through 2026-11-19, more than 100 % of its budget "
        "of 100.00 USD"
    )


def test_a_month_that_lands_above_its_budget(alerts: Alerts) -> None:
    alerts.month("at it", 50, 100, 100)
    alerts.month("above", 50, "100.01", 100)
    alerts.month("unknown", 50, None, 100)
    found = alerts.found()
    assert found == [("landing", "above", date(2026, 11, 1), Decimal("100.01"), 100)]


def test_a_share_of_tokens_without_a_price(alerts: Alerts) -> None:
    alerts.used("2026-11-12", 0, 1000)  # longer ago than seven days
    alerts.used("2026-11-13", 900, 50)
    alerts.used("2026-11-20", 0, 1000)  # not complete yet
    alerts.used("2026-11-19", 50, 0)
    assert alerts.found() == []
    alerts.used("2026-11-19", 0, 1)
    ((rule, source, _, value, threshold),) = alerts.found()
    assert (rule, source, threshold) == ("unpriced", "proxy", Decimal("0.05"))
    assert value == Decimal("0.050949050949")
    assert alerts.says()[0][0] == (
        "proxy has no price for 5.09 % of its 1001 tokens of 2026-11-13 to 2026-11-19, more than "
        "5 %"
    )


def test_totals_that_differ_and_sources_that_are_held(alerts: Alerts) -> None:
    for model, verdict in (("a", "differs"), ("b", "differs"), ("c", "agrees")):
        alerts.warehouse.insert(
            "main.reconciliation",
            **{"source_name": "it's", "usage_date": "2026-11-02", "verdict": verdict},
            **{"pair": "p", "model": model, "measure": "calls"},
        )
    for test, rows in (("one", 2), ("two", 3)):
        alerts.warehouse.insert(
            "main.held_sources",
            **{"source_name": "proxy", "held_since": "2026-11-05 02:15:00Z"},
            **{"broken_test": test, "failing_rows": rows},
        )
    assert alerts.found() == [
        ("differs", "it's", date(2026, 11, 2), 2, 0),
        ("held", "proxy", None, 5, 0),
    ]
    (differs, held) = alerts.says()
    assert differs[0] == "it's does not meet 2 totals of its vendor on 2026-11-02, after an audit"
    assert "where source_name = 'it''s' and" in differs[1]
    assert held[0].startswith("proxy is published as it was before 2026-11-05T02:15:00Z: 5 of")


def test_every_query_shows_the_rows_behind_its_alert_as_it_is(
    alerts: Alerts, tmp_path: Path
) -> None:
    alerts.spent("2026-11-19", 9, 2)
    alerts.month("it's", 101, 101, 100)
    alerts.month("b", 1, 101, 100)
    alerts.used("2026-11-19", 0, 1)
    assert [rule for rule, *_ in alerts.found()] == ["budget", "landing", "spend", "unpriced"]
    published = WarehouseSettings(path=alerts.warehouse.path, published_path=tmp_path / "p.duckdb")
    publish(published)
    with duckdb.connect(str(published.published_path), read_only=True) as connection:
        counted = {
            re.search(r"from ([\w.]+)", query)[1]: len(connection.execute(query).fetchall())  # type: ignore[index]
            for _, query in alerts.says()
        }
    # Behind a budget are costs, behind what is unpriced usage, of which there is none here.
    assert counted == {
        "detail.cost_drivers": 1, "budgets": 1, "costs": 0, "detail.unpriced_usage": 0
    }  # fmt: skip


def test_limits_come_from_the_settings_and_make_nothing_anew(alerts: Alerts) -> None:
    alerts.spent("2026-11-19", 6, 2)
    alerts.month("a", 60, 101, 100)
    alerts.month("b", 111, 111, 100)
    assert [rule for rule, *_ in alerts.found()] == ["budget", "landing", "spend"]
    chosen = AlertSettings(spend_factor=2.5, budget_steps=[], off=["landing", "stale"])
    done = run_dbt(
        *("build", "--select", *MODELS),
        sql=SQL,
        target=alerts.warehouse.path.parent / "dbt" / "target",
        warehouse=replace(WarehouseSettings(path=alerts.warehouse.path), alerts=chosen),
    )
    assert done.ok, done.said
    assert alerts.warehouse.run("select rule from main.alerts") == [("spend",)]
    # Another value of any of these makes every table anew.
    names = alerts.warehouse.run("select name from transform_state.settings order by all")
    assert names == [("macros_checksum",), ("models_checksum",), ("reporting_timezone",)]
