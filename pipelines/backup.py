"""A copy of the files that nothing can bring back, taken while nobody writes them."""

import os
import shutil
from pathlib import Path

from llm_usage_warehouse.errors import RunError, UsageError, in_a_line, next_step
from llm_usage_warehouse.settings import WarehouseSettings, demo_flag
from llm_usage_warehouse.warehouse import connect


def copy_files(warehouse: WarehouseSettings, folder: Path) -> dict[Path, int]:
    """Copy the private and the published file into a folder.

    The two fit each other, since the caller holds the warehouse; what DuckDB keeps in a log beside
    the private file is written into it first. Put back at their places, they are as they were.

    Args:
        warehouse: whose.
        folder: where to; it is made where it is not there.

    Returns:
        the bytes of each copy.

    Raises:
        UsageError: the folder holds a file of one of the names, or the warehouse is a lake.
        RunError: there is nothing to copy, or no room for it.
    """
    if warehouse.is_lake or warehouse.is_spark:
        raise UsageError(
            f"a lake is too large to be copied by this command; copy {warehouse.lake} by the means "
            f"of where it lies, after its catalog, {warehouse.path} or the database in Postgres: a "
            "file of rows is never changed, and none that the copy needs is removed for seven days"
        )
    wanted = [warehouse.path, warehouse.published_path, demo_flag(warehouse)]
    files = [path for path in wanted if path.exists()]
    if warehouse.published_path not in files:
        raise RunError(
            f"{warehouse.published_path} is not there yet; run `llm-usage nightly` first"
        )
    if known := [folder / path.name for path in files if (folder / path.name).exists()]:
        raise UsageError(f"{known[0]} is there already; name a folder that holds no such file")
    with connect(warehouse) as connection:
        connection.execute("force checkpoint")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        needed, free = sum(path.stat().st_size for path in files), shutil.disk_usage(folder).free
        if needed > free:
            raise RunError(f"{folder} has room for {free:,} bytes, and the files have {needed:,}")
        return {folder / path.name: _copy(path, folder / path.name) for path in files}
    except OSError as error:
        raise RunError(f"{in_a_line(error)}; {next_step(error)}") from None


def _copy(path: Path, target: Path) -> int:
    """Copy a file under another name first: what bears its name is whole."""
    part = target.with_name(f".{target.name}.part")
    try:
        shutil.copyfile(path, part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    return target.stat().st_size
