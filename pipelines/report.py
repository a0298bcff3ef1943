"""What a command tells a person once it is done."""

import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from pipelines.demo import LATE, LIAR
from pipelines.errors import RunError, UsageError
from pipelines.history import go_back
from pipelines.holding import Held
from pipelines.nightly import Night
from pipelines.publish import Published
from pipelines.runner import SourceOutcome, first_of
from pipelines.settings import WarehouseSettings, demo_mark
from pipelines.transform import Outcome

LAST_WEEK = """
    with counted as (
        from daily_costs
        where counts_in_totals
            and usage_date > (select max(usage_date) from daily_costs where counts_in_totals) - 7
    ),

    sums as (
        from counted
        select model, sum(calls) as calls,
            sum(calls) filter (cost is null) as unpriced_calls,
            sum(priced_tokens + unpriced_tokens) as total_tokens
        group by model
    ),

    costs as (
        from (
            from counted select model, currency, sum(cost) as cost
            where cost is not null group by model, currency order by currency
        )
        select model, string_agg(printf('%.2f', cost) || ' ' || currency, ' + ') as cost,
            sum(cost) as weight
        group by model
    )

    from sums left join costs on sums.model is not distinct from costs.model
    select sums.model, coalesce(costs.cost, 'unpriced') as cost, calls,
        coalesce(unpriced_calls, 0) as unpriced_calls, total_tokens
    order by costs.weight desc nulls last, total_tokens desc nulls last
    limit 15
"""


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

DIFFERING = """
    select source_name, pair, usage_date, coalesce(model, 'all models') as model, measure,
        detail_value, control_value, difference, reason
    from reconciliation
    where verdict = 'differs'
    order by usage_date desc, source_name, pair, model, measure
"""

SHOWN_DIFFERENCES = 20

HELD = """
    select source_name, held_since, broken_test, failing_rows, finding
    from held_sources
    order by source_name, broken_test
"""

AUDITED = """
    select sum(days), count(*), sum(healed_days), sum(differing_days), sum(requests)
    from audit_runs
    where recorded_at = (select max(recorded_at) from publications)
"""

HEALED = """
    select coalesce(currency, measure), sum(difference)
    from restatements
    where cause = 'audit' and measure in ('calls', 'cost')
        and recorded_at = (select max(recorded_at) from publications)
    group by all
    order by max(measure), 1
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

LATEST = """
    select min(last_complete_date), any_value(sources_behind)
    from publications
    where recorded_at = (select max(recorded_at) from publications)
"""

REJECTED = """
    select count(*), count(distinct (row_kind, row_id))
    from rejected_values
"""

SEE_REJECTED = "select * from rejected_values"


def night(console: Console, warehouse: WarehouseSettings, done: Night) -> None:
    """Say what a night brought, what failed, and where the results are."""
    _loads(console, done.loads)
    for load in done.loads:
        for warning, steps in load.warnings.items():
            where = f" [{first_of(steps)}]" if steps else ""
            console.print(f"[yellow]warning[/] {load.source}: ", end="")
            console.print(f"{warning}{where}", markup=False, highlight=False)
    for warning in done.warnings:
        console.print("[yellow]warning[/] ", end="")
        console.print(warning, markup=False, highlight=False)
    if done.models:
        models(console, done.models)
    if done.published:
        _last_week(console, warehouse)
        reconciliation(console, warehouse)
        audit(console, warehouse)
        rejected(console, warehouse)
        published(console, done.published)
        _next(console, warehouse)
    for load in done.loads:
        if load.error:
            console.print(f"[red]failed[/] {load.source}: ", end="")
            console.print(load.error, markup=False, highlight=False)
    _verdict(console, warehouse, done)


def earlier_night(console: Console, now: datetime, done: Night) -> None:
    """Say in a line what a night before the one that is told in full has loaded."""
    rows = sum(tally.rows for load in done.loads for tally in load.streams.values())
    failed = "".join(f"; failed: {load.error}" for load in done.loads if load.error)
    console.print(
        f"the night of {now:%Y-%m-%d}: {rows:,} rows of {_counted(len(done.loads), 'source')} "
        f"loaded and {'published' if done.published else 'NOT published'}{failed}",
        markup=False,
        highlight=False,
    )


def _verdict(console: Console, warehouse: WarehouseSettings, done: Night) -> None:
    """Say in the last line whether the night is complete, through which day, and what is not."""
    found: list[str] = []
    if failed := [load.source for load in done.loads if load.error]:
        found.append(f"failed: {', '.join(failed)}")
    if done.models and done.models.problems:
        found.append(f"{_counted(len(done.models.problems), 'finding')} of models and tests")
    if done.models and done.models.held:
        found.append(f"held: {', '.join(sorted({one.source for one in done.models.held}))}")
    if not done.published:
        stays = "the file of before stays" if warehouse.published_path.exists() else "no file yet"
        console.print(f"[red]NOT PUBLISHED[/]: {'; '.join([*found, stays])}", highlight=False)
        return
    with _published(warehouse) as connection:
        last_day, behind = connection.execute(LATEST).fetchall()[0]
        rejected_values, _ = connection.execute(REJECTED).fetchall()[0]
        ((unpriced,),) = connection.execute("select sum(calls) from unpriced_usage").fetchall()
        differing = len(connection.execute(DIFFERING).fetchall())
    if behind:
        found.append(f"behind: {behind}")
    word = "[red]NOT COMPLETE[/]" if found or not last_day else "[green]COMPLETE[/]"
    if differing:
        # Green would belie the red lines above.
        word = word.replace("green", "yellow")
        found.append(f"{_counted(differing, 'total')} of the vendors not met")
    if rejected_values:
        found.append(f"{_counted(rejected_values, 'value')} rejected")
    if unpriced:
        found.append(f"{_counted(int(unpriced), 'call')} unpriced")
    through = f"through {last_day}" if last_day else "no day is complete yet"
    console.print(f"{word}: {'; '.join([through, *found])}", highlight=False, soft_wrap=True)


def models(console: Console, outcome: Outcome) -> None:
    """Say what dbt built and which tests failed."""
    verdict = "[red]failed[/]"
    if outcome.is_sound:
        verdict = (
            "[yellow]passed without what is held[/]" if outcome.held else "[green]all passed[/]"
        )
    console.print(
        f"models: {outcome.built} built, {outcome.tests} tests passed "
        f"in {outcome.seconds:.0f} s: {verdict}"
    )
    if outcome.tests:
        console.print(f"tests: {_tested(outcome)}", highlight=False)
    for line in outcome.problems:
        console.print(f"  [red]failed[/] {line}", highlight=False)
    for line in outcome.warnings:
        console.print(f"  [yellow]warning[/] {line}", highlight=False)
    held(console, outcome.held)


def held(console: Console, found: Sequence[Held]) -> None:
    """Name each source that is published as before, and why; nothing where there is none."""
    for one in found:
        console.print(
            f"[red]held[/] {one.source}, as it was before {one.since:%Y-%m-%d %H:%M} UTC: ",
            end="",
        )
        console.print(one.finding, markup=False, highlight=False)


def _tested(outcome: Outcome) -> str:
    if outcome.tested_all:
        return "all of history"
    if outcome.tested_all_at is None:
        return "the touched days; all of history never yet: llm-usage check --all"
    days = (datetime.now(UTC) - outcome.tested_all_at).days
    when = f"{_counted(days, 'day')} ago" if days else "today"
    return f"the touched days; all of history was last tested {when}"


def published(console: Console, file: Published) -> None:
    """Say what was swapped in."""
    console.print(f"published: {file.path}, {len(file.rows)} tables", highlight=False)
    for cause, days in file.restated.items():
        console.print(
            f"[yellow]restated[/]: {days} closed {'day' if days == 1 else 'days'} ({cause}), "
            "see `restatements`",
            highlight=False,
        )


def reconciliation(console: Console, warehouse: WarehouseSettings) -> None:
    """Say whether the vendors' own totals agree with our rows, and name each that does not.

    A difference is a fact to show: it keeps nothing from being published.
    """
    with _published(warehouse) as connection:
        agreeing, differing, one_sided = connection.execute(
            "select count(*) filter (verdict = 'agrees'), count(*) filter (verdict = 'differs'), "
            "count(*) filter (reason = 'not loaded on both sides' and usage_date < "
            "(select max(usage_date) from reconciliation)) from reconciliation"
        ).fetchall()[0]
        lines = connection.execute(DIFFERING).fetchmany(SHOWN_DIFFERENCES)
    compared = f"reconciliation: {agreeing + differing:,} totals compared"
    if differing:
        console.print(f"{compared}, {agreeing:,} agree, [red]{differing:,} not[/]")
    elif not agreeing:
        console.print(f"{compared}: nothing says whether the rows are all there")
    else:
        console.print(f"{compared}, [green]all agree[/]")
    is_demo = demo_mark(warehouse).exists()
    for source, pair, day, model, measure, ours, theirs, difference, reason in lines:
        why = (
            f"{reason}; the simulator lied here on purpose"
            if is_demo and source == LIAR
            else reason
        )
        console.print(
            f"  [red]differs[/] {source} {day} {model}: {measure} {_plain(ours)}, the vendor's own "
            f"total says {_plain(theirs)} ({_plain(difference, '+')}; {pair}; {why})",
            highlight=False,
        )
    if one_sided:
        console.print(
            f"  {one_sided:,} more could not be compared: they are not loaded on both sides"
        )
    if differing > len(lines):
        console.print("  and more: select * from reconciliation where verdict = 'differs'")


def audit(console: Console, warehouse: WarehouseSettings) -> None:
    """Say what came of holding the open period against the vendors' totals; nothing without one."""
    with _published(warehouse) as connection:
        days, sources, healed, differing, requests = connection.execute(AUDITED).fetchall()[0]
        gains = connection.execute(HEALED).fetchall()
    if not sources:
        return
    gained = ", ".join(f"{_plain(sum_, '+')} {unit}" for unit, sum_ in gains if sum_)
    brought = f" ({gained})" if gained else ""
    colour = "red" if differing else "green"
    console.print(
        f"audit: {_counted(int(days), 'day')} of {_counted(sources, 'source')} in "
        f"{_counted(int(requests), 'request')}; {_counted(int(healed), 'day')} healed{brought}, "
        f"[{colour}]{_counted(int(differing), 'day')} still differing[/]",
        highlight=False,
    )
    if healed and demo_mark(warehouse).exists():
        console.print(
            f"  [green]healed[/] {LATE}: the simulator logged five calls 26 hours late, on purpose",
            highlight=False,
        )


def still_differing(warehouse: WarehouseSettings) -> int:
    """Return how many totals of the vendors still differed when they were last audited.

    Raises:
        RunError: nothing was published yet.
    """
    with _published(warehouse) as connection:
        # A file that an older version of this program wrote has no such table.
        if ("audits",) not in connection.execute("show tables").fetchall():
            return 0
        ((figures,),) = connection.execute(STILL_DIFFERING).fetchall()
    return int(figures)


def rejected(console: Console, warehouse: WarehouseSettings) -> None:
    """Say how many numbers could not be summed and are NULL; nothing where there is none."""
    with _published(warehouse) as connection:
        values, rows = connection.execute(REJECTED).fetchall()[0]
    if values:
        console.print(
            f"[yellow]rejected[/]: {_counted(values, 'value')} of {_counted(rows, 'row')}; "
            f"{SEE_REJECTED}",
            highlight=False,
        )


def status(console: Console, warehouse: WarehouseSettings) -> bool:
    """Print how fresh every stream is at this moment, and whether each source is fresh enough.

    Returns:
        whether every source is: its last window is no older than `stale_after`.

    Raises:
        RunError: nothing was published yet.
    """
    limit = warehouse.stale_after.total_seconds()
    with _published(warehouse) as connection:
        found = connection.sql(FRESHNESS)
        _print_rows(console, found.columns, found.fetchall())
        # A file that an older version of this program wrote has no such table.
        if ("held_sources",) in connection.execute("show tables").fetchall():
            held(console, [Held(*row) for row in connection.execute(HELD).fetchall()])
        ages = connection.execute(AGES).fetchall()
        ((published_at,),) = connection.execute(
            "select max(recorded_at) from publications"
        ).fetchall()
    for source, loaded_to, age, last_day in ages:
        verdict = "[green]OK[/]" if age <= limit else "[red]STALE[/]"
        console.print(
            f"{verdict} {source}: loaded to {_shown(loaded_to)}, {age / 3600:,.1f} hours ago "
            f"(stale after {limit / 3600:g}); complete through {last_day or 'no day'}",
            highlight=False,
        )
    if differing := still_differing(warehouse):
        console.print(
            f"[red]DIFFERS[/]: {_counted(differing, 'total')} of the vendors, read again and still "
            "not met: from audits where verdict = 'still_differs'",
            highlight=False,
        )
    console.print(
        f"published {_shown(published_at)} ({warehouse.reporting_timezone})", highlight=False
    )
    return bool(ages) and all(age <= limit for _, _, age, _ in ages)


def query(warehouse: WarehouseSettings, sql: str, as_of: datetime | None = None) -> None:
    """Print the result of a query on the published file, its times in the reporting zone.

    Args:
        warehouse: whose published file.
        sql: the query.
        as_of: see the daily tables as they were published at this instant, not as they are.

    Raises:
        RunError: nothing was published yet.
        UsageError: the SQL cannot be run, or what was published then is not known.
    """
    with _published(warehouse) as connection:
        try:
            if as_of:
                go_back(connection, as_of, sql)
            found = connection.sql(sql)
            if found is not None:
                width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
                found.show(max_rows=10_000, max_width=width)
        except duckdb.Error as error:
            raise UsageError(str(error)) from None


def _published(warehouse: WarehouseSettings) -> duckdb.DuckDBPyConnection:
    path = warehouse.published_path
    if not path.exists():
        raise RunError(
            f"{path} is not there yet; run `llm-usage nightly` (or `llm-usage demo`) first"
        )
    connection = duckdb.connect(str(path), read_only=True)
    connection.execute(f"set TimeZone = '{warehouse.reporting_timezone}'")
    return connection


def _loads(console: Console, loads: Sequence[SourceOutcome]) -> None:
    rows: list[tuple[Any, ...]] = []
    for load in loads:
        kind = "first load" if load.first_load else "incremental"
        for stream, tally in load.streams.items():
            remark = f"{tally.disagreeing} windows disagree" if tally.disagreeing else ""
            if tally.unknown_fields:
                remark += f" new fields: {', '.join(sorted(tally.unknown_fields))}"
            counts = (tally.windows, tally.rows, tally.requests, tally.retries)
            rows.append((load.source, stream, kind, *counts, remark.strip()))
    columns = ("source", "stream", "load", "windows", "rows", "requests", "retries", "remarks")
    _print_rows(console, columns, rows)


def _last_week(console: Console, warehouse: WarehouseSettings) -> None:
    with _published(warehouse) as connection:
        found = connection.sql(LAST_WEEK)
        console.print(
            f"the last 7 days by model, of sources that count in totals "
            f"(days in {warehouse.reporting_timezone})"
        )
        _print_rows(console, found.columns, found.fetchall())


def _next(console: Console, warehouse: WarehouseSettings) -> None:
    console.print(f"private warehouse: {warehouse.path}", highlight=False)
    if demo_mark(warehouse).exists():
        console.print("these are simulated rows; `make clean` removes them")
    console.print(
        'next: llm-usage query "select * from daily_tokens order by 1 desc limit 5"',
        highlight=False,
    )


def _print_rows(console: Console, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    table = Table(*columns)
    for row in rows:
        table.add_row(*(_shown(value) for value in row))
    if not console.is_terminal:
        # A log has no width; a squeezed table would cut names.
        console.width = max(console.width, 200)
    console.print(table)


def _plain(value: Decimal | None, sign: str = "") -> str:
    """Return a decimal without its trailing zeros."""
    if value is None:
        return "nothing"
    text = f"{value:{sign},f}"
    return text.rstrip("0").rstrip(".")


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing if number == 1 else thing + 's'}"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
