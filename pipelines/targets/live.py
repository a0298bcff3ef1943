"""A small DuckDB file whose views read the newest Parquet files, for tools that keep it open.

DuckDB knows an open file by its path and never sees another one swapped in there: a pool of
connections goes on with the day on which it began. This file stays as it is from night to night;
what its views read does not. It is swapped only where a table, a column or a comment has changed.
"""

import glob
from hashlib import sha256
from pathlib import Path

import duckdb

from llm_usage_warehouse.errors import RunError
from llm_usage_warehouse.places import READABLE_FROM
from llm_usage_warehouse.quoting import literal, quoted
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.targets.changes import OWN_SCHEMA
from llm_usage_warehouse.targets.publication import Publication, Relation

NOTE = f"{OWN_SCHEMA}.live_file"
"""The table by which this program knows what it wrote."""


def live_path(warehouse: WarehouseSettings) -> Path:
    """Return where the file lies: beside the published one."""
    published = warehouse.published_path
    return published.with_name(f"{published.stem}_live{published.suffix}")


def statements(publication: Publication, current: Path) -> list[str]:
    """Return the SQL that makes the file.

    Views that have no rows of their own are as in the published file, over these.

    Args:
        publication: the publication.
        current: the folder of the newest Parquet files, under the path that never changes.
    """
    found = [
        f"create schema if not exists {quoted(schema)}"
        for schema in sorted({one.schema for one in publication.relations})
    ]
    for one in publication.relations:
        found.append(f"create view {one.sql} as {_query(one, current)}")
        if one.comment:
            found.append(f"comment on view {one.sql} is {literal(one.comment)}")
        found += [
            f"comment on column {one.sql}.{quoted(column)} is {literal(said)}"
            for column, said in one.comments.items()
        ]
    return found


def write_live(wanted: list[str], path: Path, mode: int) -> None:
    """Write the file, unless it was made by these very statements.

    Args:
        wanted: the statements that make it.
        path: where it is.
        mode: who may read it.

    Raises:
        RunError: a file of that name is not ours.
        duckdb.Error: it cannot be written.
    """
    digest = sha256("\n".join(wanted).encode()).hexdigest()
    if path.exists():
        found = _digest(path)
        if found is None:
            raise RunError(f"{path} was not written by llm-usage; move it")
        if found == digest:
            return
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with duckdb.connect(
        str(fresh), config={"storage_compatibility_version": READABLE_FROM}
    ) as connection:
        connection.execute(f"create schema {OWN_SCHEMA}")
        connection.execute(f"create table {NOTE} as select ? as digest", [digest])
        for statement in wanted:
            connection.execute(statement)
    fresh.chmod(mode)
    fresh.replace(path)


def _query(one: Relation, current: Path) -> str:
    if not one.has_rows_of_its_own:
        return one.body or ""
    # Each column by name: one that is added does not disturb who has the file open.
    columns = ", ".join(quoted(column) for column in one.columns)
    files = (
        f"{glob.escape(str(current / one.schema / one.name))}{'/*' if one.day else ''}/*.parquet"
    )
    return f"select {columns} from read_parquet({literal(files)}, hive_partitioning = false)"  # noqa: S608


def _digest(path: Path) -> str | None:
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            ((found,),) = connection.execute(f"from {NOTE}").fetchall()
    except duckdb.Error:
        return None
    return str(found)
