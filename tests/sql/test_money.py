"""Costs in another currency, by team, against the weeks before: from raw rows to the marts."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pendulum
import pytest

from llm_usage_warehouse.connectors import connectors
from llm_usage_warehouse.own_seeds import OF_DEMO
from llm_usage_warehouse.rates import parse_rates, store_rates
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.transform import transform
from llm_usage_warehouse.warehouse import connect, create_raw_tables
from tests.raw_rows import insert, log_row, slice_row

RATES = "Date,USD,CNY\n2026-03-06,1.25,8\n2026-02-20,1.6,N/A\n"

# Day, group, API key, currency and cost of each call. The Mondays cost 4, 1, 3, 2, 2, 6 USD; of the
# Tuesdays only the first and the last cost anything.
CALLS = [
    ("2026-02-02", "g-research", "", "USD", 4),
    ("2026-02-03", "g-research", "", "USD", 6),
    ("2026-02-09", "g-research", "", "USD", 1),
    ("2026-02-16", "g-research", "", "USD", 3),
    ("2026-02-23", "g-research", "", "USD", 2),
    ("2026-03-02", "g-research", "", "USD", 2),
    ("2026-03-03", "team-platform", "prod", "USD", 1),
    ("2026-03-09", "team-platform", "prod", "USD", 1),
    ("2026-03-09", "team-platform", "ci", "USD", 2),
    ("2026-03-09", "", "", "USD", 3),
    ("2026-03-09", "g-research", "", "CNY", 10),
    ("2026-03-11", "g-research", "", "CNY", 10),
    ("2026-03-10", "g-research", "", "USD", 50),
]


def load(connection: duckdb.DuckDBPyConnection) -> None:
    for number, (day, group, key, currency, cost) in enumerate(CALLS):
        told = {"group_id": group, "token_name": key, "currency": currency, "used_amount": cost}
        row = log_row(number, f"{day} 12:00:00Z", source_name="aiproxy", model="m", **told)
        insert(connection, "raw_aiproxy.logs", **row)
    line = slice_row("aiproxy", "logs", "2026-02-01 00:00:00Z", "2026-03-10 18:00:00Z")
    insert(connection, "raw_aiproxy.load_ledger", **line)


@pytest.fixture(scope="module")
def marts(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """The marts in euros, of rates at most four days old; 2026-03-09 is the last whole day."""
    path: Path = tmp_path_factory.mktemp("money") / "w.duckdb"
    warehouse = WarehouseSettings(
        path=path,
        seeds=OF_DEMO,
        reporting_currency="EUR",
        rate_max_age=pendulum.duration(days=4),
    )
    create_raw_tables(warehouse, connectors().values())
    with connect(warehouse) as connection:
        load(connection)
        store_rates(connection, parse_rates(RATES, "hist.csv"))
    done = transform(warehouse, connectors().values(), tests=False)
    assert done.ok, done.problems
    return connect(warehouse, read_only=True)


def rows(marts: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return marts.execute(query).fetchall()


def test_cost_is_converted_with_the_settings_currency_and_age(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    query = (
        "select usage_date, currency, sum(cost), sum(cost_in_reporting_currency), rate_valid_on, "
        "sum(unconverted_calls) from daily_costs_converted "
        "where usage_date > '2026-03-03' group by all order by all"
    )
    friday = date(2026, 3, 6)
    assert rows(marts, query) == [
        (date(2026, 3, 9), "CNY", Decimal(10), Decimal("1.25"), friday, 0),
        (date(2026, 3, 9), "USD", Decimal(6), Decimal("4.8"), friday, 0),
        (date(2026, 3, 10), "USD", Decimal(50), Decimal(40), friday, 0),
        (date(2026, 3, 11), "CNY", Decimal(10), None, None, 1),
    ]


def test_day_without_a_rate_is_told(marts: duckdb.DuckDBPyConnection) -> None:
    # The project's own reference rates have the first working day of each month.
    query = "select usage_date from daily_exchange_rates where exchange_rate is null order by all"
    assert rows(marts, query) == [
        (date(2026, 2, 9),),
        (date(2026, 2, 16),),
        (date(2026, 3, 11),),
    ]


def test_costs_belong_to_teams_or_to_nobody(marts: duckdb.DuckDBPyConnection) -> None:
    query = (
        "select team, currency, cost from team_costs where usage_date = '2026-03-09' order by all"
    )
    assert rows(marts, query) == [
        ("platform", "USD", Decimal(1)),
        ("quality", "USD", Decimal(2)),
        ("research", "CNY", Decimal(10)),
        ("unassigned", "USD", Decimal(3)),
    ]


def test_month_lands_where_its_weekdays_lead(marts: duckdb.DuckDBPyConnection) -> None:
    # Research spent 3, 2, 2 and 0 USD on the four Mondays; three Mondays of March remain.
    query = (
        "select through_date, spent, expected_landing, lowest_landing, highest_landing "
        "from month_to_date where team = 'research' and currency = 'USD' order by month"
    )
    assert rows(marts, query) == [
        (date(2026, 2, 28), *[Decimal(16)] * 4),
        (date(2026, 3, 9), Decimal(2), Decimal("7.25"), Decimal(2), Decimal(11)),
    ]


def test_day_is_held_against_the_cheaper_median_of_its_weekdays(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    query = (
        "select usage_date, baseline_date, cost, baseline_cost, volume_effect, mix_effect, "
        "price_effect from cost_drivers where currency = 'USD' "
        "and usage_date >= '2026-03-02' order by all"
    )
    nothing = Decimal(0)
    # Each day has one call but 2026-03-09, with three. A Tuesday without cost is a median, too.
    assert rows(marts, query) == [
        (date(2026, 3, 2), date(2026, 2, 23), 2, 2, nothing, nothing, nothing),
        (date(2026, 3, 3), date(2026, 2, 17), 1, 0, Decimal(1), nothing, nothing),
        (date(2026, 3, 9), date(2026, 3, 2), 6, 2, Decimal(4), nothing, nothing),
    ]
