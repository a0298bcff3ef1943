"""Where the published tables are written beside the published file: `[warehouse] publish`.

Each target is made from the published file after it was swapped in, and takes what changed since
the publication that it has. One that fails does not undo the good publication, and catches up.
"""

from collections.abc import Callable
from typing import Protocol

from llm_usage_warehouse.errors import RunError, UsageError, in_a_line
from llm_usage_warehouse.interrupts import kept
from llm_usage_warehouse.published import open_published
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.targets.ducklake import check_ducklake, write_ducklake
from llm_usage_warehouse.targets.parquet import write_parquet
from llm_usage_warehouse.targets.postgres import postgres_address, write_postgres
from llm_usage_warehouse.targets.publication import Publication
from llm_usage_warehouse.warehouse import keep_to_limits


class Writer(Protocol):
    """Brings a target to a publication."""

    def __call__(
        self, publication: Publication, warehouse: WarehouseSettings, *, whole: bool = False
    ) -> None:
        """Write what changed, or everything."""


WRITERS: dict[str, Writer] = {
    "parquet": write_parquet,
    "postgres": write_postgres,
    "ducklake": write_ducklake,
}

CHECKS: dict[str, Callable[[], object]] = {
    "postgres": postgres_address,
    "ducklake": check_ducklake,
}


def check_targets(warehouse: WarehouseSettings) -> None:
    """Make sure that each target has what it needs.

    Raises:
        UsageError: one has not; every one is named.
    """
    problems: list[str] = []
    for name in warehouse.publish:
        try:
            CHECKS.get(name, lambda: None)()
        except UsageError as error:
            problems += error.problems
    if problems:
        raise UsageError(*problems)


def write_targets(warehouse: WarehouseSettings, *, whole: bool = False) -> dict[str, str]:
    """Bring every target to what was just published.

    Args:
        warehouse: whose.
        whole: write them anew, whatever they have.

    Returns:
        why a target was not written, in a line, by its name.
    """
    failed: dict[str, str] = {}
    for name, write in WRITERS.items():
        if name not in warehouse.publish:
            continue
        try:
            with kept(), open_published(warehouse) as connection:
                keep_to_limits(connection, warehouse)
                write(Publication(connection), warehouse, whole=whole)
        except Exception as error:
            is_ours = isinstance(error, RunError | UsageError)
            failed[name] = (
                f"{name} was not written: {str(error) if is_ours else in_a_line(error)}; the "
                "published file is good, and the next night catches up"
            )
    return failed
