"""The marts of the lake against those of a DuckDB file, to the last decimal."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from llm_usage_warehouse.quoting import literal, quoted

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

GROUPS = (
    ("usage_date", "call_date", "bucket_date", "month"),
    ("source_name",),
    ("currency",),
    ("model",),
)
"""What a mart's sums are told apart by: of each line, the first column that it has."""

TEXT_ALONE = {"calls": ("attributes",)}
"""Columns whose JSON says the same in another order of its members, or with other digits."""


@dataclass(frozen=True)
class Compared:
    """One mart on both sides.

    Attributes:
        mart: its name.
        rows: how many it has in DuckDB.
        rows_of_spark: how many it has in the lake.
        differing_sums: how many groups of day, source, currency and model have another count of
            rows, or another sum of any number, on either side.
        differing_rows: how many rows are on one side only.
    """

    mart: str
    rows: int
    rows_of_spark: int
    differing_sums: int
    differing_rows: int

    @property
    def is_equal(self) -> bool:
        """Whether every row is on both sides."""
        return self.rows == self.rows_of_spark and not self.differing_rows


def compare_marts(session: "SparkSession", warehouse: Path, folder: Path) -> Iterator[Compared]:
    """Compare each table and view of the schema main.

    Args:
        session: of the cluster.
        warehouse: the private DuckDB file.
        folder: takes what the lake has, as Parquet files.
    """
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        marts = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'main' "
            "order by all"
        ).fetchall()
        for (mart,) in marts:
            file = folder / f"{mart}.parquet"
            session.table(f"main.{mart}").write.mode("overwrite").parquet(str(file))
            yield compare(connection, mart, file)


def compare(connection: duckdb.DuckDBPyConnection, mart: str, file: Path) -> Compared:
    """Compare one table or view with what the lake has of it.

    Args:
        connection: to the DuckDB file.
        mart: the table or view of its schema main.
        file: the folder of Parquet files that Spark wrote.
    """
    left_out = TEXT_ALONE.get(mart, ())
    columns = {
        name: kind
        for name, kind, *_ in connection.execute(f"describe main.{quoted(mart)}").fetchall()
        if name not in left_out
    }
    ours = ", ".join(map(quoted, columns))
    theirs = ", ".join(f"cast({quoted(name)} as {kind})" for name, kind in columns.items())
    connection.execute(
        f"create or replace temp view ours as select {ours} from main.{quoted(mart)}"
    )
    connection.execute(
        f"create or replace temp view theirs({ours}) as select {theirs} "
        f"from read_parquet({literal(str(file / '*.parquet'))})"
    )
    return Compared(
        mart,
        _count(connection, "from ours"),
        _count(connection, "from theirs"),
        _differing(connection, *(_sums(side, columns) for side in ("ours", "theirs"))),
        _differing(connection, "from ours", "from theirs"),
    )


def _sums(side: str, columns: dict[str, str]) -> str:
    """Return the query of a side's counts and exact sums, by what its rows can be told apart by."""
    keys = [found[0] for group in GROUPS if (found := [name for name in group if name in columns])]
    numbers = [
        f"sum({quoted(name)})"
        for name, kind in columns.items()
        if kind.startswith(("DECIMAL", "BIGINT", "INTEGER"))
    ]
    told = ", ".join([*map(quoted, keys), "count(*)", *numbers])
    return f"select {told} from {side} group by {', '.join(map(quoted, keys)) or 'all'}"


def _differing(connection: duckdb.DuckDBPyConnection, one: str, other: str) -> int:
    return _count(
        connection,
        f"from (({one}) except all ({other}) union all (({other}) except all ({one})))",
    )


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    ((count,),) = connection.execute(f"select count(*) {query}").fetchall()
    return int(count)
