"""A row as the JSON line that Arrow reads: private fields out, JSON kept as sent, unknown aside.

Values are never decoded here: they pass as the bytes that came, so that no number is a float of
ours on its way.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec

from pipelines.contracts import Contract, Fields

SECRET_NAME = re.compile(
    r"secret|passw|api_?key|access_?key|private_?key|credential|authorization|bearer|cookie|"
    r"signature|(^|_)token$|^key$"
)
"""Names of fields that are reported and never kept, under any setting, at any depth."""

_LONE_SURROGATE = re.compile(
    rb"\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items = msgspec.json.Decoder(list[msgspec.Raw])
_text = msgspec.json.Decoder(str)


@dataclass
class Line:
    """A row, taken apart.

    Attributes:
        json: what Arrow reads.
        kept: the JSON columns' values by their path.
        unknown: the values of fields that no contract knows, by their dotted names.
        hidden: the dotted names of fields that are not kept, since they look like secrets.
    """

    json: bytes = b""
    kept: dict[tuple[str, ...], bytes] = field(default_factory=dict)
    unknown: dict[str, bytes] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)


def mended(body: bytes) -> bytes:
    """Return a body in which U+FFFD stands for each half of a surrogate pair.

    A vendor that cuts a text within an emoji leaves such a half, which no JSON reader takes.

    Raises:
        ValueError: it is not UTF-8.
    """
    body.decode()
    if _SURROGATE.search(body) is None:
        return body
    return _LONE_SURROGATE.sub(lambda m: rb"\ufffd" if m.group(2) else m.group(), body)


def take_apart(row: bytes | msgspec.Raw, contract: Contract) -> Line:
    """Return a row's line, with what Arrow cannot read beside it.

    Of a name that comes twice in one object, the last value counts.

    Raises:
        msgspec.DecodeError: the row is no JSON object.
        RecursionError: it is nested too deeply.
    """
    line = Line()
    line.json = _object(row, contract.fields, (), contract, line)
    return line


def without_private(row: bytes | msgspec.Raw, contract: Contract) -> dict[str, bytes]:
    """Return the members of a row but those that are not kept, under the contract's names."""
    spell = contract.spell or str
    found = {spell(name): bytes(value) for name, value in _members.decode(row).items()}
    private = {name for name, kind in contract.fields.items() if kind == "drop"}
    for name in contract.withheld | private:
        found.pop(name, None)
    return found


def joined(members: Mapping[str, bytes]) -> bytes:
    """Return a JSON object of members that are JSON each."""
    return b"{" + b",".join([_key(name) + value for name, value in members.items()]) + b"}"


def is_secret(name: str, *, is_known: bool = False) -> bool:
    """Whether a field of this name may hold a secret.

    Within a field that the contract knows, a plain `key` is what it says of labels and metrics.
    """
    spelled = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()
    return SECRET_NAME.search(spelled) is not None and not (is_known and spelled == "key")


def _object(
    raw: bytes | msgspec.Raw,
    fields: Fields,
    above: tuple[str, ...],
    contract: Contract,
    line: Line,
) -> bytes:
    parts: dict[str, bytes] = {}
    for sent, value in _members.decode(raw).items():
        name = contract.spell(sent) if contract.spell else sent
        path = (*above, name)
        kind = fields.get(name)
        if kind is None:
            if contract.complete:
                _set_aside(path, value, line)
        elif isinstance(kind, Mapping):
            text = bytes(value)
            is_object = text.startswith(b"{")
            parts[name] = _object(value, kind, path, contract, line) if is_object else text
        elif kind in _TAKEN:
            if path not in contract.private:
                _TAKEN[kind](path, value, line)
        else:
            parts[name] = bytes(value)
    return joined(parts)


def _set_aside(path: tuple[str, ...], value: msgspec.Raw, line: Line) -> None:
    name = ".".join(path)
    if is_secret(path[-1]):
        line.hidden.add(name)
    else:
        line.unknown[name] = _scrubbed(bytes(value), name, line, is_known=False)


def _keep(path: tuple[str, ...], value: msgspec.Raw, line: Line) -> None:
    text = bytes(value)
    if text != b"null":
        line.kept[path] = _scrubbed(text, ".".join(path), line, is_known=True)


def _keep_decoded(path: tuple[str, ...], value: msgspec.Raw, line: Line) -> None:
    text = bytes(value)
    if text.startswith(b'"'):
        inner = _text.decode(text).encode()
        try:
            msgspec.json.decode(inner, type=msgspec.Raw)
        except (msgspec.DecodeError, RecursionError):
            line.kept[path] = text
            return
        value = msgspec.Raw(inner.strip())
    _keep(path, value, line)


def _leave_out(_path: tuple[str, ...], _value: msgspec.Raw, _line: Line) -> None:
    """Keep nothing of a private field."""


_TAKEN: Mapping[str, Callable[[tuple[str, ...], msgspec.Raw, Line], None]] = {
    "json": _keep,
    "json_text": _keep_decoded,
    "drop": _leave_out,
}


def _scrubbed(text: bytes, name: str, line: Line, *, is_known: bool) -> bytes:
    """Return a JSON text without members whose names look like secrets, at any depth."""
    if text[:1] not in (b"{", b"[") or not _may_hold_a_secret(text):
        return text
    if text.startswith(b"["):
        items = [
            _scrubbed(bytes(one), name, line, is_known=is_known) for one in _items.decode(text)
        ]
        return b"[" + b",".join(items) + b"]"
    parts: dict[str, bytes] = {}
    for own, value in _members.decode(text).items():
        path = f"{name}.{own}"
        if is_secret(own, is_known=is_known):
            line.hidden.add(path)
        else:
            parts[own] = _scrubbed(bytes(value), path, line, is_known=is_known)
    return joined(parts)


_CANDIDATES = (
    b"secret",
    b"passw",
    b"key",
    b"credential",
    b"authorization",
    b"bearer",
    b"cookie",
    b"signature",
    b"token",
    # It may spell any letter of a name.
    b"\\u",
)


def _may_hold_a_secret(text: bytes) -> bool:
    lowered = text.lower()
    return any(word in lowered for word in _CANDIDATES)


@lru_cache(maxsize=4096)
def _key(name: str) -> bytes:
    return msgspec.json.encode(name) + b":"
