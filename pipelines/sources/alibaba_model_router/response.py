"""The rows of ModelRouter's answers: `{success, data: {list | rows | items, total, ...}}`."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from pipelines.pages import Contract, Fields

ROW_NAMES = ("list", "rows", "items")
"""Where `data` may hold the rows: the vendor's documents and its answers differ."""


@dataclass(frozen=True)
class Page:
    """The rows of one answer, and the vendor's own count of all of them (0: not told)."""

    rows: list[dict[str, Any]]
    total: int


def read_page(body: bytes, contract: Contract) -> Page:
    """Return the rows of a good answer, their fields in snake_case, without what is not kept."""
    data = decoded(body)["data"]
    rows = [_spelled(row, contract.fields, contract.withheld) for row in _rows(data)]
    return Page(rows, whole_number(data.get("total")))


def rows_document(rows: Iterable[bytes]) -> bytes:
    """Return encoded rows as one document, in the place where every contract looks for them."""
    return b'{"rows":[' + b",".join(rows) + b"]}"


def decoded(body: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is none.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        # A prompt that the vendor cut within an emoji ends in half of a surrogate pair.
        lenient = json.dumps(json.loads(body), ensure_ascii=False)
        return orjson.loads(lenient.encode(errors="replace"))


def _rows(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    return next((data[name] for name in ROW_NAMES if data.get(name)), [])


def _spelled(
    row: Mapping[str, Any], fields: Fields, withheld: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Return `row` in snake_case; what lies below a field of kind `json` stays as it is."""
    spelled: dict[str, Any] = {}
    for name, value in row.items():
        known = _snake(name)
        kind = fields.get(known)
        if kind == "drop" or known in withheld:
            continue
        below = kind if isinstance(kind, Mapping) and isinstance(value, dict) else None
        spelled[known] = value if below is None else _spelled(value, below)
    return spelled


@lru_cache(maxsize=1024)
def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def whole_number(value: Any) -> int:
    """Return a count that may come as text, 0 where it is none."""
    return int(value) if str(value).isdecimal() else 0
