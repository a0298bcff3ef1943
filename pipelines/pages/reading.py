"""The fast way to read rows: newline-joined JSON through Arrow's own reader, typed by their shape.

That reader takes no liberties with types. What it may not be shown, because it would crash, is a
row that is no object, and a decimal with an exponent or with zeros beyond its tables; nor NaN,
which it would read, and which opening the page has ruled out.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from llm_usage_warehouse.pages.apart import Apart, json_paths
from llm_usage_warehouse.pages.body import encoded
from llm_usage_warehouse.pages.exact import read_exactly
from llm_usage_warehouse.pages.row_shape import KINDS, MONEY, Fields, Path, RowShape, leaves

Columns = dict[Path, pa.ChunkedArray]

_SMALL_EXPONENT = re.compile(rb"-(?<=[0-9.][eE]-)[0-9]{3}")
"""Its minus is searched for, as fast as a word; what is before it is looked at where that is."""
_MANTISSA = re.compile(rb'[:\s]"?[-+]?[0-9.]+$')
_LONGEST_MANTISSA = 130
"""Bytes: Arrow refuses more than 76 digits; zeros before them are looked for apart."""
_MANY_ZEROS = b"0" * 38
_LARGEST_ROUNDED = 10**12
"""From 10**14 on, Arrow 26 loses the carry of 99999999999999.9999999999999999995."""


def read_lines(source: str, text: bytes, apart: Apart) -> Columns:
    """Read the typed fields of rows, and leave the others in `apart`.

    Args:
        source: name for error messages.
        text: rows that are objects, one to a line.
        apart: takes rows apart where they have more than typed fields; holds nothing yet.

    Returns:
        The columns by field, as their kinds are read; money as it is stored.

    Raises:
        BadResponseError: a field has another type than the shape says.
    """
    shape = apart.shape
    try:
        # Where unknown fields pass unseen, so would a JSON field whose name is spelled by escapes.
        if shape.complete or b"\\" not in text or rb"\u00" not in text:
            return _columns(_without_json(text, apart), shape)
    except pa.ArrowInvalid:
        # A field that the shape does not know, one that came twice, or one that is not of its type.
        pass
    lines = [apart.take(number, line) for number, line in enumerate(text.split(b"\n"))]
    try:
        return _columns(b"\n".join(lines), shape)
    except pa.ArrowInvalid:
        return read_exactly(source, lines, shape)


def _without_json(text: bytes, apart: Apart) -> bytes:
    """Take those rows apart that hold the name of a field that is not read."""
    starts = sorted(
        {
            text.rfind(b"\n", 0, at) + 1
            for path in json_paths(apart.shape)
            for at in _occurrences(text, encoded(path[-1])[:-1])
        }
    )
    pieces, number, done = [], 0, 0
    for start in starts:
        end = text.find(b"\n", start)
        end = len(text) if end < 0 else end
        number += text.count(b"\n", done, start)
        pieces += [text[done:start], apart.take_untyped(number, text[start:end])]
        done = end
    return b"".join([*pieces, text[done:]]) if pieces else text


def _occurrences(text: bytes, word: bytes) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + 1)


def _columns(text: bytes, shape: RowShape) -> Columns:
    """Return the typed columns.

    Raises:
        ArrowInvalid: the rows are not that simple.
    """
    kinds = dict(leaves(shape.fields))
    if any(kind.store == MONEY for kind in kinds.values()) and _has_tiny_number(text):
        raise pa.ArrowInvalid("a number that Arrow cannot be shown")
    table = pj.read_json(
        pa.BufferReader(text),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(text) + 1),
        parse_options=pj.ParseOptions(
            explicit_schema=pa.schema(_read_types(shape.fields)),
            unexpected_field_behavior="error" if shape.complete else "ignore",
        ),
    )
    found = dict(_leaf_columns(table.columns, shape.fields))
    return {
        path: _as_money(column) if kinds[path].store == MONEY else column
        for path, column in found.items()
    }


def _has_tiny_number(text: bytes) -> bool:
    if _MANY_ZEROS in text:
        return True
    letters = (found.start() - 1 for found in _SMALL_EXPONENT.finditer(text))
    return any(_MANTISSA.search(text, max(0, at - _LONGEST_MANTISSA), at) for at in letters)


def _read_types(fields: Fields) -> list[pa.Field]:
    return [
        pa.field(name, KINDS[kind].read if isinstance(kind, str) else pa.struct(_read_types(kind)))
        for name, kind in fields.items()
        if not isinstance(kind, str) or KINDS[kind].read is not None
    ]


def _leaf_columns(
    columns: Sequence[pa.ChunkedArray], fields: Fields, above: Path = ()
) -> Iterator[tuple[Path, pa.ChunkedArray]]:
    typed = [
        (name, kind)
        for name, kind in fields.items()
        if isinstance(kind, Mapping) or KINDS[kind].read is not None
    ]
    for (name, kind), column in zip(typed, columns, strict=True):
        if isinstance(kind, Mapping):
            yield from _leaf_columns(column.flatten(), kind, (*above, name))
        else:
            yield (*above, name), column


def _as_money(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return decimals as they are stored, rounded half away from zero.

    Of more than 38 digits before the point, Arrow's reader keeps a remainder; its lowest digits
    are as good as random, so that it too has more than the 20 for which there is room here.

    Raises:
        ArrowInvalid: one has more than 20 digits before the point, or must be read exactly.
    """
    if column.null_count == len(column):
        return pa.chunked_array([pa.nulls(len(column), MONEY)])
    try:
        return column.cast(MONEY)
    except pa.ArrowInvalid:
        bounds = pc.min_max(column).as_py()
        if bounds["min"] < -_LARGEST_ROUNDED or bounds["max"] > _LARGEST_ROUNDED:
            raise
        return pc.round(column, MONEY.scale, "half_towards_infinity").cast(MONEY)
