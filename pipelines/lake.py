"""The warehouse as a DuckLake: rows in Parquet files, and a catalog that says which of them count.

DuckDB reads and writes both, by its extension of that name. The catalog is a DuckDB file in the
place of the private one, or a Postgres database. All connections of a process share one DuckDB that
has it attached: two would lock each other out of a file.
"""

import hashlib
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import duckdb

from llm_usage_warehouse.errors import UsageError, in_a_line
from llm_usage_warehouse.quoting import literal
from llm_usage_warehouse.settings import WarehouseSettings

NEEDED = "[warehouse] engine names ducklake"

LAKE = "ducklake"
POSTGRES = "postgres_scanner"
OBJECTS = "httpfs"
"""The extensions of DuckDB that a lake needs: the second for a catalog in Postgres, the third for
rows in an object store."""

KEPT = "7 days"
"""How long a snapshot of a lake can be gone back to."""

DATABASE = "warehouse"
"""The name by which a lake is attached, and which its views bear in their text."""


def check_extension(because: str) -> None:
    """Make sure that DuckDB finds its extension for lakes.

    Args:
        because: which setting needs it.

    Raises:
        UsageError: it does not, or has one of another version.
    """
    with duckdb.connect() as connection:
        load_extension(connection, LAKE, because)


def load_extension(
    connection: duckdb.DuckDBPyConnection, name: str = LAKE, because: str = NEEDED
) -> None:
    """Have a connection's DuckDB load an extension: the file in PyPI's package, or what it has.

    Raises:
        UsageError: it finds none, or one of another version.
    """
    file = _packaged(name)
    try:
        connection.execute(f"load {literal(str(file)) if file else name}")
    except duckdb.Error:
        raise UsageError(
            f"{because}, and DuckDB {duckdb.__version__} has no extension {name} here: "
            f"pip install {_package(name)}=={duckdb.__version__}, if there is one, or "
            f"`install {name}` in DuckDB where it may reach the internet"
        ) from None


def load_for_store(connection: duckdb.DuckDBPyConnection, warehouse: WarehouseSettings) -> None:
    """Have a connection's DuckDB read the rows of a lake, where they are in an object store.

    Raises:
        UsageError: it has no extension for that, or one of another version.
    """
    if warehouse.is_in_a_store:
        load_extension(connection, OBJECTS, "[warehouse] lake is in an object store")


def extension_folder(work: Path) -> str:
    """Return the folder in which dbt's DuckDB finds the extensions; empty for its own.

    Args:
        work: where the folder may be made.
    """
    files = [file for name in (LAKE, POSTGRES, OBJECTS) if (file := _packaged(name))]
    if not files:
        return ""
    with duckdb.connect() as connection:
        ((platform,),) = connection.execute("select platform from pragma_platform()").fetchall()
    folder = work / "extensions"
    for file in files:
        link = folder / f"v{duckdb.__version__}" / platform / file.name
        link.parent.mkdir(parents=True, exist_ok=True)
        fresh = link.with_suffix(f".{os.getpid()}")
        fresh.symlink_to(file)
        fresh.replace(link)
    return str(folder)


def attached(warehouse: WarehouseSettings) -> duckdb.DuckDBPyConnection:
    """Open a connection to the lake, which is made where it is not there.

    Raises:
        UsageError: DuckDB has no extension for lakes, the catalog's rows are elsewhere, or it is of
            another version.
        duckdb.Error: the catalog cannot be reached, is open in another process, or is none.
    """
    digest = hashlib.sha256(catalog_of(warehouse).encode()).hexdigest()[:16]
    connection = duckdb.connect(f":memory:{digest}")
    try:
        attach(connection, warehouse)
    except (duckdb.Error, UsageError):
        connection.close()
        raise
    return connection


def attach(
    connection: duckdb.DuckDBPyConnection, warehouse: WarehouseSettings, *, read_only: bool = False
) -> None:
    """Attach the lake to a connection, and make it the database in which it looks for tables.

    Raises:
        UsageError: DuckDB has no extension for lakes, the catalog's rows are elsewhere, or it is of
            another version.
        duckdb.Error: the catalog cannot be reached, is open in another process, or is none.
    """
    load_extension(connection)
    if warehouse.catalog:
        load_extension(connection, POSTGRES, "[warehouse] catalog is a Postgres database")
    load_for_store(connection, warehouse)
    try:
        connection.execute(
            f"attach if not exists {literal(catalog_of(warehouse))} as {DATABASE} "
            f"({', '.join(_options(warehouse, read_only=read_only))})"
        )
    except duckdb.Error as error:
        if next_step := _next_step(str(error), warehouse):
            raise UsageError(f"{next_step} ({in_a_line(error)})") from None
        raise
    use(connection)


def use(connection: duckdb.DuckDBPyConnection) -> None:
    """Make a connection, or one that was duplicated from it, look for tables in the lake."""
    connection.execute(f"use {DATABASE}.main")


def tidy(connection: duckdb.DuckDBPyConnection) -> None:
    """Make few files of many small ones, and remove what no snapshot of the last days needs."""
    before = f"older_than => now() - interval '{KEPT}'"
    connection.execute(f"call ducklake_expire_snapshots('{DATABASE}', {before})")
    connection.execute(f"call ducklake_rewrite_data_files('{DATABASE}')")
    connection.execute(f"call ducklake_merge_adjacent_files('{DATABASE}')")
    connection.execute(f"call ducklake_cleanup_old_files('{DATABASE}', {before})")


def catalog_of(warehouse: WarehouseSettings) -> str:
    """Return what DuckDB attaches, a password with it."""
    place = f"postgres:{warehouse.catalog}" if warehouse.catalog else warehouse.path
    return f"ducklake:{place}"


def _next_step(error: str, warehouse: WarehouseSettings) -> str | None:
    """Return what to do where the catalog is a catalog, and cannot be used as things are set."""
    if "DATA_PATH" in error:
        return (
            f"the rows of the lake are not in {warehouse.lake}; set [warehouse] lake to where they "
            "are"
        )
    if "version mismatch" in error:
        return (
            "the lake is of another version of DuckLake; run the DuckDB that wrote it, or migrate "
            "it once, with a copy of its catalog at hand: attach it in DuckDB with "
            "`automatic_migration true`"
        )
    return None


def _options(warehouse: WarehouseSettings, *, read_only: bool) -> Iterator[str]:
    yield f"data_path {literal(f'{warehouse.lake}/')}"
    # Rows that lay in the catalog itself would keep a table of ours from having a `row_id`.
    yield "data_inlining_row_limit 0"
    if not warehouse.catalog and warehouse.path.exists():
        # A DuckDB file of something else would be made one.
        yield "create_if_not_exists false"
    if read_only:
        yield "read_only"


def _packaged(name: str) -> Path | None:
    package = find_spec(_package(name).replace("-", "_"))
    if package is None or package.origin is None:
        return None
    version = f"v{duckdb.__version__}"
    return Path(package.origin).parent / "extensions" / version / f"{name}.duckdb_extension"


def _package(name: str) -> str:
    return f"duckdb-extension-{name.replace('_', '-')}"
