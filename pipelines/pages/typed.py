"""From a vendor's page bytes to a typed Arrow table, with no Python object per value.

A vendor's folder states the shape of a row as a `RowShape`. Pages are opened in memory alone (a
page may hold prompts, so it never touches disk). Of a name that stands twice in one object the last
one counts. A field whose type changed is an error; a field that the shape does not know is kept
in the column `unknown_fields` and reported.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

from llm_usage_warehouse.http import BadResponseError
from llm_usage_warehouse.pages.apart import Apart
from llm_usage_warehouse.pages.body import raw_rows
from llm_usage_warehouse.pages.exact import MismatchError, mismatch, plain
from llm_usage_warehouse.pages.instants import instants
from llm_usage_warehouse.pages.reading import Columns, read_lines
from llm_usage_warehouse.pages.row_shape import Kind, RowShape

BATCH_BYTES = 4_000_000
"""Read at once: an odd row slows down its batch, and no more than this is held twice."""

BATCH_ROWS = 5_000
OPENING = ord("{")
CONTROL = bytes([*range(0x20), 0x7F])
CONTROL_PATTERN = r"[\x00-\x1f\x7f-\x{9f}]"
CONTROL_CHARACTER = re.compile("[\x00-\x1f\x7f-\x9f]")
MARK = "\ufffd"


@dataclass(frozen=True)
class Parsed:
    """Rows of some pages: the typed table, and the dotted names of fields that no shape knows."""

    table: pa.Table
    unknown: frozenset[str]


def to_table(
    source: str, pages: Iterable[bytes], shape: RowShape, constants: Mapping[str, str | None]
) -> Parsed:
    """Type the rows of `pages`.

    Args:
        source: name for error messages.
        pages: whole response bodies.
        shape: of a row.
        constants: text columns that have one value in all rows, put first.

    Raises:
        BadResponseError: a page is not JSON or has no rows where the shape says, a field has
            another type than it says, or a required one is missing. Nothing of the pages is
            returned then.
    """
    lists = (raw_rows(source, page, shape.rows) for page in pages)
    return _typed(source, _batches(source, lists, shape), shape, constants)


def rows_to_table(
    source: str,
    rows: Sequence[bytes | Raw],
    shape: RowShape,
    constants: Mapping[str, str | None],
) -> Parsed:
    """Type rows that were taken out of their pages before, as `to_table` does.

    Args:
        source: name for error messages.
        rows: mended JSON, as `raw_rows` or `spelled` gives it.
        shape: of a row.
        constants: text columns that have one value in all rows, put first.
    """
    lists = (rows[at : at + BATCH_ROWS] for at in range(0, len(rows), BATCH_ROWS))
    return _typed(source, _batches(source, lists, shape), shape, constants)


def _batches(
    source: str, lists: Iterable[Sequence[bytes | Raw]], shape: RowShape
) -> Iterator[tuple[bytes, int]]:
    """Yield texts of one row to a line, and how many lines each has."""
    texts: list[bytes] = []
    size = count = 0
    for rows in lists:
        if not rows:
            continue
        text = _lines(source, rows, shape)
        texts.append(text)
        size += len(text)
        count += len(rows)
        if size >= BATCH_BYTES:
            yield b"\n".join(texts), count
            texts, size, count = [], 0, 0
    if texts:
        yield b"\n".join(texts), count


def _lines(source: str, rows: Sequence[bytes | Raw], shape: RowShape) -> bytes:
    """Join rows, having made sure that each is an object."""
    if b"\n" in b"".join(rows):
        # No string of JSON holds a line break as it is.
        rows = [bytes(row).replace(b"\n", b" ") for row in rows]
    if any(memoryview(row)[0] != OPENING for row in rows):
        number, odd = next((n, row) for n, row in enumerate(rows, 1) if bytes(row)[:1] != b"{")
        where = f"row {number} of {'.'.join(shape.rows)}"
        raise mismatch(source, [f"{where} should be an object and is {plain(bytes(odd))}"])
    return b"\n".join(rows)


def _typed(
    source: str,
    batches: Iterable[tuple[bytes, int]],
    shape: RowShape,
    constants: Mapping[str, str | None],
) -> Parsed:
    tables, names = [shape.empty_table(tuple(constants))], set[str]()
    try:
        for text, count in batches:
            apart = Apart(shape)
            columns = read_lines(source, text, apart)
            names |= apart.names
            found = _stored(source, columns, apart, count, is_plain=_is_plain(text))
            fixed = [pa.repeat(pa.scalar(one, pa.string()), count) for one in constants.values()]
            tables.append(pa.table([*fixed, *found], schema=tables[0].schema))
    except RecursionError:
        raise BadResponseError(source, "the answer is nested too deeply") from None
    table = pa.concat_tables(tables) if len(tables) > 1 else tables[0]
    for name in shape.required:
        if missing := table[name].null_count:
            raise mismatch(source, [f"{name} is missing in {missing} rows"])
    return Parsed(table, frozenset(CONTROL_CHARACTER.sub(MARK, name) for name in names))


def _stored(
    source: str, columns: Columns, apart: Apart, count: int, *, is_plain: bool
) -> Iterator[pa.ChunkedArray | pa.Array]:
    """Yield the columns of a batch in the order of the schema."""
    shape = apart.shape
    for name, path, kind in shape.columns():
        if kind.is_json:
            yield _text_column(apart.json[path], count)
            continue
        try:
            values = _converted(columns[path], kind, is_plain=is_plain)
        except MismatchError as error:
            what = f"{'.'.join(path)} should be {kind.name} and is {error}"
            raise mismatch(source, [what]) from None
        is_kept = name not in shape.withheld
        yield values if is_kept else pa.nulls(count, kind.store)
        if kind.keeps_raw:
            yield columns[path] if is_kept else pa.nulls(count, kind.read)
    yield _text_column(apart.unknown, count)


def _text_column(values: Mapping[int, str], count: int) -> pa.Array:
    if not values:
        return pa.nulls(count, pa.string())
    return pa.array([values.get(number) for number in range(count)], pa.string())


def _converted(column: pa.ChunkedArray, kind: Kind, *, is_plain: bool) -> pa.ChunkedArray:
    if kind.keeps_raw:
        return instants(column, kind)
    if kind.name == "text" and not is_plain and _has_control(column):
        return pc.replace_substring_regex(column, CONTROL_PATTERN, MARK)
    return column


def _is_plain(text: bytes) -> bool:
    """Say whether no value can hold a control character."""
    # Below U+0020 they need an escape; U+0080 to U+009F begin with C2 in UTF-8.
    return not (b"\\" in text or b"\x7f" in text or b"\xc2" in text)


def _has_control(column: pa.ChunkedArray) -> bool:
    for chunk in column.chunks:
        text = bytes(chunk.buffers()[2] or b"")
        if b"\xc2" in text or len(text.translate(None, CONTROL)) < len(text):
            return True
    return False
