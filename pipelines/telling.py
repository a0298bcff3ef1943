"""Lines for a person: our own words may be coloured, and what came from elsewhere is only text.

A vendor's names of models, apps and keys may hold anything: `[red]`, `[/]`, or what a terminal
takes for an order.
"""

import re
from datetime import datetime
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What a terminal obeys rather than shows, and what turns the order of letters round."""

WORD = re.compile(r"\s*\S+\s*")

INDENT = "  "
"""Before what goes on from the line above."""

Part = str | tuple[str, str]
"""A text, or a text and its colour."""


def say(console: Console, *parts: Part) -> None:
    """Print one line, however long; a terminal's is folded between words, and never within one."""
    coloured = [part if isinstance(part, tuple) else (part, "") for part in parts]
    line = Text.assemble(*((shown(text), colour) for text, colour in coloured))
    if console.is_terminal:
        line = _folded(line, console.width)
    console.print(line, soft_wrap=True)


def insist(console: Console, *parts: Part) -> None:
    """Print one line that a person must see, on a console that is told to be quiet, too."""
    quiet, console.quiet = console.quiet, False
    try:
        say(console, *parts)
    finally:
        console.quiet = quiet


def _folded(line: Text, width: int) -> Text:
    """Break a line between words. Rich would also break a path, which nobody could then copy."""
    breaks: list[int] = []
    used = 0
    for word in WORD.finditer(line.plain):
        length = cell_len(word.group())
        if used and used + cell_len(word.group().rstrip()) > width:
            breaks.append(word.start())
            used = len(INDENT)
        used += length
    folded = line.divide(breaks)
    for one in folded:
        one.rstrip()
    return Text(f"\n{INDENT}").join(folded)


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


def named(source: str, text: str) -> str:
    """Return what is said of a source, with its name before it, once."""
    return text if text.startswith(f"{source}: ") else f"{source}: {text}"
