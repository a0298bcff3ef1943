"""Asks the published file one query, and prints the answer for a person or as data."""

import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from pyarrow import csv, parquet
from rich import box
from rich.console import Console

from llm_usage_warehouse.as_of import go_back
from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.places import SQL_PROJECT
from llm_usage_warehouse.published import open_published
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.tables import is_number, say_texts, table_of, width_of
from llm_usage_warehouse.telling import counted, shown

PLACES, MOST_PLACES = 2, 8
"""How many decimals the amounts of a column have in a table: so many, or more where the largest of
them would else be told by less than two digits, as costs per token are."""

ROWS_AT_ONCE = 10_000


class Format(StrEnum):
    """How an answer is written; all but `table` hold every digit."""

    table = "table"
    csv = "csv"
    json = "json"
    md = "md"
    parquet = "parquet"


def read_sql(given: str) -> str:
    """Return the SQL that an argument means.

    Args:
        given: SQL; a file `*.sql`; `-` for what standard input has; or the number of one of the
            questions in sql/analyses, which an installed package has, too.

    Raises:
        UsageError: the file cannot be read, or no question has the number.
    """
    if given == "-":
        return sys.stdin.read()
    if given.isdecimal():
        questions = sorted((SQL_PROJECT / "analyses").glob("*.sql"))
        if not 1 <= int(given) <= len(questions):
            raise UsageError(f"there are questions 1 to {len(questions)}, and none is {given}")
        return questions[int(given) - 1].read_text(encoding="utf-8")
    if not given.endswith(".sql"):
        return given
    try:
        return Path(given).read_text()
    except OSError as error:
        raise UsageError(f"{given}: {error.strerror}; name a file, or write the query") from None


def ask(
    warehouse: WarehouseSettings,
    sql: str,
    output: Format = Format.table,
    *,
    as_of: datetime | None = None,
    exact: bool = False,
) -> None:
    """Print the result of a query on the published file, its times in the reporting zone.

    Args:
        warehouse: whose published file.
        sql: the query.
        output: how to write it.
        as_of: see the daily tables as they were published at this instant, not as they are.
        exact: in a table, too, write every digit.

    Raises:
        RunError: nothing was published yet.
        UsageError: the SQL cannot be run, what was published then is not known, or Parquet would go
            to a terminal.
    """
    if output is Format.parquet and sys.stdout.isatty():
        raise UsageError("Parquet is not for a terminal; write it to a file: --format parquet > a")
    with open_published(warehouse) as connection:
        try:
            if as_of:
                go_back(connection, as_of, sql)
            found = connection.sql(sql)
            if found is not None:
                WRITERS[output](found, exact)
        except duckdb.Error as error:
            raise UsageError(str(error)) from None


def _write_csv(found: duckdb.DuckDBPyRelation, _: bool) -> None:
    reader = found.to_arrow_reader(ROWS_AT_ONCE)
    with csv.CSVWriter(sys.stdout.buffer, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


def _write_parquet(found: duckdb.DuckDBPyRelation, _: bool) -> None:
    reader = found.to_arrow_reader(ROWS_AT_ONCE)
    with parquet.ParquetWriter(pa.PythonFile(sys.stdout.buffer), reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


def _write_json(found: duckdb.DuckDBPyRelation, _: bool) -> None:
    """Write an array of objects, a line each, by DuckDB, which keeps all digits of decimals."""
    objects = found.query("asked", "select to_json(asked)::varchar from asked")
    first = "["
    for batch in objects.to_arrow_reader(ROWS_AT_ONCE):
        for row in batch.column(0).to_pylist():
            sys.stdout.write(f"{first}{row}")
            first = ",\n "
    sys.stdout.write("]\n" if first != "[" else "[]\n")


def _write_markdown(found: duckdb.DuckDBPyRelation, _: bool) -> None:
    rows = [[shown_exactly(value).replace("|", "\\|") for value in row] for row in found.fetchall()]
    console = Console(width=width_of(found.columns, rows))
    console.print(table_of(found.columns, rows, box.MARKDOWN))


def _write_table(found: duckdb.DuckDBPyRelation, exact: bool) -> None:
    values = found.fetchall()
    ways = [shown_exactly if exact else _way(column) for column in zip(*values, strict=True)]
    rows = [[way(one) for way, one in zip(ways, row, strict=True)] for row in values]
    numbers = [is_number(column) for column in zip(*values, strict=True)]
    is_seen = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if is_seen else width_of(found.columns, rows)
    console = Console(width=width)
    say_texts(console, found.columns, rows, numbers)
    console.print(counted(len(rows), "row"), style="dim")


WRITERS: dict[Format, Callable[[duckdb.DuckDBPyRelation, bool], None]] = {
    Format.table: _write_table,
    Format.csv: _write_csv,
    Format.json: _write_json,
    Format.md: _write_markdown,
    Format.parquet: _write_parquet,
}


def shown_exactly(value: Any) -> str:
    """Return a value with all its digits, without zeros at their end."""
    if isinstance(value, Decimal):
        text = f"{value:,f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return shown(value)


def _way(column: Sequence[Any]) -> Callable[[Any], str]:
    """Return how the values of a column are written: all with as many decimals."""
    amounts = [abs(Decimal(one)) for one in column if isinstance(one, Decimal | float)]
    largest = max(filter(Decimal.is_finite, amounts), default=Decimal(0))
    if not largest:
        return shown
    # The place of the digit after the first one that is not 0.
    places = min(max(PLACES, 1 - largest.adjusted()), MOST_PLACES)
    return lambda one: _rounded(one, places) if isinstance(one, Decimal | float) else shown(one)


def _rounded(amount: Decimal | float, places: int) -> str:
    """Return an amount with so many decimals; what is not nothing does not read as if it were."""
    text = f"{amount:,.{places}f}"
    if not amount or Decimal(text.replace(",", "")):
        return text
    least = f"{10**-places:.{places}f}"
    return f"<{least}" if amount > 0 else f">-{least}"
