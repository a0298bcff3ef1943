"""Asks the published file what the page shows: one file of `sql/report` for each block."""

from typing import Any

import duckdb
import orjson

from llm_usage_warehouse.places import SQL_PROJECT

QUERIES = SQL_PROJECT / "report"

Row = dict[str, Any]


def ask(connection: duckdb.DuckDBPyConnection, name: str) -> list[Row]:
    """Return the rows of a query, by the names of its columns.

    Args:
        connection: to a published file, its session in the reporting time zone.
        name: of the query: `trust` is `sql/report/trust.sql`.
    """
    found = connection.execute(query(name))
    columns = [column[0] for column in found.description or ()]
    return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]


def query(name: str) -> str:
    """Return the text of a query."""
    return (QUERIES / f"{name}.sql").read_text(encoding="utf-8")


def chart(name: str) -> Row:
    """Return the Vega-Lite specification of a chart, which lies beside its query."""
    found: Row = orjson.loads((QUERIES / f"{name}.vl.json").read_bytes())
    return found
