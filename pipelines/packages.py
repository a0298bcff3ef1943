"""From slices to dlt: each stream a resource, with its ledger lines and marks in the same package.

A load package holds as many slices as its budget allows. The rows of a slice, its line in the
ledger and its watermark are all in one package, so that a crash leaves all of them or none.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import dlt
import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.configuration.container import Container
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.libs.pyarrow import py_arrow_to_table_schema_columns
from dlt.common.schema.typing import (
    TColumnSchema,
    TSchemaContract,
    TWriteDispositionConfig,
)
from dlt.extract import DltResource
from pendulum import DateTime

from llm_usage_warehouse.pages import UTC_MICROS
from llm_usage_warehouse.planning import Step
from llm_usage_warehouse.streams import WINDOW_COLUMNS, Reading, Table, Write, is_ordered
from llm_usage_warehouse.windows import Window

LEDGER = "load_ledger"
LEDGER_SCHEMA = pa.schema(
    [
        ("slice_id", pa.string()),
        ("run_id", pa.string()),
        ("run_kind", pa.string()),
        ("source_name", pa.string()),
        ("stream", pa.string()),
        ("scope", pa.string()),
        ("account_id", pa.string()),
        ("planned_scopes", pa.int64()),
        ("window_start", UTC_MICROS),
        ("window_end", UTC_MICROS),
        ("row_count", pa.int64()),
        ("reported_total", pa.int64()),
        ("requests", pa.int64()),
        ("retries", pa.int64()),
        ("unknown_fields", pa.string()),
        ("read_started_at", UTC_MICROS),
        ("read_finished_at", UTC_MICROS),
    ]
)

ROWS_PER_TABLE = 20_000
BYTES_PER_TABLE = 16_000_000
"""About how much is handed to dlt at once. dlt computes the schema of each table anew, and DuckDB
reads up to 2,048 rows of it at once, with all of their texts."""


def _is_news(record: logging.LogRecord) -> bool:
    # dlt warns at each table whose JSON columns are text in Arrow, which has no type for JSON.
    return "when merging arrow schema with dlt schema" not in record.getMessage()


logging.getLogger("dlt").addFilter(_is_news)

CONTRACT: TSchemaContract = {"columns": "evolve", "data_type": "freeze"}


@dataclass(frozen=True)
class ReadStep:
    """A slice that was read, and what that took.

    Attributes:
        step: the slice.
        reading: what it held; without its tables once they are handed on.
        rows: how many rows it held, each once.
        requests: sent for it, retries included.
        retries: those of them that repeated a failed one.
        started_at: when its reading began.
        finished_at: when its last page was typed.
    """

    step: Step
    reading: Reading
    rows: int
    requests: int
    retries: int
    started_at: DateTime
    finished_at: DateTime

    @cached_property
    def table_bytes(self) -> list[int]:
        """The bytes of each of its tables with rows; to count them takes 80 us a table."""
        return [int(table.nbytes) for table in self.reading.tables if table.num_rows]

    def ledger_line(self, run_id: str, source_name: str) -> dict[str, Any]:
        """Return its line in the ledger."""
        step, reading = self.step, self.reading
        return {
            "slice_id": "/".join(
                (run_id, source_name, step.stream.name, step.scope, str(step.window))
            ),
            "run_id": run_id,
            "run_kind": step.kind,
            "source_name": source_name,
            "stream": step.stream.name,
            "scope": step.scope,
            "account_id": step.stream.account_of(step.scope),
            "planned_scopes": step.planned_scopes,
            "window_start": step.window.start,
            "window_end": step.window.end,
            "row_count": self.rows,
            "reported_total": reading.reported_total,
            "requests": self.requests,
            "retries": self.retries,
            "unknown_fields": ", ".join(sorted(reading.unknown_fields)) or None,
            "read_started_at": self.started_at,
            "read_finished_at": self.finished_at,
        }

    def without_tables(self) -> "ReadStep":
        """Return the same without its rows, which would be held until the package is loaded."""
        return replace(self, reading=replace(self.reading, tables=()))


@dataclass
class Package:
    """How full one load package is, all streams of a source together.

    Attributes:
        most_rows: about how many it may hold; None for any number.
        most_bytes: the same in bytes of Arrow tables.
        seconds: how long a package with rows in it may wait for more; None for no bound.
        steps: what is in it.
        began: when it was begun, by the monotonic clock.
        rows: how many it holds.
        bytes: the same in bytes of Arrow tables.
        largest_bytes: those of the largest table of them that is handed to dlt.
        identities: keys and identities of the merged rows in it, by table.
    """

    most_rows: int | None = None
    most_bytes: int | None = None
    seconds: float | None = None
    steps: list[ReadStep] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    rows: int = 0
    bytes: int = 0
    largest_bytes: int = 0
    identities: dict[str, list[pa.Table]] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        """Whether the next slice belongs into the next package."""
        if self.most_rows is not None and self.rows >= self.most_rows:
            return True
        if self.most_bytes is not None and self.bytes >= self.most_bytes:
            return True
        is_late = self.seconds is not None and time.monotonic() - self.began >= self.seconds
        return is_late and bool(self.steps)

    def add(self, read: ReadStep) -> None:
        """Count a slice in."""
        self.steps.append(read.without_tables())
        self.rows += read.rows
        tables = [table for table in read.reading.tables if table.num_rows]
        self.bytes += sum(read.table_bytes)
        for table, size in zip(tables, read.table_bytes, strict=True):
            pieces = _cut(table) if size > BYTES_PER_TABLE else ()
            sizes = [int(piece.nbytes) for piece in pieces] or [size]
            self.largest_bytes = max([self.largest_bytes, *sizes])
        kind = read.step.stream.table
        if kind.identity:
            columns = [*kind.key, *kind.identity]
            held = self.identities.setdefault(kind.name, [])
            held += [table.select(columns) for table in tables]


class Portion:
    """What one stream gives to one load package.

    Args:
        table: the stream's.
        run_id: the run that the ledger names.
        source_name: whose rows these are.
        deduplicated: see `resource`.
    """

    def __init__(self, table: Table, run_id: str, source_name: str, *, deduplicated: bool) -> None:
        self._table = table
        self._run_id = run_id
        self._source_name = source_name
        self._deduplicated = deduplicated
        self._tables: list[pa.Table] = []
        self._bytes = 0
        self._steps: list[ReadStep] = []
        # Of the tables taken: a vendor sends its rows in order, so that they rarely overlap.
        self._ranges: list[tuple[Any, Any]] = []
        self._keys: list[pa.Array] = []

    def add(self, read: ReadStep) -> None:
        """Take the rows of a slice."""
        self._steps.append(read.without_tables())
        self._bytes += sum(read.table_bytes)
        tables = [table for table in read.reading.tables if table.num_rows]
        if self._table.write is Write.MERGE:
            self._tables += [self._distinct(table) for table in tables]
        else:
            self._tables += _numbered(read.step.window, tables)

    def _distinct(self, table: pa.Table) -> pa.Table:
        """Return the rows whose key is not in the package yet.

        Slices share their boundary, and a page that shifted shows rows again; not every merge of a
        destination takes that.
        """
        keys = table[self._table.id_column].combine_chunks()
        bounds = pc.min_max(keys)
        first, last = bounds["min"].as_py(), bounds["max"].as_py()
        is_apart = all(last < low or first > high for low, high in self._ranges)
        if is_apart and is_ordered(keys):
            self._ranges.append((first, last))
            self._keys.append(keys)
            return table
        known = pa.concat_arrays([keys.slice(0, 0), *self._keys])
        is_new = pc.invert(pc.is_in(keys, value_set=known))
        if pc.count_distinct(keys).as_py() < table.num_rows:
            numbers = pa.array(range(table.num_rows))
            is_new = pc.and_(is_new, pc.equal(pc.index_in(keys, value_set=keys), numbers))
        self._ranges.append((first, last))
        self._keys.append(keys)
        return table if pc.all(is_new).as_py() else table.filter(is_new)

    @property
    def is_large(self) -> bool:
        """Whether it is time to hand rows on."""
        rows = sum(int(table.num_rows) for table in self._tables)
        return rows >= ROWS_PER_TABLE or self._bytes >= BYTES_PER_TABLE

    def rows(self) -> list[pa.Table]:
        """Return the rows taken since the last call: one table at least."""
        tables, self._tables, self._bytes = self._tables, [], 0
        # Without any, dlt still replaces what the windows held.
        return list(_cut(pa.concat_tables(tables or [self._table.stored_schema.empty_table()])))

    def items(self) -> Iterator[Any]:
        """Yield what is left to say once the portion is complete: rows, windows, ledger lines."""
        if not self._steps:
            return
        if self._table.write is Write.MERGE:
            yield from self.rows()
        else:
            windows = [(read.step.scope, read.step.window) for read in self._steps]
            hints = dlt.mark.make_hints(
                write_disposition=_replacing(
                    _scope(self._table, self._source_name, windows), self._deduplicated
                )
            )
            *tables, last = self.rows()
            yield from tables
            yield dlt.mark.with_hints(last, hints)
        lines = [read.ledger_line(self._run_id, self._source_name) for read in self._steps]
        hints = dlt.mark.make_hints(
            table_name=LEDGER,
            write_disposition={"disposition": "merge"},
            primary_key="slice_id",
            # Not those of the stream's own table.
            columns={},
            schema_contract=CONTRACT,
        )
        ledger = pa.Table.from_pylist(lines, schema=LEDGER_SCHEMA)
        yield dlt.mark.with_hints(ledger, hints, create_table_variant=True)


def resource(table: Table, rows: Callable[[], Iterator[Any]], *, deduplicated: bool) -> DltResource:
    """Return the dlt resource of a stream: its keys, columns and write disposition.

    Args:
        table: the stream's.
        rows: yields what goes into a package.
        deduplicated: whether dlt need not look for rows that are staged twice. A portion holds each
            row once, but a crash within dlt's load can stage a file again: so this is only for a
            caller who aborts the package that a crash left, rather than finish it.
    """
    disposition: TWriteDispositionConfig = {"disposition": "merge"}
    if deduplicated:
        disposition = {
            "disposition": "merge",
            "strategy": "delete-insert",
            "deduplicated": True,
        }
    return dlt.resource(
        rows,
        name=table.name,
        write_disposition=disposition,
        primary_key=table.primary_key,
        columns=_columns(table),
        schema_contract=CONTRACT,
    )


def _columns(table: Table) -> dict[str, TColumnSchema]:
    columns = py_arrow_to_table_schema_columns(table.stored_schema)
    for name in table.shape.json_columns():
        columns[name] = {"name": name, "data_type": "json"}
    return dict(columns)


def _replacing(scope: str, deduplicated: bool) -> TWriteDispositionConfig:
    """Return the write disposition by which the rows of `scope` are replaced, and no others.

    The windows are spelled out in it, since a condition on the staged rows is refused by
    destinations other than databases, and could not tell a window that became empty.
    """
    known = Container()[DestinationCapabilitiesContext].supported_merge_strategies or ()
    if "delete-insert" not in known and "cdc" in known:
        # Delta tables know the same replacement under another name.
        return {"disposition": "merge", "strategy": "cdc", "destination_scope": scope}
    return {
        "disposition": "merge",
        "strategy": "delete-insert",
        "destination_scope": scope,
        "deduplicated": deduplicated,
    }


def _scope(table: Table, source_name: str, windows: list[tuple[str, Window]]) -> str:
    by_window: dict[Window | None, list[str]] = {}
    for scope, window in windows:
        by_window.setdefault(window if table.at else None, []).append(scope)
    conditions = []
    for stretch, scopes in by_window.items():
        condition = (
            f"{{table}}.scope in ({', '.join(_literal(one) for one in sorted(set(scopes)))})"
        )
        if stretch is not None:
            condition += (
                f" and {{table}}.{table.at} >= {_literal(stretch.start.to_iso8601_string())}"
                f" and {{table}}.{table.at} < {_literal(stretch.end.to_iso8601_string())}"
            )
        conditions.append(f"({condition})")
    return f"{{table}}.source_name = {_literal(source_name)} and ({' or '.join(conditions)})"


def _literal(text: str) -> str:
    # dlt formats the condition, so that braces of a name would be placeholders.
    return "'" + text.replace("'", "''").replace("{", "{{").replace("}", "}}") + "'"


def _numbered(window: Window, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Give each row its place in the window, by which dlt drops what a crash staged twice."""
    first = 0
    for table in tables:
        count = table.num_rows
        columns = [
            pa.array([window.start] * count, UTC_MICROS),
            pa.array([window.end] * count, UTC_MICROS),
            pa.array(range(first, first + count), pa.int64()),
        ]
        first += count
        yield pa.Table.from_arrays(
            [*table.columns, *columns], schema=pa.schema([*table.schema, *WINDOW_COLUMNS])
        )


def _cut(table: pa.Table) -> Iterator[pa.Table]:
    """Yield a table in pieces of no more bytes than are handed to dlt at once, or of one row."""
    if table.nbytes <= BYTES_PER_TABLE or table.num_rows == 1:
        yield table
    else:
        half = table.num_rows // 2
        yield from _cut(table.slice(0, half))
        yield from _cut(table.slice(half))
