"""Opens the published file for reading."""

import duckdb

from pipelines.errors import REPAIR, RunError, in_a_line
from pipelines.settings import WarehouseSettings


def open_published(warehouse: WarehouseSettings) -> duckdb.DuckDBPyConnection:
    """Open the published file, its session in the reporting time zone.

    Raises:
        RunError: nothing was published yet, or the file cannot be read.
    """
    path = warehouse.published_path
    if not path.exists():
        raise RunError(
            f"{path} is not there yet; run `llm-usage nightly` (or `llm-usage demo`) first"
        )
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        raise RunError(f"{path} cannot be opened: {in_a_line(error)}; {REPAIR}") from None
    connection.execute(f"set TimeZone = '{warehouse.reporting_timezone}'")
    return connection
