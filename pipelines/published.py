"""Opens the published file for reading."""

import duckdb

from llm_usage_warehouse.errors import NOTHING_LOADED, REPAIR, RunError, in_a_line
from llm_usage_warehouse.layout import find_by_bare_names
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.warehouse import is_loaded


def open_published(warehouse: WarehouseSettings) -> duckdb.DuckDBPyConnection:
    """Open the published file, its session in the reporting time zone.

    A table of any of its schemas is found by its bare name.

    Raises:
        RunError: nothing was loaded or published yet, or the file cannot be read.
    """
    path = warehouse.published_path
    if not path.exists():
        raise RunError(_why_not_there(warehouse))
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        raise RunError(f"{path} cannot be opened: {in_a_line(error)}; {REPAIR}") from None
    connection.execute(f"set TimeZone = '{warehouse.reporting_timezone}'")
    find_by_bare_names(connection)
    return connection


def _why_not_there(warehouse: WarehouseSettings) -> str:
    try:
        if not is_loaded(warehouse):
            return NOTHING_LOADED
    except RunError:
        # A first night that is loading has the private file to itself.
        pass
    return f"{warehouse.published_path} is not there yet: llm-usage nightly"
