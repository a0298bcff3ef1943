"""Writes a month of the published costs as FOCUS, the form in which finance takes bills in.

What the columns say is the business of the views `focus_charges` and `focus_unpriced`
(sql/models/marts/charges); here they become files. https://focus.finops.org/focus-specification/v1-2/
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Literal

import duckdb
import pendulum
from pendulum import DateTime

from llm_usage_warehouse.errors import RunError, UsageError, in_a_line, next_step
from llm_usage_warehouse.published import open_published
from llm_usage_warehouse.quoting import literal
from llm_usage_warehouse.settings import WarehouseSettings

FileForm = Literal["csv", "parquet"]

UNPRICED = """
    select count(*), coalesce(sum("ConsumedQuantity") filter ("ConsumedUnit" = 'Tokens'), 0)::bigint
    from focus_unpriced
    where "ChargePeriodStart" >= $start and "ChargePeriodStart" < $end
"""

CHARGED = """
    select "BillingCurrency", count(*), sum("BilledCost")
    from focus_charges
    where "ChargePeriodStart" >= $start and "ChargePeriodStart" < $end
    group by "BillingCurrency"
    order by "BillingCurrency"
"""

BEHIND = """
    select source_name, last_complete_date
    from publications
    where recorded_at = (select max(recorded_at) from publications)
        and counts_in_totals
        and (last_complete_date is null or last_complete_date < $last_day)
    order by source_name
"""

MONTHS = """
    select min(usage_date), max(usage_date) from daily_charges where counts_in_totals
"""


@dataclass(frozen=True)
class Written:
    """A month that was written.

    Attributes:
        charges: the file of what has a cost.
        unpriced: the file of usage whose cost is not known.
        rows: the charges.
        costs: their sum in each currency.
        unpriced_rows: the rows of the second file.
        unpriced_tokens: the tokens in them.
        behind: the sources that count in totals and do not have the whole month yet, each with the
            last day that it has complete; None where it has none.
    """

    charges: Path
    unpriced: Path
    rows: int
    costs: Mapping[str, Decimal]
    unpriced_rows: int
    unpriced_tokens: int
    behind: Mapping[str, date | None]


def write_month(warehouse: WarehouseSettings, month: str, form: FileForm, folder: Path) -> Written:
    """Write a month of the published file as two files of a folder, each whole or not at all.

    Args:
        warehouse: whose published file.
        month: of local days, as YYYY-MM.
        form: of both files.
        folder: where to; it is made where it is not there. Files of the same names are replaced.

    Raises:
        UsageError: it is no month, has not begun, or holds nothing.
        RunError: nothing was published yet, or by an older version, or the files cannot be written.
    """
    start = _first_instant(month, warehouse.reporting_timezone)
    end = start.add(months=1)
    within = {"start": start, "end": end}
    with open_published(warehouse) as connection:
        try:
            charged = connection.execute(CHARGED, within).fetchall()
            ((unpriced_rows, tokens),) = connection.execute(UNPRICED, within).fetchall()
        except duckdb.CatalogException:
            raise RunError(
                f"{warehouse.published_path} is of an older version, without what finance needs; "
                "the next `llm-usage nightly` adds it"
            ) from None
        if not charged and not unpriced_rows:
            raise UsageError(f"--month {month} holds nothing{_known_months(connection)}")
        last_day = {"last_day": end.subtract(days=1).date()}
        behind = dict(connection.execute(BEHIND, last_day).fetchall())
        targets = (folder / f"focus_{month}.{form}", folder / f"focus_{month}_unpriced.{form}")
        try:
            _write(connection, targets, start, end)
        except (duckdb.Error, OSError) as error:
            raise RunError(
                f"{folder} could not be written to: {in_a_line(error)}; {next_step(error)}"
            ) from error
    return Written(
        *targets,
        rows=sum(rows for _, rows, _ in charged),
        costs={currency: cost for currency, _, cost in charged},
        unpriced_rows=unpriced_rows,
        unpriced_tokens=tokens,
        behind=behind,
    )


def _first_instant(month: str, timezone: str) -> DateTime:
    found = re.fullmatch(r"(20[0-9]{2})-(0[1-9]|1[0-2])", month)
    if not found:
        raise UsageError(f"--month {month!r} is not a month; write one like 2026-10")
    start = pendulum.datetime(int(found[1]), int(found[2]), 1, tz=timezone)
    if start > pendulum.now("UTC"):
        raise UsageError(f"--month {month} has not begun in {timezone}")
    return start


def _known_months(connection: duckdb.DuckDBPyConnection) -> str:
    ((first, last),) = connection.execute(MONTHS).fetchall()
    return f"; the published file knows {first:%Y-%m} to {last:%Y-%m}" if first else ""


def _write(
    connection: duckdb.DuckDBPyConnection,
    targets: tuple[Path, Path],
    start: DateTime,
    end: DateTime,
) -> None:
    parts = [target.with_name(f".{target.name}.part") for target in targets]
    targets[0].parent.mkdir(parents=True, exist_ok=True)
    try:
        for view, part, target in zip(
            ("focus_charges", "focus_unpriced"), parts, targets, strict=True
        ):
            form = target.suffix.removeprefix(".")
            columns = _columns(connection, view) if form == "csv" else "*"
            options = "format csv, header" if form == "csv" else "format parquet"
            connection.execute(
                f"copy (select {columns} from {view} "  # noqa: S608 - our own names
                f"where \"ChargePeriodStart\" >= timestamptz '{start.isoformat()}' "
                f"and \"ChargePeriodStart\" < timestamptz '{end.isoformat()}' order by all) "
                f"to {literal(part)} ({options})"
            )
        for part, target in zip(parts, targets, strict=True):
            part.replace(target)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def _columns(connection: duckdb.DuckDBPyConnection, view: str) -> str:
    """Return the columns of a view as FOCUS writes them: instants in UTC, decimals as they are."""
    columns = connection.execute(f"describe {view}").fetchall()
    return ", ".join(f'{_as_text(name, kind)} as "{name}"' for name, kind, *_ in columns)


def _as_text(column: str, kind: str) -> str:
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime(timezone('UTC', \"{column}\"), '%Y-%m-%dT%H:%M:%SZ')"
    if kind.startswith("DECIMAL"):
        # One decimal stays: readers that guess a column's type take it for a decimal, too.
        return f"regexp_replace(cast(\"{column}\" as varchar), '([.][0-9]+?)0+$', '\\1')"
    return f'"{column}"'
