"""From a vendor's page bytes to a typed Arrow table, with no Python object per value.

Only the envelope of a page is decoded, into the bytes of its rows; joined to lines, Arrow's JSON
reader types them by the contract. It takes integers and decimals from the digits as sent, and
refuses a fraction in an integer, text in a number, and a field that the contract does not know.
Then, and where rows hold JSON to be kept as text, each row is taken apart (`lines`). Pages may hold
prompts: nothing here touches the disk.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pa_json

from pipelines.contracts import (
    KINDS,
    MONEY,
    UTC_MICROS,
    Contract,
    Fields,
    without_control_characters,
)
from pipelines.envelopes import decoded
from pipelines.http import BadResponseError
from pipelines.lines import Line, joined, take_apart

__all__ = [
    "MONEY",
    "UTC_MICROS",
    "Contract",
    "Fields",
    "Parsed",
    "raw_rows",
    "rows_to_table",
    "to_table",
]

Row = bytes | msgspec.Raw

OPENING_BRACE = ord("{")

NEXT_STEP = (
    "Nothing was written. Compare with the vendor's release notes, then change the source's "
    "schema.py."
)
_CONTROL_MARKS = (rb"\u00", rb"\n", rb"\r", rb"\t", rb"\b", rb"\f", b"\x7f", b"\xc2")
"""One of these is in any JSON text that spells a control character."""


@dataclass(frozen=True)
class Parsed:
    """Rows of some pages: the typed table, and the dotted names of fields no contract knows."""

    table: pa.Table
    unknown: frozenset[str]


def to_table(
    source: str, pages: Sequence[bytes], contract: Contract, constants: Mapping[str, str | None]
) -> Parsed:
    """Type the rows of `pages`.

    Args:
        source: name for error messages.
        pages: whole response bodies.
        contract: the shape of a row.
        constants: text columns that have one value in all rows, put first.

    Raises:
        BadResponseError: a page is no JSON, a field has another type than the contract says, or a
            required one is missing. Nothing of the pages is returned then.
    """
    rows = [row for page in pages for row in raw_rows(source, page, contract.rows)]
    return rows_to_table(source, rows, contract, constants)


def raw_rows(source: str, page: bytes, path: str) -> list[msgspec.Raw]:
    """Return the rows of a page, each as the bytes that came.

    Args:
        source: name for error messages.
        page: a whole response body.
        path: where the array of rows is, such as `$.data.logs`; absent or null it has none.

    Raises:
        BadResponseError: the page is no JSON, or something else stands there.
    """
    found: Any = decoded(source, page, _envelope(path))
    for _ in path.split(".")[1:]:
        found = None if found is None else found.at
    return found or []


def rows_to_table(
    source: str, rows: Sequence[Row], contract: Contract, constants: Mapping[str, str | None]
) -> Parsed:
    """Type rows that lie apart, each the bytes of a JSON object; see `to_table`."""
    schema = contract.schema(list(constants))
    if not rows:
        return Parsed(schema.empty_table(), frozenset())
    for number, row in enumerate(rows):
        # Arrow's reader does not survive a null between the rows.
        if memoryview(row)[0] != OPENING_BRACE:
            raise _broken(source, f"row {number} is {bytes(row)[:20].decode()}, and no object")
    try:
        read = _read(source, rows, contract)
    except RecursionError:
        raise _broken(source, "a row is nested too deeply") from None
    columns = list(_columns(source, read, contract, constants))
    unknown = {name for line in read.apart.values() for name in (*line.unknown, *line.hidden)}
    return Parsed(pa.Table.from_arrays(columns, schema=schema), frozenset(unknown))


@dataclass(frozen=True)
class _Read:
    """Rows as Arrow reads them.

    Attributes:
        table: their fields that Arrow can read.
        apart: by its number, each row that had to be taken apart first.
        may_hold_control_characters: whether to look at their text.
    """

    table: pa.Table
    apart: Mapping[int, Line]
    may_hold_control_characters: bool


def _read(source: str, rows: Sequence[Row], contract: Contract) -> _Read:
    text = b"\n".join(rows)
    has_control = any(mark in text for mark in _CONTROL_MARKS)
    marks = [mark for mark in contract.taken if mark in text]
    lines = [bytes(row) for row in rows]
    if contract.spell is None:
        apart = {n for mark in marks for n, line in enumerate(lines) if mark in line}
        try:
            return _with_apart(lines, apart, contract, has_control=has_control)
        except pa.ArrowInvalid:
            # A field that is new, or one that is wrong: which one shows in the rows apart.
            pass
    try:
        return _with_apart(lines, range(len(lines)), contract, has_control=has_control)
    except pa.ArrowInvalid as error:
        wrong = _retyped([take_apart(line, contract).json for line in lines], contract)
        raise _contradicts(source, wrong or [str(error)]) from None


def _with_apart(
    lines: Sequence[bytes], numbers: Iterable[int], contract: Contract, *, has_control: bool
) -> _Read:
    apart = {number: take_apart(lines[number], contract) for number in numbers}
    text = list(lines)
    for number, line in apart.items():
        text[number] = line.json
    return _Read(_read_lines(b"\n".join(text), contract), apart, has_control)


def _read_lines(text: bytes, contract: Contract) -> pa.Table:
    if not text:
        return contract.read_schema.empty_table()
    return pa_json.read_json(
        pa.BufferReader(text),
        # One block: no row can lie on the boundary of two.
        pa_json.ReadOptions(use_threads=False, block_size=len(text) + 1),
        pa_json.ParseOptions(
            explicit_schema=contract.read_schema, unexpected_field_behavior="error"
        ),
    ).combine_chunks()


def _columns(
    source: str, read: _Read, contract: Contract, constants: Mapping[str, str | None]
) -> Iterator[Any]:
    count = read.table.num_rows
    for value in constants.values():
        yield pa.repeat(pa.scalar(value, pa.string()), count)
    for name, path, kind in contract.columns():
        if name in contract.withheld:
            sent, stored = pa.nulls(count, kind.read or kind.arrow), pa.nulls(count, kind.arrow)
        elif kind.read is None:
            sent = stored = _kept(path, read.apart, count)
        else:
            sent = _at(read.table, path)
            if kind.read == pa.string() and read.may_hold_control_characters:
                sent = without_control_characters(sent)
            stored = _stored(source, path, kind.store, sent)
        if name in contract.required and stored.null_count:
            raise _contradicts(source, [f"{name} is missing in {stored.null_count} rows"])
        yield stored
        if kind.keeps_raw:
            yield sent
    yield _unknown(read.apart, count)


def _at(table: pa.Table, path: tuple[str, ...]) -> pa.ChunkedArray:
    column = table[path[0]]
    for name in path[1:]:
        column = pc.struct_field(column, name)
    return column


def _stored(
    source: str, path: tuple[str, ...], store: Any, column: pa.ChunkedArray
) -> pa.ChunkedArray:
    try:
        return store(column)
    except ValueError as error:
        raise _contradicts(source, [f"{'.'.join(path)}: {error}"]) from None


def _kept(path: tuple[str, ...], apart: Mapping[int, Line], count: int) -> pa.Array:
    return _sparse({n: line.kept[path] for n, line in apart.items() if path in line.kept}, count)


def _unknown(apart: Mapping[int, Line], count: int) -> pa.Array:
    return _sparse({n: joined(line.unknown) for n, line in apart.items() if line.unknown}, count)


def _sparse(texts: Mapping[int, bytes], count: int) -> pa.Array:
    if not texts:
        return pa.nulls(count, pa.string())
    return pa.array([texts.get(number) for number in range(count)], pa.binary()).cast(pa.string())


def _retyped(rows: Sequence[bytes], contract: Contract) -> list[str]:
    """Return which fields have another type than the contract says, each once."""
    found: dict[str, None] = {}
    for row in rows:
        for problem in _problems(msgspec.json.decode(row), contract.fields, ()):
            found[problem] = None
    return list(found)


def _problems(row: Mapping[str, Any], fields: Fields, above: tuple[str, ...]) -> Iterator[str]:
    for name, value in row.items():
        kind = fields.get(name)
        path = ".".join((*above, name))
        if value is None or kind is None:
            continue
        if isinstance(kind, str):
            if not KINDS[kind].accepts(value):
                yield f"{path} should be {kind} and is {_plain(value)}"
        elif isinstance(value, dict):
            yield from _problems(value, kind, (*above, name))
        else:
            yield f"{path} should be an object and is {_plain(value)}"


def _plain(value: Any) -> str:
    match value:
        case bool():
            return "true or false"
        case str():
            return "text"
        case int():
            return "a number" if -(2**63) <= value < 2**63 else "out of range"
        case float():
            return "a fraction"
        case list():
            return "an array"
        case _:
            return "an object"


def _contradicts(source: str, what: Sequence[str]) -> BadResponseError:
    return BadResponseError(
        source,
        f"the vendor's rows do not have the types of the contract: {'; '.join(what[:5])}",
        next_step=NEXT_STEP,
    )


def _broken(source: str, what: str) -> BadResponseError:
    return BadResponseError(source, what, next_step=NEXT_STEP)


@cache
def _envelope(path: str) -> Any:
    """Return the type of pages of which nothing is read but the rows at `path`."""
    kind: Any = list[msgspec.Raw]
    for name in reversed(path.split(".")[1:]):
        kind = msgspec.defstruct("Envelope", [("at", kind | None, None)], rename={"at": name})
    return kind
