"""How the gateway reads a request's query: leniently, a bad value being no value."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from llm_usage_warehouse.simulator.aiproxy.rows import Row, Version

WEEK_US = 7 * 24 * 3_600_000_000
INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
ORDERS = ("created_at", "request_at", "id")
TEXT_FILTERS = {
    "model_name": "model",
    "request_id": "request_id",
    "upstream_id": "upstream_id",
    "ip": "ip",
    "user": "user",
}
KEYWORD_FIELDS = ("request_id", "upstream_id", "group", "model", "token_name")

Query = Mapping[str, str]


@dataclass(frozen=True)
class Window:
    """Instants in Unix microseconds, both ends included."""

    start: int
    end: int


def integer(text: str | None) -> int:
    """Return a number as Go's Atoi reads it, 0 for none."""
    return int(text) if text and INTEGER.fullmatch(text) else 0


def page(query: Query) -> tuple[int, int]:
    """Return the page, from 1, and its size: 10 by default and 100 at most."""
    number = integer(query.get("page") or query.get("p"))
    size = integer(query.get("per_page"))
    return max(number, 1), min(size, 100) if size > 0 else 10


def instant(text: str | None, version: Version) -> int | None:
    """Return a timestamp, its unit guessed from how many digits it has; None for a bad one."""
    if not text or not INTEGER.fullmatch(text):
        return None
    number, digits = int(text), len(text)
    if version <= (0, 2, 1) or 10 < digits <= 13:
        return number * 1000
    if digits <= 10:
        return number * 1_000_000
    return number if digits <= 16 else number // 1000


def window(query: Query, now: int, version: Version) -> Window:
    """Return the window of a log listing: silently cut to the seven days before its end."""
    end = instant(query.get("end_timestamp"), version)
    end = now if end is None else end
    floor = (now if version <= (0, 2, 1) else end) - WEEK_US
    start = instant(query.get("start_timestamp"), version)
    return Window(floor if start is None else max(start, floor), end)


def order(query: Query, version: Version) -> tuple[str, bool]:
    """Return the field to sort by and whether ascending; `created_at` descending by default."""
    name, _, way = query.get("order", "").partition("-")
    if name not in ORDERS or (name == "created_at" and (0, 2, 0) <= version < (0, 5, 2)):
        return "created_at", False
    return name, way == "asc"


def filters(query: Query, *, keyword: bool, group: bool, channel: bool) -> Callable[[Row], bool]:
    """Return whether a row passes the filters of a request.

    Args:
        query: of the request.
        keyword: whether the endpoint knows `keyword`.
        group: whether it knows `group`, `token_name` and `token_id`.
        channel: whether it knows `channel`.
    """
    wanted: list[tuple[str, str | int]] = [
        (field, query[name]) for name, field in TEXT_FILTERS.items() if query.get(name)
    ]
    if group:
        wanted += [(name, query[name]) for name in ("group", "token_name") if query.get(name)]
        wanted += [("token_id", number) for number in [integer(query.get("token_id"))] if number]
    if channel:
        wanted += [("channel", number) for number in [integer(query.get("channel"))] if number]
    kind = query.get("code_type")
    if kind not in {"success", "error"}:
        wanted += [("code", number) for number in [integer(query.get("code"))] if number]
    word = query.get("keyword") if keyword else None

    def passes(row: Row) -> bool:
        return (
            all(getattr(row, name) == value for name, value in wanted)
            and (kind not in {"success", "error"} or (row.code == 200) == (kind == "success"))
            and (not word or any(getattr(row, name) == word for name in KEYWORD_FIELDS))
        )

    return passes
