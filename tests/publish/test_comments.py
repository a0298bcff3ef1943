"""Comments in the published file: every table and column has one, and it is the newest."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from llm_usage_warehouse.comments import COMMENTS, write_comments
from llm_usage_warehouse.publish import Published, publish
from llm_usage_warehouse.settings import WarehouseSettings
from tests.sql_helpers import WITHOUT_TESTS, SqlWarehouse

# BI tools show neither a 128-bit integer, which a sum is that is not cast, nor a decimal(38, 0).
TYPES = {
    *("BOOLEAN", "INTEGER", "BIGINT", "VARCHAR", "DATE", "TIMESTAMP WITH TIME ZONE", "UUID"),
    *("DECIMAL(18,2)", "DECIMAL(26,6)", "DECIMAL(38,6)", "DECIMAL(38,12)", "DECIMAL(38,15)"),
    "DECIMAL(38,18)",
}

DAILY = {
    "resource_type": "model",
    "schema": "main",
    "name": "daily",
    "description": "One row per day.",
    "columns": {"cost": {"description": "In EUR."}},
}


class File:
    """A warehouse of all models, and the file that is published of it."""

    def __init__(self, warehouse: SqlWarehouse, folder: Path) -> None:
        self.settings = WarehouseSettings(path=warehouse.path, published_path=folder / "p.duckdb")
        self.manifest = self.settings.data_folder / "dbt" / "target" / "manifest.json"

    def publish(self) -> Published:
        return publish(self.settings)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect() as connection:
            path = self.settings.published_path
            connection.execute(f"attach '{path}' as published (read_only)")
            return connection.execute(sql).fetchall()

    def uncommented(self) -> list[str]:
        return [".".join(place) for place, comment in self.comments().items() if not comment]

    def comments(self) -> dict[tuple[str, ...], str | None]:
        return {
            tuple(part for part in (schema, table, column) if part): comment
            for _, schema, table, column, comment in self.ask(COMMENTS)
        }


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[File]:
    warehouse = SqlWarehouse()
    warehouse.load("1", "2026-10-29", "2026-11-01", {1: "2026-10-30"})
    built = warehouse.dbt("build", *WITHOUT_TESTS, timezone="UTC")
    assert built.ok, built.said
    file = File(warehouse, tmp_path_factory.mktemp("published"))
    assert file.publish().whole
    yield file


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(
            "attach ':memory:' as published; create schema published.detail; "
            "create table published.detail.daily (day date, cost integer); create view "
            'published.detail.costs as select cost as "Cost" from published.detail.daily'
        )
        yield connection


def comments(
    connection: duckdb.DuckDBPyConnection, folder: Path, *nodes: dict[str, Any]
) -> list[tuple[Any, ...]]:
    """Return what has a comment, once a manifest's are written."""
    manifest = folder / "dbt" / "target" / "manifest.json"
    manifest.parent.mkdir(parents=True, exist_ok=True)
    described = {"nodes": {node["name"]: node for node in nodes}, "sources": {}}
    manifest.write_text(json.dumps(described))
    write_comments(connection, WarehouseSettings(path=folder / "w.duckdb"))
    found = connection.execute(COMMENTS).fetchall()
    return sorted((table, column or "", text) for *_, table, column, text in found if text)


def test_every_table_and_column_has_a_comment(file: File) -> None:
    lacking = file.uncommented()
    assert not lacking, f"no yml of sql/models describes {', '.join(lacking)}"


def test_no_column_is_of_a_type_that_bi_cannot_show(file: File) -> None:
    columns = file.ask(
        "select concat_ws('.', schema_name, table_name, column_name), data_type "
        "from duckdb_columns() where database_name = 'published' and not internal"
    )
    odd = [f"{name} is a {kind}" for name, kind in columns if kind not in TYPES]
    assert not odd, ", ".join(odd)


def test_versions_are_described_as_the_rows_are(file: File) -> None:
    found = file.comments()
    versions = ("history", "daily_costs_history")
    assert found[*versions, "cost"] == found["detail", "daily_costs", "cost"]
    assert found[*versions, "recorded_from"]


def test_comments_survive_the_next_night_and_follow_their_descriptions(file: File) -> None:
    before, manifest = file.comments(), json.loads(file.manifest.read_text())
    calls = manifest["nodes"]["model.llm_usage_warehouse.calls"]
    calls["columns"]["currency"]["description"] = "Another one."
    file.manifest.write_text(json.dumps(manifest))
    assert not file.publish().whole
    assert file.comments() == before | {("detail", "calls", "currency"): "Another one."}


def test_a_description_that_changed_or_went_does_so_in_the_file(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    first = comments(connection, tmp_path, DAILY)
    assert first == [("daily", "", "One row per day."), ("daily", "cost", "In EUR.")]
    other = {"day": {"description": "Local day."}, "cost": {"description": ""}}
    second = comments(connection, tmp_path, DAILY | {"columns": other})
    assert second == [("daily", "", "One row per day."), ("daily", "day", "Local day.")]


def test_a_view_has_comments_too(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    columns = {"Cost": {"description": "In EUR."}}
    view = DAILY | {"name": "costs", "columns": columns}
    assert comments(connection, tmp_path, view) == [
        ("costs", "", "One row per day."),
        ("costs", "Cost", "In EUR."),
    ]


def test_a_description_is_one_line_and_never_sql(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    odd = DAILY | {"description": "It's one;\n  drop table daily", "columns": {}}
    assert comments(connection, tmp_path, odd) == [("daily", "", "It's one; drop table daily")]


@pytest.mark.parametrize("left", ["", '{"nodes": {'])
def test_without_a_whole_manifest_comments_stay(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, left: str
) -> None:
    comments(connection, tmp_path, DAILY)
    before = connection.execute(COMMENTS).fetchall()
    manifest = tmp_path / "dbt" / "target" / "manifest.json"
    manifest.unlink()
    if left:
        manifest.write_text(left)
    write_comments(connection, WarehouseSettings(path=tmp_path / "w.duckdb"))
    assert connection.execute(COMMENTS).fetchall() == before
