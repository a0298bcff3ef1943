"""JSON as the gateway's Go encoder writes it, which Python's encoder cannot be told to do.

A float with no fraction loses it (`10`, not `10.0`), a small one is written out down to 1e-6
(`0.00005`, not `5e-05`) and then as `1.5e-7`, and `<`, `>` and `&` in text are escaped. A reader
that takes a column's type from the first number it sees is caught by exactly these.
"""

import json
from decimal import Decimal
from functools import lru_cache
from typing import Any


def dumps(value: Any) -> str:
    """Return `value` (dicts with string keys, lists, text, numbers, booleans, None) as JSON."""
    kind = type(value)
    if kind is str:
        return quote(value)
    if kind is int:
        return str(value)
    if kind is dict:
        return "{" + ",".join([f"{quote(k)}:{dumps(v)}" for k, v in value.items()]) + "}"
    if kind is float:
        return number(value)
    if kind is list:
        return "[" + ",".join([dumps(item) for item in value]) + "]"
    # Only true, false and null are left, which both languages write alike.
    return json.dumps(value)


@lru_cache(maxsize=32_768)
def quote(text: str) -> str:
    """Return `text` as a JSON string."""
    quoted = json.dumps(text, ensure_ascii=False)
    return quoted.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


@lru_cache(maxsize=8192)
def number(value: float) -> str:
    """Return the shortest text that reads back as `value`, in Go's notation."""
    text = repr(value)
    if "e" not in text:
        return text.removesuffix(".0")
    if 1e-6 <= abs(value) < 1e21:
        return format(Decimal(text), "f")
    return text.replace("e-0", "e-")
