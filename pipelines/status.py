"""What `llm-usage status` says: how fresh every source is at this moment, and what disagrees."""

from rich.console import Console

from pipelines.holding import Held
from pipelines.published import open_published
from pipelines.report import held
from pipelines.settings import WarehouseSettings
from pipelines.telling import counted, say, say_rows, shown

FRESHNESS = """
    select source_name, stream, last_window_end, last_loaded_at,
        round(epoch(now() - last_window_end) / 3600, 1) as hours_since,
        slices, rows_read, gaps, disagreeing_windows
    from load_status
    order by source_name, stream
"""

AGES = """
    select source_name, min(last_window_end) as loaded_to,
        epoch(now() - min(last_window_end)) as age,
        any_value(publications.last_complete_date) as last_complete_date
    from load_status left join publications using (source_name)
    where publications.recorded_at = (select max(recorded_at) from publications)
    group by source_name
    order by source_name
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


def tell_status(console: Console, warehouse: WarehouseSettings) -> bool:
    """Print how fresh every stream is at this moment, and whether each source is fresh enough.

    Returns:
        whether every source is: its last window is no older than `stale_after`.

    Raises:
        RunError: nothing was published yet.
    """
    limit = warehouse.stale_after.total_seconds()
    with open_published(warehouse) as connection:
        found = connection.sql(FRESHNESS)
        say_rows(console, found.columns, found.fetchall())
        # A file that an older version of this program wrote has no such table.
        if ("held_sources",) in connection.execute("show tables").fetchall():
            held(console, [Held(*row) for row in connection.execute(HELD).fetchall()])
        ages = connection.execute(AGES).fetchall()
        ((published_at,),) = connection.execute(
            "select max(recorded_at) from publications"
        ).fetchall()
    for source, loaded_to, age, last_day in ages:
        say(
            console,
            ("OK", "green") if age <= limit else ("STALE", "red"),
            f" {source}: loaded to {shown(loaded_to)}, {age / 3600:,.1f} hours ago "
            f"(stale after {limit / 3600:g}); complete through {last_day or 'no day'}",
        )
    if differing := still_differing(warehouse):
        say(
            console,
            ("DIFFERS", "red"),
            f": {counted(differing, 'total')} of the vendors, read again and still not met: "
            "from audits where verdict = 'still_differs'",
        )
    say(console, f"published {shown(published_at)} ({warehouse.reporting_timezone})")
    return bool(ages) and all(age <= limit for _, _, age, _ in ages)


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
