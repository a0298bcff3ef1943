"""Lines for a person: our own words may be coloured, and what came from elsewhere is only text.

A vendor's names of models, apps and keys may hold anything: `[red]`, `[/]`, or what a terminal
takes for an order.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What a terminal obeys rather than shows, and what turns the order of letters round."""

Part = str | tuple[str, str]
"""A text, or a text and its colour."""


def say(console: Console, *parts: Part) -> None:
    """Print one line, however long."""
    coloured = [part if isinstance(part, tuple) else (part, "") for part in parts]
    line = Text.assemble(*((shown(text), colour) for text, colour in coloured))
    console.print(line, soft_wrap=True)


def say_rows(console: Console, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table."""
    table = Table(*columns)
    for row in rows:
        table.add_row(*(Text(shown(value)) for value in row))
    if not console.is_terminal:
        # A log has no width; a squeezed table would cut names.
        console.width = max(console.width, 200)
    console.print(table)


def shown(value: Any) -> str:
    """Return a value as people write it, on one line."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return harmless(" ".join(str(value).splitlines()) if "\n" in str(value) else str(value))


def harmless(text: str) -> str:
    """Return a text with U+FFFD for each character that a terminal would not show."""
    return CONTROL.sub("\ufffd", text)


def counted(number: int, thing: str) -> str:
    """Return a number of things."""
    return f"{number:,} {thing if number == 1 else thing + 's'}"
