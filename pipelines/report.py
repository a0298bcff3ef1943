"""What a command tells a person once it is done."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console

from pipelines.alerts import Alert
from pipelines.demo import LATE, LIAR
from pipelines.focus import Written
from pipelines.holding import Held
from pipelines.nightly import Night
from pipelines.page import page_path
from pipelines.publish import Published
from pipelines.published import open_published
from pipelines.repair import Fault
from pipelines.runner import SourceOutcome, first_of
from pipelines.settings import WarehouseSettings, demo_mark
from pipelines.telling import counted, say, say_rows
from pipelines.transform import Outcome
from pipelines.verdict import COMPLETE, Verdict

FAILED = ("failed", "red")
WARNING = ("warning", "yellow")

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


DIFFERING = """
    select source_name, pair, usage_date, coalesce(model, 'all models') as model, measure,
        detail_value, control_value, difference, reason
    from reconciliation
    where verdict = 'differs'
    order by usage_date desc, source_name, pair, model, measure
"""

SHOWN_DIFFERENCES = 20

SHOWN_ALERTS = 10

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

REJECTED = """
    select count(*), count(distinct (row_kind, row_id))
    from rejected_values
"""

SEE_REJECTED = "select * from rejected_values"


def night(console: Console, warehouse: WarehouseSettings, done: Night, verdict: Verdict) -> None:
    """Say what a night brought, what failed, where the results are, and what it comes to."""
    _loads(console, done.loads)
    for load in done.loads:
        for warning, steps in load.warnings.items():
            where = f" [{first_of(steps)}]" if steps else ""
            say(console, WARNING, f" {load.source}: {warning}{where}")
    warnings(console, done.warnings)
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
            say(console, FAILED, f" {load.source}: {load.error}")
    # What failed tonight is told above.
    alerts(console, [one for one in verdict.alerts if one.rule != "failed"])
    _verdict(console, verdict)


def earlier_night(console: Console, now: datetime, done: Night) -> None:
    """Say in a line what a night before the one that is told in full has loaded."""
    rows = sum(tally.rows for load in done.loads for tally in load.streams.values())
    failed = "".join(f"; failed: {load.error}" for load in done.loads if load.error)
    say(
        console,
        f"the night of {now:%Y-%m-%d}: {rows:,} rows of {counted(len(done.loads), 'source')} "
        f"loaded and {'published' if done.published else 'NOT published'}{failed}",
    )


def alerts(console: Console, found: Sequence[Alert]) -> None:
    """Name each alert that holds, in a line; nothing where there is none."""
    for one in found[:SHOWN_ALERTS]:
        say(console, ("alert", "red"), f" ({one.rule}) {one.message}")
    if len(found) > SHOWN_ALERTS:
        say(console, f"  and {len(found) - SHOWN_ALERTS:,} more: from alerts")


def _verdict(console: Console, verdict: Verdict) -> None:
    """Say in the last line whether the night is complete, through which day, and what is not."""
    # Green would belie the red lines above.
    good = "yellow" if verdict.differing else "green"
    say(console, (verdict.word, good if verdict.word == COMPLETE else "red"), f": {verdict.rest}")


def models(console: Console, outcome: Outcome) -> None:
    """Say what dbt built and which tests failed."""
    verdict = FAILED
    if outcome.is_sound:
        verdict = (
            ("passed without what is held", "yellow") if outcome.held else ("all passed", "green")
        )
    say(
        console,
        f"models: {outcome.built} built, {outcome.tests} tests passed in {outcome.seconds:.0f} s: ",
        verdict,
    )
    if outcome.tests:
        say(console, f"tests: {_tested(outcome)}")
    for line in outcome.problems:
        say(console, "  ", FAILED, f" {line}")
    for line in outcome.warnings:
        say(console, "  ", WARNING, f" {line}")
    held(console, outcome.held)


def warnings(console: Console, found: Sequence[str]) -> None:
    """Say what a person should know of what belongs to no source."""
    for warning in found:
        say(console, WARNING, f" {warning}")


def held(console: Console, found: Sequence[Held]) -> None:
    """Name each source that is published as before, and why; nothing where there is none."""
    for one in found:
        say(
            console,
            ("held", "red"),
            f" {one.source}, as it was before {one.since:%Y-%m-%d %H:%M} UTC: {one.finding}",
        )


def _tested(outcome: Outcome) -> str:
    if outcome.tested_all:
        return "all of history"
    if outcome.tested_all_at is None:
        return "the touched days; all of history never yet: llm-usage check --all"
    days = (datetime.now(UTC) - outcome.tested_all_at).days
    when = f"{counted(days, 'day')} ago" if days else "today"
    return f"the touched days; all of history was last tested {when}"


def published(console: Console, file: Published) -> None:
    """Say what was swapped in."""
    say(console, f"published: {file.path}, {len(file.rows)} tables")
    for cause, days in file.restated.items():
        say(
            console,
            ("restated", "yellow"),
            f": {counted(days, 'closed day')} ({cause}), see `restatements`",
        )


def reconciliation(console: Console, warehouse: WarehouseSettings) -> None:
    """Say whether the vendors' own totals agree with our rows, and name each that does not.

    A difference is a fact to show: it keeps nothing from being published.
    """
    with open_published(warehouse) as connection:
        agreeing, differing, one_sided = connection.execute(
            "select count(*) filter (verdict = 'agrees'), count(*) filter (verdict = 'differs'), "
            "count(*) filter (reason = 'not loaded on both sides' and usage_date < "
            "(select max(usage_date) from reconciliation)) from reconciliation"
        ).fetchall()[0]
        lines = connection.execute(DIFFERING).fetchmany(SHOWN_DIFFERENCES)
    compared = f"reconciliation: {agreeing + differing:,} totals compared"
    if differing:
        say(console, f"{compared}, {agreeing:,} agree, ", (f"{differing:,} not", "red"))
    elif not agreeing:
        say(console, f"{compared}: nothing says whether the rows are all there")
    else:
        say(console, f"{compared}, ", ("all agree", "green"))
    is_demo = demo_mark(warehouse).exists()
    for source, pair, day, model, measure, ours, theirs, difference, reason in lines:
        why = (
            f"{reason}; the simulator lied here on purpose"
            if is_demo and source == LIAR
            else reason
        )
        say(
            console,
            "  ",
            ("differs", "red"),
            f" {source} {day} {model}: {measure} {_plain(ours)}, the vendor's own total says "
            f"{_plain(theirs)} ({_plain(difference, '+')}; {pair}; {why})",
        )
    if one_sided:
        say(
            console,
            f"  {one_sided:,} more could not be compared: they are not loaded on both sides",
        )
    if differing > len(lines):
        say(console, "  and more: select * from reconciliation where verdict = 'differs'")


def audit(console: Console, warehouse: WarehouseSettings) -> None:
    """Say what came of holding the open period against the vendors' totals; nothing without one."""
    with open_published(warehouse) as connection:
        days, sources, healed, differing, requests = connection.execute(AUDITED).fetchall()[0]
        gains = connection.execute(HEALED).fetchall()
    if not sources:
        return
    gained = ", ".join(f"{_plain(sum_, '+')} {unit}" for unit, sum_ in gains if sum_)
    brought = f" ({gained})" if gained else ""
    colour = "red" if differing else "green"
    say(
        console,
        f"audit: {counted(int(days), 'day')} of {counted(sources, 'source')} in "
        f"{counted(int(requests), 'request')}; {counted(int(healed), 'day')} healed{brought}, ",
        (f"{counted(int(differing), 'day')} still differing", colour),
    )
    if healed and demo_mark(warehouse).exists():
        say(
            console,
            "  ",
            ("healed", "green"),
            f" {LATE}: the simulator logged five calls 26 hours late, on purpose",
        )


def rejected(console: Console, warehouse: WarehouseSettings) -> None:
    """Say how many numbers could not be summed and are NULL; nothing where there is none."""
    with open_published(warehouse) as connection:
        values, rows = connection.execute(REJECTED).fetchall()[0]
    if values:
        of_what = f"{counted(values, 'value')} of {counted(rows, 'row')}"
        say(console, ("rejected", "yellow"), f": {of_what}; {SEE_REJECTED}")


def faults(console: Console, found: Sequence[Fault]) -> None:
    """Say what is at fault, and what would be done about each."""
    for one in found:
        say(console, ("fault", "red"), f" {one.finding}")
        say(console, "  ", ("remedy", "yellow"), f" {one.remedy}")
    if not found:
        say(console, "nothing to repair: a night can go on by itself")


def copied(console: Console, sizes: Mapping[Path, int]) -> None:
    """Name each file of a backup and its size."""
    for path, size in sizes.items():
        say(console, f"{path}: {size:,} bytes")


def focus(console: Console, warehouse: WarehouseSettings, month: Written) -> None:
    """Say what a month for finance comes to, what it leaves out, and whether it is final."""
    costs = " + ".join(f"{_plain(cost)} {currency}" for currency, cost in month.costs.items())
    say(console, f"{month.charges}: {counted(month.rows, 'charge')}, {costs or 'no cost'}")
    say(
        console,
        f"{month.unpriced}: {counted(month.unpriced_rows, 'row')} of usage without a known cost, "
        f"{counted(month.unpriced_tokens, 'token')}",
    )
    if month.behind:
        days = ", ".join(f"{source} to {day or 'no day'}" for source, day in month.behind.items())
        say(console, ("preliminary", "yellow"), f": not complete yet: {days}")
    if demo_mark(warehouse).exists():
        say(console, ("simulated", "yellow"), ": these are the demo's rows, and nobody's bill")


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
    say_rows(console, columns, rows)


def _last_week(console: Console, warehouse: WarehouseSettings) -> None:
    with open_published(warehouse) as connection:
        found = connection.sql(LAST_WEEK)
        say(
            console,
            "the last 7 days by model, of sources that count in totals "
            f"(days in {warehouse.reporting_timezone})",
        )
        say_rows(console, found.columns, found.fetchall())


def _next(console: Console, warehouse: WarehouseSettings) -> None:
    say(console, f"private warehouse: {warehouse.path}")
    if (page := page_path(warehouse)).exists():
        say(console, f"the morning on one page: {page} (llm-usage report --open)")
    if demo_mark(warehouse).exists():
        say(console, "these are simulated rows; `make clean` removes them")
    say(console, 'next: llm-usage query "select * from daily_tokens order by 1 desc limit 5"')


def _plain(value: Decimal | None, sign: str = "") -> str:
    """Return a decimal without its trailing zeros."""
    if value is None:
        return "nothing"
    text = f"{value:{sign},f}"
    return text.rstrip("0").rstrip(".")
