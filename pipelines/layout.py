"""Which schema of the published file holds what: the one place that says so.

Schema `main` holds the views that BI opens and nothing else. Every table lies in another schema, by
its purpose; one that is named nowhere here is a detail. The private warehouse knows none of this:
there every model of the marts is in `main`.
"""

import duckdb

OPENED = ("costs", "tokens", "calls", "budgets", "freshness", "reconciliation")
"""The views of schema `main`; the statement of each is in sql/opened."""

VERSIONED = ("daily_tokens", "daily_costs", "daily_costs_converted", "daily_totals", "team_costs")
"""The published tables whose past can be asked for; `<name>_history` holds their versions."""

LOGS = ("publications", "audits", "audit_runs", "restatements")
"""The published tables that only grow: a row is known from its `recorded_at` on."""

STAMP = "publishing_stamp"
"""The table by which the program knows a file that it wrote."""

SCHEMAS = {
    "detail": "what the six are made of: calls, charges, prices, rates, every source",
    "history": "what was published when; nothing else can bring it back",
    "ops": "how the loads went, and what somebody should look at",
}
"""The schemas beside `main`, and what each is for."""

PAST = "as_of"
"""What the database is called that shows the published file as it stood at an instant."""

OPS = {"alerts", "held_sources", "load_status", "rejected_values", STAMP}

HISTORY = {*LOGS, *(f"{name}_history" for name in VERSIONED)}

NAMES = ("main", *SCHEMAS)
"""All schemas, in the order in which a table's bare name is looked for in them."""


def schema_of(table: str) -> str:
    """Return the schema of the published file that a table lies in."""
    if table in HISTORY:
        return "history"
    return "ops" if table in OPS else "detail"


def place_of(table: str) -> str:
    """Return what a table of the published file is called in SQL, the file's name left out."""
    return f'{schema_of(table)}."{table}"'


def places(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, str]:
    """Return what each table of a published file is called in SQL, by its bare name.

    Args:
        connection: has the file attached.
        database: as what. A file of a version before the schemas has every table in `main`.
    """
    found = connection.execute(
        "select table_name, schema_name from duckdb_tables() "
        "where database_name = ? and list_contains(?, schema_name)",
        [database, list(NAMES)],
    )
    return {table: f'"{database}".{schema}."{table}"' for table, schema in found.fetchall()}


def find_by_bare_names(connection: duckdb.DuckDBPyConnection) -> None:
    """Let queries on a published file name a table without its schema; the six views win."""
    found = connection.execute(
        "select schema_name from duckdb_schemas() where database_name = current_database()"
    )
    known = {schema for (schema,) in found.fetchall()}
    path = ",".join(schema for schema in NAMES if schema in known)
    connection.execute(f"set search_path = '{path}'")
