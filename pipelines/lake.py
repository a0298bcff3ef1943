"""The warehouse as a DuckLake: rows in Parquet files, and a catalog that says which of them count.

DuckDB reads and writes both, by its extension of that name. The catalog is a DuckDB file in the
place of the private one, and each connection of a process shares one DuckDB that has it attached:
two would lock each other out.
"""

import hashlib
import os
from importlib.util import find_spec
from pathlib import Path

import duckdb

from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.quoting import literal

PACKAGE = "duckdb-extension-ducklake"

FILE = "ducklake.duckdb_extension"

DATABASE = "warehouse"
"""The name by which a lake is attached, and which its views bear in their text."""


def check_extension(because: str) -> None:
    """Make sure that DuckDB finds its extension.

    Args:
        because: which setting needs it.

    Raises:
        UsageError: it does not, or has one of another version.
    """
    with duckdb.connect() as connection:
        try:
            connection.execute(f"load {extension()}")
        except duckdb.Error:
            raise UsageError(
                f"{because}, and DuckDB {duckdb.__version__} has no such extension here: "
                f"pip install {PACKAGE}=={duckdb.__version__}, if there is one, or "
                "`install ducklake` in DuckDB where it may reach the internet"
            ) from None


def extension() -> str:
    """Return what DuckDB is to load: the file that PyPI's package has, or what it knows itself."""
    file = _packaged()
    return literal(str(file)) if file else "ducklake"


def extension_folder(work: Path) -> str:
    """Return the folder in which dbt's DuckDB finds the extension; empty where it knows one itself.

    Args:
        work: where the folder may be made.
    """
    file = _packaged()
    if file is None:
        return ""
    with duckdb.connect() as connection:
        ((platform,),) = connection.execute("select platform from pragma_platform()").fetchall()
    folder = work / "extensions"
    link = folder / f"v{duckdb.__version__}" / platform / FILE
    link.parent.mkdir(parents=True, exist_ok=True)
    fresh = link.with_suffix(f".{os.getpid()}")
    fresh.symlink_to(file)
    fresh.replace(link)
    return str(folder)


def attached(catalog: Path, folder: str) -> duckdb.DuckDBPyConnection:
    """Open a connection to the lake, which is made where it is not there.

    Args:
        catalog: the file that says which rows there are.
        folder: where these are.

    Raises:
        duckdb.Error: the catalog is open in another process, is no catalog, or is one whose files
            are elsewhere.
    """
    digest = hashlib.sha256(str(catalog).encode()).hexdigest()[:16]
    connection = duckdb.connect(f":memory:{digest}")
    try:
        connection.execute(f"load {extension()}")
        attach(connection, catalog, folder)
        use(connection)
    except duckdb.Error:
        connection.close()
        raise
    return connection


def attach(
    connection: duckdb.DuckDBPyConnection, catalog: Path, folder: str, *, read_only: bool = False
) -> None:
    """Attach the lake to a connection whose DuckDB has the extension."""
    # Rows that lay in the catalog itself would keep a table of ours from having a `row_id`.
    options = [f"data_path {literal(f'{folder}/')}", "data_inlining_row_limit 0"]
    connection.execute(
        f"attach if not exists {literal(f'ducklake:{catalog}')} as {DATABASE} "
        f"({', '.join([*options, *['read_only'] * read_only])})"
    )


def use(connection: duckdb.DuckDBPyConnection) -> None:
    """Make a connection, or one that was duplicated from it, look for tables in the lake."""
    connection.execute(f"use {DATABASE}.main")


def _packaged() -> Path | None:
    package = find_spec(PACKAGE.replace("-", "_"))
    if package is None or package.origin is None:
        return None
    return Path(package.origin).parent / "extensions" / f"v{duckdb.__version__}" / FILE
