"""The private DuckDB file: one writer at a time, and a clear word where somebody else holds it."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa
from filelock import FileLock, Timeout

from llm_usage_warehouse import delta, lake
from llm_usage_warehouse.errors import (
    NOTHING_LOADED,
    REPAIR,
    RunError,
    in_a_line,
    is_held_elsewhere,
    next_step,
)
from llm_usage_warehouse.lake_lock import lake_locked
from llm_usage_warehouse.packages import LEDGER, LEDGER_SCHEMA
from llm_usage_warehouse.places import READABLE_FROM, is_ours
from llm_usage_warehouse.quoting import literal, quoted
from llm_usage_warehouse.rates import create_rates_table
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.streams import Connector

OTHERS = 0o077
"""The rights of everybody but the user that the program runs as."""


@contextmanager
def locked(warehouse: WarehouseSettings) -> Iterator[None]:
    """Keep other commands that write from the warehouse, whatever state its files are in.

    Whatever is written meanwhile, by dbt, too, is for the user's own eyes: a file has mode 0600, a
    folder that is made 0700.

    Raises:
        RunError: another run holds it, its folder cannot be written to, or a lake's catalog cannot
            be reached.
    """
    folder = warehouse.data_folder
    before = os.umask(OTHERS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "writer.lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(
            f"another run is writing {warehouse.path}; wait for it to end, then run this again"
        ) from None
    except OSError as error:
        raise RunError(f"{in_a_line(error)}; {next_step(error)}") from None
    else:
        try:
            with lake_locked(warehouse):
                yield
        finally:
            lock.release()
    finally:
        os.umask(before)


@contextmanager
def writing(warehouse: WarehouseSettings) -> Iterator[None]:
    """Hold the warehouse for one command that writes.

    Raises:
        RunError: another run holds it, a program has the file open, or it is not ours to write.
    """
    with locked(warehouse):
        with connect(warehouse) as connection:
            ours = is_ours(connection)
            if ours and warehouse.is_spark:
                delta.check_packages(warehouse)
                delta.claim(connection, warehouse)
        if not ours:
            raise RunError(
                f"{warehouse.path} is a DuckDB file of something else; set [warehouse] path to "
                "another one"
            )
        if warehouse.path.exists():
            warehouse.path.chmod(warehouse.path.stat().st_mode & ~OTHERS)
        yield


@contextmanager
def writing_loaded(warehouse: WarehouseSettings) -> Iterator[None]:
    """Hold a warehouse for a command that works on what was loaded; make no file where nothing was.

    Raises:
        RunError: as `writing`, or nothing is loaded yet.
    """
    if not warehouse.may_be_there:
        raise RunError(NOTHING_LOADED)
    with writing(warehouse):
        if not is_loaded(warehouse):
            raise RunError(NOTHING_LOADED)
        yield


class HeldFile:
    """The private file, open for as long as a load takes, for one thread at a time.

    To open it takes 60 ms of processor time, and whoever closes its last connection has DuckDB
    compress what is in it: staged rows, too, which are gone a moment later.

    Args:
        warehouse: whose file.

    Raises:
        RunError: a program has the file open, or it is no DuckDB file.
    """

    def __init__(self, warehouse: WarehouseSettings) -> None:
        self._warehouse = warehouse
        self._turn = threading.Lock()
        self._anchor: duckdb.DuckDBPyConnection | None = connect(warehouse)

    @contextmanager
    def turn(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Wait until no other thread uses the file; yield a connection of its own.

        Raises:
            RunError: it was closed, and a program has opened it since.
        """
        with self._turn:
            self._anchor = self._anchor or connect(self._warehouse)
            with self._anchor.cursor() as connection:
                if self._warehouse.is_lake:
                    lake.use(connection)
                connection.execute("set TimeZone = 'UTC'")
                yield connection

    def show_loaded(self, connection: duckdb.DuckDBPyConnection, dataset: str) -> None:
        """Let what was loaded into a dataset be seen, where that is not so by itself."""
        if self._warehouse.is_spark:
            delta.show_loaded(connection, self._warehouse, dataset)

    def give_memory_back(self) -> None:
        """Close the file until the next turn, by which DuckDB forgets what it has read."""
        with self._turn:
            self.close()

    def close(self) -> None:
        """Close the file, without waiting for a thread that an interrupt left behind."""
        if self._anchor is not None:
            self._anchor.close()
        self._anchor = None


def connect(warehouse: WarehouseSettings, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open the private file, its session in UTC.

    Raises:
        RunError: a program has the file open, or it is no DuckDB file.
    """
    try:
        if warehouse.is_lake:
            connection = lake.attached(warehouse)
        else:
            connection = _file(warehouse, read_only=read_only)
    except duckdb.Error as error:
        raise RunError(locked_or_broken(warehouse, error)) from None
    connection.execute("set TimeZone = 'UTC'")
    keep_to_limits(connection, warehouse)
    return connection


def _file(warehouse: WarehouseSettings, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    if not warehouse.path.exists() and not read_only:
        # A file keeps the format in which it was made, and this program's own connections to it
        # must not differ from dlt's.
        duckdb.connect(
            str(warehouse.path), config={"storage_compatibility_version": READABLE_FROM}
        ).close()
    connection = duckdb.connect(str(warehouse.path), read_only=read_only)
    lake.load_for_store(connection, warehouse)
    return connection


def connect_reading(warehouse: WarehouseSettings) -> duckdb.DuckDBPyConnection:
    """Open the private file for reading beside files that are written, its session in UTC.

    Raises:
        RunError: a program has the file open, or it is no DuckDB file.
    """
    connection = duckdb.connect()
    try:
        if warehouse.is_lake:
            lake.attach(connection, warehouse, read_only=True)
        else:
            lake.load_for_store(connection, warehouse)
            name, path = quoted(warehouse.path.stem), literal(warehouse.path)
            connection.execute(f"attach {path} as {name} (read_only); use {name}.main")
    except duckdb.Error as error:
        raise RunError(locked_or_broken(warehouse, error)) from None
    connection.execute("set TimeZone = 'UTC'")
    keep_to_limits(connection, warehouse)
    return connection


def keep_to_limits(connection: duckdb.DuckDBPyConnection, warehouse: WarehouseSettings) -> None:
    """Hold a connection to its memory, and let it spill beside the private file."""
    connection.execute("set memory_limit = ?", [warehouse.memory_for_duckdb])
    folder = f"{warehouse.path}.tmp"
    ((known,),) = connection.execute("select current_setting('temp_directory')").fetchall()
    # It cannot be set again, not even to the same, once something was written there.
    if known != folder:
        connection.execute("set temp_directory = ?", [folder])
    # A bar that DuckDB draws of its own would end up in a log.
    connection.execute("set enable_progress_bar = false")


def is_loaded(warehouse: WarehouseSettings) -> bool:
    """Whether the private file has a line of a ledger; it is not made where it is not there.

    Raises:
        RunError: a program has the file open, or it is no DuckDB file.
    """
    if not warehouse.may_be_there:
        return False
    with connect(warehouse, read_only=True) as connection:
        schemas = connection.execute(
            "select distinct schema_name from duckdb_columns() "
            "where table_name = ? and database_name = current_database()",
            [LEDGER],
        ).fetchall()
        return any(
            connection.execute(f'from "{schema}".{LEDGER} limit 1').fetchall()
            for (schema,) in schemas
        )


def locked_or_broken(warehouse: WarehouseSettings, error: BaseException) -> str:
    """Say in one line why the file could not be opened, and what to do."""
    text = str(error)
    if warehouse.catalog:
        hidden = text.replace(urlsplit(warehouse.catalog).password or "\0", "***")
        return (
            f"the catalog of the lake cannot be opened: {hidden.splitlines()[0]}; look at "
            "[warehouse] catalog and at the server, then run this again"
        )
    if is_held_elsewhere(error):
        holder = text.split("Conflicting lock is held in ", 1)[-1].split(". See", 1)[0]
        return (
            f"{warehouse.path} is open in another program ({holder.splitlines()[0]}); close it "
            f"there and run this again. BI tools should open {warehouse.published_path} instead"
        )
    return f"{warehouse.path} cannot be opened: {text.splitlines()[0]}; {REPAIR}"


def create_raw_tables(warehouse: WarehouseSettings, connectors: Iterable[Connector]) -> None:
    """Create each raw table that no load has created yet, empty, so that every model can run.

    One that an earlier version of this program created gets the columns that came later.

    Raises:
        RunError: the file cannot be opened.
    """
    load_id = pa.field("_dlt_load_id", pa.string())
    with connect(warehouse) as connection:
        if warehouse.is_spark:
            wanted = {
                (connector.dataset, name): pa.schema([*schema, load_id])
                for connector in connectors
                for name, schema in _raw_schemas(connector).items()
            }
            delta.create_tables(connection, warehouse, wanted)
            create_rates_table(connection)
            return
        for connector in connectors:
            connection.execute(f"create schema if not exists {connector.dataset}")
            for name, schema in _raw_schemas(connector).items():
                connection.register("empty", pa.schema([*schema, load_id]).empty_table())
                table = f"{connector.dataset}.{name}"
                connection.execute(f"create table if not exists {table} as from empty")
                known = {row[0] for row in connection.execute(f"describe {table}").fetchall()}
                for column, kind, *_ in connection.execute("describe empty").fetchall():
                    if column not in known:
                        connection.execute(f'alter table {table} add column "{column}" {kind}')
        create_rates_table(connection)


def _raw_schemas(connector: Connector) -> dict[str, pa.Schema]:
    return {
        **{table.name: table.stored_schema for table in connector.tables},
        LEDGER: LEDGER_SCHEMA,
    }
