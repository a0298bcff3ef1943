"""Asks the published file one query, and prints the answer for a person or as data."""

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from pyarrow import csv, parquet
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.errors import UsageError
from pipelines.history import go_back
from pipelines.published import open_published
from pipelines.settings import WarehouseSettings
from pipelines.telling import shown

PLACES, MOST_PLACES = 2, 8
"""How many decimals the amounts of a column have in a table: so many, or more where the largest of
them would else be told by less than two digits, as costs per token are."""

LEAST_TEXT = 10
"""The fewest characters to which a column of text is folded; a wider answer is told row by row."""

BETWEEN_COLUMNS = 3
ROWS_AT_ONCE = 10_000


class Format(StrEnum):
    """How an answer is written; all but `table` hold every digit."""

    table = "table"
    csv = "csv"
    json = "json"
    md = "md"
    parquet = "parquet"


def read_sql(given: str) -> str:
    """Return the SQL that an argument means: itself, that of a file `*.sql`, or of input where `-`.

    Raises:
        UsageError: the file cannot be read.
    """
    if given == "-":
        return sys.stdin.read()
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
    while rows := objects.fetchmany(ROWS_AT_ONCE):
        for (row,) in rows:
            sys.stdout.write(f"{first}{row}")
            first = ",\n "
    sys.stdout.write("]\n" if first != "[" else "[]\n")


def _write_markdown(found: duckdb.DuckDBPyRelation, _: bool) -> None:
    rows = [[shown_exactly(value).replace("|", "\\|") for value in row] for row in found.fetchall()]
    Console(width=_width_of(found.columns, rows)).print(_table(found.columns, rows, box.MARKDOWN))


def _write_table(found: duckdb.DuckDBPyRelation, exact: bool) -> None:
    values = found.fetchall()
    ways = [shown_exactly if exact else _way(column) for column in zip(*values, strict=True)]
    rows = [[way(one) for way, one in zip(ways, row, strict=True)] for row in values]
    wanted = _width_of(found.columns, rows)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else wanted
    console = Console(width=width)
    numbers = [_is_number(column) for column in zip(*values, strict=True)]
    if width < min(wanted, _least_width(found.columns, rows, numbers)):
        for number, row in enumerate(rows, 1):
            console.print(Text(f"row {number}", style="bold"))
            console.print(_record(found.columns, row))
    else:
        console.print(_table(found.columns, rows, box.SQUARE, numbers))
    console.print(f"{len(rows):,} {'row' if len(rows) == 1 else 'rows'}", style="dim")


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


def _table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    lines: box.Box,
    numbers: Sequence[bool] = (),
) -> Table:
    table = Table(box=lines)
    for at, name in enumerate(columns):
        is_number = at < len(numbers) and numbers[at]
        table.add_column(
            Text(shown(name)),
            justify="right" if is_number else "left",
            no_wrap=is_number,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(Text(one) for one in row))
    return table


def _record(columns: Sequence[str], row: Sequence[str]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for name, value in zip(columns, row, strict=True):
        grid.add_row(Text(f"  {shown(name)}"), Text(value, overflow="fold"))
    return grid


def _is_number(column: Sequence[Any]) -> bool:
    known = [one for one in column if one is not None]
    return bool(known) and all(
        isinstance(one, int | float | Decimal) and not isinstance(one, bool) for one in known
    )


def _width_of(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    return sum(_widths(columns, rows)) + BETWEEN_COLUMNS * len(columns) + 1


def _least_width(
    columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[bool]
) -> int:
    """Return the fewest characters in which a table is legible: numbers whole, text folded."""
    widths = list(_widths([""] * len(columns), rows))
    kept = [
        width if is_number else min(width, LEAST_TEXT)
        for width, is_number in zip(widths, numbers or [False] * len(widths), strict=True)
    ]
    return sum(kept) + BETWEEN_COLUMNS * len(columns) + 1


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[int]:
    for at, name in enumerate(columns):
        yield max([cell_len(name), *(cell_len(row[at]) for row in rows)])
