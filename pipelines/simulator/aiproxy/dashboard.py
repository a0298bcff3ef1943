"""Summaries: what the gateway counts by the hour, apart from its log and never cleaned with it.

They hold what the log does not: calls turned away by a rate limit (429) and, by channel, every
failed attempt before the one that was logged. So they never quite equal a count of the log.
"""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from llm_usage_warehouse.simulator.aiproxy.books import Books
from llm_usage_warehouse.simulator.aiproxy.query import Query, instant, integer
from llm_usage_warehouse.simulator.aiproxy.rows import Row
from llm_usage_warehouse.simulator.aiproxy.traffic import HOUR_US, Rejection

# Counters are flushed every five seconds.
FLUSH_US = 5_000_000

Entry = dict[str, Any]
Key = tuple[int, tuple[tuple[str, Any], ...]]


def series(books: Books, query: Query, group: str | None) -> list[Entry]:
    """Return the time series of `/api/dashboardv2/`, or of one group below it.

    Each point has the start of its hour or local day in Unix seconds, in no particular order, and
    one entry for each channel and model (of a group: for each API key name and model).

    Raises:
        ValueError: the end lies before the start.
    """
    version = books.version_tuple
    end = instant(query.get("end_timestamp"), version)
    end = books.now() if end is None else end
    start = instant(query.get("start_timestamp"), version) or 0
    if end < start:
        raise ValueError("end time is before start time")
    # An hour counts where its beginning lies in the window, both ends included.
    hours = range(-(-start // HOUR_US), end // HOUR_US + 1)
    sums: dict[Key, Entry] = defaultdict(lambda: defaultdict(int))
    wanted = _wanted(query, group)
    for row in books.ever(books.now() - FLUSH_US):
        ended = row.created_at // HOUR_US
        # What an asynchronous job used is added to the hour of its request, whenever it ends.
        used = row.request_at // HOUR_US if row.async_usage_status else ended
        if ended not in hours and used not in hours:
            continue
        key = _key(row, group)
        if not key or not wanted(row):
            continue
        if ended in hours:
            _count(sums[ended, key], row, attempts=group is None)
        if used in hours:
            _use(sums[used, key], row)
    if hours:
        _count_rejections(books, query, group, sums, hours)
    return _points(sums, query, books.lies.dashboard_off)


def totals(books: Books, group: str) -> tuple[int, float]:
    """Return how many calls a group ever made, those turned away too, and what they cost."""
    rows = [row for row in books.ever(books.now() - FLUSH_US) if row.group == group]
    turned_away = books.rejections(books.first_hour, books.now() // HOUR_US)
    count = len(rows) + sum(one.group == group for one in turned_away)
    return count, sum(row.amounts().get("used_amount", 0.0) for row in rows)


def _key(row: Row | Rejection, group: str | None) -> tuple[tuple[str, Any], ...] | None:
    if group is None:
        return (("channel_id", row.channel), ("model", row.model))
    if row.group != group:
        return None
    return (("group_id", group), ("token_name", row.token_name), ("model", row.model))


def _wanted(query: Query, group: str | None) -> Callable[[Row | Rejection], bool]:
    channel = integer(query.get("channel")) if group is None else 0
    token = query.get("token_name") if group is not None else None
    model = query.get("model")
    return lambda row: (
        (not channel or row.channel == channel)
        and (not token or row.token_name == token)
        and (not model or row.model == model)
    )


def _count(entry: Entry, row: Row, *, attempts: bool) -> None:
    _count_status(entry, row.code)
    for _ in range(row.retry_times if attempts else 0):
        entry["retry_count"] += 1
        _count_status(entry, 503)
    entry["total_time_milliseconds"] += (row.created_at - row.request_at) // 1000
    entry["total_ttfb_milliseconds"] += row.ttfb_milliseconds


def _use(entry: Entry, row: Row) -> None:
    for name, tokens in row.usage.items():
        entry[name] += tokens
    for name, amount in row.amounts().items():
        entry[name] += amount
    entry["cache_hit_count"] += "cached_tokens" in row.usage
    entry["cache_creation_count"] += "cache_creation_tokens" in row.usage


def _count_status(entry: Entry, code: int) -> None:
    entry["request_count"] += 1
    entry["exception_count"] += code != 200
    entry[f"status_{code // 100}xx_count"] += 1
    if code in {400, 429, 500}:
        entry[f"status_{code}_count"] += 1


def _count_rejections(
    books: Books, query: Query, group: str | None, sums: dict[Key, Entry], hours: range
) -> None:
    wanted = _wanted(query, group)
    for one in books.rejections(hours.start, hours[-1]):
        key = _key(one, group)
        if key and wanted(one):
            _count_status(sums[one.hour, key], 429)


def _points(sums: dict[Key, Entry], query: Query, tokens_off: int) -> list[Entry]:
    points: dict[int, dict[tuple[tuple[str, Any], ...], Entry]] = {}
    for (hour, key), entry in sums.items():
        merged = points.setdefault(_point(hour, query), {}).setdefault(key, defaultdict(int))
        for name, value in entry.items():
            merged[name] += value
    if points and tokens_off:
        entry = next(iter(points[max(points)].values()))
        entry["input_tokens"] += tokens_off
        entry["total_tokens"] += tokens_off
    return [
        {"timestamp": at, "summary": [_entry(key, entry) for key, entry in found.items()]}
        # The gateway walks a Go map here, so its order means nothing.
        for at, found in sorted(points.items(), key=lambda point: point[0] * 2654435761 % 2**32)
    ]


def _point(hour: int, query: Query) -> int:
    """Return when the point that an hour falls into begins, in Unix seconds."""
    if query.get("timespan") != "day":
        return hour * 3600
    try:
        zone = ZoneInfo(query.get("timezone") or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        zone = ZoneInfo("UTC")
    local = datetime.fromtimestamp(hour * 3600, zone)
    return int(local.replace(hour=0, minute=0, fold=0).timestamp())


def _entry(key: tuple[tuple[str, Any], ...], entry: Entry) -> Entry:
    counted = {name: value for name, value in entry.items() if value}
    # Broken down by tier only where the model's configuration asks for it, and then still there.
    empty = {"request_count": 0}
    tiers = ("service_tier_flex", "service_tier_priority", "claude_long_context")
    return {
        **{name: value for name, value in key if value},
        # The one count that is there when it is 0: an hour may hold the usage of a job alone.
        "request_count": 0,
        **counted,
        **dict.fromkeys(tiers, empty),
        "max_rpm": 0,
        "max_tpm": 0,
    }
