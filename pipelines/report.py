"""What a command tells a person once it is done."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from rich.console import Console

from llm_usage_warehouse.alerts import Alert
from llm_usage_warehouse.demo import LATE, LIAR
from llm_usage_warehouse.focus import Written
from llm_usage_warehouse.history import Restatement
from llm_usage_warehouse.holding import Held
from llm_usage_warehouse.nightly import Night
from llm_usage_warehouse.one_source import SourceOutcome, first_of
from llm_usage_warehouse.page import page_path
from llm_usage_warehouse.publish import Published
from llm_usage_warehouse.published import open_published
from llm_usage_warehouse.repair import Fault
from llm_usage_warehouse.settings import WarehouseSettings, demo_flag
from llm_usage_warehouse.spending import tell_spending
from llm_usage_warehouse.tables import say_rows
from llm_usage_warehouse.telling import counted, insist, named, say
from llm_usage_warehouse.transform import Outcome
from llm_usage_warehouse.verdict import COMPLETE, Verdict

FAILED = ("failed", "red")
WARNING = ("warning", "yellow")

DIFFERING = """
    select source_name, pair, usage_date, coalesce(model, 'all models') as model, measure,
        detail_value, control_value, difference, reason
    from reconciliation
    where verdict = 'differs'
    order by usage_date desc, source_name, pair, model, measure
    limit 20
"""

SHOWN_ALERTS = 10

SHOWN_RESTATEMENTS = 40

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

SEE_REJECTED = "select * from ops.rejected_values"


def night(console: Console, warehouse: WarehouseSettings, done: Night, verdict: Verdict) -> None:
    """Say what a night brought, what failed, where the results are, and what it comes to.

    A console that is quiet shows what is not as it should be, and nothing else.
    """
    if done.published:
        tell_spending(console, warehouse)
    _loads(console, done.loads)
    for load in done.loads:
        for warning, steps in load.warnings.items():
            where = f" [{first_of(steps)}]" if steps else ""
            insist(console, WARNING, f" {named(load.source, warning)}{where}")
    warnings(console, done.warnings)
    if done.models:
        models(console, done.models)
    if done.published:
        reconciliation(console, warehouse)
        audit(console, warehouse)
        rejected(console, warehouse)
        published(console, done.published)
        _next(console, warehouse)
    for load in done.loads:
        if load.error:
            insist(console, FAILED, f" {named(load.source, load.error)}")
    # What failed tonight is told above.
    alerts(console, [one for one in verdict.alerts if one.rule != "failed"])
    _verdict(console, verdict)


def earlier_night(console: Console, now: datetime, done: Night) -> None:
    """Say in a line what a night before the one that is told in full has loaded."""
    rows = sum(tally.rows for load in done.loads for tally in load.streams.values())
    failed = "".join(
        f"; failed: {named(load.source, load.error)}" for load in done.loads if load.error
    )
    tell = say if done.ok else insist
    tell(
        console,
        f"the night of {now:%Y-%m-%d}: {rows:,} rows of {counted(len(done.loads), 'source')} "
        f"loaded and {'published' if done.published else 'NOT published'}{failed}",
    )


def alerts(console: Console, found: Sequence[Alert]) -> None:
    """Name each alert that holds, in a line; nothing where there is none."""
    for one in found[:SHOWN_ALERTS]:
        say(console, ("alert", "red"), f" ({one.rule}) {one.message}")
    if len(found) > SHOWN_ALERTS:
        say(console, f"  and {len(found) - SHOWN_ALERTS:,} more: from ops.alerts")


def _verdict(console: Console, verdict: Verdict) -> None:
    """Say in the last line whether the night is complete, through which day, and what is not."""
    is_complete = verdict.word == COMPLETE
    tell = say if is_complete and not verdict.differing else insist
    # Green would belie the red lines above.
    good = "yellow" if verdict.differing else "green"
    tell(console, (verdict.word, good if is_complete else "red"), f": {verdict.rest}")


def models(console: Console, outcome: Outcome) -> None:
    """Say what dbt built and which tests failed."""
    verdict = FAILED
    if outcome.is_sound:
        verdict = (
            ("passed without what is held", "yellow") if outcome.held else ("all passed", "green")
        )
    tell = say if outcome.ok else insist
    tell(
        console,
        f"models: {outcome.built} built, {outcome.tests} tests passed in {outcome.seconds:.0f} s: ",
        verdict,
    )
    if outcome.tests:
        say(console, f"tests: {_tested(outcome)}")
    for line in outcome.problems:
        insist(console, "  ", FAILED, f" {line}")
    for line in outcome.warnings:
        insist(console, "  ", WARNING, f" {line}")
    held(console, outcome.held)


def warnings(console: Console, found: Sequence[str]) -> None:
    """Say what a person should know of what belongs to no source."""
    for warning in found:
        insist(console, WARNING, f" {warning}")


def held(console: Console, found: Sequence[Held]) -> None:
    """Name each source that is published as before, and why; nothing where there is none."""
    for one in found:
        insist(
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
            f": {counted(days, 'closed day')} ({cause}), see `history.restatements`",
        )


def dry_run(console: Console, found: Sequence[Restatement]) -> None:
    """Say what a publishing would restate, a line for each figure of a day."""
    days = Counter(cause for _, cause in {(one.day, one.cause) for one in found})
    for cause, number in sorted(days.items()):
        say(console, ("restated", "yellow"), f": {counted(number, 'closed day')} ({cause})")
    for one in found[:SHOWN_RESTATEMENTS]:
        of = " ".join(filter(None, (one.source, one.team, one.measure, one.currency)))
        change = f"{_plain(one.before)} -> {_plain(one.after)}"
        say(console, f"  {one.day} {of}: {change} ({one.cause})")
    if (more := len(found) - SHOWN_RESTATEMENTS) > 0:
        say(console, f"  and {counted(more, 'figure')} more")
    if not found:
        say(console, "no closed day would be restated")
    say(console, "nothing was written, and no data test was run: `llm-usage publish` does both")


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
        lines = connection.execute(DIFFERING).fetchall()
    compared = f"reconciliation: {agreeing + differing:,} totals compared"
    if differing:
        insist(console, f"{compared}, {agreeing:,} agree, ", (f"{differing:,} not", "red"))
    elif not agreeing:
        say(console, f"{compared}: nothing says whether the rows are all there")
    else:
        say(console, f"{compared}, ", ("all agree", "green"))
    is_demo = demo_flag(warehouse).exists()
    for source, pair, day, model, measure, ours, theirs, difference, reason in lines:
        why = (
            f"{reason}; the simulator lied here on purpose"
            if is_demo and source == LIAR
            else reason
        )
        insist(
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
        insist(console, "  and more: select * from reconciliation where verdict = 'differs'")


def audit(console: Console, warehouse: WarehouseSettings) -> None:
    """Say what came of holding the open period against the vendors' totals; nothing without one."""
    with open_published(warehouse) as connection:
        days, sources, healed, differing, requests = connection.execute(AUDITED).fetchall()[0]
        gains = connection.execute(HEALED).fetchall()
    if not sources:
        return
    gained = ", ".join(f"{_plain(sum_, '+')} {unit}" for unit, sum_ in gains if sum_)
    brought = f" ({gained})" if gained else ""
    tell, colour = (insist, "red") if differing else (say, "green")
    tell(
        console,
        f"audit: {counted(int(days), 'day')} of {counted(sources, 'source')} in "
        f"{counted(int(requests), 'request')}; {counted(int(healed), 'day')} healed{brought}, ",
        (f"{counted(int(differing), 'day')} still differing", colour),
    )
    if healed and demo_flag(warehouse).exists():
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
        insist(console, ("fault", "red"), f" {one.finding}")
        insist(console, "  ", ("remedy", "yellow"), f" {one.remedy}")
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
    if demo_flag(warehouse).exists():
        say(console, ("simulated", "yellow"), ": these are the demo's rows, and nobody's bill")


def _loads(console: Console, loads: Sequence[SourceOutcome]) -> None:
    found = [(load.source, name, one) for load in loads for name, one in load.streams.items()]
    say_rows(
        console,
        ("source", "stream", "rows", "windows", "requests"),
        [(source, name, one.rows, one.windows, one.requests) for source, name, one in found],
    )
    if first := [load.source for load in loads if load.first_load]:
        say(console, f"first load of {', '.join(first)}")
    retried = [f"{one.retries:,} of {source} {name}" for source, name, one in found if one.retries]
    if retried:
        say(console, f"requests sent again: {', '.join(retried)}")
    for source, name, one in found:
        if one.unknown_fields:
            say(console, f"new fields of {source} {name}: {', '.join(sorted(one.unknown_fields))}")
        if one.disagreeing:
            insist(
                console,
                WARNING,
                f" {source}: {counted(one.disagreeing, 'window')} of {name} "
                f"{'holds' if one.disagreeing == 1 else 'hold'} another number of rows than the "
                "vendor said",
            )


def _next(console: Console, warehouse: WarehouseSettings) -> None:
    say(console, f"private warehouse: {warehouse.path}")
    if (page := page_path(warehouse)).exists():
        say(console, f"the morning on one page: {page} (llm-usage report --open)")
    if demo_flag(warehouse).exists():
        say(console, "these are simulated rows; `make clean` removes them")
    say(console, 'next: llm-usage query "from costs order by 1 desc limit 5"')


def _plain(value: Decimal | None, sign: str = "") -> str:
    """Return a decimal without its trailing zeros."""
    if value is None:
        return "nothing"
    text = f"{value:{sign},f}"
    return text.rstrip("0").rstrip(".")
