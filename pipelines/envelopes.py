"""Reads what an answer says around its rows, and leaves the rows as the bytes that came.

An answer is looked at twice, by who judges it and by who reads it, one after the other in one
thread: what is decoded of it is kept for the second look.
"""

import threading
from functools import cache
from typing import Any

import msgspec

from llm_usage_warehouse.http import BadResponseError
from llm_usage_warehouse.pages import mended

NOTHING = msgspec.Raw(b"null")

WITHOUT_JSON = "If it stays so, look at what stands between here and the vendor's server."


def decoded(source: str, body: bytes | msgspec.Raw, kind: Any) -> Any:
    """Return an answer, or a part of one, as `kind`.

    Args:
        source: name for error messages.
        body: JSON, as it came.
        kind: what it should be, such as a `msgspec.Struct` of the fields that matter.

    Raises:
        BadResponseError: it is no JSON (worth another try), or not of that kind.
    """
    if isinstance(body, bytes) and body is not _latest.body:
        _latest.body, _latest.found = body, {}
    known, found = _latest.found.get(kind, (None, None))
    if known is body:
        return found
    found = _decoded(source, body, kind)
    _latest.found[kind] = (body, found)
    return found


class _Latest(threading.local):
    """The answer that this thread looked at last, and what is known of its parts by their kind."""

    body: bytes | None = None
    found: "dict[Any, tuple[bytes | msgspec.Raw, Any]]"

    def __init__(self) -> None:
        self.found = {}


_latest = _Latest()


def _decoded(source: str, body: bytes | msgspec.Raw, kind: Any) -> Any:
    try:
        text = mended(body) if isinstance(body, bytes) else body
        return _decoder(kind).decode(text)
    except RecursionError:
        raise BadResponseError(source, "the answer is nested too deeply") from None
    except msgspec.ValidationError as error:
        raise BadResponseError(
            source,
            f"the answer is not what the contract says: {error}",
            next_step="Nothing was written. Compare with the vendor's release notes.",
        ) from None
    except (msgspec.DecodeError, ValueError):
        raise BadResponseError(
            source, "the answer is not complete JSON", next_step=WITHOUT_JSON, retryable=True
        ) from None


def members(source: str, body: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
    """Return the members of a JSON object, each as it came; see `decoded`."""
    found: dict[str, msgspec.Raw] = decoded(source, body, dict[str, msgspec.Raw])
    return found


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)
