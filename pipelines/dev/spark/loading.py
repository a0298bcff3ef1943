"""The raw tables of the demo, given to DuckDB and to the lake, as of one night or the next."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from llm_usage_warehouse.errors import RunError
from llm_usage_warehouse.quoting import literal, quoted

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NIGHTS = 2

LOAD = "_dlt_load_id"
"""The column of a raw table that names the load a row came with."""


@dataclass(frozen=True)
class Night:
    """What the raw tables hold after a night.

    Attributes:
        name: for people.
        loads: the loads of which there are rows; None for all.
    """

    name: str
    loads: tuple[str, ...] | None


def nights(demo: Path) -> tuple[Night, Night]:
    """Return the demo's first night, without the rows that came again later, and all of it.

    Raises:
        RunError: it has no second one.
    """
    with duckdb.connect(str(demo), read_only=True) as connection:
        ledgers = [table for table in _raw_tables(connection) if table[1] == "load_ledger"]
        told = " union all ".join(f"select run_id, {LOAD} from {_named(one)}" for one in ledgers)
        loads = connection.execute(
            f"with told as ({told}) select distinct {LOAD} from told "
            f"where run_id = (select arg_min(run_id, {LOAD}) from told) order by all"
        ).fetchall()
        runs = connection.execute(f"select count(distinct run_id) from ({told})").fetchall()
    if runs[0][0] < NIGHTS:
        raise RunError(f"{demo} has one night only, and none with late rows; run `make demo` anew")
    first = tuple(load for (load,) in loads)
    return Night("the first night", first), Night("the second, with late rows", None)


def load_duckdb(demo: Path, night: Night, warehouse: Path) -> None:
    """Give a DuckDB file the raw tables of a night; what models made in it stays."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach {literal(demo)} as demo (read_only)")
        for schema, table, is_loaded in _raw_tables(connection, "demo"):
            connection.execute(f"create schema if not exists {quoted(schema)}")
            connection.execute(
                f"create or replace table {quoted(schema)}.{quoted(table)} as "
                f"select * from demo.{quoted(schema)}.{quoted(table)} {_where(night, is_loaded)}"
            )


def load_lake(session: "SparkSession", warehouse: Path, folder: Path) -> int:
    """Make a Delta table of every raw table of a DuckDB file, and return how many there are.

    They go through Parquet files, so that instants, decimals and NULL are what they were.

    Args:
        session: of the cluster.
        warehouse: the file.
        folder: takes the Parquet files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        tables = list(_raw_tables(connection))
        for schema, table, _ in tables:
            file = folder / f"{schema}.{table}.parquet"
            connection.execute(
                f"copy {quoted(schema)}.{quoted(table)} to {literal(file)} (format parquet)"
            )
    for schema in sorted({schema for schema, _, _ in tables}):
        session.sql(f"create schema if not exists {schema}")
    for schema, table, _ in tables:
        rows = session.read.parquet(str(folder / f"{schema}.{table}.parquet"))
        written = rows.write.format("delta").mode("overwrite").option("overwriteSchema", "true")
        written.saveAsTable(f"{schema}.{table}")
    return len(tables)


def _raw_tables(
    connection: duckdb.DuckDBPyConnection, database: str | None = None
) -> Iterator[tuple[str, str, bool]]:
    """Yield schema and name of each raw table of the models, and whether its rows name a load."""
    yield from connection.execute(
        "select schema_name, table_name, "
        f"bool_or(column_name = {literal(LOAD)}) from duckdb_columns() "
        "where starts_with(schema_name, 'raw_') and not ends_with(schema_name, '_staging') "
        # dlt's own tables are none of the models'.
        "and not starts_with(table_name, '_dlt_') "
        "and database_name = coalesce(?, current_database()) group by all order by all",
        [database],
    ).fetchall()


def _named(table: tuple[str, str, bool]) -> str:
    schema, name, _ = table
    return f"{quoted(schema)}.{quoted(name)}"


def _where(night: Night, is_loaded: bool) -> str:
    if night.loads is None or not is_loaded:
        return ""
    return f"where {LOAD} in ({', '.join(map(literal, night.loads))})"
