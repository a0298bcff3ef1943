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

from pipelines.demo import LIAR
from pipelines.errors import RunError, UsageError
from pipelines.history import go_back
from pipelines.nightly import Night
from pipelines.publish import Published, published_at
from pipelines.runner import SourceOutcome, first_of
from pipelines.settings import WarehouseSettings, demo_mark
from pipelines.transform import Outcome

LAST_WEEK = """
    with tokens as (
        select model, sum(calls) as calls, sum(input_tokens) as input_tokens,
            sum(output_tokens) as output_tokens
        from daily_tokens
        where usage_date > (select max(usage_date) from daily_tokens) - 7
        group by model
    ),

    costs as (
        select model, string_agg(printf('%.2f', cost) || ' ' || currency, ' + ') as cost
        from (
            select model, currency, sum(cost) as cost
            from daily_costs
            where usage_date > (select max(usage_date) from daily_costs) - 7
                and cost is not null
            group by model, currency
            order by currency
        )
        group by model
    )

    select tokens.*, coalesce(costs.cost, 'unpriced') as cost
    from tokens
    left join costs on tokens.model is not distinct from costs.model
    order by tokens.input_tokens desc nulls last
    limit 15
"""


FRESHNESS = """
    select source_name, stream, last_window_end, last_loaded_at,
        round(hours_since_last_window, 1) as hours_since,
        slices, rows_read, gaps, disagreeing_windows
    from load_status
    order by source_name, stream
"""

DIFFERING = """
    select source_name, pair, usage_date, coalesce(model, 'all models') as model, measure,
        detail_value, control_value, difference, reason
    from reconciliation
    where verdict = 'differs'
    order by usage_date desc, source_name, pair, model, measure
"""

SHOWN_DIFFERENCES = 20

REJECTED = """
    select count(*), count(distinct (row_kind, row_id))
    from rejected_values
"""

SEE_REJECTED = "select * from rejected_values"


def night(console: Console, warehouse: WarehouseSettings, done: Night) -> None:
    """Say what a night brought, what failed, and where the results are."""
    _loads(console, done.loads)
    for load in done.loads:
        if load.error:
            console.print(f"[red]failed[/] {load.source}: ", end="")
            console.print(load.error, markup=False, highlight=False)
        for warning, steps in load.warnings.items():
            where = f" [{first_of(steps)}]" if steps else ""
            console.print(f"[yellow]warning[/] {load.source}: ", end="")
            console.print(f"{warning}{where}", markup=False, highlight=False)
    if done.models:
        models(console, done.models)
    if done.published:
        _last_week(console, warehouse)
        reconciliation(console, warehouse)
        rejected(console, warehouse)
        published(console, done.published)
        _next(console, warehouse)
    elif done.models:
        console.print("[red]not published[/]: see what failed above; the file of before stays")


def models(console: Console, outcome: Outcome) -> None:
    """Say what dbt built and which tests failed."""
    verdict = "[green]all passed[/]" if outcome.ok else "[red]failed[/]"
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
        agreeing, differing = connection.execute(
            "select count(*) filter (verdict = 'agrees'), count(*) filter (verdict = 'differs') "
            "from reconciliation"
        ).fetchall()[0]
        lines = connection.execute(DIFFERING).fetchmany(SHOWN_DIFFERENCES)
    compared = f"reconciliation: {agreeing + differing:,} totals compared"
    if differing:
        console.print(f"{compared}, [green]{agreeing:,} agree[/], [red]{differing:,} not[/]")
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
    if differing > len(lines):
        console.print("  and more: select * from reconciliation where verdict = 'differs'")


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


def status(console: Console, warehouse: WarehouseSettings) -> None:
    """Print the freshness of every stream.

    Raises:
        RunError: nothing was published yet.
    """
    with _published(warehouse) as connection:
        found = connection.sql(FRESHNESS)
        _print_rows(console, found.columns, found.fetchall())
    console.print(f"published {published_at(warehouse):%Y-%m-%d %H:%M} UTC", highlight=False)


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
        console.print(f"the last 7 days by model (days in {warehouse.reporting_timezone})")
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
