"""Rows taken apart: what the typed reader has no type for, and what no shape knows."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw

from llm_usage_warehouse.pages.body import encoded, joined, members, mended
from llm_usage_warehouse.pages.row_shape import KINDS, Fields, Path, RowShape, leaves
from llm_usage_warehouse.pages.secret_names import is_secret, scrubbed

UNTYPED = frozenset(kind.name for kind in KINDS.values() if kind.read is None)


@dataclass(frozen=True)
class Member:
    """What is to be done with one member of a row.

    Attributes:
        path: from the row to it.
        prefix: its name in JSON, with the colon.
        kind: the name of its kind; empty for an object.
        below: the members of an object; empty for a value.
        holds_untyped: whether fields below are not typed.
    """

    path: Path
    prefix: bytes
    kind: str
    below: "Mapping[str, Member]"
    holds_untyped: bool


def plan(fields: Fields, above: Path = ()) -> dict[str, Member]:
    """Return what is to be done with each member of a row."""
    found = {}
    for name, kind in fields.items():
        path = (*above, name)
        below = {} if isinstance(kind, str) else plan(kind, path)
        untyped = any(one.holds_untyped or one.kind in UNTYPED for one in below.values())
        label = kind if isinstance(kind, str) else ""
        found[name] = Member(path, encoded(name), label, below, untyped)
    return found


def withheld_paths(shape: RowShape) -> frozenset[Path]:
    """Return the fields whose columns stay NULL."""
    return frozenset(path for name, path, _ in shape.columns() if name in shape.withheld)


@dataclass
class Apart:
    """Takes rows of one shape apart, and holds what it took out of them.

    Attributes:
        shape: of a row.
        json: JSON text by field and number of the row.
        unknown: the text of `unknown_fields` by number of the row.
        names: dotted names of fields that the shape does not know, and of secrets left out of JSON.
    """

    shape: RowShape
    json: dict[Path, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    unknown: dict[int, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._plan = plan(self.shape.fields)
        self._withheld = withheld_paths(self.shape)
        self._untyped = [self._member(path) for path in json_paths(self.shape)]

    def _member(self, path: Path) -> Member:
        below: Mapping[str, Member] = self._plan
        for name in path:
            member = below[name]
            below = member.below
        return member

    def take(self, number: int, line: bytes) -> bytes:
        """Return a row with its typed fields alone, each of them once."""
        extras: dict[str, bytes] = {}
        rest = self._typed(number, line, self._plan, (), extras)
        if extras:
            self.unknown[number] = joined(extras).decode()
        return rest

    def take_untyped(self, number: int, line: bytes) -> bytes:
        """Return a row without the known fields that are not typed, a few times as fast."""
        return self._cut(number, line) or self._without_untyped(number, line, self._plan)

    def _cut(self, number: int, line: bytes) -> bytes:
        """Cut them out of the text, faster still; nothing where that is not so simple.

        A field that stands twice stays once, and is then one that the typed reader does not know.
        """
        try:
            values = _values_of(tuple(member.path for member in self._untyped))(line)
        except msgspec.ValidationError:
            return b""
        for member, text in zip(self._untyped, values, strict=True):
            if not text:
                continue
            whole = member.prefix + text
            start = line.find(whole)
            end = start + len(whole)
            if start < 0 or line[end : end + 1] not in (b",", b"}"):
                return b""
            if line[end : end + 1] == b",":
                end += 1
            elif line[start - 1 : start] == b",":
                start -= 1
            line = line[:start] + line[end:]
            self._keep_json(number, member, text)
        return line

    def _typed(
        self,
        number: int,
        json: bytes | Raw,
        known: Mapping[str, Member],
        above: Path,
        extras: dict[str, bytes],
    ) -> bytes:
        rest = []
        for name, raw in members(json).items():
            member = known.get(name)
            if member is None:
                self._keep_unknown((*above, name), bytes(raw), extras)
            elif member.kind in UNTYPED:
                self._keep_json(number, member, bytes(raw))
            elif member.below and bytes(raw)[:1] == b"{":
                below = self._typed(number, raw, member.below, member.path, extras)
                rest.append(member.prefix + below)
            else:
                rest.append(member.prefix + bytes(raw))
        return b"{" + b",".join(rest) + b"}"

    def _without_untyped(
        self, number: int, json: bytes | Raw, known: Mapping[str, Member]
    ) -> bytes:
        rest = []
        for name, raw in members(json).items():
            member = known.get(name)
            if member is None:
                rest.append(encoded(name) + bytes(raw))
            elif member.kind in UNTYPED:
                self._keep_json(number, member, bytes(raw))
            elif member.holds_untyped and bytes(raw)[:1] == b"{":
                rest.append(member.prefix + self._without_untyped(number, raw, member.below))
            else:
                rest.append(member.prefix + bytes(raw))
        return b"{" + b",".join(rest) + b"}"

    def _keep_unknown(self, path: Path, value: bytes, extras: dict[str, bytes]) -> None:
        if not self.shape.complete:
            return
        dotted = ".".join(path)
        self.names.add(dotted)
        if not is_secret(path[-1]):
            # A name may itself hold a dot, and then look like a path that is there too.
            while dotted in extras:
                dotted += "'"
            extras[dotted] = scrubbed(value, dotted, self.names)

    def _keep_json(self, number: int, member: Member, value: bytes) -> None:
        path = member.path
        if member.kind == "drop" or path in self._withheld or value == b"null":
            return
        if member.kind == "json_text" and value[:1] == b'"':
            value = _inner(value)
        self.json[path][number] = scrubbed(value, ".".join(path), self.names).decode()


@lru_cache
def _values_of(paths: tuple[Path, ...]) -> Callable[[bytes], list[bytes]]:
    """Return what finds the values of some members of a row, as they came; empty for absent ones.

    It raises `ValidationError` where something else stands than the object that should hold one.
    """
    decoder = msgspec.json.Decoder(_struct(paths))
    attributes = [[_attribute(name) for name in path] for path in paths]

    def values(line: bytes) -> list[bytes]:
        row = decoder.decode(line)
        found = []
        for names in attributes:
            value: Any = row
            for name in names:
                value = value and getattr(value, name)
            found.append(bytes(value or b""))
        return found

    return values


def _struct(paths: Iterable[Path]) -> type[msgspec.Struct]:
    below: dict[str, list[Path]] = {}
    for name, *rest in paths:
        below.setdefault(name, []).append(tuple(rest))
    fields: list[tuple[str, Any, Any]] = [
        (_attribute(name), _struct(rests) | None, None)
        if all(rests)
        else (_attribute(name), Raw, Raw(b""))
        for name, rests in below.items()
    ]
    return msgspec.defstruct("Values", fields, rename={_attribute(one): one for one in below})


def _attribute(name: str) -> str:
    # A name of a vendor's need be no identifier.
    return "_" + name.encode().hex()


def spelled(row: bytes | Raw, shape: RowShape, spell: Callable[[str], str]) -> bytes:
    """Return a row's JSON with every name respelled, down to the objects that the shape knows.

    What is dropped or withheld is left out, and members stand in the order of their names, so that
    equal rows have equal text. Values stay byte by byte as they are.

    Args:
        row: a mended JSON object.
        shape: knows the names as `spell` returns them.
        spell: such as camelCase to snake_case.
    """
    return _spelled(row, shape.fields, (), spell, withheld_paths(shape))


def _spelled(
    row: bytes | Raw,
    fields: Fields,
    above: Path,
    spell: Callable[[str], str],
    withheld: frozenset[Path],
) -> bytes:
    kept = {}
    for name, raw in members(row).items():
        known = spell(name)
        kind, path, value = fields.get(known), (*above, known), bytes(raw)
        if kind == "drop" or path in withheld:
            continue
        if isinstance(kind, Mapping) and value[:1] == b"{":
            value = _spelled(value, kind, path, spell, withheld)
        kept[known] = value
    return joined(dict(sorted(kept.items())))


def _inner(json: bytes) -> bytes:
    """Return the JSON that a JSON string holds, or the string itself where it holds none."""
    inner = mended(msgspec.json.decode(json, type=str).encode())
    try:
        msgspec.json.decode(inner, type=Raw)
    except ValueError:
        return json
    return inner


def json_paths(shape: RowShape) -> list[Path]:
    """Return the fields that a row must be taken apart for: JSON, and what may not be read."""
    # Where unknown fields are no matter, the reader passes over the dropped ones as well.
    return [
        path
        for path, kind in leaves(shape.fields)
        if kind.is_json or (kind.name == "drop" and shape.complete)
    ]
