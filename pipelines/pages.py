"""From a vendor's page bytes to a typed Arrow table, with no Python object per row.

A vendor's folder states the shape of a row as a `Contract`; DuckDB's JSON functions read the pages
in memory (a page may hold prompts, so it never touches disk). Two things that a typed read would
hide are looked for first, in the merged structure of all rows: a field whose type changed (DuckDB
would round 2.7 into a BIGINT in silence), which is an error, and a field that the contract does
not know, which is kept in the column `unknown_fields` and reported.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from pipelines.http import BadResponseError

UTC_MICROS = pa.timestamp("us", tz="UTC")
MONEY = pa.decimal128(38, 18)

SECRET_NAME = re.compile(r"secret|passw|api_?key|credential|authorization|^key$", re.IGNORECASE)
"""Unknown fields with such a name are reported and not kept, under any setting."""

Fields = Mapping[str, "str | Fields"]


@dataclass(frozen=True)
class Kind:
    """How one kind of field is recognised, read and stored.

    Attributes:
        found: the JSON types, in DuckDB's words, that the field may have.
        read: the DuckDB type it is read as.
        store: SQL from the read value `{x}` to the stored one.
        arrow: the stored column's type.
        keeps_raw: whether the value as sent is stored beside it in `<name>_raw`.
    """

    found: frozenset[str]
    read: str
    store: str
    arrow: pa.DataType
    keeps_raw: bool = False


INTEGERS = frozenset({"UBIGINT", "BIGINT"})
NUMBERS = INTEGERS | {"DOUBLE"}
TEXT = frozenset({"VARCHAR"})

KINDS: dict[str, Kind] = {
    "int": Kind(INTEGERS, "HUGEINT", "{x}::bigint", pa.int64()),
    "float": Kind(NUMBERS, "DOUBLE", "{x}", pa.float64()),
    # Read as text, so that no float of ours comes between the vendor's digits and the decimal.
    "money": Kind(NUMBERS | TEXT, "VARCHAR", "{x}::decimal(38, 18)", MONEY),
    "text": Kind(TEXT, "VARCHAR", "{x}", pa.string()),
    "bool": Kind(frozenset({"BOOLEAN"}), "BOOLEAN", "{x}", pa.bool_()),
    "json": Kind(frozenset(), "JSON", "{x}::varchar", pa.string()),
    # JSON that may also come as text, once more encoded; text that is no JSON stays a JSON string.
    "json_text": Kind(
        frozenset(),
        "JSON",
        "case when json_valid({x} ->> '$') then {x} ->> '$' else {x}::varchar end",
        pa.string(),
    ),
    "unix_ms": Kind(INTEGERS, "BIGINT", "make_timestamptz({x} * 1000)", UTC_MICROS, keeps_raw=True),
    "unix_s": Kind(
        INTEGERS, "BIGINT", "make_timestamptz({x} * 1000000)", UTC_MICROS, keeps_raw=True
    ),
    "unix_s_text": Kind(
        TEXT, "VARCHAR", "make_timestamptz({x}::bigint * 1000000)", UTC_MICROS, keeps_raw=True
    ),
    "iso": Kind(TEXT, "VARCHAR", "{x}::timestamptz", UTC_MICROS, keeps_raw=True),
    # Known, and never stored: bodies, addresses, secrets.
    "drop": Kind(frozenset(), "", "", pa.null()),
}


@dataclass(frozen=True)
class Contract:
    """The shape of one row of a vendor's page.

    Attributes:
        rows: JSON path of the array of rows in a page, such as `$.data.logs`.
        fields: each field's kind (a key of `KINDS`), or the fields of a nested object. A nested
            field `usage.input_tokens` becomes the column `usage_input_tokens`.
        required: columns that no row may lack.
        renamed: columns that get another name, for SQL's reserved words.
        withheld: columns that stay NULL: known fields that the settings do not ask for.
        complete: whether a field that is not listed is worth keeping and reporting.
    """

    rows: str
    fields: Fields
    required: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    withheld: frozenset[str] = frozenset()
    complete: bool = True

    def columns(self) -> Iterator[tuple[str, tuple[str, ...], Kind]]:
        """Yield each stored column: its name, its path in the row, its kind."""
        for path, kind_name in _leaves(self.fields):
            if kind_name != "drop":
                name = "_".join(path)
                yield self.renamed.get(name, name), path, KINDS[kind_name]

    def schema(self, constants: Sequence[str] = ()) -> pa.Schema:
        """Return the Arrow schema of `to_table`'s result, with text columns for `constants`."""
        out = [pa.field(name, pa.string()) for name in constants]
        for name, _, kind in self.columns():
            out.append(pa.field(name, kind.arrow))
            if kind.keeps_raw:
                raw = pa.string() if kind.read == "VARCHAR" else pa.int64()
                out.append(pa.field(f"{name}_raw", raw))
        return pa.schema([*out, pa.field("unknown_fields", pa.string())])

    def json_columns(self) -> list[str]:
        """Return the columns that hold JSON text."""
        return [n for n, _, kind in self.columns() if kind.read == "JSON"] + ["unknown_fields"]


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
        pages: whole response bodies, each valid JSON.
        contract: the shape of a row.
        constants: text columns that have one value in all rows, put first.

    Raises:
        BadResponseError: a field has another type than the contract says, or a required one is
            missing. Nothing of the pages is returned then.
    """
    schema = contract.schema(list(constants))
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        con.register(
            "pages", pa.table({"body": pa.array([p.decode() for p in pages], pa.string())})
        )
        con.execute(
            f"create temp table rows as select unnest(body -> '{contract.rows}[*]') as j from pages"  # noqa: S608
        )
        structure = con.execute("select json_group_structure(j) from rows").fetchone()
        if not structure or not structure[0] or structure[0] == '"NULL"':
            return Parsed(schema.empty_table(), frozenset())
        unknown, retyped = _compare(con, orjson.loads(structure[0]), contract.fields)
        unknown = unknown if contract.complete else []
        if retyped:
            raise _retyped(source, retyped)
        try:
            table = con.execute(_select(contract, unknown, constants)).to_arrow_table()
        except duckdb.Error as error:
            raise _retyped(source, [str(error).splitlines()[0]]) from None
    table = table.cast(schema)
    for name in contract.required:
        if table[name].null_count:
            raise _retyped(source, [f"{name} is missing in {table[name].null_count} rows"])
    return Parsed(table, frozenset(".".join(path) for path in unknown))


def _leaves(fields: Fields, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, kind in fields.items():
        if isinstance(kind, str):
            yield (*above, name), kind
        else:
            yield from _leaves(kind, (*above, name))


def _compare(
    con: duckdb.DuckDBPyConnection, structure: Any, fields: Fields, above: tuple[str, ...] = ()
) -> tuple[list[tuple[str, ...]], list[str]]:
    """Return the paths that the contract does not know, and what it knows under another type."""
    unknown: list[tuple[str, ...]] = []
    retyped: list[str] = []
    for name, found in structure.items():
        path = (*above, name)
        kind = fields.get(name)
        if kind is None:
            unknown.append(path)
        elif isinstance(kind, str):
            allowed = KINDS[kind].found
            if allowed and not _types(con, found, path) <= allowed:
                retyped.append(f"{'.'.join(path)} should be {kind} and is {_plain(found)}")
        elif isinstance(found, dict):
            below = _compare(con, found, kind, path)
            unknown += below[0]
            retyped += below[1]
        elif not _types(con, found, path) <= {"OBJECT"}:
            retyped.append(f"{'.'.join(path)} should be an object and is {_plain(found)}")
    return unknown, retyped


def _types(con: duckdb.DuckDBPyConnection, found: Any, path: tuple[str, ...]) -> frozenset[str]:
    """Return the types at `path`, NULL apart; `found` is what the merged structure says of it.

    The structure says JSON both of mixed types and of an object that is empty in every row.
    """
    if found == "JSON":
        query = f"select distinct json_type(j, {_literal(_json_path(path))}) from rows"  # noqa: S608
        return frozenset(one for (one,) in con.execute(query).fetchall() if one) - {"NULL"}
    if isinstance(found, str):
        return frozenset({found}) - {"NULL"}
    return frozenset({"ARRAY" if isinstance(found, list) else "OBJECT"})


def _plain(found: Any) -> str:
    names = {"VARCHAR": "text", "DOUBLE": "a fraction", "JSON": "of mixed types"}
    if isinstance(found, str):
        return names.get(found, found.lower())
    return "an array" if isinstance(found, list) else "an object"


def _retyped(source: str, what: Sequence[str]) -> BadResponseError:
    return BadResponseError(
        source,
        f"the vendor's rows do not have the types of the contract: {'; '.join(what[:5])}",
        next_step="Nothing was written. Compare with the vendor's release notes, then change the "
        "source's schema.py.",
    )


def _select(
    contract: Contract, unknown: Sequence[tuple[str, ...]], constants: Mapping[str, str | None]
) -> str:
    # The structure allows only integers here, and HUGEINT holds every one that JSON can spell.
    shape = orjson.dumps(_read_shape(contract.fields)).decode().replace("'", "''")
    columns = [
        f"{_literal(value)}::varchar as {_quoted(name)}" for name, value in constants.items()
    ]
    for name, path, kind in contract.columns():
        value = "x." + ".".join(_quoted(part) for part in path)
        if name in contract.withheld:
            value = "null"
        columns.append(f"{kind.store.format(x=value)} as {_quoted(name)}")
        if kind.keeps_raw:
            columns.append(f"{value} as {_quoted(name + '_raw')}")
    kept = [path for path in unknown if not SECRET_NAME.search(path[-1])]
    extras = ", ".join(
        f"{_literal('.'.join(path))}, j -> {_literal(_json_path(path))}" for path in kept
    )
    # Merging into {} leaves out the keys that this row lacks.
    extra = (
        f"nullif(json_merge_patch('{{}}', json_object({extras}))::varchar, '{{}}')"
        if kept
        else "null"
    )
    columns.append(f"{extra}::varchar as unknown_fields")
    return f"select {', '.join(columns)} from (select j, from_json(j, '{shape}') as x from rows)"  # noqa: S608


def _read_shape(fields: Fields) -> dict[str, Any]:
    return {
        name: KINDS[kind].read if isinstance(kind, str) else _read_shape(kind)
        for name, kind in fields.items()
        if kind != "drop"
    }


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: str | None) -> str:
    return "null" if value is None else "'" + value.replace("'", "''") + "'"


def _json_path(path: Sequence[str]) -> str:
    return "$" + "".join('."' + part.replace('"', '\\"') + '"' for part in path)
