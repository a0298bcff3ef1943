"""Lets a query see the published file as it stood at an instant.

Beside the file, an empty database gets a schema and a view for each table that keeps its history,
and the views of schema `main` that stand on nothing else. Names in the query mean these.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import duckdb

from llm_usage_warehouse.errors import RunError, UsageError
from llm_usage_warehouse.layout import (
    LOGS,
    OPENED,
    PAST,
    SCHEMAS,
    VERSIONED,
    place_of,
    places,
    schema_of,
)


def go_back(connection: duckdb.DuckDBPyConnection, instant: datetime, sql: str) -> None:
    """Let a query see the daily tables as they stood in the published file at an instant.

    A table is still the one of now where its name begins with the file's:
    `llm_usage.detail.daily_costs`.

    Args:
        connection: the published file.
        instant: when.
        sql: the query that will be run.

    Raises:
        RunError: the file has no memory, because an older version of this program wrote it.
        UsageError: nothing was published yet at that instant, it lies in the future, or the query
            reads a table that keeps no history.
        duckdb.Error: the query cannot be understood.
    """
    ((file,),) = connection.execute("select current_database()").fetchall()
    known = places(connection, file)
    if not known.keys() >= set(LOGS):
        raise RunError(
            "the published file keeps no history yet; it begins with `llm-usage publish`"
        )
    _check_instant(connection, known["publications"], instant)
    found = connection.execute("select view_name, sql from duckdb_views() where not internal")
    views: dict[str, str] = dict(found.fetchall())
    _create_views(connection, known, f"timestamptz '{instant.isoformat()}'")
    kept = (*_open(connection, views), *VERSIONED, *LOGS)
    # Asked here, a view that is not there is told by its own name, not by what it stands on.
    asked = connection.get_table_names(sql, qualified=True)
    _refuse_others(asked, file, {*known, *views} - set(kept), kept)


def _check_instant(
    connection: duckdb.DuckDBPyConnection, publications: str, instant: datetime
) -> None:
    ((first,),) = connection.execute(f"select min(recorded_at) from {publications}").fetchall()  # noqa: S608
    if first is None or instant < first:
        since = f"; the first publication is of {first.isoformat()}" if first else ""
        raise UsageError(f"nothing was published yet at {instant.isoformat()}{since}")
    if instant > datetime.now(UTC):
        raise UsageError(f"--as-of {instant.isoformat()} lies in the future")


def _create_views(connection: duckdb.DuckDBPyConnection, known: Mapping[str, str], at: str) -> None:
    # A connection that may only read makes no database in memory unless it is told to write.
    connection.execute(f"attach ':memory:' as {PAST} (read_write)")
    for schema in SCHEMAS:
        connection.execute(f"create schema {PAST}.{schema}")
    for name in VERSIONED:
        connection.execute(
            f"create view {PAST}.{place_of(name)} as from {known[f'{name}_history']} "
            "select * exclude (recorded_from, recorded_to) "
            f"where recorded_from <= {at} and (recorded_to is null or recorded_to > {at})"
        )
    for name in LOGS:
        connection.execute(
            f"create view {PAST}.{place_of(name)} as from {known[name]} where recorded_at <= {at}"
        )


def _open(connection: duckdb.DuckDBPyConnection, views: Mapping[str, str]) -> list[str]:
    """Create the views of schema `main` that the past is known for, and return their names."""
    connection.execute(f"use {PAST}.main")
    opened: list[str] = []
    for name in OPENED:
        try:
            connection.execute(views[name])
        except (KeyError, duckdb.CatalogException):
            continue
        opened.append(name)
    path = ",".join(f"{PAST}.{schema}" for schema in ("main", *SCHEMAS))
    connection.execute(f"set search_path = '{path}'")
    return opened


def _refuse_others(asked: set[str], file: str, forgetful: set[str], kept: Sequence[str]) -> None:
    for one in asked:
        *schema, name = one.split(" AS ")[0].lower().split(".")
        if name in forgetful and (not schema or schema[0] in ("main", *SCHEMAS)):
            where = schema[0] if schema else "main" if name in OPENED else schema_of(name)
            raise UsageError(
                f"{name} keeps no history, so it cannot be asked with --as-of; these can: "
                f"{', '.join(kept)}. {file}.{where}.{name} is the one of now"
            )
