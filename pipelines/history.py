"""What was published when: the published file keeps the versions of its own daily tables.

Each publication takes over the memory of the file that it replaces and adds to it: the versions of
the rows that came or went, and what this restates of days that were complete before. So exactly
what was published is remembered: a night that is not published leaves nothing, nor does a crash
before the swap, and the private warehouse can be built anew without losing the past.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import duckdb

from llm_usage_warehouse.audit_queries import tell_earlier_audits
from llm_usage_warehouse.errors import REPAIR, RunError
from llm_usage_warehouse.layout import LOGS, VERSIONED, place_of, places
from llm_usage_warehouse.places import DISTRIBUTION, SQL_PROJECT
from llm_usage_warehouse.quoting import literal

STATEMENTS = SQL_PROJECT / "publishing"


class Restatement(NamedTuple):
    """What a publication changes of a day that was complete when it was published before.

    Attributes:
        day: the local day.
        source: whose.
        team: of a cost that changed its owner; else None.
        measure: what changed: calls, a kind of tokens, a cost.
        currency: of a cost; else None.
        cause: in a word or two, see `restatements`.
        before: what was published; None where nothing was known.
        after: what is to be published; likewise.
    """

    day: date
    source: str
    team: str | None
    measure: str
    currency: str | None
    cause: str
    before: Decimal | None
    after: Decimal | None


def remember(
    connection: duckdb.DuckDBPyConnection,
    changed: Mapping[str, str],
    known: Mapping[str, str],
    *,
    begin: bool,
) -> dict[str, int]:
    """Write the memory into the file that is about to be published, beside its tables.

    Args:
        connection: the private warehouse, which has the tables of `audit_queries`; the new file
            attached as `published`, the file published before as `earlier`.
        changed: the tables of the new file, and a condition on those of their rows that may differ
            from the file before.
        known: the tables of the file before, as `attach` returns them; none where there is none.
        begin: whether the new file is no copy of the one before, so that it has no memory yet.

    Returns:
        how many days that were complete before are restated, by cause.

    Raises:
        RunError: the earlier file remembers a table that is gone.
    """
    if missing := [name for name in VERSIONED if name not in changed]:
        if set(known).isdisjoint(LOGS):
            return {}
        raise RunError(f"{missing[0]} is not in the warehouse; run `llm-usage nightly` first")
    now = _next_instant(connection, known)
    if begin:
        for name in VERSIONED:
            none_yet = (
                f"from {_new(name)} select *, null::timestamptz as recorded_from, "
                "null::timestamptz as recorded_to"
            )
            _take_over(connection, f"{name}_history", none_yet, known)
    publication = (
        f"from ({_statement('publications')}) select *, "
        f"'{version(DISTRIBUTION)}' as program_version, {_instant(now)} as recorded_at"
    )
    if not begin:
        # A file that a program without this column wrote, and that is otherwise as it must be.
        column = "add column if not exists program_version varchar"
        connection.execute(f"alter table {_new('publications')} {column}")
    _add(connection, "publications", publication, known, begin=begin)
    for name in VERSIONED:
        _add_versions(connection, name, changed[name], now)
    _prepare(connection, known)
    for name in LOGS[1:]:
        _add(connection, name, _statement(name), known, begin=begin)
    restated = connection.execute(
        f"select cause, count(distinct usage_date) from {_new('restatements')} "  # noqa: S608
        "where recorded_at = ? group by cause order by cause",
        [now],
    )
    return dict(restated.fetchall())


def last_restatements(connection: duckdb.DuckDBPyConnection) -> list[Restatement]:
    """Return what the newest publication of the file attached as `published` restates."""
    found = connection.execute(
        "select usage_date, source_name, team, measure, currency, cause, old_value, new_value "  # noqa: S608
        f"from {_new('restatements')} "
        f"where recorded_at = (select max(recorded_at) from {_new('publications')}) "
        "order by usage_date desc, source_name, measure, currency, team, cause"
    )
    return [Restatement(*row) for row in found.fetchall()]


def _prepare(connection: duckdb.DuckDBPyConnection, known: Mapping[str, str]) -> None:
    """Make the tables that the statements of this publication stand on."""
    for name in ("compared_sources", "compared_usage", "compared_owners", "audited_days"):
        connection.execute(f"create temporary table {name} as {_statement(name)}")
    for name in ("reconciliation", "daily_tokens"):
        before = known.get(name) or f"{_new(name)} where false"
        connection.execute(f"create temporary table earlier_{name} as from {before}")
    tell_earlier_audits(connection, known)


def attach(connection: duckdb.DuckDBPyConnection, earlier: Path) -> dict[str, str]:
    """Attach the file published before as `earlier`, and return its tables.

    Returns:
        what each is called in SQL, by its bare name: a version before this one may have written the
        file, and laid its tables elsewhere.

    Raises:
        RunError: it cannot be read.
    """
    try:
        connection.execute(f"attach {literal(earlier)} as earlier (read_only)")
    except duckdb.Error as error:
        raise RunError(
            f"{earlier} cannot be read: {str(error).splitlines()[0]}; {REPAIR}"
        ) from None
    return places(connection, "earlier")


def _add(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    query: str,
    known: Mapping[str, str],
    *,
    begin: bool,
) -> None:
    """Add rows to a table that only grows."""
    if begin:
        _take_over(connection, name, query, known)
    connection.execute(f"insert into {_new(name)} by name {query}")


def _take_over(
    connection: duckdb.DuckDBPyConnection, name: str, query: str, known: Mapping[str, str]
) -> None:
    """Create a table of what it held before, for the rows of a query; a column may come or go."""
    past = f"from {known[name]} union all by name" if name in known else ""
    connection.execute(f"create table {_new(name)} as {past} (from ({query}) where false)")


def _next_instant(connection: duckdb.DuckDBPyConnection, known: Mapping[str, str]) -> datetime:
    now = datetime.now(UTC)
    if "publications" not in known:
        return now
    last = connection.execute(f"select max(recorded_at) from {known['publications']}").fetchall()  # noqa: S608
    # A clock that was set back must not turn the order of publications round.
    later: list[datetime] = [at + timedelta(microseconds=1) for (at,) in last if at]
    return max([now, *later])


def _add_versions(
    connection: duckdb.DuckDBPyConnection, name: str, changed: str, now: datetime
) -> None:
    table, history = _new(name), _new(f"{name}_history")
    columns = [column for column, *_ in connection.execute(f"describe {table}").fetchall()]
    is_same_row = " and ".join(
        f'rows."{column}" is not distinct from versions."{column}"' for column in columns
    )
    rows = f"(from {table} where {changed})"
    connection.execute(
        f"update {history} as versions set recorded_to = ? "  # noqa: S608 - our own names
        f"where {changed} and recorded_to is null "
        f"and not exists (select 1 from {rows} as rows where {is_same_row})",
        [now],
    )
    row = ", ".join(f'"{column}"' for column in columns)
    connection.execute(
        f"insert into {history} by name select *, ? as recorded_from from "  # noqa: S608
        f"({rows} except select {row} from {history} where {changed} and recorded_to is null)",
        [now],
    )


def _new(name: str) -> str:
    """Return what a table of the file that is about to be published is called in SQL."""
    return f"published.{place_of(name)}"


def _statement(name: str) -> str:
    return (STATEMENTS / f"{name}.sql").read_text(encoding="utf-8")


def _instant(instant: datetime) -> str:
    return f"timestamptz '{instant.isoformat()}'"
