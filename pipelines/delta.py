"""The warehouse of engine "spark": Delta tables in a lake, and a DuckDB file that shows them.

Loads and models write the lake. Whoever asks in SQL asks the file, `[warehouse] path`, in which
each table of the lake is a view of the very files that the table had when it was last shown: what a
load or a build wrote comes to be seen at once, once all of it is there. What the program itself
notes (schema `transform_state`, prices and rates) is small, lies in the file, and is given to the
lake before a build and taken from it after.
"""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING
from uuid import uuid4

import duckdb
import pyarrow as pa

from llm_usage_warehouse.errors import RunError, UsageError
from llm_usage_warehouse.lake_files import Found, Name, found_in, read_or_make, remove
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

LakeTable = tuple[str, str, str, bool, int | None]
"""A table of the lake as a build is to see it: its schema, its name, where it lies, whether it is
one of Delta, and the version to be read; None for the newest, to which the build adds."""


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


def check_packages(warehouse: WarehouseSettings) -> None:
    """Make sure that the packages are there by which the lake is loaded.

    Raises:
        RunError: one is not.
    """
    check_package("deltalake")
    if warehouse.is_in_a_store:
        check_package("s3fs")


def claim(connection: duckdb.DuckDBPyConnection, warehouse: WarehouseSettings) -> None:
    """Make sure that the lake is this file's: what one file has noted is not true of two.

    Raises:
        UsageError: it is another's, or of another version of this program.
        RunError: the object store that it is in cannot be reached, or refuses.
    """
    connection.execute("create schema if not exists transform_state")
    connection.execute("create table if not exists transform_state.lake (lake_id text)")
    if not connection.execute("from transform_state.lake").fetchall():
        connection.execute("insert into transform_state.lake values (?)", [uuid4().hex])
    ((known,),) = connection.execute("from transform_state.lake").fetchall()
    said = read_or_make(warehouse, MARK, json.dumps({"format": FORMAT, "lake_id": known}))
    mark = f"{warehouse.lake}/{MARK}"
    try:
        found = json.loads(said)
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
        (*name, table.place, table.is_delta, shown.get(name) if _is_raw(name) else None)
        for name, table in _tables(found_in(warehouse)).items()
        if name in shown or not _is_raw(name)
    ]


def remove_what_is_made_anew(warehouse: WarehouseSettings) -> None:
    """Remove the tables of Parquet alone before a build, which makes no table over other files.

    What a build that was cut off has left of one is removed as well.
    """
    for name, table in found_in(warehouse).items():
        if not table.is_delta and not _is_raw(name):
            remove(warehouse, name)


def _tables(found: Mapping[Name, Found]) -> dict[Name, Found]:
    """Return what are tables of what lies in the lake: Delta's, or of Parquet files alone."""
    return {
        name: table
        for name, table in found.items()
        if table.is_delta or (not name[0].startswith("raw_") and table.parquet)
    }


def show_loaded(
    connection: duckdb.DuckDBPyConnection, warehouse: WarehouseSettings, dataset: str
) -> None:
    """Have the file show what a load package has brought, all of it at once.

    Raises:
        RunError: a table is written in a way that cannot be read here.
    """
    _show(connection, warehouse, lambda _: True, dataset)


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
    dataset: str | None = None,
) -> None:
    known, found = _shown(connection), found_in(warehouse, dataset)
    changed = {
        name: table
        for name, table in _tables(found).items()
        if is_meant(name) and name[0] not in (*OWN, *GIVEN) and known.get(name) != table.version
    }
    connection.begin()
    try:
        for (schema_name, table_name), table in changed.items():
            connection.execute(f"create schema if not exists {quoted(schema_name)}")
            view = f"{quoted(schema_name)}.{quoted(table_name)}"
            connection.execute(f"create or replace view {view} as {_statement(connection, table)}")
            connection.execute(f"comment on view {view} is {literal(OF_THE_LAKE)}")
            connection.execute(
                f"delete from {SHOWN} where schema_name = ? and table_name = ?",  # noqa: S608
                [schema_name, table_name],
            )
            connection.execute(
                f"insert into {SHOWN} values (?, ?, ?)",  # noqa: S608
                [schema_name, table_name, table.version],
            )
        for schema in {name[0] for name in changed if _is_raw(name)}:
            _show_loads(connection, schema, found.get((schema, "_dlt_loads")))
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
    tables = found_in(warehouse)
    for name in tables:
        if name[0] in GIVEN and name not in found:
            remove(warehouse, name)
    for schema, table in found:
        before = tables.get((schema, table))
        rows = connection.table(f"{quoted(schema)}.{quoted(table)}").to_arrow_table()
        if before and before.is_delta:
            given = DeltaTable(before.place).to_pyarrow_table()
            if given.schema.names == rows.schema.names and given.equals(rows):
                continue
        place = f"{warehouse.lake}/{schema}/{table}"
        write_deltalake(place, rows, mode="overwrite", schema_mode="overwrite")


def take_state(connection: duckdb.DuckDBPyConnection, warehouse: WarehouseSettings) -> None:
    """Take from the lake what a build has noted."""
    connection.execute("create schema if not exists transform_state")
    for (_, table), found in _tables(found_in(warehouse, "transform_state")).items():
        if table in STATE:
            rows = _opened(found.place).to_pyarrow_table()
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
    from deltalake import DeltaTable, Field  # noqa: PLC0415

    changed, there = set[Name](), found_in(warehouse)
    for name, schema in tables.items():
        found = there.get(name)
        if not found or not found.is_delta:
            DeltaTable.create(f"{warehouse.lake}/{'/'.join(name)}", schema)
            changed.add(name)
            continue
        table = _opened(found.place)
        known = {field.name for field in table.schema().fields}
        if lacking := [Field.from_arrow(field) for field in schema if field.name not in known]:
            table.alter.add_columns(lacking)
            changed.add(name)
    shown = _shown(connection)
    changed |= tables.keys() - shown.keys()
    _show(connection, warehouse, changed.__contains__)


def tidy(connection: duckdb.DuckDBPyConnection, warehouse: WarehouseSettings) -> None:
    """Make few files of many small ones, and remove what no version of the last days needs."""
    shown, tidied = _shown(connection), set[Name]()
    for name, found in _tables(found_in(warehouse)).items():
        if _is_raw(name) and shown.get(name) != found.version:
            # A package that was cut off is in it, to be read again before it is shown.
            continue
        if not found.is_delta:
            continue
        table = _opened(found.place)
        tidied.add(name)
        if len(table.file_uris()) > MANY_FILES:
            table.optimize.compact()
        table.vacuum(int(KEPT.total_seconds() // 3600), dry_run=False)
        table.cleanup_metadata()
    _show(connection, warehouse, lambda name: not _is_raw(name) or name in tidied)


def _opened(place: str) -> "DeltaTable":
    from deltalake import DeltaTable  # noqa: PLC0415

    table = DeltaTable(place)
    features = set(table.protocol().reader_features or ())
    if "deletionVectors" in features:
        raise RunError(
            f"the table {place} has deletion vectors, which cannot be read here: in Spark, set "
            "its property delta.enableDeletionVectors to false, and rewrite it by `reorg table ... "
            "apply (purge)`"
        )
    return table


def _statement(connection: duckdb.DuckDBPyConnection, found: Found) -> str:
    """Return what selects the rows of a table: of its files, and of none the types."""
    if not found.is_delta:
        return f"from read_parquet([{', '.join(map(literal, found.parquet))}])"
    table = _opened(found.place)
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


def _show_loads(connection: duckdb.DuckDBPyConnection, dataset: str, noted: Found | None) -> None:
    """Show which load packages dlt has noted as complete, in files of lines of JSON."""
    connection.execute(
        f"create or replace view {quoted(dataset)}._dlt_loads as "
        f"from read_json({literal(f'{noted.place}/*.jsonl*')}, columns = "
        "{load_id: 'varchar', schema_name: 'varchar', status: 'bigint'}, "
        "format = 'newline_delimited')"
        if noted and any(".jsonl" in name for name in noted.names)
        else f"create or replace view {quoted(dataset)}._dlt_loads as select null::varchar as "
        "load_id, null::varchar as schema_name, null::bigint as status where false"
    )
