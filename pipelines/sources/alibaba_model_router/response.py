"""The rows of ModelRouter's answers: `{success, data: {list | rows | items, total, ...}}`."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from llm_usage_warehouse.envelopes import NOTHING, decoded, members
from llm_usage_warehouse.http import BadResponseError
from llm_usage_warehouse.pages import RowShape, spelled
from llm_usage_warehouse.pages.exact import mismatch

ROW_NAMES = ("list", "rows", "items")
"""Where `data` may hold the rows: the vendor's documents and its answers differ."""


Rows = list[msgspec.Raw] | None


class Envelope(msgspec.Struct, rename="camel"):
    """An answer of the product; `errCode` may stand beside `success: true`, and then means nothing.

    Attributes:
        data: `{list | rows | items, total, ...}`, as it came.
    """

    success: Any = msgspec.UNSET
    err_code: Any = None
    err_message: Any = None
    http_status_code: Any = None
    request_id: Any = None
    data: msgspec.Raw = NOTHING


class _Data(msgspec.Struct):
    total: Any = None
    as_list: Rows = msgspec.field(name="list", default=None)
    as_rows: Rows = msgspec.field(name="rows", default=None)
    as_items: Rows = msgspec.field(name="items", default=None)


@dataclass(frozen=True)
class Page:
    """The rows of one answer, and the vendor's own count of all of them (0: not told).

    A row is a JSON object, under the contract's names and without what is not kept, and what tells
    it apart.
    """

    rows: list[tuple[bytes, bytes]]
    total: int


def read_page(source: str, body: bytes, shape: RowShape, key: str | None) -> Page:
    """Return the rows of a good answer.

    Args:
        source: name for error messages.
        body: the answer.
        shape: of a row.
        key: the field that tells rows apart; without one, the whole row does.

    Raises:
        BadResponseError: `data` is not what it should be, or a row is no object.
    """
    data = decoded(source, decoded(source, body, Envelope).data, _Data)
    rows = []
    for raw in data.as_list or data.as_rows or data.as_items or ():
        if bytes(raw)[:1] != b"{":
            raise BadResponseError(source, "a row of the answer is no object")
        try:
            row = spelled(raw, shape, _snake)
            rows.append((bytes(members(source, row)[key]) if key else row, row))
        except RecursionError:
            raise BadResponseError(source, "the answer is nested too deeply") from None
        except KeyError:
            raise mismatch(source, [f"{key} is missing in a row"]) from None
    return Page(rows, whole_number(data.total))


@lru_cache(maxsize=1024)
def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def whole_number(value: Any) -> int:
    """Return a count that may come as text, 0 where it is none."""
    return int(value) if str(value).isdecimal() else 0
