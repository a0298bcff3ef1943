"""What `llm-usage status` says: how fresh every source is at this moment, and what disagrees."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
from rich.console import Console

from llm_usage_warehouse import report
from llm_usage_warehouse.alerts import Alert, published_alerts
from llm_usage_warehouse.errors import NOTHING_LOADED, RunError
from llm_usage_warehouse.freshness import Age, read_ages
from llm_usage_warehouse.holding import Held
from llm_usage_warehouse.published import open_published
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.spending import Spent, last_day
from llm_usage_warehouse.tables import say_rows
from llm_usage_warehouse.telling import counted, insist, say, shown

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
        last_day: what the last complete day cost; None where no day is complete yet.
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
    last_day: Spent | None
    sources: list[Age]
    streams: list[dict[str, Any]]
    held: list[Held]
    totals_differing: int
    alerts: list[Alert]


def read_status(warehouse: WarehouseSettings) -> Status:
    """Find how fresh every stream and every source is at this moment, and what is at fault.

    Raises:
        RunError: nothing was loaded or published yet.
    """
    with open_published(warehouse) as connection:
        # By which it is the same moment in all that follows.
        connection.begin()
        found = connection.sql(FRESHNESS)
        streams = [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
        # A file that an older version of this program wrote lacks some tables.
        known = {name for (name,) in connection.execute("show tables").fetchall()}
        held = connection.execute(HELD).fetchall() if "held_sources" in known else []
        spent = last_day(connection) if "daily_costs_converted" in known else None
        sources = read_ages(connection, warehouse)
        ((now, published_at),) = connection.execute(
            "select now(), max(recorded_at) from publications"
        ).fetchall()
    if not streams:
        raise RunError(NOTHING_LOADED)
    return Status(
        asked_at=now,
        published_at=published_at,
        reporting_timezone=warehouse.reporting_timezone,
        stale_after_seconds=warehouse.stale_after.total_seconds(),
        is_fresh=bool(sources) and not any(one.is_stale for one in sources),
        last_day=spent,
        sources=sources,
        streams=streams,
        held=[Held(*row) for row in held],
        totals_differing=still_differing(warehouse),
        alerts=published_alerts(warehouse),
    )


def as_json(status: Status) -> str:
    """Return a status as one JSON object; instants are ISO 8601 with their offset, money a text."""
    return orjson.dumps(status, default=str, option=orjson.OPT_INDENT_2).decode()


def tell_status(console: Console, status: Status) -> None:
    """Print what the last day cost, how fresh every source and stream is, and what is not met.

    A console that is quiet shows what is not as it should be, and nothing else.
    """
    if status.last_day:
        say(console, str(status.last_day))
    say(console, f"loaded so far, and how long ago that is (times in {status.reporting_timezone}):")
    say_rows(
        console,
        ("source", "stream", "loaded to", "hours", "gaps"),
        [
            (
                one["source"],
                one["stream"],
                one["last_window_end"],
                one["hours_since"],
                one["gaps"],
            )
            for one in status.streams
        ],
    )
    for one in status.streams:
        if windows := one["disagreeing_windows"]:
            say(
                console,
                ("disagrees", "yellow"),
                f" {one['source']} {one['stream']}: {counted(windows, 'window')} of another "
                "number of rows than the vendor said",
            )
    report.held(console, status.held)
    for age in status.sources:
        _tell_age(console, age, status.stale_after_seconds)
    if differing := status.totals_differing:
        insist(
            console,
            ("DIFFERS", "red"),
            f": {counted(differing, 'total')} of the vendors, read again and still not met: "
            "from history.audits where verdict = 'still_differs'",
        )
    # The others are told above, as of now.
    report.alerts(console, [one for one in status.alerts if one.rule in MONEY])
    say(console, f"published {shown(status.published_at)} ({status.reporting_timezone})")


def _tell_age(console: Console, age: Age, limit: float) -> None:
    loaded = f" {age.source}: loaded to {shown(age.loaded_to)}, {age.age_seconds / 3600:,.1f} hours"
    through = f"complete through {age.complete_through or 'no day'}"
    if age.is_stale:
        rest = f"{loaded} ago (stale after {limit / 3600:g}); {through}"
        insist(console, ("STALE", "red"), rest)
    else:
        say(console, ("OK", "green"), f"{loaded} ago; {through}")


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
