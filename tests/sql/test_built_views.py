"""Views and seeds that stand as a run would make them are left out of it, and only those."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from llm_usage_warehouse import built_views
from llm_usage_warehouse.connectors import connectors
from llm_usage_warehouse.dbt_by_hand import run_by_hand
from llm_usage_warehouse.dbt_runs import HELD_SOURCES
from llm_usage_warehouse.own_seeds import OF_DEMO, SHIPPED, dbt_project
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.transform import transform
from llm_usage_warehouse.warehouse import connect
from tests.raw_rows import insert, log_row, slice_row
from tests.sql_helpers import FILE, SQL, SqlWarehouse, give_empty, give_parse

ASKS = ("run_query", "statement")
"""Macros of dbt's that ask the database while a model is compiled."""


@pytest.fixture
def warehouse(tmp_path: Path) -> WarehouseSettings:
    """A warehouse whose models are built of no rows."""
    warehouse = WarehouseSettings(path=tmp_path / FILE, seeds=tmp_path / "seeds")
    give_empty(warehouse)
    give_parse(warehouse)
    return warehouse


def fingerprint(warehouse: WarehouseSettings, **told: str) -> str:
    return built_views.fingerprint(warehouse, dbt_project(warehouse), told)


def load(warehouse: WarehouseSettings, number: int, day: str) -> None:
    with connect(warehouse) as connection:
        row = log_row(number, f"{day} 12:00:00Z", _dlt_load_id=day)
        insert(connection, "raw_aiproxy.logs", **row)
        line = slice_row("proxy", "logs", f"{day} 00:00:00Z", f"{day} 23:00:00Z", _dlt_load_id=day)
        insert(connection, "raw_aiproxy.load_ledger", **line)


def calls(warehouse: WarehouseSettings) -> list[tuple[Any, ...]]:
    with connect(warehouse, read_only=True) as connection:
        return connection.execute("select calls, cost from daily_costs order by all").fetchall()


def test_a_night_leaves_out_what_stands_until_somebody_runs_dbt(
    warehouse: WarehouseSettings,
) -> None:
    load(warehouse, 1, "2026-11-01")
    night = transform(warehouse, connectors().values(), tests=False)
    models = {path.stem for path in (SQL / "models").rglob("*.sql")}
    assert (night.problems, night.built < len(models)) == ((), True)
    assert len(calls(warehouse)) == 1
    assert built_views.stand(warehouse, fingerprint(warehouse))
    arguments = ("run", "--select", "stg_aiproxy__channels")
    assert run_by_hand(warehouse, connectors().values(), arguments) == 0
    assert not built_views.stand(warehouse, fingerprint(warehouse))


def add_column(warehouse: WarehouseSettings) -> WarehouseSettings:
    with connect(warehouse) as connection:
        connection.execute("alter table raw_aiproxy.logs add column new_one varchar")
    return warehouse


def add_price(warehouse: WarehouseSettings) -> WarehouseSettings:
    warehouse.seeds.mkdir()
    columns = (SHIPPED / "own_prices.csv").read_text().splitlines()[0]
    row = "aiproxy,,m,exact,input,,0,,1000000,4,CNY,2026-01-01,,ours,,,"
    (warehouse.seeds / "own_prices.csv").write_text(f"{columns}\n{row}\n")
    return warehouse


CHANGES: dict[str, Callable[[WarehouseSettings], WarehouseSettings]] = {
    "a column": add_column,
    "a price": add_price,
    "teams": lambda one: replace(one, seeds=OF_DEMO),
    "the time zone": lambda one: replace(one, reporting_timezone="Asia/Shanghai"),
    "the currency": lambda one: replace(one, reporting_currency="EUR"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_views_and_seeds_follow_from_makes_them_anew(
    warehouse: WarehouseSettings, change: Callable[[WarehouseSettings], WarehouseSettings]
) -> None:
    assert built_views.stand(warehouse, fingerprint(warehouse))
    changed = change(warehouse)
    assert not built_views.stand(changed, fingerprint(changed))


def test_a_held_source_makes_views_anew(warehouse: WarehouseSettings) -> None:
    assert not built_views.stand(warehouse, fingerprint(warehouse, **{HELD_SOURCES: '["proxy"]'}))


def test_a_run_with_a_failure_is_not_remembered(warehouse: WarehouseSettings) -> None:
    with connect(warehouse) as connection:
        connection.execute("delete from transform_state.built_views")
    results = [{"unique_id": "model.a", "status": "success"}, {"unique_id": "seed.b"}]
    for status, stands in (("error", False), ("skipped", False), ("success", True)):
        built_views.remember(warehouse, "x", [results[0], {**results[1], "status": status}])
        assert built_views.stand(warehouse, "x") == stands


def test_no_view_that_stands_asks_the_database_what_it_is() -> None:
    manifest = SqlWarehouse().manifest()

    @cache
    def asks(macro: str) -> bool:
        called = manifest["macros"][macro]["depends_on"]["macros"]
        ours = [one for one in called if one.startswith("macro.llm_usage_warehouse.")]
        return any(one.split(".")[-1] in ASKS for one in called) or any(map(asks, ours))

    found = {
        node["name"]: node["config"]["materialized"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
        and node["config"]["materialized"] in ("view", "view_of_run")
        and any(asks(macro) for macro in node["depends_on"]["macros"] if "llm_usage" in macro)
    }
    assert {name for name, kind in found.items() if kind == "view"} == set()
    assert "stg_weave__checked_totals" in found
