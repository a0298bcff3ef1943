"""What may be written for a setting: its text as a value, and what that value may be."""

import difflib
import re
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Union, get_args, get_origin
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx
import orjson
import pendulum
from pendulum import DateTime, Duration

from llm_usage_warehouse.currencies import currency_code
from llm_usage_warehouse.errors import UsageError

DAY = 86_400
YEAR = 366 * DAY

RANGES: Mapping[str, tuple[float, float, str]] = {
    "slice": (1, YEAR, "a duration from a second (PT1S) to a year (P366D)"),
    "look_back": (0, 10 * YEAR, "a duration of at most ten years"),
    "settle_lag": (0, YEAR, "a duration of at most a year"),
    "timeout": (0.001, 3600, "a duration of more than 0, at most an hour (PT1H)"),
    "requests_per_second": (0.001, 10_000, "a number of more than 0, at most 10000"),
    "concurrency": (1, 256, "a number from 1 to 256"),
    "attempts": (1, 100, "a number from 1 to 100"),
    "stale_after": (1, YEAR, "a duration from a second (PT1S) to a year (P366D)"),
    "rate_max_age": (0, YEAR, "a duration of at most a year"),
    "audit_window": (0, 10 * YEAR, "a duration of at most ten years"),
    "spend_factor": (1, 1000, "a number from 1 to 1000"),
    "unpriced_percent": (0, 100, "a number from 0 to 100"),
    "smtp_port": (1, 65_535, "a number from 1 to 65535"),
}
"""What a setting of this name may be, at least and at most (a duration in seconds), in words."""

RULES = ("failed", "held", "stale", "differs", "budget", "landing", "spend", "unpriced")
"""The rules of alerts, in the order in which they are told."""

TARGETS = ("duckdb", "parquet", "postgres", "ducklake")
"""Where what is published can be written."""

ENGINES = ("duckdb", "ducklake", "spark")
"""What the private warehouse can be: one DuckDB file, a catalog and a folder of Parquet, or Delta
tables that Spark builds."""

FIRST_YEAR = 2000
"""No vendor has a call of an earlier year: whoever writes one has mistyped it."""

LAST_YEAR = 9000
"""Arithmetic on later instants would leave the calendar."""

SIZE = r"([1-9][0-9]*(?:\.[0-9]+)?)\s*([KMGT])(i?)B"

LEAST_MEMORY = 100e6

KINDS = {int: "a whole number", float: "a number", str: "a text", Path: "a path"}


def read_value(raw: Any, hint: Any, name: str) -> Any:
    """Return what a setting says, as a value of its kind.

    Args:
        raw: text from the environment, or a value of TOML.
        hint: the kind, as the setting is annotated.
        name: the setting's, by which it may have a range or a form of its own.

    Raises:
        UsageError: it is none, or not one that this setting may be; the message says what is.
    """
    value = _coerced(raw, hint)
    if name in RANGES:
        least, most, words = RANGES[name]
        if not least <= _amount(value) <= most:
            raise UsageError(f"must be {words}")
    if name in CHECKS:
        CHECKS[name](value)
    return value


def check_secret(value: str, *, may_be_empty: bool) -> None:
    """Make sure that a secret can be sent as it is.

    Raises:
        UsageError: it is empty, or not one line of characters that can be seen.
    """
    if not value.strip() and not (may_be_empty and not value):
        raise UsageError("is empty")
    if not value.isprintable():
        raise UsageError("must be one line without control characters")


def parse_instant(text: str, timezone: str) -> DateTime:
    """Read an ISO 8601 instant as UTC; a bare date is the start of that day in `timezone`.

    Raises:
        UsageError: `text` is neither, or of no year in which a call can have been.
    """
    try:
        found = pendulum.parse(text, tz=timezone, exact=True)
        if isinstance(found, pendulum.Date) and not isinstance(found, DateTime):
            found = pendulum.datetime(found.year, found.month, found.day, tz=timezone)
        if not isinstance(found, DateTime):
            raise _not_an_instant(text)
        instant = found.in_timezone("UTC")
    except (ValueError, OverflowError):
        raise _not_an_instant(text) from None
    return _of_our_time(text, instant)


def first_instant(start: str, timezone: str, now: DateTime) -> DateTime:
    """Return the instant that `start` means: a date, an instant, or a duration back from `now`.

    Raises:
        UsageError: `start` is none of these, or of no year in which a call can have been.
    """
    if not start.startswith("P"):
        return parse_instant(start, timezone)
    try:
        return _of_our_time(start, now - _duration(start))
    except (ValueError, OverflowError):
        raise _of_no_time(start) from None


def memory_bytes(size: str) -> float:
    """Return how many bytes a size such as 1.5GB or 800MiB is.

    Raises:
        UsageError: it is no size.
    """
    if not (found := re.fullmatch(SIZE, size)):
        raise UsageError("is not a size; write one like 1GB or 800MB")
    number, prefix, binary = found.groups()
    return float(number) * (1024.0 if binary else 1000.0) ** ("KMGT".index(prefix) + 1)


def _of_our_time(text: str, instant: DateTime) -> DateTime:
    if FIRST_YEAR <= instant.year <= LAST_YEAR:
        return instant
    raise _of_no_time(text)


def _of_no_time(text: str) -> UsageError:
    return UsageError(f"{text!r} lies before the year {FIRST_YEAR} or too far ahead")


def _not_an_instant(text: str) -> UsageError:
    return UsageError(
        f"{text!r} is not an instant; write a date (2026-11-01) or an ISO 8601 instant "
        "(2026-11-01T00:00:00Z)"
    )


def _amount(value: Any) -> float:
    return value.total_seconds() if isinstance(value, Duration) else float(value)


def _coerced(raw: Any, hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(one for one in get_args(hint) if one is not type(None))
    kind = get_origin(hint) or hint
    if kind is Duration:
        return raw if isinstance(raw, Duration) else _duration(str(raw))
    if kind in (list, dict):
        return _many(raw, kind)
    if isinstance(raw, list | dict) or (isinstance(raw, bool) and kind is not bool):
        raise UsageError(f"must be {KINDS.get(kind, 'true or false')}")
    if kind is bool:
        if str(raw).lower() not in ("true", "false"):
            raise UsageError("must be true or false")
        return str(raw).lower() == "true"
    try:
        return kind(str(raw))
    except ValueError:
        raise UsageError(f"must be {KINDS[kind]}") from None


def _many(raw: Any, kind: type[list[Any]] | type[dict[Any, Any]]) -> list[str] | dict[str, str]:
    """Return a list or a table of texts."""
    what = "a list of texts" if kind is list else "a table of texts"
    if isinstance(raw, str) and raw.startswith(("[", "{")):
        # The environment holds text only; there a list or a table is written as JSON.
        try:
            raw = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise UsageError(f"must be {what}, in the environment as JSON: {error}") from None
    if kind is list and isinstance(raw, str):
        raw = [part.strip() for part in raw.split(",") if part.strip()]
    if not isinstance(raw, kind):
        raise UsageError(f"must be {what}")
    parts = list(raw.values()) if isinstance(raw, dict) else raw
    if any(isinstance(one, list | dict) or one is None or not str(one).strip() for one in parts):
        raise UsageError(f"must be {what}, of which none is empty")
    if isinstance(raw, dict):
        return {str(key): str(value) for key, value in raw.items()}
    return [str(item) for item in raw]


def _duration(text: str) -> Duration:
    try:
        found = pendulum.parse(text)
    except (ValueError, OverflowError):
        found = None
    if not isinstance(found, Duration):
        raise UsageError("needs an ISO 8601 duration such as PT3H or P1D")
    return found


def _check_start(value: str) -> None:
    first_instant(value, "UTC", pendulum.now("UTC"))


def _check_zone(value: str) -> None:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            "is not an IANA time zone; write one like Asia/Shanghai or Europe/Berlin"
        ) from None


def _check_rates(value: str) -> None:
    if value not in ("", "ecb"):
        raise UsageError('is neither "ecb" nor empty')


def _check_mode(value: str) -> None:
    if not re.fullmatch(r"0[4-7][0-7]{2}", value):
        raise UsageError('is not a mode by which you may read; write "0644", "0640" or "0600"')


def _check_address(value: str) -> None:
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise UsageError("is not an address of the form https://host/path")


def _check_webhook(value: str) -> None:
    if value:
        _check_address(value)


def _check_mail_addresses(value: Iterable[str]) -> None:
    for one in value:
        if not (
            re.fullmatch(r"[^@\s<>,]+@[^@\s<>,]+", one) and one.isascii() and one.isprintable()
        ):
            raise UsageError(f"{one!r} is not an address of the form name@example.com")


def _check_mail_address(value: str) -> None:
    if value:
        _check_mail_addresses([value])


def _check_security(value: str) -> None:
    if value not in ("starttls", "tls", "none"):
        raise UsageError('is none of "starttls", "tls" and "none"')


def _check_steps(value: Iterable[str]) -> None:
    if not all(re.fullmatch(r"[1-9][0-9]{0,3}", one) for one in value):
        raise UsageError("must be whole percents, such as [80, 100]")


def _check_rules(value: Iterable[str]) -> None:
    if unknown := sorted(set(value) - set(RULES)):
        raise UsageError(f"names {', '.join(unknown)}; there are {', '.join(RULES)}")


def _check_targets(value: Iterable[str]) -> None:
    for one in value:
        _check_one_of(TARGETS, one)
    if TARGETS[0] not in value:
        raise UsageError(f"must name {TARGETS[0]}: the others are written from that file")


def _check_engine(value: str) -> None:
    _check_one_of(ENGINES, value)


def _check_catalog(value: str) -> None:
    if value and urlsplit(value).scheme not in ("postgresql", "postgres"):
        raise UsageError("must be postgresql://user:password@host:5432/database")


def _check_one_of(known: Sequence[str], value: str) -> None:
    if value not in known:
        meant = difflib.get_close_matches(value.lower(), known, 1)
        hint = f"did you mean {meant[0]}?" if meant else f"there are {', '.join(known)}"
        raise UsageError(f"names {value}; {hint}")


def _check_memory(value: str) -> None:
    if memory_bytes(value) < LEAST_MEMORY:
        raise UsageError("must be 100MB or more")


CHECKS: Mapping[str, Callable[[Any], object]] = {
    "currency": currency_code,
    "reporting_currency": currency_code,
    "start": _check_start,
    "reporting_timezone": _check_zone,
    "published_mode": _check_mode,
    "publish": _check_targets,
    "engine": _check_engine,
    "catalog": _check_catalog,
    "rates": _check_rates,
    "rates_url": _check_address,
    "memory_limit": _check_memory,
    "budget_steps": _check_steps,
    "off": _check_rules,
    "webhook": _check_webhook,
    "email": _check_mail_addresses,
    "email_from": _check_mail_address,
    "smtp_security": _check_security,
}
"""What has a form of its own, by the name of the setting."""
