"""A package is merged out of its own files, wherever they lie and whatever columns they lack."""

from pathlib import Path

import dlt
import pyarrow as pa
import pytest

from llm_usage_warehouse.destination import WarehouseDestination
from llm_usage_warehouse.settings import WarehouseSettings, load_warehouse
from tests.loads import frozen, vendor


@pytest.mark.parametrize("name", ["o'clock", "a; drop table x", "alter schema", "in [brackets]"])
def test_a_folder_of_any_name_is_loaded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).mkdir()
    world = frozen(days=1, rows_per_day=48)
    with vendor(tmp_path / name, monkeypatch, "weave", world) as (_, project):
        outcome = project.load()
        again = project.load()
    assert (outcome.error, again.error) == (None, None)
    rows = sum(tally.rows for tally in outcome.streams.values())
    assert rows > 0
    tables = project.query(
        "select table_name from duckdb_tables() where schema_name = 'raw_weave' "
        "and table_name not like '\\_dlt%' escape '\\' and table_name != 'load_ledger'"
    )
    counts = [project.one(f'select count(*) from raw_weave."{table}"') for (table,) in tables]
    assert sum(counts) == rows


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WarehouseSettings:
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path))
    monkeypatch.setenv("WAREHOUSE__PATH", str(tmp_path / "warehouse.duckdb"))
    return load_warehouse()


def run(warehouse: WarehouseSettings, *tables: pa.Table) -> list[tuple[object, ...]]:
    """Load tables as one package; return what the warehouse holds, and how much is staged."""
    pipeline = dlt.pipeline(
        "merging",
        pipelines_dir=str(warehouse.path.parent / "dlt"),
        destination=WarehouseDestination(warehouse),
        dataset_name="raw",
    )
    calls = dlt.resource(
        list(tables),
        name="calls",
        primary_key="id",
        write_disposition={
            "disposition": "merge",
            "strategy": "delete-insert",
            "deduplicated": True,
        },
        columns={"note": {"data_type": "json"}},
    )
    pipeline.run(calls, loader_file_format="parquet")
    with pipeline.sql_client() as client:
        staged = client.execute_sql("select count(*) from raw_staging.calls")
        assert staged == [(0,)]
        rows = client.execute_sql("select id, tokens, note from raw.calls order by id")
        return [tuple(row) for row in rows or ()]


def test_a_file_may_lack_a_column_that_the_table_has(warehouse: WarehouseSettings) -> None:
    whole = pa.table({"id": [1, 2], "tokens": [10, 20], "note": ['{"a": 1}', None]})
    assert run(warehouse, whole) == [(1, 10, '{"a": 1}'), (2, 20, None)]
    assert run(warehouse, pa.table({"id": [2, 3]})) == [
        (1, 10, '{"a": 1}'),
        (2, None, None),
        (3, None, None),
    ]


def test_one_package_of_several_files_replaces_what_it_names(warehouse: WarehouseSettings) -> None:
    first = pa.table({"id": [1, 2], "tokens": [10, 20], "note": ["1", "2"]})
    run(warehouse, first)
    wider = pa.table({"id": [3], "tokens": [30], "note": ["3"], "extra": ["x"]})
    newer = pa.table({"id": [2], "tokens": [21], "note": ["[2]"]})
    assert run(warehouse, newer, wider) == [(1, 10, "1"), (2, 21, "[2]"), (3, 30, "3")]
