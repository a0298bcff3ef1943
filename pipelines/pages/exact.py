"""The slow, exact way to read rows, for what the fast reader refuses: values, or what is wrong."""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from math import isfinite
from typing import Any

import msgspec
import pyarrow as pa

from llm_usage_warehouse.http import BadResponseError
from llm_usage_warehouse.pages.body import members
from llm_usage_warehouse.pages.row_shape import MONEY, Fields, Path, RowShape, leaves

_INTEGER = re.compile(rb"-?[0-9]+")
_NUMBER = re.compile(rb"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_NAMES = {
    b'"': "text",
    b"{": "an object",
    b"[": "an array",
    b"t": "a boolean",
    b"f": "a boolean",
    b"n": "null",
}
_LONGEST_EXPONENT = 9
_SMALLEST_UNIT = Decimal(1).scaleb(-MONEY.scale)
_WHOLE_DIGITS = MONEY.precision - MONEY.scale
_ROUNDING = Context(prec=2 * MONEY.precision, rounding=ROUND_HALF_UP)


class MismatchError(ValueError):
    """A value is not of its field's kind; the text says what it is instead."""


def mismatch(source: str, problems: Sequence[str]) -> BadResponseError:
    """Return the error that rows are not those of the contract."""
    return BadResponseError(
        source,
        f"the vendor's rows do not have the types of the contract: {'; '.join(problems[:5])}",
        next_step="Nothing was written. Compare with the vendor's release notes, then change the "
        "source's schema.py.",
    )


def read_exactly(
    source: str, lines: Sequence[bytes], shape: RowShape
) -> dict[Path, pa.ChunkedArray]:
    """Read each value on its own.

    Args:
        source: name for error messages.
        lines: rows that were taken apart.
        shape: of a row.

    Returns:
        The columns by field: of the types that kinds are read as, money rounded as it is stored.

    Raises:
        BadResponseError: names up to five fields that hold something else than they should.
    """
    typed = {path: kind for path, kind in leaves(shape.fields) if kind.read is not None}
    values: dict[Path, list[Any]] = {path: [None] * len(lines) for path in typed}
    problems: dict[Path, str] = {}
    for number, line in enumerate(lines):
        _read_row(line, shape.fields, (), number, values, problems)
    if problems:
        raise mismatch(source, [f"{'.'.join(path)} {what}" for path, what in problems.items()])
    return {
        path: pa.chunked_array(
            [pa.array(values[path], MONEY if kind.store == MONEY else kind.read)]
        )
        for path, kind in typed.items()
    }


def _read_row(
    json: bytes,
    fields: Fields,
    above: Path,
    number: int,
    values: Mapping[Path, list[Any]],
    problems: dict[Path, str],
) -> None:
    for name, raw in members(json).items():
        kind, value, path = fields.get(name), bytes(raw), (*above, name)
        if kind is None or value == b"null":
            continue
        if isinstance(kind, Mapping):
            if value[:1] == b"{":
                _read_row(value, kind, path, number, values, problems)
            else:
                problems.setdefault(path, f"should be an object and is {plain(value)}")
        elif path in values:
            try:
                values[path][number] = _READ[kind](value)
            except MismatchError as error:
                problems.setdefault(path, f"should be {kind} and is {error}")


def plain(json: bytes) -> str:
    """Return in words what a JSON value is."""
    known = _NAMES.get(json[:1])
    return known or ("an integer" if _INTEGER.fullmatch(json) else "a fraction")


def _integer(json: bytes) -> int:
    if not _INTEGER.fullmatch(json):
        raise MismatchError(plain(json))
    if len(json) > 20 or not -(2**63) <= int(json) < 2**63:
        raise MismatchError("an integer beyond 64 bits, out of range")
    return int(json)


def _float(json: bytes) -> float:
    if not _NUMBER.fullmatch(json):
        raise MismatchError(plain(json))
    if not isfinite(value := float(json)):
        raise MismatchError("a number beyond 64 bits, out of range")
    return value


def _text(json: bytes) -> str:
    if json[:1] != b'"':
        raise MismatchError(plain(json))
    return msgspec.json.decode(json, type=str)


def _boolean(json: bytes) -> bool:
    if json not in {b"true", b"false"}:
        raise MismatchError(plain(json))
    return json == b"true"


def _money(json: bytes) -> Decimal:
    digits = _text(json).encode() if json[:1] == b'"' else json
    if not _NUMBER.fullmatch(digits):
        what = plain(json)
        raise MismatchError("text that is no number" if what == "text" else what)
    mantissa, _, exponent = digits.lower().partition(b"e")
    if len(exponent) > _LONGEST_EXPONENT:
        # Beyond what Decimal reads: as good as nothing, or far too much.
        exponent = b"-" + b"9" * 6 if exponent[:1] == b"-" else b"9" * 6
    value = Decimal(f"{mantissa.decode()}e{exponent.decode() or 0}")
    if not value or value.adjusted() < -MONEY.scale - 1:
        return Decimal(0)
    if value.adjusted() < _WHOLE_DIGITS:
        value = value.quantize(_SMALLEST_UNIT, context=_ROUNDING)
    if value.adjusted() >= _WHOLE_DIGITS:
        raise MismatchError(f"a number of more than {_WHOLE_DIGITS} digits before the point")
    return value


_READ: Mapping[str, Callable[[bytes], Any]] = {
    "int": _integer,
    "float": _float,
    "money": _money,
    "text": _text,
    "bool": _boolean,
    "unix_ms": _integer,
    "unix_s": _integer,
    "unix_s_text": _text,
    "iso": _text,
}
