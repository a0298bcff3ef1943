"""The published tables in a DuckLake, each publication one snapshot of it.

The catalog `<published file>.ducklake` is a DuckDB file, and the data lies in `<catalog>.files/`
beside it. DuckDB has DuckLake as an extension, which PyPI has as `duckdb-extension-ducklake`.
"""

from pathlib import Path

import duckdb

from llm_usage_warehouse.errors import RunError
from llm_usage_warehouse.lake import KEPT, check_extension, load_extension
from llm_usage_warehouse.quoting import literal, quoted
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.targets.changes import OWN_SCHEMA, Place, rows_of
from llm_usage_warehouse.targets.publication import Publication, Relation
from llm_usage_warehouse.warehouse import keep_to_limits

OWN_TABLE = "publication_of_lake"
"""Where the lake has the id of its publication."""


def lake_path(warehouse: WarehouseSettings) -> Path:
    """Return where the catalog lies: beside the published file."""
    return warehouse.published_path.with_suffix(".ducklake")


def check_ducklake() -> None:
    """Make sure that DuckDB finds its extension.

    Raises:
        UsageError: it does not, or has one of another version.
    """
    check_extension("[warehouse] publish names ducklake")


def write_ducklake(
    publication: Publication, warehouse: WarehouseSettings, *, whole: bool = False
) -> None:
    """Write what a publication changed as one snapshot.

    Args:
        publication: the publication.
        warehouse: whose.
        whole: write every row anew, whatever is there.

    Raises:
        RunError: the lake holds tables of somebody else.
        duckdb.Error: it cannot be written, as when another program has the catalog open.
    """
    catalog = lake_path(warehouse)
    files = catalog.with_name(f"{catalog.name}.files")
    # The published file is open for reading only, and so is all that is attached to it.
    with duckdb.connect() as connection:
        load_extension(connection)
        keep_to_limits(connection, warehouse)
        connection.execute(
            f"attach {literal(str(warehouse.published_path))} as published (read_only)"
        )
        # Rows that lie in the catalog itself would keep a table of ours from having a `row_id`.
        connection.execute(
            f"attach {literal(f'ducklake:{catalog}')} as lake "
            f"(data_path {literal(f'{files}/')}, data_inlining_row_limit 0)"
        )
        connection.begin()
        _write(connection, publication, whole=whole)
        connection.commit()
        for call in ("ducklake_expire_snapshots", "ducklake_cleanup_old_files"):
            connection.execute(f"call {call}('lake', older_than => now() - interval '{KEPT}')")
    catalog.chmod(warehouse.file_mode | 0o200)
    for path in (files, *files.rglob("*")):
        path.chmod(warehouse.folder_mode if path.is_dir() else warehouse.file_mode)


def _write(connection: duckdb.DuckDBPyConnection, publication: Publication, *, whole: bool) -> None:
    there = _tables(connection)
    since = _publication(connection, there)
    changes = publication.changes(None if whole else since)
    wanted = [one for one in publication.relations if one.has_rows_of_its_own]
    for schema in sorted({OWN_SCHEMA, *(one.schema for one in wanted)}):
        connection.execute(f"create schema if not exists lake.{quoted(schema)}")
    for schema, name in there.keys() - {one.place for one in wanted} - {(OWN_SCHEMA, OWN_TABLE)}:
        connection.execute(f"drop table lake.{quoted(schema)}.{quoted(name)}")
    for one in wanted:
        ours, theirs = f"published.{one.sql}", f"lake.{one.sql}"
        if there.get(one.place) != dict(one.columns):
            connection.execute(f"drop table if exists {theirs}")
            connection.execute(f"create table {theirs} as from {ours}")
            _comment(connection, one)
        elif where := rows_of(one.day, changes.get(one.place, frozenset())):
            connection.execute(f"delete from {theirs} where {where}")  # noqa: S608 - our own names
            connection.execute(f"insert into {theirs} from {ours} where {where}")
    connection.execute(f"drop table if exists lake.{OWN_SCHEMA}.{OWN_TABLE}")
    connection.execute(
        f"create table lake.{OWN_SCHEMA}.{OWN_TABLE} as "
        f"select {literal(publication.publication_id)} as publication_id"
    )


def _tables(connection: duckdb.DuckDBPyConnection) -> dict[Place, dict[str, str]]:
    found = connection.execute(
        "select schema_name, table_name, list((column_name, data_type) order by column_index) "
        "from duckdb_columns() where database_name = 'lake' group by all"
    )
    return {(schema, name): dict(columns) for schema, name, columns in found.fetchall()}


def _publication(
    connection: duckdb.DuckDBPyConnection, there: dict[Place, dict[str, str]]
) -> str | None:
    if (OWN_SCHEMA, OWN_TABLE) in there:
        ((found,),) = connection.execute(f"from lake.{OWN_SCHEMA}.{OWN_TABLE}").fetchall()
        return str(found)
    if there:
        raise RunError("the lake holds tables that were not written by llm-usage; move it")
    return None


def _comment(connection: duckdb.DuckDBPyConnection, one: Relation) -> None:
    if one.comment:
        connection.execute(f"comment on table lake.{one.sql} is {literal(one.comment)}")
    for column, said in one.comments.items():
        name = f"lake.{one.sql}.{quoted(column)}"
        connection.execute(f"comment on column {name} is {literal(said)}")
