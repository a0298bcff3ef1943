"""What each block of the page shows, out of the answers to the queries in `sql/report`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb

from llm_usage_warehouse.demo import LIAR
from llm_usage_warehouse.page.queries import Row, ask, query
from llm_usage_warehouse.page.wording import count, instant

CHARTS = ("days", "budgets", "drivers", "cache", "errors", "latency")
"""Those with a Vega-Lite specification beside their query."""

SHOWN_ROWS = 10

OF_WORDS = {"reason", "measure", "cause", "why"}
"""Columns whose values are words of ours, never a name."""


@dataclass(frozen=True)
class Column:
    """A column of a table of findings.

    Attributes:
        name: of the query's column.
        title: what a person reads above it.
        is_figure: whether it is set to the right.
    """

    name: str
    title: str
    is_figure: bool = False


@dataclass(frozen=True)
class Finding:
    """A list of what somebody should look into, with the query that shows all of it.

    Attributes:
        name: of the query.
        title: what the list is of.
        good: what to say where it is empty.
        columns: what is shown of it.
        is_red: whether a line of it is a fault, not only something to know.
    """

    name: str
    title: str
    good: str
    columns: Sequence[Column]
    is_red: bool = False


FINDINGS = (
    Finding(
        "differing",
        "Differs from the vendor's own total",
        "Every total that a vendor gives and that can be compared is met.",
        (
            Column("usage_date", "day"),
            Column("source_name", "source"),
            Column("model", "model"),
            Column("measure", "measure"),
            Column("ours", "ours", is_figure=True),
            Column("vendors", "the vendor's", is_figure=True),
            Column("difference", "difference", is_figure=True),
            Column("reason", "why"),
        ),
        is_red=True,
    ),
    Finding(
        "unpriced",
        "Unpriced",
        "Every call has a price.",
        (
            Column("source_name", "source"),
            Column("model", "model"),
            Column("reason", "why"),
            Column("calls", "calls", is_figure=True),
            Column("total_tokens", "tokens", is_figure=True),
            Column("first_seen_date", "first day"),
            Column("last_seen_date", "last day"),
        ),
    ),
    Finding(
        "restated",
        "Restated in the last 30 days",
        "No closed day came out different than it was reported.",
        (
            Column("restated_at", "restated at"),
            Column("usage_date", "day"),
            Column("source_name", "source"),
            Column("measure", "measure"),
            Column("old_value", "was", is_figure=True),
            Column("new_value", "is", is_figure=True),
            Column("difference", "difference", is_figure=True),
            Column("currency", ""),
            Column("cause", "why"),
        ),
    ),
    Finding(
        "rejected",
        "Rejected values",
        "Every number that vendors sent can be summed.",
        (
            Column("source_name", "source"),
            Column("column_name", "column"),
            Column("why", "why"),
            Column("rejected_values", "values", is_figure=True),
            Column("first_seen_date", "first day"),
            Column("last_seen_date", "last day"),
        ),
    ),
)


def blocks(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Return all that the template shows of a published file, by the names that it uses."""
    (trust,) = ask(connection, "trust")
    (yesterday, *by_basis) = ask(connection, "yesterday")
    month = ask(connection, "month")
    budgets = ask(connection, "budgets")
    days = ask(connection, "days")
    apps = ask(connection, "apps")
    movers = ask(connection, "movers")
    return {
        "trust": trust,
        "sources": ask(connection, "sources"),
        "yesterday": yesterday,
        "by_basis": [row for row in by_basis if row["cost"]],
        "month": month[0] if month else None,
        "by_currency": [row for row in month if row["currency"] and row["expected"] != 0],
        "days": days,
        "days_known": max((row["days"] for row in days), default=0),
        "days_sum": next((row for row in days if row["dimension"] == "team"), None),
        "budgets": budgets,
        "worst": budgets[0] if budgets and budgets[0]["budget"] else None,
        "drivers": ask(connection, "drivers"),
        "movers": movers[:6],
        "apps": apps[:SHOWN_ROWS],
        "more_apps": max(len(apps) - SHOWN_ROWS, 0),
        "cache": ask(connection, "cache"),
        "savings": ask(connection, "savings"),
        "errors": ask(connection, "errors"),
        "latency": ask(connection, "latency"),
        "findings": [_shown(finding, ask(connection, finding.name)) for finding in FINDINGS],
        "liar": LIAR,
    }


def _shown(finding: Finding, rows: list[Row]) -> dict[str, Any]:
    """Return a list of findings as the template shows it: its first rows, and how many it has."""
    names = [column.name for column in finding.columns]
    first = [{name: _cell(name, row[name]) for name in names} for row in rows[:SHOWN_ROWS]]
    return {"of": finding, "rows": first, "all": len(rows), "query": query(finding.name)}


def _cell(name: str, value: Any) -> str:
    match value:
        case None:
            return ""
        case str() if name in OF_WORDS:
            return value.replace("_", " ")
        case datetime():
            return instant(value)
        case int() | Decimal():
            return count(value, "+" if name == "difference" else "")
        case _:
            return str(value)
