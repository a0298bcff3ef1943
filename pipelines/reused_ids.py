"""Sees that an id names the same call as it did before, so that no row takes another one's place.

A vendor's ids are trusted to merge rows on. Where its database was made anew they begin at 1 again,
and every new call would replace an old one that is nowhere else any more.
"""

import duckdb
import pyarrow as pa

from llm_usage_warehouse.errors import RunError
from llm_usage_warehouse.packages import Package
from llm_usage_warehouse.streams import Connector, Table

PACKAGE = "package_ids"


def check_ids(
    connection: duckdb.DuckDBPyConnection, connector: Connector, source_name: str, package: Package
) -> None:
    """Compare the rows of a load package with those of the same ids in the warehouse.

    Args:
        connection: to the warehouse.
        connector: whose tables.
        source_name: whose rows.
        package: not loaded yet.

    Raises:
        RunError: an id is that of another call there.
    """
    for table in connector.tables:
        rows = package.identities.get(table.name)
        if rows and _is_there(connection, connector.dataset, table):
            _check(connection, connector, source_name, table, pa.concat_tables(rows))


def _is_there(connection: duckdb.DuckDBPyConnection, dataset: str, table: Table) -> bool:
    found = connection.execute(
        "select 1 from duckdb_columns() where schema_name = ? and table_name = ? limit 1",
        [dataset, table.name],
    )
    # Read to its end: DuckDB 2 registers nothing beside a result that is not.
    return bool(found.fetchall())


def _check(
    connection: duckdb.DuckDBPyConnection,
    connector: Connector,
    source_name: str,
    table: Table,
    rows: pa.Table,
) -> None:
    others = " and ".join(f"stored.{one} is distinct from read.{one}" for one in table.identity)
    connection.register(PACKAGE, rows)
    try:
        # The ids of the package prune the row groups of the table: this costs what is new.
        found = connection.execute(
            f"""
            select stored.{table.id_column}
            from {connector.dataset}.{table.name} as stored
            inner join {PACKAGE} as read using ({", ".join(table.key)})
            where {others}
            limit 1
            """  # noqa: S608 - names of our own tables
        ).fetchall()
    finally:
        connection.unregister(PACKAGE)
    if not found:
        return
    (call,) = found[0]
    raise RunError(
        f"{source_name}: {table.id_column} {call} of {table.name} is another call's than the "
        "one that is stored under it: the server's ids began again, as they do when its database "
        "is made anew. Nothing of this package was written, and the stored calls are as they were. "
        f"Read the new database under a name of its own: rename [sources.{source_name}] in "
        f"config.toml and secrets.toml to, say, [sources.{source_name}_2], and give it connector = "
        f'"{connector.vendor}"'
    )
