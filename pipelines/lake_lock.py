"""One writer at a time of a lake that several machines load into: a lock that its catalog holds."""

import logging
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import Any

from llm_usage_warehouse.errors import RunError, UsageError, in_a_line
from llm_usage_warehouse.settings import WarehouseSettings

KEY = 7_265_617_379
"""The number of the advisory lock in the catalog's database."""

WAIT = 3600.0
"""Seconds to wait for another machine: its night is under no scheduler of this one."""

HOLDER = """
    select coalesce(host(client_addr), 'this machine'), backend_start
    from pg_locks inner join pg_stat_activity using (pid)
    where locktype = 'advisory' and granted and objsubid = 1
        and (classid::bigint << 32) + objid::bigint = %s
"""

log = logging.getLogger("llm_usage")


@contextmanager
def lake_locked(warehouse: WarehouseSettings, wait: float = WAIT) -> Iterator[None]:
    """Keep other machines from writing the lake, where its catalog is a Postgres database.

    Postgres gives the lock back when the connection ends, however the process does.

    Args:
        warehouse: whose lake; any other warehouse is kept by the lock on its file alone.
        wait: for how many seconds to wait for who has the lock.

    Raises:
        UsageError: the driver for Postgres is not installed.
        RunError: Postgres cannot be reached, or somebody still writes.
    """
    with _connected(warehouse.catalog) if warehouse.catalog else nullcontext() as connection:
        if connection is not None:
            _wait(connection, time.monotonic() + wait)
        yield


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    try:
        # Only who has the extra `postgres` has it.
        import psycopg2  # noqa: PLC0415
    except ImportError:
        raise UsageError(
            "[warehouse] catalog is a Postgres database, which needs psycopg2: pip install "
            "'llm-usage-warehouse[postgres]'"
        ) from None
    try:
        connection = psycopg2.connect(address, connect_timeout=10, application_name="llm-usage")
    except psycopg2.Error as error:
        raise RunError(
            f"the catalog of the lake cannot be reached: {in_a_line(error)}; look at [warehouse] "
            "catalog and at the server, then run this again"
        ) from None
    with closing(connection):
        connection.autocommit = True
        yield connection


def _wait(connection: Any, until: float) -> None:
    with connection.cursor() as cursor:
        is_told = False
        while not _is_taken(cursor):
            cursor.execute(HOLDER, [KEY])
            holder = cursor.fetchone()
            who = f"{holder[0]}, since {holder[1]:%Y-%m-%d %H:%M:%S %Z}" if holder else "somebody"
            if time.monotonic() >= until:
                raise RunError(f"another run is writing the lake ({who}); run this again later")
            if not is_told:
                log.info("waiting for another run that writes the lake (%s)", who)
            is_told = True
            time.sleep(1)


def _is_taken(cursor: Any) -> bool:
    cursor.execute("select pg_try_advisory_lock(%s)", [KEY])
    ((taken,),) = cursor.fetchall()
    return bool(taken)
