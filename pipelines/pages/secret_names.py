"""Fields that by their name hold a secret: reported, and never kept, wherever they stand."""

import re
from functools import lru_cache

import msgspec
from msgspec import Raw

from llm_usage_warehouse.pages.body import encoded, items, members

_SECRET = re.compile(
    r"secret|passw|(api|access|private)_?key|credential|authorization|bearer|cookie|signature"
    r"|token$|^key$"
)
_MAYBE = re.compile(
    rb"secret|passw|key|credential|authorization|bearer|cookie|signature|token|\\u", re.IGNORECASE
)
"""Bytes without which no name is secret; an escape may spell any letter."""


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Say whether a field of this name holds a secret, in camelCase or any other spelling."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^0-9A-Za-z]+", "_", name).strip("_")
    return bool(_SECRET.search(words.lower()))


def scrubbed(json: bytes, above: str, found: set[str]) -> bytes:
    """Return a mended JSON value without the members that hold a secret.

    What a `key` names beside a `value` is judged like a field's name; elsewhere a `key` is one.

    Args:
        json: the value.
        above: its own dotted name.
        found: gets the dotted names of what was left out; items of an array have that of the array.
    """
    if not _MAYBE.search(json):
        return json
    if json[:1] == b"{":
        return _without_secrets(members(json), above, found)
    if json[:1] == b"[":
        return b"[" + b",".join(scrubbed(bytes(one), above, found) for one in items(json)) + b"]"
    return json


def _without_secrets(row: dict[str, Raw], above: str, found: set[str]) -> bytes:
    kept = []
    named = _text(row["key"]) if "key" in row and "value" in row else None
    for name, raw in row.items():
        is_name = name == "key" and named is not None
        if is_secret(name) and not is_name:
            found.add(f"{above}.{name}")
        elif name == "value" and named is not None and is_secret(named):
            found.add(f"{above}.{named}")
        else:
            kept.append(encoded(name) + scrubbed(bytes(raw), f"{above}.{name}", found))
    return b"{" + b",".join(kept) + b"}"


def _text(raw: Raw) -> str | None:
    json = bytes(raw)
    return msgspec.json.decode(json, type=str) if json[:1] == b'"' else None
