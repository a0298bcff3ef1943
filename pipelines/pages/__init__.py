"""From a vendor's page bytes to typed Arrow tables.

`row_shape` says what a row is, `body` opens JSON one level at a time, `typed` makes the table: by
Arrow's reader (`reading`), of rows taken apart where they must be (`apart`, `secret_names`), or
value by value where that reader refuses (`exact`); `instants` has the calendar.
"""

from llm_usage_warehouse.pages.apart import spelled
from llm_usage_warehouse.pages.body import joined, mended, raw_rows
from llm_usage_warehouse.pages.row_shape import MONEY, UTC_MICROS, Fields, RowShape
from llm_usage_warehouse.pages.typed import Parsed, rows_to_table, to_table

__all__ = [
    "MONEY",
    "UTC_MICROS",
    "Fields",
    "Parsed",
    "RowShape",
    "joined",
    "mended",
    "raw_rows",
    "rows_to_table",
    "spelled",
    "to_table",
]
