"""What was published when: the published file keeps the versions of its own daily tables.

Each publication takes over the memory of the file that it replaces and adds to it: the versions of
the rows that came or went, and what this restates of days that were complete before. So exactly
what was published is remembered: a night that is not published leaves nothing, nor does a crash
before the swap, and the private warehouse can be built anew without losing the past.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import duckdb

from llm_usage_warehouse.audit_queries import tell_earlier_audits
from llm_usage_warehouse.errors import REPAIR, RunError, UsageError
from llm_usage_warehouse.places import SQL_PROJECT

STATEMENTS = SQL_PROJECT / "publishing"

VERSIONED = ("daily_tokens", "daily_costs", "daily_costs_converted", "daily_totals", "team_costs")
"""The published tables whose past can be asked for; `<name>_history` holds their versions."""

LOGS = ("publications", "audits", "audit_runs", "restatements")
"""The published tables that only grow: a row is known from its `recorded_at` on."""


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
    known: Collection[str],
    *,
    begin: bool,
) -> dict[str, int]:
    """Write the memory into the file that is about to be published, beside its tables.

    Args:
        connection: the private warehouse, which has the tables of `audit_queries`; the new file
            attached as `published`, the file published before as `earlier`.
        changed: the tables of the new file, and a condition on those of their rows that may differ
            from the file before.
        known: the tables of the file before; none where there is none.
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
                f"from published.main.{name} select *, null::timestamptz as recorded_from, "
                "null::timestamptz as recorded_to"
            )
            _take_over(connection, f"{name}_history", none_yet, known)
    publication = f"from ({_statement('publications')}) select *, {_literal(now)} as recorded_at"
    _add(connection, "publications", publication, known, begin=begin)
    for name in VERSIONED:
        _add_versions(connection, name, changed[name], now)
    _prepare(connection, known)
    for name in LOGS[1:]:
        _add(connection, name, _statement(name), known, begin=begin)
    restated = connection.execute(
        "select cause, count(distinct usage_date) from published.main.restatements "
        "where recorded_at = ? group by cause order by cause",
        [now],
    )
    return dict(restated.fetchall())


def last_restatements(connection: duckdb.DuckDBPyConnection) -> list[Restatement]:
    """Return what the newest publication of the file attached as `published` restates."""
    found = connection.execute(
        "select usage_date, source_name, team, measure, currency, cause, old_value, new_value "
        "from published.main.restatements "
        "where recorded_at = (select max(recorded_at) from published.main.publications) "
        "order by usage_date desc, source_name, measure, currency, team, cause"
    )
    return [Restatement(*row) for row in found.fetchall()]


def _prepare(connection: duckdb.DuckDBPyConnection, known: Collection[str]) -> None:
    """Make the tables that the statements of this publication stand on."""
    for name in ("compared_sources", "compared_usage", "compared_owners", "audited_days"):
        connection.execute(f"create temporary table {name} as {_statement(name)}")
    for name in ("reconciliation", "daily_tokens"):
        before = f"earlier.main.{name}" if name in known else f"published.main.{name} where false"
        connection.execute(f"create temporary table earlier_{name} as from {before}")
    tell_earlier_audits(connection, known)


def go_back(connection: duckdb.DuckDBPyConnection, instant: datetime, sql: str) -> None:
    """Let a query see the daily tables as they stood in the published file at an instant.

    Their names, and those of the logs, then mean temporary views. A table is still the one of now
    where its name begins with the file's: `llm_usage.daily_costs`.

    Args:
        connection: the published file.
        instant: when.
        sql: the query that will be run.

    Raises:
        RunError: the file has no memory, because an older version of this program wrote it.
        UsageError: nothing was published yet at that instant, it lies in the future, or the query
            reads a table that keeps no history.
        duckdb.Error: the query cannot be understood.
    """
    ((file,),) = connection.execute("select current_database()").fetchall()
    tables = {name for (name,) in connection.execute("show tables").fetchall()}
    if not tables.issuperset(LOGS):
        raise RunError(
            "the published file keeps no history yet; it begins with `llm-usage publish`"
        )
    _check_instant(connection, instant)
    _create_views(connection, file, _literal(instant))
    _refuse_others(connection, file, sql, tables.difference(VERSIONED, LOGS))


def _check_instant(connection: duckdb.DuckDBPyConnection, instant: datetime) -> None:
    ((first,),) = connection.execute("select min(recorded_at) from publications").fetchall()
    if first is None or instant < first:
        since = f"; the first publication is of {first.isoformat()}" if first else ""
        raise UsageError(f"nothing was published yet at {instant.isoformat()}{since}")
    if instant > datetime.now(UTC):
        raise UsageError(f"--as-of {instant.isoformat()} lies in the future")


def _create_views(connection: duckdb.DuckDBPyConnection, file: str, at: str) -> None:
    for name in VERSIONED:
        connection.execute(
            f'create temporary view {name} as from "{file}".main.{name}_history '
            "select * exclude (recorded_from, recorded_to) "
            f"where recorded_from <= {at} and (recorded_to is null or recorded_to > {at})"
        )
    for name in LOGS:
        connection.execute(
            f'create temporary view {name} as from "{file}".main.{name} where recorded_at <= {at}'
        )


def _refuse_others(
    connection: duckdb.DuckDBPyConnection, file: str, sql: str, forgetful: set[str]
) -> None:
    for asked in connection.get_table_names(sql, qualified=True):
        name = asked.split(" AS ")[0].removeprefix("main.").lower()
        if name in forgetful:
            raise UsageError(
                f"{name} keeps no history, so it cannot be asked with --as-of; these can: "
                f"{', '.join((*VERSIONED, *LOGS))}. {file}.{name} is the table as it is now"
            )


def attach(connection: duckdb.DuckDBPyConnection, earlier: Path) -> set[str]:
    """Attach the file published before as `earlier`, and return the names of its tables.

    Raises:
        RunError: it cannot be read.
    """
    try:
        connection.execute(f"attach {_quoted(str(earlier))} as earlier (read_only)")
    except duckdb.Error as error:
        raise RunError(
            f"{earlier} cannot be read: {str(error).splitlines()[0]}; {REPAIR}"
        ) from None
    found = connection.execute(
        "select table_name from information_schema.tables "
        "where table_catalog = 'earlier' and table_schema = 'main'"
    )
    return {name for (name,) in found.fetchall()}


def _add(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    query: str,
    known: Collection[str],
    *,
    begin: bool,
) -> None:
    """Add rows to a table that only grows."""
    if begin:
        _take_over(connection, name, query, known)
    connection.execute(f"insert into published.main.{name} by name {query}")


def _take_over(
    connection: duckdb.DuckDBPyConnection, name: str, query: str, known: Collection[str]
) -> None:
    """Create a table of what it held before, for the rows of a query; a column may come or go."""
    past = f"from earlier.main.{name} union all by name" if name in known else ""
    connection.execute(f"create table published.main.{name} as {past} (from ({query}) where false)")


def _next_instant(connection: duckdb.DuckDBPyConnection, known: Collection[str]) -> datetime:
    now = datetime.now(UTC)
    if "publications" not in known:
        return now
    last = connection.execute("select max(recorded_at) from earlier.main.publications").fetchall()
    # A clock that was set back must not turn the order of publications round.
    later: list[datetime] = [at + timedelta(microseconds=1) for (at,) in last if at]
    return max([now, *later])


def _add_versions(
    connection: duckdb.DuckDBPyConnection, name: str, changed: str, now: datetime
) -> None:
    table, history = f"published.main.{name}", f"published.main.{name}_history"
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


def _statement(name: str) -> str:
    return (STATEMENTS / f"{name}.sql").read_text(encoding="utf-8")


def _literal(instant: datetime) -> str:
    return f"timestamptz '{instant.isoformat()}'"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
