"""dbt by hand: any command of it, as a night would run it, on the warehouse or on a copy of it."""

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from llm_usage_warehouse.dbt_runs import (
    CHANGES_NOTHING,
    HELD_SOURCES,
    OPENS_NOTHING,
    command_of,
    refuse_parts,
    run_dbt,
    work_folder,
)
from llm_usage_warehouse.errors import NOTHING_LOADED, RunError, UsageError
from llm_usage_warehouse.holding import held_now
from llm_usage_warehouse.prices import load_public_prices
from llm_usage_warehouse.settings import WarehouseSettings, demo_flag
from llm_usage_warehouse.streams import Connector
from llm_usage_warehouse.transform import forget_tested
from llm_usage_warehouse.warehouse import create_raw_tables, is_loaded, locked, writing_loaded

PARSE = "partial_parse.msgpack"
"""dbt's name for it."""


def dev_warehouse(warehouse: WarehouseSettings) -> WarehouseSettings:
    """Return the settings of the copy on which changes of models are tried."""
    return replace(warehouse, path=warehouse.data_folder / "dev" / warehouse.path.name)


def copy_for_dev(warehouse: WarehouseSettings) -> bool:
    """Make the copy, and say whether it was: it stays as it is until the warehouse has changed.

    Raises:
        UsageError: the warehouse has no file to be copied.
        RunError: nothing is loaded yet, or somebody is writing the warehouse.
    """
    if warehouse.catalog or warehouse.is_spark:
        where = "in Delta tables" if warehouse.is_spark else "noted in a catalog in Postgres"
        raise UsageError(
            f"--dev works on a copy of the private file, and the rows of this lake are {where}; "
            "try models on a lake of its own, by settings of [warehouse]"
        )
    dev = dev_warehouse(warehouse)
    copied_from = dev.data_folder / "copied_from"
    with locked(warehouse):
        if not is_loaded(warehouse):
            raise RunError(NOTHING_LOADED)
        version = str(warehouse.path.stat().st_mtime_ns)
        if dev.path.exists() and copied_from.exists() and copied_from.read_text() == version:
            return False
        with locked(dev):
            copied_from.unlink(missing_ok=True)
            for ours, theirs in zip(_files_of(warehouse), _files_of(dev), strict=True):
                # What lies there without one of ours belongs to an older copy.
                theirs.unlink(missing_ok=True)
                if ours.exists():
                    theirs.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(ours, theirs)
            copied_from.write_text(version)
    return True


def _files_of(warehouse: WarehouseSettings) -> tuple[Path, ...]:
    """Return the file, DuckDB's log beside it, the demo's flag, and what dbt read of the models.

    dbt takes longer to read them than to build some.
    """
    path = warehouse.path
    log = path.with_name(f"{path.name}.wal")
    return path, log, demo_flag(warehouse), work_folder(warehouse) / "target" / PARSE


def run_by_hand(
    warehouse: WarehouseSettings, connectors: Iterable[Connector], arguments: Sequence[str]
) -> int:
    """Run a command of dbt, and return its exit code.

    Raises:
        UsageError: a part of the models is to be built on Spark.
        RunError: nothing is loaded yet, or somebody is writing the warehouse.
    """
    refuse_parts(warehouse, arguments)
    command = command_of(arguments)
    if "serve" in arguments:
        # It goes on until somebody ends it, and no night must wait for that.
        return run_dbt(warehouse, arguments, {})
    if command in OPENS_NOTHING:
        # What it reads of the models, a night must not find half-written.
        with locked(warehouse):
            return run_dbt(warehouse, arguments, {})
    with writing_loaded(warehouse):
        create_raw_tables(warehouse, connectors)
        load_public_prices(warehouse)
        if command not in CHANGES_NOTHING:
            # Which of the days that this builds were tested is not known afterwards.
            forget_tested(warehouse)
        held = sorted({one.source for one in held_now(warehouse)})
        return run_dbt(warehouse, arguments, {HELD_SOURCES: json.dumps(held)})
