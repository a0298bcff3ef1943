"""What a vendor's row may hold: the contract of a raw table, and the kinds of its fields."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

UTC_MICROS = pa.timestamp("us", tz="UTC")
MONEY = pa.decimal128(38, 18)
LAST_SECOND = 253_402_300_799
"""The end of the year 9999 in Unix seconds: what lies beyond is no instant."""

# Unicode's control characters, of which a terminal, a CSV file or a C string would make something.
CONTROL = r"[\x{0}-\x{1f}\x{7f}-\x{9f}]"

Fields = Mapping[str, "str | Fields"]


def _money(column: pa.ChunkedArray) -> pa.ChunkedArray:
    # Half away from zero, as SQL rounds: a float has digits beyond the eighteenth place.
    return pc.round(column, 18, round_mode="half_towards_infinity").cast(MONEY)


def _unix(unit: str) -> Callable[[pa.ChunkedArray], pa.ChunkedArray]:
    last = LAST_SECOND * (1000 if unit == "ms" else 1)

    def instants(column: pa.ChunkedArray) -> pa.ChunkedArray:
        bounds = pc.min_max(column).as_py()
        for value in (bounds["min"], bounds["max"]):
            if value is not None and not 0 <= value <= last:
                raise ValueError(f"{value} is no instant")
        return column.cast(pa.timestamp(unit, tz="UTC")).cast(UTC_MICROS)

    return instants


def _unix_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return _unix("s")(column.cast(pa.int64()))


def _iso(column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return column.cast(UTC_MICROS)
    except pa.ArrowInvalid:
        # Arrow wants an offset and at most six digits; these come without, or with more.
        values = [None if text is None else _instant(text) for text in column.to_pylist()]
        return pa.chunked_array([pa.array(values, UTC_MICROS)])


def _instant(text: str) -> datetime:
    """Read ISO 8601; without an offset it is UTC."""
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _as_is(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_amount(value: Any) -> bool:
    if isinstance(value, str):
        try:
            return abs(Decimal(value)) < 10**20
        except ArithmeticError:
            return False
    return _is_number(value) and abs(value) < 10**20


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


@dataclass(frozen=True)
class Kind:
    """How one kind of field is read and stored.

    Attributes:
        read: the type that Arrow's JSON reader is asked for; None where the field is taken out of
            the row before.
        accepts: whether a value may stand in the field; asked only to say which one may not.
        store: from the read column to the stored one. Raises `ValueError` (of which Arrow's
            errors are) for a value that cannot be stored.
        arrow: the stored column's type.
        keeps_raw: whether the value as sent is stored beside it in `<name>_raw`.
    """

    read: pa.DataType | None
    accepts: Callable[[Any], bool]
    store: Callable[[pa.ChunkedArray], pa.ChunkedArray]
    arrow: pa.DataType
    keeps_raw: bool = False


KINDS: dict[str, Kind] = {
    "int": Kind(pa.int64(), _is_integer, _as_is, pa.int64()),
    "float": Kind(pa.float64(), _is_number, _as_is, pa.float64()),
    # Wider than it is stored, so that no digit is lost before it is rounded.
    "money": Kind(pa.decimal256(76, 38), _is_amount, _money, MONEY),
    "text": Kind(pa.string(), _is_text, _as_is, pa.string()),
    "bool": Kind(pa.bool_(), lambda value: isinstance(value, bool), _as_is, pa.bool_()),
    "unix_ms": Kind(pa.int64(), _is_integer, _unix("ms"), UTC_MICROS, keeps_raw=True),
    "unix_s": Kind(pa.int64(), _is_integer, _unix("s"), UTC_MICROS, keeps_raw=True),
    "unix_s_text": Kind(pa.string(), _is_text, _unix_text, UTC_MICROS, keeps_raw=True),
    "iso": Kind(pa.string(), _is_text, _iso, UTC_MICROS, keeps_raw=True),
    # Any JSON, kept as the text that was sent.
    "json": Kind(None, lambda _: True, _as_is, pa.string()),
    # JSON that may also come as text, once more encoded; text that is no JSON stays a JSON string.
    "json_text": Kind(None, lambda _: True, _as_is, pa.string()),
    # Known, and never stored: bodies, addresses, secrets.
    "drop": Kind(None, lambda _: True, _as_is, pa.null()),
}


@dataclass(frozen=True)
class Contract:
    """The shape of one row of a vendor's page.

    Attributes:
        rows: where the array of rows is in a page, such as `$.data.logs`.
        fields: each field's kind (a key of `KINDS`), or the fields of a nested object. A nested
            field `usage.input_tokens` becomes the column `usage_input_tokens`.
        required: columns that no row may lack.
        renamed: columns that get another name, for SQL's reserved words.
        withheld: columns that stay NULL: known fields that the settings do not ask for.
        complete: whether a field that is not listed is worth keeping and reporting.
        spell: how a vendor's name of a field becomes one of `fields`, where it has several.
    """

    rows: str
    fields: Fields
    required: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    withheld: frozenset[str] = frozenset()
    complete: bool = True
    spell: Callable[[str], str] | None = None

    def columns(self) -> Iterator[tuple[str, tuple[str, ...], Kind]]:
        """Yield each stored column: its name, its path in the row, its kind."""
        for path, kind in leaves(self.fields):
            if kind != "drop":
                name = "_".join(path)
                yield self.renamed.get(name, name), path, KINDS[kind]

    def schema(self, constants: Sequence[str] = ()) -> pa.Schema:
        """Return the Arrow schema of typed rows, with text columns for `constants`."""
        out = [pa.field(name, pa.string()) for name in constants]
        for name, _, kind in self.columns():
            out.append(pa.field(name, kind.arrow))
            if kind.keeps_raw:
                out.append(pa.field(f"{name}_raw", kind.read))
        return pa.schema([*out, pa.field("unknown_fields", pa.string())])

    def json_columns(self) -> list[str]:
        """Return the columns that hold JSON text."""
        return [name for name, _, kind in self.columns() if kind.read is None] + ["unknown_fields"]

    @cached_property
    def read_schema(self) -> pa.Schema:
        """What Arrow's JSON reader is told: the fields that it may meet, and their types."""
        return pa.schema(_read_fields(self.fields))

    @cached_property
    def private(self) -> frozenset[tuple[str, ...]]:
        """The paths of fields that are known and not stored."""
        withheld = {path for name, path, _ in self.columns() if name in self.withheld}
        return frozenset(withheld | {path for path, kind in leaves(self.fields) if kind == "drop"})

    @cached_property
    def taken(self) -> tuple[bytes, ...]:
        """The quoted names of the fields that are taken out of a row before Arrow reads it."""
        found = {path[-1] for path, kind in leaves(self.fields) if KINDS[kind].read is None}
        return tuple(f'"{name}"'.encode() for name in sorted(found))


def leaves(fields: Fields, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the path and the kind of each field that is no object."""
    for name, kind in fields.items():
        if isinstance(kind, str):
            yield (*above, name), kind
        else:
            yield from leaves(kind, (*above, name))


def without_control_characters(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return text in which U+FFFD stands for every control character (Unicode category Cc)."""
    return pc.replace_substring_regex(column, CONTROL, "\ufffd")


def _read_fields(fields: Fields) -> list[pa.Field]:
    found = []
    for name, kind in fields.items():
        if not isinstance(kind, str):
            found.append(pa.field(name, pa.struct(_read_fields(kind))))
        elif (read := KINDS[kind].read) is not None:
            found.append(pa.field(name, read))
    return found
