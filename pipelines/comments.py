"""Gives every table and column of the published file a comment, which BI tools show beside it.

A comment is the description in dbt's yml: of a model, or of a source, as which all that publishing
makes by itself is described. A table that keeps the versions of another says of their columns what
that one says.
"""

import json
from collections.abc import Mapping
from typing import Any

import duckdb

from llm_usage_warehouse.layout import VERSIONED, schema_of
from llm_usage_warehouse.quoting import literal, quoted
from llm_usage_warehouse.settings import WarehouseSettings

Place = tuple[str, str, str | None]
"""A published schema, a table or view in it, and a column; None for the table itself."""

COMMENTS = """
    select 'table', schema_name, table_name, null, comment
    from duckdb_tables() where database_name = 'published'
    union all
    select 'view', schema_name, view_name, null, comment
    from duckdb_views() where database_name = 'published' and not internal
    union all
    select 'column', schema_name, table_name, column_name, comment
    from duckdb_columns() where database_name = 'published' and not internal
"""


def write_comments(connection: duckdb.DuckDBPyConnection, warehouse: WarehouseSettings) -> None:
    """Write into the file attached as `published` each comment that differs from its description.

    Where the manifest is not there, or a killed run has left a part of it, nothing is written; the
    next night has one.

    Args:
        connection: the private warehouse.
        warehouse: whose descriptions, those of its last run of dbt.
    """
    path = warehouse.data_folder / "dbt" / "target" / "manifest.json"
    try:
        wanted = descriptions(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return
    found = connection.execute(COMMENTS).fetchall()
    connection.begin()
    for kind, schema, table, column, comment in found:
        if (text := wanted.get((schema, table, column))) != comment:
            name = ".".join(quoted(part) for part in (schema, table, column) if part)
            value = literal(text) if text else "null"
            connection.execute(f"comment on {kind} published.{name} is {value}")
    connection.commit()


def descriptions(manifest: Mapping[str, Any]) -> dict[Place, str]:
    """Return what dbt's manifest says of each table, view and column, each in one line.

    What has no description is not in it.
    """
    found: dict[Place, str] = {}
    for node in (*manifest["nodes"].values(), *manifest["sources"].values()):
        if node["resource_type"] in ("model", "source"):
            table = node["name"]
            # What is no mart is not published.
            is_mart = node["resource_type"] == "model" and node["schema"] == "main"
            schema = schema_of(table) if is_mart else node["schema"]
            found[schema, table, None] = node["description"]
            for name, column in node["columns"].items():
                found[schema, table, name] = column["description"]
    for (_, table, column), text in list(found.items()):
        if table in VERSIONED and column:
            versions = f"{table}_history"
            found.setdefault((schema_of(versions), versions, column), text)
    lines = ((place, " ".join(text.split())) for place, text in found.items())
    return {place: line for place, line in lines if line}
