"""What `llm-usage status` says: how fresh every source is at this moment, and what disagrees."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
from rich.console import Console

from pipelines import report
from pipelines.alerts import Alert, published_alerts
from pipelines.freshness import Age, read_ages
from pipelines.holding import Held
from pipelines.published import open_published
from pipelines.settings import WarehouseSettings
from pipelines.telling import counted, say, say_rows, shown

FRESHNESS = """
    select source_name as source, stream, last_window_end, last_loaded_at,
        round(epoch(now() - last_window_end) / 3600, 1) as hours_since,
        slices, rows_read, gaps, disagreeing_windows
    from load_status
    order by source_name, stream
"""

HELD = """
    select source_name, held_since, broken_test, failing_rows, finding
    from held_sources
    order by source_name, broken_test
"""

STILL_DIFFERING = """
    select count(*)
    from (
        from audits
        select arg_max(verdict, recorded_at) as verdict
        group by source_name, pair, usage_date, model, measure
    )
    where verdict = 'still_differs'
"""

MONEY = ("budget", "landing", "spend", "unpriced")
"""The rules of alerts on money."""


class Form(StrEnum):
    """How a status is written."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True)
class Status:
    """What `llm-usage status` shows; its fields are the members of the JSON, too.

    Attributes:
        asked_at: the moment that all ages count to.
        published_at: when the file that was asked was published.
        reporting_timezone: whose days it counts.
        stale_after_seconds: how old the last window of a source may be.
        is_fresh: whether there are sources, and none is older.
        sources: how fresh each is.
        streams: of each stream, by the names of its figures.
        held: why a source is published as before.
        totals_differing: totals of the vendors that an audit read again, and that still differ.
        alerts: those that held when the file was published.
    """

    asked_at: datetime
    published_at: datetime
    reporting_timezone: str
    stale_after_seconds: float
    is_fresh: bool
    sources: list[Age]
    streams: list[dict[str, Any]]
    held: list[Held]
    totals_differing: int
    alerts: list[Alert]


def read_status(warehouse: WarehouseSettings) -> Status:
    """Find how fresh every stream and every source is at this moment, and what is at fault.

    Raises:
        RunError: nothing was published yet.
    """
    with open_published(warehouse) as connection:
        # By which it is the same moment in all that follows.
        connection.begin()
        found = connection.sql(FRESHNESS)
        streams = [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
        # A file that an older version of this program wrote has no such table.
        is_told = ("held_sources",) in connection.execute("show tables").fetchall()
        held = connection.execute(HELD).fetchall() if is_told else []
        sources = read_ages(connection, warehouse)
        ((now, published_at),) = connection.execute(
            "select now(), max(recorded_at) from publications"
        ).fetchall()
    return Status(
        asked_at=now,
        published_at=published_at,
        reporting_timezone=warehouse.reporting_timezone,
        stale_after_seconds=warehouse.stale_after.total_seconds(),
        is_fresh=bool(sources) and not any(one.is_stale for one in sources),
        sources=sources,
        streams=streams,
        held=[Held(*row) for row in held],
        totals_differing=still_differing(warehouse),
        alerts=published_alerts(warehouse),
    )


def as_json(status: Status) -> str:
    """Return a status as one JSON object; instants are ISO 8601 with their offset."""
    return orjson.dumps(status, option=orjson.OPT_INDENT_2).decode()


def tell_status(console: Console, status: Status) -> None:
    """Print how fresh every stream is, whether each source is fresh enough, and what is not met."""
    say_rows(
        console,
        list(status.streams[0]) if status.streams else [],
        [list(one.values()) for one in status.streams],
    )
    report.held(console, status.held)
    limit = status.stale_after_seconds
    for one in status.sources:
        say(
            console,
            ("STALE", "red") if one.is_stale else ("OK", "green"),
            f" {one.source}: loaded to {shown(one.loaded_to)}, {one.age_seconds / 3600:,.1f} hours "
            f"ago (stale after {limit / 3600:g}); complete through "
            f"{one.complete_through or 'no day'}",
        )
    if differing := status.totals_differing:
        say(
            console,
            ("DIFFERS", "red"),
            f": {counted(differing, 'total')} of the vendors, read again and still not met: "
            "from audits where verdict = 'still_differs'",
        )
    # The others are told above, as of now.
    report.alerts(console, [one for one in status.alerts if one.rule in MONEY])
    say(console, f"published {shown(status.published_at)} ({status.reporting_timezone})")


def still_differing(warehouse: WarehouseSettings) -> int:
    """Return how many totals of the vendors still differed when they were last audited.

    Raises:
        RunError: nothing was published yet.
    """
    with open_published(warehouse) as connection:
        # A file that an older version of this program wrote has no such table.
        if ("audits",) not in connection.execute("show tables").fetchall():
            return 0
        ((figures,),) = connection.execute(STILL_DIFFERING).fetchall()
    return int(figures)
