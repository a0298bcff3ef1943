"""Literal rows of raw tables, as a load leaves them: what a test does not say is plain."""

from datetime import datetime
from typing import Any

import duckdb

Instant = str | datetime
Row = dict[str, Any]


def insert(connection: duckdb.DuckDBPyConnection, table: str, **row: Any) -> None:
    columns, places = ", ".join(row), ", ".join("?" * len(row))
    connection.execute(f"insert into {table} ({columns}) values ({places})", list(row.values()))


def log_row(number: int, ended_at: Instant, **other: Any) -> Row:
    """Return a row of `raw_aiproxy.logs`: a call of 10 tokens and 0.5 USD that went well."""
    return {
        **{"source_name": "proxy", "id": number, "model": "gpt-4o", "currency": "USD"},
        **{"code": 200, "created_at": ended_at, "request_at": ended_at, "_dlt_load_id": "1"},
        **{"usage_input_tokens": 10, "usage_total_tokens": 10, "used_amount": 0.5},
        **other,
    }


def slice_row(source: str, stream: str, start: Instant, end: Instant, **other: Any) -> Row:
    """Return a line of a `load_ledger`: a slice of one account that was read when it ended."""
    return {
        **{"slice_id": f"{source}/{stream}/{start}/{end}", "source_name": source},
        **{"stream": stream, "scope": "", "window_start": start, "window_end": end},
        **{"read_started_at": end, "read_finished_at": end, "_dlt_load_id": "1"},
        **other,
    }
