"""Opens JSON one level at a time: its members stay raw bytes, so that no value is read twice.

Opening costs a tenth of a full parse, and checks the whole text all the same.
"""

import re
import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
import pyarrow as pa
from msgspec import Raw

from llm_usage_warehouse.http import BadResponseError
from llm_usage_warehouse.pages.row_shape import Path

ESCAPE = re.compile(
    rb"\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""One escape: a whole surrogate pair, half of one, or any other."""

PERHAPS_HALF = re.compile(rb"\\u[dD]")

_object = msgspec.json.Decoder(dict[str, Raw])
_array = msgspec.json.Decoder(list[Raw])


def mended(body: bytes) -> bytes:
    r"""Return a JSON text whose strings are all Unicode text.

    Half of a surrogate pair (`"\ud83d"`, from text that was cut within an emoji) becomes U+FFFD.

    Raises:
        ValueError: the text is not UTF-8.
    """
    if not body.isascii():
        # To decode it would take twenty times as long.
        ends = pa.py_buffer(struct.pack("=qq", 0, len(body)))
        text = pa.Array.from_buffers(pa.large_string(), 1, [None, ends, pa.py_buffer(body)])
        try:
            text.validate(full=True)
        except pa.ArrowInvalid:
            # This says what is wrong, and where.
            body.decode()
    if b"\\" in body and PERHAPS_HALF.search(body):
        return ESCAPE.sub(lambda found: rb"\ufffd" if found[2] else found[0], body)
    return body


def members(json: bytes | Raw) -> dict[str, Raw]:
    """Return the members of a mended JSON object; of a name that comes twice, the last one."""
    return _object.decode(json)


def items(json: bytes | Raw) -> list[Raw]:
    """Return the items of a mended JSON array."""
    return _array.decode(json)


@lru_cache(maxsize=4096)
def encoded(name: str) -> bytes:
    """Return a member's name as JSON, with its colon."""
    return msgspec.json.encode(name) + b":"


def joined(values: Mapping[str, bytes | Raw]) -> bytes:
    """Return the JSON object that has these members."""
    return b"{" + b",".join([encoded(name) + bytes(raw) for name, raw in values.items()]) + b"}"


def raw_rows(source: str, body: bytes, path: Path) -> list[Raw]:
    """Return the rows of a page, each as it was sent; an absent list has none, as has null.

    Args:
        source: name for error messages.
        body: a whole response.
        path: the names that lead to the array of rows.

    Raises:
        BadResponseError: this is not JSON, or has no array where the rows should be.
    """
    where = ".".join(path)
    try:
        found = _decoder(path).decode(mended(body))
    except RecursionError:
        raise BadResponseError(source, "the answer is nested too deeply") from None
    except msgspec.ValidationError as error:
        raise BadResponseError(source, f"{where} should be an array of rows: {error}") from None
    except ValueError as error:
        raise BadResponseError(source, f"the answer is not complete JSON: {error}") from None
    for _ in path:
        found = found and found.inner
    return found or []


@lru_cache(maxsize=64)
def _decoder(path: Path) -> msgspec.json.Decoder[Any]:
    kind: Any = list[Raw]
    for name in reversed(path):
        kind = msgspec.defstruct("Envelope", [("inner", kind | None, None)], rename={"inner": name})
    return msgspec.json.Decoder(kind)
