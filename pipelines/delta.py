"""The warehouse of engine "spark": Delta tables in a lake, and a DuckDB file that shows them.

Loads and models write the lake. Whoever asks in SQL asks the file, `[warehouse] path`, in which
each table of the lake is a view of the very files that the table had when it was last shown: what a
load or a build wrote comes to be seen at once, once all of it is there. What the program itself
notes (schema `transform_state`, prices and rates) is small, lies in the file, and is given to the
lake before a build and taken from it after.
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import duckdb
import pyarrow as pa

from llm_usage_warehouse.errors import RunError, UsageError
from llm_usage_warehouse.quoting import literal, quoted
from llm_usage_warehouse.settings import WarehouseSettings

if TYPE_CHECKING:
    from deltalake import DeltaTable

OF_THE_LAKE = "a table of the lake"
"""The comment on a view by which it is known to show one."""

SHOWN = "transform_state.shown_tables"
"""Which version of each table of the lake the file shows."""

STATE = ("processed_slices", "settings", "unpublished_days", "held_sources", "built_views")
"""The tables of schema `transform_state` that builds read and write."""

OWN = ("transform_state", "seeds")
"""The schemas of which the file has its own."""

GIVEN = ("raw_prices", "raw_rates", "last_good")
"""The schemas of the file that the lake is given whole."""

KEPT = timedelta(days=7)
"""How long the files of a version of a table that is not the newest stay."""

MANY_FILES = 8
"""A table of more is made one of few."""

MARK = "_llm_usage.json"
"""The file in a lake that says whose it is, and of which format."""

FORMAT = 1

Name = tuple[str, str]
"""Schema and table."""


def check_package(name: str) -> None:
    """Make sure that a package is there which engine "spark" needs.

    Raises:
        RunError: it is not.
    """
    if find_spec(name) is None:
        raise RunError(
            f'[warehouse] engine is "spark", and {name} is not installed: '
            "pip install 'llm-usage-warehouse[spark]'"
        )


@dataclass(frozen=True)
class LakeTable:
    """A table of the lake, as a build is to see it.

    Attributes:
        name: schema and table.
        folder: where it lies.
        version: the one to be read; None for the newest, to which the build adds.
    """

    name: Name
    folder: Path
    version: int | None


def claim(connection: duckdb.DuckDBPyConnection, warehouse: WarehouseSettings) -> None:
    """Make sure that the lake is this file's: what one file has noted is not true of two.

    Raises:
        UsageError: it is another's, or of another version of this program.
    """
    connection.execute("create schema if not exists transform_state")
    connection.execute("create table if not exists transform_state.lake (lake_id text)")
    mark = Path(warehouse.lake) / MARK
    if not connection.execute("from transform_state.lake").fetchall():
        connection.execute("insert into transform_state.lake values (?)", [uuid4().hex])
    ((known,),) = connection.execute("from transform_state.lake").fetchall()
    if not mark.exists():
        mark.parent.mkdir(parents=True, exist_ok=True)
        fresh = mark.with_name(f".{uuid4().hex}")
        fresh.write_text(json.dumps({"format": FORMAT, "lake_id": known}))
        # Whoever comes first has it: a link is not made where there is one.
        with suppress(FileExistsError):
            os.link(fresh, mark)
        fresh.unlink()
    try:
        found = json.loads(mark.read_text())
        form, lake_id = found["format"], found["lake_id"]
    except (ValueError, KeyError):
        raise UsageError(
            f"{mark} is none of ours; set [warehouse] lake to another folder"
        ) from None
    if form != FORMAT:
        raise UsageError(
            f"the lake {warehouse.lake} is of format {form}, and this version of llm-usage writes "
            f"format {FORMAT}: run the version that wrote it, or set [warehouse] lake to another "
            "folder"
        )
    if known != lake_id:
        raise UsageError(
            f"the lake {warehouse.lake} is written with another private file than "
            f"{warehouse.path}; set [warehouse] path to that one, or lake to another folder. If "
            f"that file is gone, remove {mark}: then all is read and built again"
        )


def tables_to_build_on(
    connection: duckdb.DuckDBPyConnection, warehouse: WarehouseSettings
) -> list[LakeTable]:
    """Return what a run of dbt starts from: of raw tables, what the file shows of them."""
    shown = _shown(connection)
    return [
        LakeTable(name, folder, shown.get(name) if _is_raw(name) else None)
        for name, folder in tables_of(warehouse).items()
        if name in shown or not _is_raw(name)
    ]


def remove_what_is_made_anew(warehouse: WarehouseSettings) -> None:
    """Remove the tables of Parquet alone before a build, which makes no table over other files."""
    for folder in tables_of(warehouse).values():
        if not _is_delta(folder):
            shutil.rmtree(folder)


def tables_of(warehouse: WarehouseSettings) -> dict[Name, Path]:
    """Return the folder of each table of the lake: Delta's, or of Parquet files alone."""
    return {
        (folder.parent.name, folder.name): folder
        for folder in sorted(Path(warehouse.lake).glob("*/*"))
        if _is_delta(folder) or (not folder.parent.name.startswith("raw_") and _files_of(folder))
    }


def show_loaded(
    connection: duckdb.DuckDBPyConnection, warehouse: WarehouseSettings, dataset: str
) -> None:
    """Have the file show what a load package has brought, all of it at once.

    Raises:
        RunError: a table is written in a way that cannot be read here.
    """
    _show(connection, warehouse, lambda name: name[0] == dataset)


def show_built(connection: duckdb.DuckDBPyConnection, warehouse: WarehouseSettings) -> None:
    """Have the file show what a build has made, all of it at once.

    Raises:
        RunError: a table is written in a way that cannot be read here.
    """
    _show(connection, warehouse, lambda name: not _is_raw(name))


def _shown(connection: duckdb.DuckDBPyConnection) -> dict[Name, int]:
    connection.execute("create schema if not exists transform_state")
    connection.execute(
        f"create table if not exists {SHOWN} (schema_name text, table_name text, version bigint)"
    )
    rows = connection.execute(f"from {SHOWN}").fetchall()
    return {(schema, table): version for schema, table, version in rows}


def _is_raw(name: Name) -> bool:
    return name[0].startswith("raw_") and name[0] not in GIVEN


def _show(
    connection: duckdb.DuckDBPyConnection,
    warehouse: WarehouseSettings,
    is_meant: Callable[[Name], bool],
) -> None:
    known = _shown(connection)
    changed = [
        (name, folder)
        for name, folder in tables_of(warehouse).items()
        if is_meant(name) and name[0] not in (*OWN, *GIVEN) and known.get(name) != _version(folder)
    ]
    connection.begin()
    try:
        for (schema_name, table_name), folder in changed:
            connection.execute(f"create schema if not exists {quoted(schema_name)}")
            view, version = f"{quoted(schema_name)}.{quoted(table_name)}", _version(folder)
            connection.execute(f"create or replace view {view} as {_statement(connection, folder)}")
            connection.execute(f"comment on view {view} is {literal(OF_THE_LAKE)}")
            connection.execute(
                f"delete from {SHOWN} where schema_name = ? and table_name = ?",  # noqa: S608
                [schema_name, table_name],
            )
            connection.execute(
                f"insert into {SHOWN} values (?, ?, ?)",  # noqa: S608
                [schema_name, table_name, version],
            )
        for dataset in {name[0] for name, _ in changed if _is_raw(name)}:
            _show_loads(connection, warehouse, dataset)
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def give_state(connection: duckdb.DuckDBPyConnection, warehouse: WarehouseSettings) -> None:
    """Write into the lake what the program has noted for the models."""
    from deltalake import DeltaTable, write_deltalake  # noqa: PLC0415

    found = connection.execute(
        "select schema_name, table_name from duckdb_tables() "
        "where database_name = current_database() and (list_contains(?, schema_name) "
        "or schema_name = 'transform_state' and list_contains(?, table_name))",
        [list(GIVEN), list(STATE)],
    ).fetchall()
    for name, folder in tables_of(warehouse).items():
        if name[0] in GIVEN and name not in found:
            shutil.rmtree(folder)
    for schema, table in found:
        folder = Path(warehouse.lake) / schema / table
        rows = connection.table(f"{quoted(schema)}.{quoted(table)}").to_arrow_table()
        if _is_delta(folder):
            before = DeltaTable(str(folder)).to_pyarrow_table()
            if before.schema.names == rows.schema.names and before.equals(rows):
                continue
        write_deltalake(str(folder), rows, mode="overwrite", schema_mode="overwrite")


def take_state(connection: duckdb.DuckDBPyConnection, warehouse: WarehouseSettings) -> None:
    """Take from the lake what a build has noted."""
    connection.execute("create schema if not exists transform_state")
    for table in STATE:
        folder = Path(warehouse.lake) / "transform_state" / table
        if _is_delta(folder):
            rows = _opened(folder).to_pyarrow_table()
            connection.register("noted", rows)
            connection.execute(f"create or replace table transform_state.{table} as from noted")
            connection.unregister("noted")


def create_tables(
    connection: duckdb.DuckDBPyConnection,
    warehouse: WarehouseSettings,
    tables: Mapping[Name, pa.Schema],
) -> None:
    """Create each table that is not in the lake, empty, and give each the columns that it lacks.

    What an unfinished package has brought to the others stays unseen until it is read again.
    """
    changed = set[Name]()
    from deltalake import DeltaTable, Field  # noqa: PLC0415

    for (schema_name, table_name), schema in tables.items():
        folder = Path(warehouse.lake) / schema_name / table_name
        if not _is_delta(folder):
            folder.mkdir(parents=True, exist_ok=True)
            DeltaTable.create(str(folder), schema)
            changed.add((schema_name, table_name))
            continue
        table = _opened(folder)
        known = {field.name for field in table.schema().fields}
        if lacking := [Field.from_arrow(field) for field in schema if field.name not in known]:
            table.alter.add_columns(lacking)
            changed.add((schema_name, table_name))
    shown = _shown(connection)
    changed |= tables.keys() - shown.keys()
    _show(connection, warehouse, changed.__contains__)


def tidy(connection: duckdb.DuckDBPyConnection, warehouse: WarehouseSettings) -> None:
    """Make few files of many small ones, and remove what no version of the last days needs."""
    shown, tidied = _shown(connection), set[Name]()
    for name, folder in tables_of(warehouse).items():
        if _is_raw(name) and shown.get(name) != _version(folder):
            # A package that was cut off is in it, to be read again before it is shown.
            continue
        if not _is_delta(folder):
            continue
        table = _opened(folder)
        tidied.add(name)
        if len(table.file_uris()) > MANY_FILES:
            table.optimize.compact()
        table.vacuum(int(KEPT.total_seconds() // 3600), dry_run=False)
        table.cleanup_metadata()
    _show(connection, warehouse, lambda name: not _is_raw(name) or name in tidied)


def _opened(folder: Path) -> "DeltaTable":
    from deltalake import DeltaTable  # noqa: PLC0415

    table = DeltaTable(str(folder))
    features = set(table.protocol().reader_features or ())
    if "deletionVectors" in features:
        raise RunError(
            f"the table {folder} has deletion vectors, which cannot be read here: in Spark, set "
            "its property delta.enableDeletionVectors to false, and rewrite it by `reorg table ... "
            "apply (purge)`"
        )
    return table


def _is_delta(folder: Path) -> bool:
    return (folder / "_delta_log").is_dir()


def _files_of(folder: Path) -> list[str]:
    return sorted(str(file) for file in folder.glob("*.parquet"))


def _version(folder: Path) -> int:
    """Return the newest version of a table, without reading its log.

    One of Parquet alone is made anew by each build: its version is the instant of that.
    """
    if not _is_delta(folder):
        return folder.stat().st_mtime_ns
    return max(
        (int(file.stem) for file in (folder / "_delta_log").glob("*.json") if file.stem.isdigit()),
        default=-1,
    )


def _statement(connection: duckdb.DuckDBPyConnection, folder: Path) -> str:
    """Return what selects the rows of a table: of its files, and of none the types."""
    if not _is_delta(folder):
        return f"from read_parquet([{', '.join(map(literal, _files_of(folder)))}])"
    table = _opened(folder)
    connection.register("empty", pa.schema(table.schema().to_arrow()).empty_table())
    columns = connection.execute("describe empty").fetchall()
    connection.unregister("empty")
    nothing = ", ".join(f"null::{kind} as {quoted(name)}" for name, kind, *_ in columns)
    none = f"select {nothing} where false"
    files = sorted(table.file_uris())
    if not files:
        return none
    # The first says which columns there are: not every file has those that came later.
    listed = ", ".join(map(literal, files))
    return f"{none} union all by name from read_parquet([{listed}], union_by_name = true)"


def _show_loads(
    connection: duckdb.DuckDBPyConnection, warehouse: WarehouseSettings, dataset: str
) -> None:
    """Show which load packages dlt has noted as complete, in files of lines of JSON."""
    files = Path(warehouse.lake) / dataset / "_dlt_loads" / "*.jsonl*"
    connection.execute(
        f"create or replace view {quoted(dataset)}._dlt_loads as "
        f"from read_json({literal(files)}, columns = "
        "{load_id: 'varchar', schema_name: 'varchar', status: 'bigint'}, "
        "format = 'newline_delimited')"
        if any(files.parent.glob(files.name))
        else f"create or replace view {quoted(dataset)}._dlt_loads as select null::varchar as "
        "load_id, null::varchar as schema_name, null::bigint as status where false"
    )
