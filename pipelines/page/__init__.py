"""The page of the morning: `report.html` beside the published file, one file that needs no other.

It is opened offline and by anyone who may read the published file: aggregates only, never a call.
Its figures come from the queries in `sql/report`, each over the published file; here they are only
put into words.
"""

from pathlib import Path

from pipelines.errors import RunError, in_a_line
from pipelines.page.render import MARK, render
from pipelines.published import open_published
from pipelines.settings import WarehouseSettings

NAME = "report.html"


def page_path(warehouse: WarehouseSettings) -> Path:
    """Return where the page of a warehouse lies."""
    return warehouse.published_path.with_name(NAME)


def write_page(warehouse: WarehouseSettings) -> Path:
    """Write the page anew, whole at once, for those who may read the published file.

    Returns:
        where it is.

    Raises:
        RunError: nothing was published yet, or a file of that name is not ours.
        duckdb.Error: the published file lacks what an older version of this program did not write.
        OSError: the folder cannot be written to.
    """
    path = page_path(warehouse)
    if path.exists() and MARK not in path.read_bytes()[:1000]:
        raise RunError(f"{path} was not written by llm-usage; move it, then `llm-usage report`")
    with open_published(warehouse) as connection:
        text = render(connection, warehouse)
    fresh = path.with_name(f".{NAME}.new")
    fresh.unlink(missing_ok=True)
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(int(warehouse.published_mode, 8) & ~0o222)
    fresh.replace(path)
    return path


def write_after_publishing(warehouse: WarehouseSettings) -> list[str]:
    """Write the page of what was just published.

    Returns:
        why that could not be done, for a warning: the published file is as good without it.
    """
    try:
        write_page(warehouse)
    except Exception as error:
        why = str(error) if isinstance(error, RunError) else in_a_line(error)
        return [f"the page could not be written: {why}; `llm-usage report` tries it again"]
    return []
