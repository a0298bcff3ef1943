"""The gateway's own totals by hour: from the dashboard's time series to one row per entry.

The server adds each request up when it ends, in a table apart from the log (core/model/batch.go and
summary.go of its source), so that these totals outlive the log and are not counted from it. They
hold more than it: requests refused with 429 and every attempt that was tried again. Points come in
the order of a Go map, and newer releases wrap them in `time_series`.
"""

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from llm_usage_warehouse.envelopes import members
from llm_usage_warehouse.http import BadResponseError
from llm_usage_warehouse.pages import joined
from llm_usage_warehouse.sources.aiproxy.envelope import dashboard_points
from llm_usage_warehouse.windows import Window


def totals_query(window: Window) -> dict[str, str | int]:
    """Return the parameters that ask for the hours of a window."""
    return {
        # An hour counts where its beginning lies in the window, both ends included.
        "start_timestamp": window.start_ms,
        "end_timestamp": window.end_ms - 1,
        "timespan": "hour",
        # Else the server's own zone, whose hours may begin at the half.
        "timezone": "UTC",
    }


def totals_document(source: str, body: bytes) -> bytes:
    """Return an answer's entries as rows, oldest first, each with the `timestamp` of its point.

    Raises:
        BadResponseError: it is no answer of the dashboard.
    """
    points = sorted(dashboard_points(source, body), key=lambda point: point.timestamp)
    rows = [
        joined({**_entry(source, entry), "timestamp": str(point.timestamp).encode()})
        for point in points
        for entry in point.summary or ()
    ]
    return b'{"rows":[' + b",".join(rows) + b"]}"


def _entry(source: str, entry: msgspec.Raw) -> dict[str, bytes]:
    return {name: bytes(value) for name, value in members(source, entry).items()}


def check_hours(source: str, table: pa.Table, window: Window) -> None:
    """Make sure that every row is of an hour that was asked for.

    Raises:
        BadResponseError: one is not.
    """
    if not table.num_rows:
        return
    bounds = pc.min_max(table["bucket_start_raw"]).as_py()
    if bounds["min"] * 1000 < window.start_ms or bounds["max"] * 1000 >= window.end_ms:
        raise BadResponseError(
            source,
            "the dashboard answered for other hours than those asked for",
            next_step="Nothing of it was written. Compare with the server's release notes.",
        )
