"""Exchange rates as the European Central Bank publishes them, from a file of its own.

The bank offers its euro foreign exchange reference rates as eurofxref.csv (one day) and
eurofxref-hist.csv (every day since 1999), both also zipped, and the last 90 days as XML:
https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates/
A rate is how many units of a currency one euro buys.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

import duckdb
import pyarrow as pa

from llm_usage_warehouse.errors import UsageError

PLACES = 8
"""Decimals that a stored rate can have; the bank publishes at most five."""

SCHEMA = pa.schema(
    [
        ("currency", pa.string()),
        ("valid_on", pa.date32()),
        ("units_per_euro", pa.decimal128(18, PLACES)),
        ("file_name", pa.string()),
    ]
)

WHERE_TO_GET_IT = "fetch eurofxref.csv or eurofxref-hist.zip from the ECB's website"


@dataclass(frozen=True)
class Loaded:
    """What a file brought.

    Attributes:
        first_day: the earliest day in the file.
        last_day: the latest day in it.
        rates: how many rates it has.
        changed: how many of them were new, or differed from what was known.
    """

    first_day: date
    last_day: date
    rates: int
    changed: int


def read_rates(path: Path) -> pa.Table:
    """Read a published file into rows of `SCHEMA`, one per currency and day.

    Raises:
        UsageError: the file is missing, or is not one that the bank publishes.
    """
    try:
        content = csv_in(path, path.name) if zipfile.is_zipfile(path) else path.read_bytes()
        return parse_rates(content.decode("utf-8-sig"), path.name)
    except (OSError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path} cannot be read: {error}; {WHERE_TO_GET_IT}") from None


def parse_rates(text: str, file_name: str) -> pa.Table:
    """Return the rates of a published CSV; a currency that a day has no rate of is left out.

    Raises:
        UsageError: a line that does not fit the bank's layout.
    """
    lines = csv.reader(io.StringIO(text), skipinitialspace=True)
    header = [cell.strip() for cell in next(lines, [])]
    if header[:1] != ["Date"] or len(header) < 2:
        raise UsageError(
            f"{file_name} does not begin with `Date` and currencies; {WHERE_TO_GET_IT}"
        )
    currencies = header[1:]
    for currency in currencies:
        # Every line of the bank's ends in a comma, and so in an empty cell.
        if currency and not re.fullmatch("[A-Z]{3}", currency):
            raise UsageError(f"{file_name}: {currency!r} in its first line is no currency code")
    rows: list[dict[str, object]] = []
    for cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{file_name}, line {lines.line_num}"
        valid_on = _day(cells[0].strip(), where)
        for currency, rate in _rates(currencies, cells[1:], where):
            rows.append({"currency": currency, "valid_on": valid_on, "units_per_euro": rate})
    return _table(rows, file_name)


def parse_rates_xml(content: bytes, file_name: str) -> pa.Table:
    """Return the rates of the XML that the bank publishes of 90 days; see `parse_rates`.

    Raises:
        UsageError: it is not in the bank's layout.
    """
    rows: list[dict[str, object]] = []
    try:
        # The bank's own, over HTTPS; and expat bounds what an entity can grow to.
        root = ElementTree.fromstring(content)  # noqa: S314
        days = [one for one in root.iter() if "time" in one.attrib]
    except ElementTree.ParseError as error:
        raise UsageError(f"{file_name} is no XML: {error}") from None
    for one in days:
        where = f"{file_name}, {one.attrib['time']}"
        valid_on = _day(one.attrib["time"], where)
        currencies = [rate.attrib.get("currency", "") for rate in one]
        cells = [rate.attrib.get("rate", "") for rate in one]
        for currency, rate in _rates(currencies, cells, where):
            rows.append({"currency": currency, "valid_on": valid_on, "units_per_euro": rate})
    return _table(rows, file_name)


def _table(rows: list[dict[str, object]], file_name: str) -> pa.Table:
    if not rows:
        raise UsageError(f"{file_name} holds no rate; {WHERE_TO_GET_IT}")
    if len({(row["currency"], row["valid_on"]) for row in rows}) < len(rows):
        raise UsageError(f"{file_name} gives a currency two rates for one day; fetch it again")
    return pa.Table.from_pylist([{**row, "file_name": file_name} for row in rows], schema=SCHEMA)


def create_rates_table(connection: duckdb.DuckDBPyConnection) -> None:
    """Create `raw_rates.ecb` where it is missing: a rate of `SCHEMA`, and when it was loaded."""
    connection.execute("create schema if not exists raw_rates")
    connection.execute(
        "create table if not exists raw_rates.ecb (currency varchar, valid_on date, "
        f"units_per_euro decimal(18, {PLACES}), file_name varchar, loaded_at timestamptz)"
    )


def store_rates(connection: duckdb.DuckDBPyConnection, rates: pa.Table) -> Loaded:
    """Merge rates into `raw_rates.ecb` on currency and day; a rate that is known stays as it is."""
    create_rates_table(connection)
    connection.register("found", rates)
    connection.begin()
    connection.execute(
        "create or replace temporary table changed as "
        "from found anti join raw_rates.ecb using (currency, valid_on, units_per_euro)"
    )
    connection.execute(
        "delete from raw_rates.ecb where (currency, valid_on) in "
        "(select (currency, valid_on) from changed)"
    )
    connection.execute(
        "insert into raw_rates.ecb by name select *, current_timestamp as loaded_at from changed"
    )
    connection.commit()
    (told,) = connection.execute(
        "select min(valid_on), max(valid_on), count(*), (select count(*) from changed) from found"
    ).fetchall()
    return Loaded(*told)


def csv_in(file: Path | IO[bytes], name: str) -> bytes:
    """Return the one CSV file in a zip.

    Raises:
        UsageError: there is none, or several.
    """
    with zipfile.ZipFile(file) as archive:
        names = [one for one in archive.namelist() if one.lower().endswith(".csv")]
        if len(names) != 1:
            raise UsageError(f"{name} holds {len(names)} CSV files, not one; {WHERE_TO_GET_IT}")
        return archive.read(names[0])


def _day(text: str, where: str) -> date:
    # One day's file writes 30 October 2026, the history 2026-10-30.
    for layout in ("%Y-%m-%d", "%d %B %Y"):
        try:
            return datetime.strptime(text, layout).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    raise UsageError(f"{where}: {text!r} is no day such as 2026-10-30 or 30 October 2026")


def _rates(currencies: list[str], cells: list[str], where: str) -> Iterator[tuple[str, Decimal]]:
    if len(cells) > len(currencies):
        raise UsageError(f"{where}: more rates than the first line has currencies")
    for currency, cell in zip(currencies, cells, strict=False):
        text = cell.strip()
        if not currency or text in ("", "N/A"):
            continue
        try:
            rate = Decimal(text)
            if not 0 < rate < 10**10 or rate != round(rate, PLACES):
                raise InvalidOperation
        except InvalidOperation:
            raise UsageError(f"{where}: {text!r} is no rate of {currency}") from None
        yield currency, rate
