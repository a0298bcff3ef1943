"""Gives people and BI tools a file that no load ever locks.

The marts are copied as plain tables into a new file beside the old one, compared with the
warehouse, and swapped in with one rename: a reader keeps the file it has open, the next one to
connect sees the new day. The new file also remembers what the files before it said.
"""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from pipelines.errors import RunError
from pipelines.history import remember
from pipelines.settings import WarehouseSettings
from pipelines.warehouse import connect

READABLE_FROM = "v1.4.0"
"""The oldest DuckDB that can open the published file; BI drivers lag behind."""


@dataclass(frozen=True)
class Published:
    """The file that was swapped in.

    Attributes:
        path: where it is.
        rows: the rows of each table copied.
        restated: how many days that were complete when published before changed, by cause.
    """

    path: Path
    rows: dict[str, int]
    restated: dict[str, int]


def publish(warehouse: WarehouseSettings) -> Published:
    """Copy every table of schema `main` into the published file and swap it in.

    The file before it is kept beside it as `<name>.previous.duckdb`, and its memory is taken over.
    The caller has made sure that the data tests passed.

    Raises:
        RunError: there is nothing to publish, or the copy does not equal the warehouse. The
            published file is then as it was.
    """
    target = warehouse.published_path
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.new")
    for leftover in (fresh, _wal(fresh)):
        leftover.unlink(missing_ok=True)
    # Nobody writes the published file: a log beside it is stale, and would be replayed.
    _wal(target).unlink(missing_ok=True)
    earlier = next((path for path in (target, _previous(target)) if path.exists()), None)
    with connect(warehouse) as connection:
        try:
            rows = _copy(connection, fresh)
            restated = remember(connection, rows.keys(), earlier)
            connection.execute("detach published")
        except duckdb.Error as error:
            fresh.unlink(missing_ok=True)
            raise RunError(f"publishing failed: {str(error).splitlines()[0]}") from error
    _swap(fresh, target)
    return Published(target, rows, restated)


def published_at(warehouse: WarehouseSettings) -> datetime | None:
    """Return when the published file was swapped in, or None where there is none."""
    path = warehouse.published_path
    return datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.exists() else None


def _copy(connection: duckdb.DuckDBPyConnection, fresh: Path) -> dict[str, int]:
    connection.execute(f"attach '{_sql(fresh)}' as published (storage_version '{READABLE_FROM}')")
    names = [
        name
        for (name,) in connection.execute(
            "select table_name from information_schema.tables "
            "where table_catalog = current_database() and table_schema = 'main' "
            "and table_type = 'BASE TABLE' order by table_name"
        ).fetchall()
    ]
    if not names:
        raise RunError("there is nothing to publish yet; run `llm-usage nightly` first")
    rows: dict[str, int] = {}
    for name in names:
        connection.execute(f'create table published.main."{name}" as from main."{name}"')
        ours, theirs = (
            _fingerprint(connection, f'{where}main."{name}"') for where in ("", "published.")
        )
        if ours != theirs:
            raise RunError(
                f"the published copy of {name} differs from the warehouse; nothing was swapped"
            )
        rows[name] = ours[0]
    return rows


def _fingerprint(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[int, ...]:
    """Return the row count, and the exact sum of every column of money."""
    described = connection.execute(f"describe {table}").fetchall()
    money = [f'coalesce(sum("{column[0]}"), 0)' for column in described if "DECIMAL" in column[1]]
    query = f"select {', '.join(['count(*)', *money])} from {table}"  # noqa: S608 - our own names
    found = connection.execute(query).fetchone()
    assert found is not None  # noqa: S101 - an aggregate has one row
    return tuple(found)


def _swap(fresh: Path, target: Path) -> None:
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    fresh.chmod(0o444)
    if target.exists():
        _previous(target).unlink(missing_ok=True)
        os.link(target, _previous(target))
    fresh.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _previous(target: Path) -> Path:
    return target.with_name(f"{target.stem}.previous{target.suffix}")


def _wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _sql(path: Path) -> str:
    return str(path).replace("'", "''")
