"""Fetches the European Central Bank's reference rates, at each night that asks for them.

The bank has its newest rates in one file, those of the last 90 days in another, and all since 1999
in a third; which of them is fetched follows from what is known. Nothing that goes wrong here stops
a night: costs are converted with the rates that are known, as long as `rate_max_age` lets them.
"""

import io
import zipfile
from datetime import date, timedelta

import duckdb
import httpx
import pyarrow as pa

from llm_usage_warehouse.errors import RunError, UsageError
from llm_usage_warehouse.http import until_connected
from llm_usage_warehouse.rates import csv_in, parse_rates, parse_rates_xml, store_rates
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.warehouse import connect

NEWEST = "eurofxref.zip"
LAST_90_DAYS = "eurofxref-hist-90d.xml"
HISTORY = "eurofxref-hist.zip"

TIMEOUT = 30.0
"""Seconds."""

PROBLEMS = (
    *(httpx.HTTPError, httpx.InvalidURL, zipfile.BadZipFile, UnicodeDecodeError),
    *(UsageError, RunError, duckdb.Error),
)


def fetch_rates(warehouse: WarehouseSettings) -> list[str]:
    """Take in what the bank has published since the last rates that are known.

    Returns:
        what went wrong, in words; nothing where all went well.
    """
    known = None
    try:
        with connect(warehouse) as connection:
            known = _last_day(connection)
        found = _new_rates(warehouse.rates_url, known)
        with connect(warehouse) as connection:
            store_rates(connection, found)
    except PROBLEMS as error:
        since = f"the last rates known are of {known}" if known else "no rates are known"
        return [f"the ECB's rates could not be fetched: {error}; {since}"]
    return []


def _new_rates(address: str, known: date | None) -> pa.Table:
    with httpx.Client(base_url=address, timeout=TIMEOUT) as client:
        if known is None:
            return _fetched(client, HISTORY)
        newest = _fetched(client, NEWEST)
        day = max(newest["valid_on"].to_pylist())
        if _weekdays(known, day) <= 1:
            return newest
        return _fetched(client, LAST_90_DAYS if (day - known).days < 90 else HISTORY)


def _fetched(client: httpx.Client, name: str) -> pa.Table:
    answer = until_connected()(client.get, name)
    answer.raise_for_status()
    if name.endswith(".xml"):
        return parse_rates_xml(answer.content, name)
    if not zipfile.is_zipfile(io.BytesIO(answer.content)):
        raise UsageError(f"{name} is no zip file")
    return parse_rates(csv_in(io.BytesIO(answer.content), name).decode("utf-8-sig"), name)


def _last_day(connection: duckdb.DuckDBPyConnection) -> date | None:
    try:
        ((found,),) = connection.execute("select max(valid_on) from raw_rates.ecb").fetchall()
    except duckdb.CatalogException:
        return None
    newest: date | None = found
    return newest


def _weekdays(known: date, newest: date) -> int:
    """Return how many days with rates lie after `known`, up to `newest`."""
    days = (known + timedelta(days=number + 1) for number in range((newest - known).days))
    return sum(day.weekday() < 5 for day in days)
