"""What a night cannot put right by itself: what is at fault, what would be done, and the doing.

Nothing is deleted: what is of no use is set aside beside where it was, under a name with the date.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from llm_usage_warehouse.connectors import Source, connectors
from llm_usage_warehouse.destination import open_pipeline
from llm_usage_warehouse.errors import chain, in_a_line
from llm_usage_warehouse.interrupts import kept
from llm_usage_warehouse.places import previous, set_aside, why_unusable
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.streams import Connector
from llm_usage_warehouse.warehouse import HeldFile, connect

NOTES = ("_dlt_version", "_dlt_pipeline_state")
"""Where dlt notes the schema and the state of a dataset; without them it looks at the tables, and
the load ledger says what has been read."""


@dataclass(frozen=True)
class Fault:
    """Something that keeps a night from going on.

    Attributes:
        finding: what is at fault.
        remedy: what would be done about it, and what that costs.
        mend: does it.
    """

    finding: str
    remedy: str
    mend: Callable[[], None]


def faults(warehouse: WarehouseSettings) -> list[Fault]:
    """Look at all that a night needs, and return what is at fault with it.

    The caller holds the warehouse's lock.

    Raises:
        RunError: a program has the private file open.
    """
    private = list(_private(warehouse))
    # What lies within a file can be looked at where the file itself is fine.
    return [*_published(warehouse), *(private or _notes(warehouse))]


def _published(warehouse: WarehouseSettings) -> Iterator[Fault]:
    path = warehouse.published_path
    if not (why := why_unusable(path, thoroughly=True)):
        return
    before = previous(path)
    remedy = (
        "it is set aside, and the next night publishes a new one, which knows nothing of what past "
        "reports said; if you have a backup, put its file there instead"
    )
    if is_there := before.exists() and not why_unusable(before, thoroughly=True):
        remedy = f"it is set aside, and {before}, the file of the night before, is copied to it"
    yield Fault(f"{path} {why}", remedy, partial(_put_back, path, before if is_there else None))


def _put_back(path: Path, before: Path | None) -> None:
    if before is None:
        set_aside(path)
        return
    fresh = path.with_name(f".{path.name}.new")
    shutil.copy2(before, fresh)
    set_aside(path)
    fresh.replace(path)


def _private(warehouse: WarehouseSettings) -> Iterator[Fault]:
    path = warehouse.path
    if why := why_unusable(path, thoroughly=True):
        yield Fault(
            f"{path} {why}",
            "it is set aside with dlt's working folders, and the next night loads all of it anew "
            "from `start`; if you have a backup, put its file there instead",
            partial(_begin_anew, warehouse),
        )


def _begin_anew(warehouse: WarehouseSettings) -> None:
    log = warehouse.path.with_name(f"{warehouse.path.name}.wal")
    for path in (warehouse.path, log, warehouse.data_folder / "dlt"):
        if path.exists():
            set_aside(path)


def _notes(warehouse: WarehouseSettings) -> Iterator[Fault]:
    """Yield a fault for each dataset whose tables are not those that dlt knows of."""
    # Of Delta tables, dlt notes nothing that the file could show.
    if not warehouse.may_be_there or warehouse.is_spark:
        return
    for connector in connectors().values():
        with connect(warehouse) as connection:
            tables = _tables(connection, connector.dataset)
            names = _sources(connection, connector, tables)
        if not tables:
            continue
        for name in names:
            if finding := _unreadable(warehouse, Source(name, connector, None), tables):
                yield Fault(
                    f"{connector.dataset} of {warehouse.path}: {finding}",
                    f"what dlt notes of it ({', '.join(NOTES)}) is dropped; the next night makes "
                    "both anew, and reads again whatever the load ledger does not cover. Rows of "
                    "a table that is gone are covered by it still: `llm-usage backfill` reads them",
                    partial(_forget, warehouse, connector.dataset),
                )
                break


def _unreadable(warehouse: WarehouseSettings, source: Source, tables: set[str]) -> str | None:
    """Return what is wrong with dlt's notes of a source, as a new machine would find them."""
    if NOTES[0] in tables and (missing := sorted({*NOTES, "_dlt_loads"} - tables)):
        return f"{', '.join(missing)} is not there"
    with TemporaryDirectory() as folder, closing(HeldFile(warehouse)) as file:
        try:
            pipeline = open_pipeline(source, warehouse, Path(folder) / f"llm_usage_{source.name}")
            with kept(), file.turn():
                pipeline.sync_destination()
            if pipeline.default_schema_name is None:
                return None
            known = set(pipeline.default_schema.tables)
        except Exception as error:
            return f"what dlt notes there cannot be read ({in_a_line(chain(error)[-1])})"
    missing = sorted(known - tables)
    return f"{', '.join(missing)} is not there" if missing else None


def _forget(warehouse: WarehouseSettings, dataset: str) -> None:
    with connect(warehouse) as connection:
        for name in NOTES:
            connection.execute(f'drop table if exists "{dataset}".{name}')


def _tables(connection: duckdb.DuckDBPyConnection, dataset: str) -> set[str]:
    found = connection.execute(
        "select distinct table_name from duckdb_columns() where schema_name = ?", [dataset]
    )
    return {name for (name,) in found.fetchall()}


def _sources(
    connection: duckdb.DuckDBPyConnection, connector: Connector, tables: set[str]
) -> list[str]:
    """Return the sources that were loaded into a vendor's dataset, as far as dlt still says so."""
    if "_dlt_pipeline_state" not in tables:
        return [connector.vendor]
    found = connection.execute(
        f"select distinct pipeline_name from {connector.dataset}._dlt_pipeline_state order by 1"  # noqa: S608
    )
    return [name.removeprefix("llm_usage_") for (name,) in found.fetchall()]
