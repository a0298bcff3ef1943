"""Gives people and BI tools a file that no load ever locks.

A new file beside the old one is made equal to the marts, compared with the warehouse, and swapped
in with one rename: a reader keeps the file it has open, the next one to connect sees the new day.
It begins as a copy of the old file, of which only the days that differ are replaced: a night costs
what is new. The new file also remembers what the files before it said.
"""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from llm_usage_warehouse.audit_queries import create_tables
from llm_usage_warehouse.comments import write_comments
from llm_usage_warehouse.differences import (
    DAY,
    NOTED,
    WHOLE,
    count_rows,
    differences,
    forget,
    settle,
    stamp,
    tables,
)
from llm_usage_warehouse.errors import REPAIR, RunError, in_a_line, next_step
from llm_usage_warehouse.history import Restatement, attach, last_restatements, remember
from llm_usage_warehouse.layout import OPENED, SCHEMAS, place_of, places, schema_of
from llm_usage_warehouse.places import READABLE_FROM, SQL_PROJECT, previous, why_unusable
from llm_usage_warehouse.quoting import literal
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.targets.changes import note
from llm_usage_warehouse.warehouse import connect, connect_reading

VIEWS = ("call_charges", "focus_charges", "focus_unpriced")
"""The models that the published file has as views beside its tables. They name no database, so that
each stands on the tables of the file that it is in."""

OPENED_FROM = SQL_PROJECT / "opened"
"""Where the statements of the views of schema `main` are, one file for each."""


@dataclass(frozen=True)
class Published:
    """The file that was swapped in.

    Attributes:
        path: where it is.
        rows: the rows of each table.
        restated: how many days that were complete when published before changed, by cause.
        whole: whether every table was written anew, not only the days that differ.
    """

    path: Path
    rows: dict[str, int]
    restated: dict[str, int]
    whole: bool


def publish(warehouse: WarehouseSettings, *, everything: bool = False) -> Published:
    """Make a file of every table of the marts, and swap it in as the published one.

    The file before it is kept beside it as `<name>.previous.duckdb`, and its memory is taken over.
    The caller has made sure that the data tests passed.

    Args:
        warehouse: whose.
        everything: compare every month of the new file with the warehouse, not only the days that
            were written: a day that changed without a word is found so.

    Raises:
        RunError: there is nothing to publish, or the new file does not equal the warehouse. The
            published file is then as it was.
    """
    target = warehouse.published_path
    if why := why_unusable(target):
        raise RunError(f"publishing failed: {target} {why}; {REPAIR}")
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.new")
    for leftover in (fresh, _wal(fresh)):
        leftover.unlink(missing_ok=True)
    # Nobody writes the published file: a log beside it is stale, and would be replayed.
    _wal(target).unlink(missing_ok=True)
    earlier = next((path for path in (target, previous(target)) if path.exists()), None)
    with connect(warehouse) as connection:
        try:
            ((ours,),) = connection.execute("select current_database()").fetchall()
            names = tables(connection)
            if not names:
                raise RunError("there is nothing to publish yet; run `llm-usage nightly` first")
            known = attach(connection, earlier) if earlier else {}
            found = differences(connection) if earlier == target else None
            changed = found or dict.fromkeys(names, WHOLE)
            if found:
                _copy(target, fresh)
            rows = _write(connection, fresh, changed)
            if everything:
                _compare_months(connection, changed)
            create_tables(connection)
            restated = remember(connection, changed, known, begin=not found)
            _write_views(connection, ours)
            publication_id = stamp(connection)
            note(connection, publication_id, found)
            write_comments(connection, warehouse)
            connection.execute("checkpoint published")
            connection.execute("detach published")
            _swap(fresh, target, warehouse.file_mode)
            settle(connection, publication_id)
        except (duckdb.Error, OSError) as error:
            fresh.unlink(missing_ok=True)
            raise RunError(f"publishing failed: {in_a_line(error)}; {next_step(error)}") from error
    return Published(target, rows, restated, whole=not found)


def try_publishing(warehouse: WarehouseSettings) -> list[Restatement]:
    """Return what a publishing would restate of days that were complete before.

    It is worked out in a copy of the published file, which is removed again. Both files are only
    read; the data tests are not asked.

    Raises:
        RunError: nothing is published yet, or a file cannot be read.
    """
    target = warehouse.published_path
    if not target.exists():
        raise RunError(f"{target} is not there yet, so nothing can be restated: llm-usage nightly")
    if why := why_unusable(target):
        raise RunError(f"{target} {why}; {REPAIR}")
    fresh = warehouse.data_folder / ".dry-run.duckdb"
    try:
        with connect_reading(warehouse) as connection:
            known = attach(connection, target)
            found = differences(connection)
            changed = found or dict.fromkeys(tables(connection), WHOLE)
            if found:
                _copy(target, fresh)
            _write(connection, fresh, changed)
            remember(connection, changed, known, begin=not found)
            return last_restatements(connection)
    except (duckdb.Error, OSError) as error:
        raise RunError(f"it cannot be tried: {in_a_line(error)}; {next_step(error)}") from error
    finally:
        for leftover in (fresh, _wal(fresh)):
            leftover.unlink(missing_ok=True)


def _copy(target: Path, fresh: Path) -> None:
    shutil.copyfile(target, fresh)
    fresh.chmod(0o600)


def _write(
    connection: duckdb.DuckDBPyConnection, fresh: Path, changed: Mapping[str, str]
) -> dict[str, int]:
    """Write the rows that changed into the new file, and return how many rows each table has."""
    connection.execute(f"attach {literal(fresh)} as published (storage_version '{READABLE_FROM}')")
    for schema in SCHEMAS:
        connection.execute(f"create schema if not exists published.{schema}")
    rows: dict[str, int] = {}
    for name, where in changed.items():
        ours, theirs = f'main."{name}"', f"published.{place_of(name)}"
        if where == WHOLE:
            connection.execute(f"create or replace table {theirs} as from {ours}")
        else:
            connection.execute(f"delete from {theirs} where {where}")  # noqa: S608
            connection.execute(f"insert into {theirs} from {ours} where {where}")
        _compare(connection, name, where)
        rows[name] = count_rows(connection, theirs)
    return rows


def _write_views(connection: duckdb.DuckDBPyConnection, ours: str) -> None:
    """Write the views that are models, and those of schema `main`.

    A view of schema `main` is written where all that it stands on is published, as it is whenever
    all models were built.
    """
    found = connection.execute(
        "select view_name, sql from duckdb_views() where database_name = ? "
        "and schema_name = 'main' and list_contains(?, view_name)",
        [ours, list(VIEWS)],
    ).fetchall()
    for name, statement in found:
        schema = schema_of(name)
        connection.execute(f"use published.{schema}")
        # They name tables by the private schema, which is that of all models of the marts.
        text = re.sub(r"\bmain\.(?=\w)", f"{schema}.", statement)
        connection.execute(text.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1))
    connection.execute("use published.main")
    published = {place_of(name).replace('"', "") for name in places(connection, "published")}
    for name in OPENED:
        statement = (OPENED_FROM / f"{name}.sql").read_text(encoding="utf-8")
        if connection.get_table_names(statement, qualified=True) <= published:
            connection.execute(f"create or replace view {name} as {statement}")
    connection.execute(f'use "{ours}".main')


def _compare(connection: duckdb.DuckDBPyConnection, name: str, where: str) -> None:
    ours, theirs = (
        (count_rows(connection, table), _fingerprint(connection, table, where))
        for table in (f'main."{name}"', f"published.{place_of(name)}")
    )
    if ours != theirs:
        raise _differing(connection, name)


def _compare_months(connection: duckdb.DuckDBPyConnection, changed: Mapping[str, str]) -> None:
    """Compare, month by month, all rows of the tables of which only some days were written."""
    for name, where in changed.items():
        if where == WHOLE:
            continue
        month = f"date_trunc('month', \"{NOTED.get(name, DAY)}\")"
        ours, theirs = (
            _fingerprint(connection, table, WHOLE, month)
            for table in (f'main."{name}"', f"published.{place_of(name)}")
        )
        if apart := {one[0] for one in ours ^ theirs}:
            months = ", ".join(sorted(f"{one:%Y-%m}" if one else "no month" for one in apart))
            raise _differing(connection, name, f" in {months}")


def _differing(connection: duckdb.DuckDBPyConnection, name: str, where: str = "") -> RunError:
    """Return the error of a table that is not the warehouse's, whose file is not known any more."""
    forget(connection)
    return RunError(
        f"the published copy of {name} differs from the warehouse{where}; nothing was swapped, and "
        "the next publishing writes every table whole"
    )


def _fingerprint(
    connection: duckdb.DuckDBPyConnection, table: str, where: str, by: str = "null"
) -> set[tuple[Any, ...]]:
    """Return of some rows, by an expression, how many there are and each exact sum of money."""
    described = connection.execute(f"describe {table}").fetchall()
    money = [f'coalesce(sum("{column[0]}"), 0)' for column in described if "DECIMAL" in column[1]]
    wanted = ", ".join([by, "count(*)", *money])
    query = f"select {wanted} from {table} where {where} group by {by}"  # noqa: S608 - our own
    return set(connection.execute(query).fetchall())


def _swap(fresh: Path, target: Path, mode: int) -> None:
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    fresh.chmod(mode)
    if target.exists():
        previous(target).unlink(missing_ok=True)
        os.link(target, previous(target))
    fresh.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")
