"""The page of the morning: `report.html` beside the published file, one file that needs no other.

It is opened offline and by anyone who may read the published file: aggregates only, never a call.
Its figures come from the queries in `sql/report`, each over the published file; here they are only
put into words.
"""

from pathlib import Path

import duckdb

from llm_usage_warehouse.errors import RunError, in_a_line
from llm_usage_warehouse.interrupts import kept
from llm_usage_warehouse.page.render import GENERATOR, render
from llm_usage_warehouse.published import open_published
from llm_usage_warehouse.settings import WarehouseSettings

NAME = "report.html"


def page_path(warehouse: WarehouseSettings) -> Path:
    """Return where the page of a warehouse lies."""
    return warehouse.published_path.with_name(NAME)


def write_page(warehouse: WarehouseSettings) -> Path:
    """Write the page anew, whole at once, for those who may read the published file.

    Returns:
        where it is.

    Raises:
        RunError: nothing was published yet, the published file lacks what is shown, or a file of
            that name is not ours.
        OSError: the folder cannot be written to.
    """
    path = page_path(warehouse)
    if path.exists() and GENERATOR not in path.read_bytes()[:1000]:
        raise RunError(f"{path} was not written by llm-usage; move it, then `llm-usage report`")
    with open_published(warehouse) as connection:
        try:
            text = render(connection, warehouse)
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            raise RunError(
                f"{warehouse.published_path} lacks what the page shows ({in_a_line(error)}), as "
                "one of an older version does; the next publishing brings it: llm-usage publish"
            ) from error
    fresh = path.with_name(f".{NAME}.new")
    fresh.unlink(missing_ok=True)
    # Nobody else may read it before it has its mode.
    fresh.touch(mode=0o600)
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(warehouse.file_mode)
    fresh.replace(path)
    return path


def write_after_publishing(warehouse: WarehouseSettings) -> list[str]:
    """Write the page of what was just published.

    Returns:
        why that could not be done, for a warning: the published file is as good without it.
    """
    try:
        with kept():
            write_page(warehouse)
    except Exception as error:
        why = str(error) if isinstance(error, RunError) else in_a_line(error)
        return [f"the page could not be written: {why}; `llm-usage report` tries it again"]
    return []
