"""Tables for a person: they fit the terminal, and nothing in them is cut."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llm_usage_warehouse.telling import shown

LEAST_TEXT = 10
"""The fewest characters to which a column of text is folded; a wider answer is told row by row."""

BETWEEN_COLUMNS = 3


def say_rows(console: Console, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table of values."""
    numbers = [is_number(column) for column in zip(*rows, strict=True)]
    say_texts(console, columns, [[shown(value) for value in row] for row in rows], numbers)


def say_texts(
    console: Console,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: Sequence[bool] = (),
) -> None:
    """Print a table that fits: texts are folded, and where that is not enough each row is a list.

    Args:
        console: where to; one that is no terminal is as wide as the table wants.
        columns: their names.
        rows: what their cells say.
        numbers: which columns are of numbers, that are never folded.
    """
    wanted = width_of(columns, rows)
    if not console.is_terminal:
        # A log has no width, and a folded name cannot be searched for.
        console.width = max(console.width, wanted)
    if console.width >= min(wanted, _least_width(columns, rows, numbers)):
        console.print(table_of(columns, rows, box.SQUARE, numbers))
        return
    for number, row in enumerate(rows, 1):
        console.print(Text(f"row {number}", style="bold"))
        console.print(_record(columns, row))


def table_of(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    lines: box.Box,
    numbers: Sequence[bool] = (),
) -> Table:
    """Return a table, its numbers to the right."""
    table = Table(box=lines)
    for at, name in enumerate(columns):
        right = at < len(numbers) and numbers[at]
        table.add_column(
            Text(shown(name)),
            justify="right" if right else "left",
            no_wrap=right,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(Text(one) for one in row))
    return table


def is_number(column: Sequence[Any]) -> bool:
    """Whether all that is known in a column are numbers, and something is."""
    known = [one for one in column if one is not None]
    return bool(known) and all(
        isinstance(one, int | float | Decimal) and not isinstance(one, bool) for one in known
    )


def width_of(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Return in how many characters a table needs no folding."""
    return sum(_widths(columns, rows)) + BETWEEN_COLUMNS * len(columns) + 1


def _record(columns: Sequence[str], row: Sequence[str]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for name, value in zip(columns, row, strict=True):
        grid.add_row(Text(f"  {shown(name)}"), Text(value, overflow="fold"))
    return grid


def _least_width(
    columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[bool]
) -> int:
    """Return the fewest characters in which a table is legible: numbers whole, text folded.

    The name of a column of numbers stays whole, too, as it would be cut rather than folded.
    """
    kept = [
        width if right else min(width, LEAST_TEXT)
        for width, right in zip(
            _widths(columns, rows), numbers or [False] * len(columns), strict=True
        )
    ]
    return sum(kept) + BETWEEN_COLUMNS * len(kept) + 1


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[int]:
    for at, name in enumerate(columns):
        yield max([cell_len(shown(name)), *(cell_len(row[at]) for row in rows)])
