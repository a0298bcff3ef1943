"""The raw tables, as a program of today finds those of an earlier one."""

from pathlib import Path

import duckdb

from pipelines.connectors import connectors
from pipelines.settings import WarehouseSettings
from pipelines.warehouse import create_raw_tables


def test_tables_of_an_earlier_version_get_the_columns_that_came_later(tmp_path: Path) -> None:
    warehouse = WarehouseSettings(path=tmp_path / "w.duckdb")
    create_raw_tables(warehouse, connectors().values())
    later = ("usage_buckets", "cost_unit"), ("load_ledger", "planned_scopes")
    with duckdb.connect(str(warehouse.path)) as connection:
        expected = [connection.execute(f"describe raw_weave.{one}").fetchall() for one, _ in later]
        for table, column in later:
            connection.execute(f"alter table raw_weave.{table} drop column {column}")
    create_raw_tables(warehouse, connectors().values())
    with duckdb.connect(str(warehouse.path)) as connection:
        found = [connection.execute(f"describe raw_weave.{one}").fetchall() for one, _ in later]
    assert [sorted(one) for one in found] == [sorted(one) for one in expected]
