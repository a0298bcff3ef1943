"""Which days of which tables each publication changed, as the published file itself remembers.

Publishing knows the days that it replaces. It notes them in the file, so that a target which is a
publication behind, or several, is told by the file alone what it lacks. Where the file was written
whole, the notes begin anew: a target of before takes everything.
"""

from collections.abc import Collection, Mapping
from datetime import date

import duckdb

from llm_usage_warehouse.differences import WHOLE

DAYS = ("usage_date", "call_date", "bucket_date")
"""The columns that make a table one of days, the first that it has; another table is one piece."""

RECORDED = "recorded_at"
"""The column of the tables that only grow: the instant of the publication that added a row."""

REMEMBERED = 35
"""Publications: a target that is further behind is written whole."""

OWN_SCHEMA = "ops"

ORDER, CHANGES = (f"{OWN_SCHEMA}.publishing_{name}" for name in ("order", "changes"))
"""Where the notes are in the published file; no target has them."""

Place = tuple[str, str]
"""A schema, and a table or view in it."""

Days = frozenset[date | None] | None
"""The days on which rows differ, None among them for rows of no day; None where all may differ."""

TABLES = f"""
    select schema_name, table_name, list(column_name order by column_index)
    from duckdb_columns() inner join duckdb_tables() using (database_name, schema_name, table_name)
    where
        database_name = 'published'
        and schema_name || '.' || table_name not in ('{ORDER}', '{CHANGES}')
    group by schema_name, table_name
    order by schema_name, table_name
"""  # noqa: S608 - our own names


def note(
    connection: duckdb.DuckDBPyConnection, publication_id: str, changed: Mapping[str, str] | None
) -> None:
    """Note in the file attached as `published` what this publication changes.

    Args:
        connection: the private warehouse, the file published before attached as `earlier`.
        publication_id: of this publication.
        changed: the tables, and a condition on those of their rows that may differ from the file
            before; None where the new file is no copy of it.
    """
    connection.execute(f"create schema if not exists published.{OWN_SCHEMA}")
    create = "create or replace table" if changed is None else "create table if not exists"
    connection.execute(f"{create} published.{ORDER} (number bigint, publication_id uuid)")
    connection.execute(
        f"{create} published.{CHANGES} "
        "(number bigint, schema_name varchar, table_name varchar, day date, is_whole boolean)"
    )
    ((number,),) = connection.execute(
        f"insert into published.{ORDER} "  # noqa: S608 - our own names
        f"select coalesce(max(number), 0) + 1, ?::uuid from published.{ORDER} "
        "returning number",
        [publication_id],
    ).fetchall()
    for name in (ORDER, CHANGES):
        connection.execute(
            f"delete from published.{name} where number <= ?",  # noqa: S608
            [number - REMEMBERED],
        )
    if changed is None:
        return
    for schema, table, columns in connection.execute(TABLES).fetchall():
        if days := _changed_days(connection, schema, table, columns, changed):
            connection.execute(
                f"insert into published.{CHANGES} "  # noqa: S608
                f"select ?, ?, ?, day, is_whole from ({days})",
                [number, schema, table],
            )


def changes_since(
    connection: duckdb.DuckDBPyConnection, publication_id: str
) -> dict[Place, Days] | None:
    """Return what has changed since a publication: each table that did, and its days.

    Args:
        connection: the published file.
        publication_id: of the publication that a target has.

    Returns:
        None where the file does not know that publication.
    """
    known = connection.execute(
        f"select number from {ORDER} where publication_id = ?::uuid",  # noqa: S608
        [publication_id],
    ).fetchall()
    if not known:
        return None
    found: dict[Place, Days] = {}
    rows = connection.execute(
        "select schema_name, table_name, list(distinct day), count(*) > count(day), "  # noqa: S608
        f"bool_or(is_whole) from {CHANGES} where number > ? group by all",
        known[0],
    )
    for schema, table, days, has_no_day, is_whole in rows.fetchall():
        found[schema, table] = (
            None if is_whole else frozenset([*days, None] if has_no_day else days)
        )
    return found


def day_column(columns: Collection[str]) -> str | None:
    """Return the column that makes a table one of days; None where it is one piece."""
    return next((one for one in DAYS if one in columns), None)


def rows_of(day: str | None, days: Days) -> str | None:
    """Return a condition on the rows of some days.

    Args:
        day: the column of the days; None where a table is one piece.
        days: which.

    Returns:
        None where no row is meant.
    """
    if days is None:
        return "true"
    if day is None:
        return None
    listed = ", ".join(f"date '{one}'" for one in sorted(one for one in days if one))
    parts = [f'"{day}" in ({listed})'] if listed else []
    if None in days:
        parts.append(f'"{day}" is null')
    return " or ".join(parts) or None


def _changed_days(
    connection: duckdb.DuckDBPyConnection,
    schema: str,
    table: str,
    columns: Collection[str],
    changed: Mapping[str, str],
) -> str | None:
    """Return a query for the days of a table that differ; None where none does."""
    ours, theirs = (f'{file}."{schema}"."{table}"' for file in ("published", "earlier"))
    day = day_column(columns)
    if day is None:
        if _hash(connection, ours) == _hash(connection, theirs):
            return None
        return "select null::date as day, true as is_whole"
    # The versions of a table change on its days; what only grows has the newest rows last.
    where = changed.get(table) or changed.get(table.removesuffix("_history"))
    if where is None and RECORDED in columns:
        last = f"(select max({RECORDED}) from {theirs})"  # noqa: S608
        where = f"({RECORDED} > {last} or {last} is null)"
    if where is None or where == WHOLE:
        return "select null::date as day, true as is_whole"
    if where == "false":
        return None
    days = (f'select "{day}" as day from {one} where {where}' for one in (ours, theirs))  # noqa: S608
    return f"select distinct day, false as is_whole from ({' union all '.join(days)})"  # noqa: S608


def _hash(connection: duckdb.DuckDBPyConnection, table: str) -> list[tuple[int, int | None]]:
    # The outer hash keeps two rows that swap a value from adding up to the same.
    return connection.execute(
        f"select count(*), sum(hash(hash(row))::hugeint) from {table} as row"  # noqa: S608
    ).fetchall()
