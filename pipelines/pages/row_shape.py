"""What a row of a vendor's page looks like, and the columns that it becomes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

UTC_MICROS = pa.timestamp("us", tz="UTC")
MONEY = pa.decimal128(38, 18)

Fields = Mapping[str, "str | Fields"]
Path = tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """How one kind of field is read and stored.

    Attributes:
        name: as contracts spell it.
        read: the type that a page's text is first read as; None for what is not typed: JSON that
            is kept as text, and what is dropped.
        store: the stored column's type.
        keeps_raw: whether the value as sent is stored beside it in `<name>_raw`.
    """

    name: str
    read: pa.DataType | None
    store: pa.DataType
    keeps_raw: bool = False

    @property
    def is_json(self) -> bool:
        """Whether the column holds JSON text."""
        return self.name in {"json", "json_text"}


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("int", pa.int64(), pa.int64()),
        Kind("float", pa.float64(), pa.float64()),
        # Numbers or text with a number; room for more decimals than are stored, so that rounding
        # is ours. No float comes between the vendor's digits and the decimal.
        Kind("money", pa.decimal256(76, 38), MONEY),
        # Every control character becomes U+FFFD: a terminal obeys them, and U+0000 ends strings.
        Kind("text", pa.string(), pa.string()),
        Kind("bool", pa.bool_(), pa.bool_()),
        # JSON text as sent.
        Kind("json", None, pa.string()),
        # JSON that may also come as text, once more encoded; text that is no JSON stays a string.
        Kind("json_text", None, pa.string()),
        Kind("unix_ms", pa.int64(), UTC_MICROS, keeps_raw=True),
        Kind("unix_s", pa.int64(), UTC_MICROS, keeps_raw=True),
        Kind("unix_s_text", pa.string(), UTC_MICROS, keeps_raw=True),
        # ISO 8601; without an offset it is UTC.
        Kind("iso", pa.string(), UTC_MICROS, keeps_raw=True),
        # Known, and never stored: bodies, addresses, secrets.
        Kind("drop", None, pa.null()),
    )
}


@dataclass(frozen=True)
class RowShape:
    """The shape of one row of a vendor's page.

    Attributes:
        rows: where a page has the array of rows, such as `("data", "logs")`.
        fields: each field's kind (a key of `KINDS`), or the fields of a nested object. A nested
            field `usage.input_tokens` becomes the column `usage_input_tokens`.
        required: columns that no row may lack.
        renamed: columns that get another name, for SQL's reserved words.
        withheld: columns that stay NULL: known fields that the settings do not ask for.
        complete: whether a field that is not listed is worth keeping and reporting.
    """

    rows: Path
    fields: Fields
    required: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    withheld: frozenset[str] = frozenset()
    complete: bool = True
    _empty: dict[tuple[str, ...], pa.Table] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def columns(self) -> Iterator[tuple[str, Path, Kind]]:
        """Yield each stored column: its name, its path in the row, its kind."""
        for path, kind in leaves(self.fields):
            if kind.name != "drop":
                name = "_".join(path)
                yield self.renamed.get(name, name), path, kind

    def schema(self, constants: Sequence[str] = ()) -> pa.Schema:
        """Return the Arrow schema of `to_table`'s result, with text columns for `constants`."""
        out = [pa.field(name, pa.string()) for name in constants]
        for name, _, kind in self.columns():
            out.append(pa.field(name, kind.store))
            if kind.keeps_raw:
                out.append(pa.field(f"{name}_raw", kind.read))
        return pa.schema([*out, pa.field("unknown_fields", pa.string())])

    def empty_table(self, constants: Sequence[str] = ()) -> pa.Table:
        """Return a table of `schema` without rows; made once, since most windows of a night are."""
        names = tuple(constants)
        if names not in self._empty:
            self._empty[names] = self.schema(names).empty_table()
        return self._empty[names]

    def json_columns(self) -> list[str]:
        """Return the columns that hold JSON text."""
        return [name for name, _, kind in self.columns() if kind.is_json] + ["unknown_fields"]


def leaves(fields: Fields, above: Path = ()) -> Iterator[tuple[Path, Kind]]:
    """Yield the path and kind of every field that is no object, dropped ones too."""
    for name, kind in fields.items():
        if isinstance(kind, str):
            yield (*above, name), KINDS[kind]
        else:
            yield from leaves(kind, (*above, name))
