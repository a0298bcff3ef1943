"""Instants as UTC timestamps, from numbers and from text."""

import re
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from llm_usage_warehouse.pages.exact import MismatchError
from llm_usage_warehouse.pages.row_shape import UTC_MICROS, Kind

ISO_LETTERS = re.compile(r"[0-9TWZ:.,+\- ]+", re.ASCII)
"""Python's own reader takes anything between day and hour, and nothing amiss in U+0000."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = (
    (edge - EPOCH) // timedelta(microseconds=1)
    for edge in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC))
)
"""Microseconds: no calendar of ours knows other years."""


def instants(raw: pa.ChunkedArray, kind: Kind) -> pa.ChunkedArray:
    """Return the instants that a column says.

    Args:
        raw: integers or text, as sent.
        kind: `iso` (ISO 8601, UTC where it has no offset), or seconds or milliseconds since 1970.

    Raises:
        MismatchError: a value is no instant of the years 1 to 9999; the text quotes it.
    """
    if raw.null_count == len(raw):
        return pa.chunked_array([pa.nulls(len(raw), UTC_MICROS)])
    if kind.name == "iso":
        return _checked(_from_iso(raw), raw)
    numbers = _whole_numbers(raw) if kind.name == "unix_s_text" else raw
    unit = "ms" if kind.name == "unix_ms" else "s"
    try:
        found = numbers.cast(pa.timestamp(unit)).cast(pa.timestamp("us")).cast(UTC_MICROS)
    except pa.ArrowInvalid:
        raise _first_beyond(numbers, raw, 1_000 if unit == "ms" else 1_000_000) from None
    return _checked(found, raw)


def _checked(found: pa.ChunkedArray, raw: pa.ChunkedArray) -> pa.ChunkedArray:
    micros = found.cast(pa.int64())
    bounds = pc.min_max(micros).as_py()
    if bounds["min"] < FIRST or bounds["max"] > LAST:
        raise _first_beyond(micros, raw, 1)
    return found


def _first_beyond(numbers: pa.ChunkedArray, raw: pa.ChunkedArray, factor: int) -> MismatchError:
    beyond = pc.or_(pc.less(numbers, FIRST // factor), pc.greater(numbers, LAST // factor))
    return _not_an_instant(raw.filter(beyond)[0].as_py())


def _not_an_instant(value: object) -> MismatchError:
    return MismatchError(f"no instant: {str(value)[:60]!r}")


def _whole_numbers(raw: pa.ChunkedArray) -> pa.ChunkedArray:
    # Arrow alone would also read 0x10.
    are_digits = pc.match_substring_regex(raw, r"^-?[0-9]{1,18}$")
    if not pc.all(are_digits).as_py():
        raise _not_an_instant(raw.filter(pc.invert(are_digits))[0].as_py())
    return raw.cast(pa.int64())


def _from_iso(raw: pa.ChunkedArray) -> pa.ChunkedArray:
    for kind in (UTC_MICROS, pa.timestamp("us")):
        try:
            return raw.cast(kind).cast(UTC_MICROS)
        except pa.ArrowInvalid:
            # Some have an offset and some have none, or it is a form that Arrow does not read.
            continue
    micros = [None if text is None else _micros(text) for text in raw.to_pylist()]
    return pa.chunked_array([pa.array(micros, pa.int64()).cast(UTC_MICROS)])


def _micros(text: str) -> int:
    if not ISO_LETTERS.fullmatch(text):
        raise _not_an_instant(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise _not_an_instant(text) from None
    known = found if found.tzinfo else found.replace(tzinfo=UTC)
    return (known - EPOCH) // timedelta(microseconds=1)
