"""Reads the query parameters of a request; a bad one is the gateway's error."""

import calendar
import re
import time
from collections.abc import Mapping

from llm_usage_warehouse.simulator.alibaba_model_router._acs3 import GatewayError
from llm_usage_warehouse.simulator.alibaba_model_router._books import Wanted

RANGES = {"1h": 3600, "6h": 6 * 3600, "24h": 86400, "7d": 7 * 86400, "30d": 30 * 86400}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def invalid(name: str) -> GatewayError:
    """Return the error for a parameter with a bad value."""
    return GatewayError(400, "InvalidParameter", f"The specified parameter {name} is not valid.")


def text(query: Mapping[str, str], name: str) -> str:
    """Return a required parameter."""
    if not query.get(name):
        code = f"Missing{name[0].upper()}{name[1:]}"
        raise GatewayError(400, code, f"{name} is mandatory for this action.")
    return query[name]


def integer(query: Mapping[str, str], name: str) -> int | None:
    """Return an optional whole number."""
    value = query.get(name)
    if value is None:
        return None
    if not re.fullmatch(r"-?\d{1,18}", value):
        raise invalid(name)
    return int(value)


def flag(query: Mapping[str, str], name: str) -> bool:
    """Return an optional boolean, false where it is left out; the vendor's are lower-case."""
    value = query.get(name, "false")
    if value not in ("true", "false"):
        raise invalid(name)
    return value == "true"


def numbers(query: Mapping[str, str], name: str) -> frozenset[int]:
    """Return an optional list of whole numbers, separated by commas."""
    value = query.get(name, "")
    if not re.fullmatch(r"(\d+(,\d+)*)?", value):
        raise invalid(name)
    return frozenset(int(one) for one in value.split(",") if one)


def words(query: Mapping[str, str], name: str) -> frozenset[str]:
    """Return an optional list of words, separated by commas."""
    return frozenset(one for one in query.get(name, "").split(",") if one)


def page_of(query: Mapping[str, str], default: int, most: int) -> tuple[int, int]:
    """Return the page number from 1 and the page size, which never exceeds the most allowed."""
    page = integer(query, "pageIndex") or integer(query, "page") or 1
    size = integer(query, "pageSize") or default
    if page < 1 or size < 1:
        raise invalid("pageSize")
    return page, min(size, most)


def wanted_of(query: Mapping[str, str]) -> Wanted:
    """Return the filters of a query."""
    if "clientId" in query and "clientIds" in query:
        raise invalid("clientIds")
    client = integer(query, "clientId")
    return Wanted(
        clients=numbers(query, "clientIds") if client is None else frozenset({client}),
        members=numbers(query, "memberUserIds") if "memberUserIds" in query else None,
        key=integer(query, "apiKeyId"),
        model=integer(query, "modelId"),
        codes=words(query, "modelCodes"),
        kinds=words(query, "modelTypes"),
        request_id=query.get("requestId"),
    )


def seconds_window(query: Mapping[str, str]) -> tuple[int, int]:
    """Return startTime and endTime in Unix seconds, both required."""
    bounds = []
    for name in ("startTime", "endTime"):
        text(query, name)
        value = integer(query, name)
        if value is None or value > 99_999_999_999:  # milliseconds
            raise invalid(name)
        bounds.append(value)
    if bounds[0] > bounds[1]:
        raise invalid("endTime")
    return bounds[0], bounds[1]


def instant_window(
    query: Mapping[str, str], now: float, *, time_range_wins: bool
) -> tuple[int, int]:
    """Return the window of a query for log rows in Unix seconds, from 1970 to now by default."""
    start, end = (_instant(query, name) for name in ("startTime", "endTime"))
    if "timeRange" in query:
        if query["timeRange"] not in RANGES:
            raise invalid("timeRange")
        if time_range_wins or (start is None and end is None):
            return int(now) - RANGES[query["timeRange"]], int(now)
    return start or 0, int(now) if end is None else end


def _instant(query: Mapping[str, str], name: str) -> int | None:
    value = query.get(name)
    if value is None:
        return None
    if not INSTANT.fullmatch(value):
        raise invalid(name)
    try:
        return calendar.timegm(time.strptime(value, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        raise invalid(name) from None
