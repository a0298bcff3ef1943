"""What the published file does not say yet: the rows that the next publishing writes.

The models note which days they change in tables as long as the history (`sql/macros/runs.sql`). The
other tables of days are short, and compared. Whether the notes begin where the published file ends
is seen by its id, which the warehouse knows. In any doubt, every table is written whole.
"""

from collections.abc import Mapping
from datetime import date
from hashlib import md5
from uuid import uuid4

import duckdb

from llm_usage_warehouse.delta import OF_THE_LAKE
from llm_usage_warehouse.history import STATEMENTS
from llm_usage_warehouse.layout import HISTORY, NAMES, OPENED, STAMP, VERSIONED, place_of, schema_of
from llm_usage_warehouse.places import READABLE_FROM

DAY = "usage_date"
"""The column that makes a table one of days."""

NOTED = {
    "calls": "call_date",
    "call_costs": "call_date",
    "usage_buckets": "bucket_date",
    "daily_charges": "usage_date",
}
"""The tables whose changed days the models note, and the column of the day: too long to compare."""

WHOLE = "true"
"""The condition on the rows to write of a table that is written whole."""

FEW_BLOCKS = 64
"""A file of no more blocks, 16 MB, is small however much of it is waste."""

Columns = tuple[tuple[str, str], ...]


def tables(connection: duckdb.DuckDBPyConnection) -> dict[str, Columns]:
    """Return the tables of schema `main` of the private warehouse: their columns and types."""
    ((warehouse,),) = connection.execute("select current_database()").fetchall()
    found = _columns(connection, warehouse)
    return {name: columns for (schema, name), columns in found.items() if schema == "main"}


def published_tables(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, Columns]:
    """Return the tables of a published file, likewise: those that lie where they belong now."""
    found = _columns(connection, database)
    return {
        name: columns
        for (schema, name), columns in found.items()
        if schema == schema_of(name) and name != STAMP
    }


def _columns(
    connection: duckdb.DuckDBPyConnection, database: str
) -> dict[tuple[str, str], Columns]:
    found = connection.execute(
        "select schema_name, table_name, list((column_name, data_type) order by column_index) "
        "from duckdb_columns() inner join (from duckdb_tables() select database_name, schema_name, "
        "table_name union all from duckdb_views() select database_name, schema_name, view_name "
        "where comment = ?) using (database_name, schema_name, table_name) "
        "where database_name = ? and list_contains(?, schema_name) "
        "group by schema_name, table_name order by table_name",
        [OF_THE_LAKE, database, list(NAMES)],
    )
    return {(schema, name): tuple(columns) for schema, name, columns in found.fetchall()}


def differences(connection: duckdb.DuckDBPyConnection) -> dict[str, str] | None:
    """Return a condition on the rows that each table differs in, or more rows.

    Args:
        connection: the private warehouse, the published file attached as `earlier`.

    Returns:
        None where every table is to be written whole: the published file is not the one that the
        warehouse wrote last, its tables have other columns, every day has changed, or more than
        half of the file is waste.
    """
    ours, theirs = tables(connection), published_tables(connection, "earlier")
    if not (_is_known(connection) and _is_same_shape(ours, theirs)) or _is_wasteful(connection):
        return None
    noted = connection.execute("select usage_date from transform_state.unpublished_days")
    days: set[date | None] = {day for (day,) in noted.fetchall()}
    if None in days:
        return None
    return {name: _condition(connection, name, columns, days) for name, columns in ours.items()}


def stamp(connection: duckdb.DuckDBPyConnection) -> str:
    """Give the file attached as `published` an id that the warehouse knows, and return it.

    The id before it stays known: a run that is killed now may or may not have swapped the file.
    """
    publication_id = str(uuid4())
    connection.execute(
        f"create or replace table published.{place_of(STAMP)} as "
        "select ?::uuid as publication_id, ? as form",
        [publication_id, _form()],
    )
    connection.execute("create schema if not exists transform_state")
    connection.execute(
        "create table if not exists transform_state.published_files (publication_id uuid)"
    )
    connection.execute(
        "insert into transform_state.published_files values (?::uuid)", [publication_id]
    )
    return publication_id


def settle(connection: duckdb.DuckDBPyConnection, publication_id: str) -> None:
    """Forget the days that were not published: now they are."""
    connection.begin()
    connection.execute(
        "delete from transform_state.published_files where publication_id <> ?::uuid",
        [publication_id],
    )
    if _has_table(connection, "transform_state.unpublished_days"):
        connection.execute("delete from transform_state.unpublished_days")
    connection.commit()


def forget(connection: duckdb.DuckDBPyConnection) -> None:
    """Know no published file any more, so that the next one is written whole."""
    if _has_table(connection, "transform_state.published_files"):
        connection.execute("delete from transform_state.published_files")


def _is_known(connection: duckdb.DuckDBPyConnection) -> bool:
    stamp = f"earlier.{schema_of(STAMP)}.{STAMP}"
    needed = (
        stamp,
        "transform_state.published_files",
        "transform_state.unpublished_days",
    )
    if not all(_has_table(connection, name) for name in needed):
        return False
    found = connection.execute(
        f"select count(*) from {stamp} "  # noqa: S608 - our own name
        "inner join transform_state.published_files using (publication_id) where form = ?",
        [_form()],
    )
    return found.fetchall() == [(1,)]


def _form() -> str:
    """Return what the published file is written by, besides the models."""
    statements = [path.read_text(encoding="utf-8") for path in sorted(STATEMENTS.glob("*.sql"))]
    return md5(
        "".join([READABLE_FROM, *OPENED, *statements]).encode(), usedforsecurity=False
    ).hexdigest()


def _is_same_shape(ours: Mapping[str, Columns], theirs: Mapping[str, Columns]) -> bool:
    remembers = ours.keys() >= set(VERSIONED)
    memory = HISTORY if remembers else set()
    return ours.items() <= theirs.items() and theirs.keys() == {*ours, *memory}


def _is_wasteful(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether a file written whole would be less than half as long."""
    ((total, used),) = connection.execute(
        "select total_blocks, used_blocks from pragma_database_size() "
        "where database_name = 'earlier'"
    ).fetchall()
    names = [name for name in published_tables(connection, "earlier") if name in NOTED]
    held = connection.execute(
        "select table_name, estimated_size from duckdb_tables() "
        "where database_name = 'earlier' and list_contains(?, table_name)",
        [names],
    ).fetchall()
    # Rows that were deleted stay in their blocks until DuckDB finds others to merge them with.
    deleted = sum(rows for _, rows in held) - sum(
        count_rows(connection, f"earlier.{place_of(name)}") for name in names
    )
    live = 1 - deleted / max(1, sum(rows for _, rows in held))
    return bool(total > FEW_BLOCKS and total > 2 * used * live)


def count_rows(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """Return how many rows a table has."""
    ((rows,),) = connection.execute(f"select count(*) from {table}").fetchall()  # noqa: S608
    return int(rows)


def _condition(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    columns: Columns,
    noted: set[date | None],
) -> str:
    names = dict(columns)
    if name in NOTED and NOTED[name] in names:
        return _of_days(NOTED[name], noted)
    if names.get(DAY) == "DATE":
        return _of_days(DAY, _differing_days(connection, name, columns))
    return WHOLE


def _differing_days(
    connection: duckdb.DuckDBPyConnection, name: str, columns: Columns
) -> set[date | None]:
    row = ", ".join(f'"{column}"' for column, _ in columns)
    # The outer hash keeps two rows that swap a value from adding up to the same.
    ours, theirs = (
        f"(select {DAY}, count(*), sum(hash(hash({row}))::hugeint) "  # noqa: S608 - our own names
        f"from {table} group by {DAY})"
        for table in (f'main."{name}"', f"earlier.{place_of(name)}")
    )
    found = connection.execute(
        f"select {DAY} from ((from {ours} except from {theirs}) "  # noqa: S608
        f"union all (from {theirs} except from {ours}))"
    )
    return {day for (day,) in found.fetchall()}


def _of_days(column: str, days: set[date | None]) -> str:
    # Literals: DuckDB then skips the rows that lie elsewhere.
    listed = ", ".join(f"date '{day}'" for day in sorted(day for day in days if day))
    conditions = [f'"{column}" in ({listed})'] if listed else []
    if None in days:
        conditions.append(f'"{column}" is null')
    return f"({' or '.join(conditions)})" if conditions else "false"


def _has_table(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    *database, schema, table = name.split(".")
    where = f"'{database[0]}'" if database else "current_database()"
    found = connection.execute(
        f"select count(*) from duckdb_tables() where database_name = {where} "  # noqa: S608
        "and schema_name = ? and table_name = ?",
        [schema, table],
    )
    return found.fetchall() == [(1,)]
