"""One slice of one stream as dlt resources: its rows, its line in the ledger, its watermark.

All three travel in one load package, so that a crash leaves all of them or none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import dlt
import pendulum
import pyarrow as pa
from dlt.common.schema.typing import TColumnSchema, TWriteDispositionConfig
from dlt.extract import DltResource
from pendulum import DateTime

from pipelines.pages import UTC_MICROS
from pipelines.streams import Progress, Reader, Reading, Stream, Write
from pipelines.windows import Window, merged, outside

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

MARKER = "is_window_marker"
"""True in the one staged row that carries a slice's window. dlt never inserts it: it is the
table's hard-delete column. It is there even when the window is empty, so that a window can shrink
to nothing."""

WINDOW_COLUMNS = pa.schema(
    [
        (MARKER, pa.bool_()),
        ("window_start", UTC_MICROS),
        ("window_end", UTC_MICROS),
        ("row_in_window", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Job:
    """One slice to load.

    Attributes:
        reader: the open source.
        source_name: whose rows these are.
        stream: which endpoint.
        scope: which account, group or model of it.
        window: which stretch of time.
        run_id: the run that this slice belongs to.
        run_kind: `nightly`, `backfill` or `reread` (of a stretch that had not settled).
        progress: told of pages as they arrive.
    """

    reader: Reader
    source_name: str
    stream: Stream
    scope: str
    window: Window
    run_id: str
    run_kind: str
    progress: Progress

    @cached_property
    def outcome(self) -> tuple[Reading, dict[str, Any]]:
        """The slice's rows and its ledger line; read from the vendor on first use.

        Raises:
            SourceError: the vendor could not be read.
        """
        requests, retries = self.reader.requests, self.reader.retries
        started = pendulum.now("UTC")
        reading = self.stream.read(self.scope, self.window, self.progress)
        line = {
            "slice_id": "/".join(
                (self.run_id, self.source_name, self.stream.name, self.scope, str(self.window))
            ),
            "run_id": self.run_id,
            "run_kind": self.run_kind,
            "source_name": self.source_name,
            "stream": self.stream.name,
            "scope": self.scope,
            "account_id": self.stream.account_of(self.scope),
            "window_start": self.window.start,
            "window_end": self.window.end,
            "row_count": reading.rows,
            "reported_total": reading.reported_total,
            "requests": self.reader.requests - requests,
            "retries": self.reader.retries - retries,
            "unknown_fields": ", ".join(sorted(reading.unknown_fields)) or None,
            "read_started_at": started,
            "read_finished_at": pendulum.now("UTC"),
        }
        return reading, line


@dataclass(frozen=True)
class Mark:
    """How far one scope of one stream has been read.

    Attributes:
        watermark: the end of what has been read without a gap; None before the first slice.
        unsettled: stretches behind it whose rows were still changing.
    """

    watermark: DateTime | None = None
    unsettled: tuple[Window, ...] = ()

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Mark":
        """Read what `to_state` wrote."""
        watermark = state.get("watermark")
        return cls(
            _instant(watermark) if watermark else None,
            tuple(Window(_instant(a), _instant(b)) for a, b in state.get("unsettled", [])),
        )

    def to_state(self) -> dict[str, Any]:
        """Return it as JSON-ready text, for dlt's state."""
        return {
            "watermark": self.watermark.to_iso8601_string() if self.watermark else None,
            "unsettled": [
                [w.start.to_iso8601_string(), w.end.to_iso8601_string()] for w in self.unsettled
            ],
        }

    def after(self, window: Window, reading: Reading, *, moves: bool) -> "Mark":
        """Return the mark once `window` has been read; only a run that `moves` it goes forward."""
        unsettled = merged([*outside(self.unsettled, window), *reading.unsettled])
        if not moves:
            return Mark(self.watermark, tuple(unsettled))
        # A look-back lies behind the watermark and must not pull it back.
        watermark = max(self.watermark, window.end) if self.watermark else window.end
        return Mark(watermark, tuple(unsettled))


def stream_marks(pipeline_state: Any, source: str, stream: str) -> dict[str, Mark]:
    """Return the mark of each scope of a stream, out of a dlt pipeline's state."""
    resources = pipeline_state.get("sources", {}).get(source, {}).get("resources", {})
    found = resources.get(stream, {}).get("scopes", {})
    return {scope: Mark.from_state(state) for scope, state in found.items()}


def slice_resources(job: Job) -> tuple[DltResource, DltResource]:
    """Return the two resources of a slice: its rows and its ledger line."""
    stream = job.stream

    def rows() -> Iterator[pa.Table]:
        reading, _ = job.outcome
        if stream.write is not Write.SNAPSHOT:
            scopes = dlt.current.resource_state(stream.name).setdefault("scopes", {})
            mark = Mark.from_state(scopes.get(job.scope, {}))
            moves = job.run_kind == "nightly"
            scopes[job.scope] = mark.after(job.window, reading, moves=moves).to_state()
        if stream.write is Write.MERGE:
            yield from reading.tables or [stream.schema.empty_table()]
        else:
            yield _marker(job, stream.schema)
            yield from _numbered(job.window, reading)

    def ledger() -> Iterator[pa.Table]:
        _, line = job.outcome
        yield pa.Table.from_pylist([line], schema=LEDGER_SCHEMA)

    return (
        dlt.resource(
            rows,
            name=stream.name,
            write_disposition=_disposition(stream),
            primary_key=stream.key or ("source_name", "scope", "window_start", "row_in_window"),
            columns=_hints(stream),
            schema_contract={"columns": "evolve", "data_type": "freeze"},
        ),
        dlt.resource(
            ledger,
            name=LEDGER,
            write_disposition={"disposition": "merge", "strategy": "delete-insert"},
            primary_key="slice_id",
            schema_contract={"columns": "evolve", "data_type": "freeze"},
        ),
    )


def raw_schema(schema: pa.Schema, write: Write) -> pa.Schema:
    """Return the columns of a stream's raw table, dlt's load id included."""
    columns = list(schema) if write is Write.MERGE else [*schema, *WINDOW_COLUMNS]
    return pa.schema([*columns, pa.field("_dlt_load_id", pa.string())])


def _disposition(stream: Stream) -> TWriteDispositionConfig:
    if stream.write is Write.MERGE:
        return {"disposition": "merge", "strategy": "delete-insert"}
    within = (
        f"and {{table}}.{stream.at} >= marker.window_start "
        f"and {{table}}.{stream.at} < marker.window_end"
        if stream.write is Write.REPLACE_WINDOW
        else ""
    )
    return {
        "disposition": "merge",
        "strategy": "delete-insert",
        "destination_scope": (
            f"exists (select 1 from {{staging_table}} as marker where marker.{MARKER} "  # noqa: S608
            "and marker.source_name = {table}.source_name "
            f"and marker.scope = {{table}}.scope {within})"
        ),
    }


def _hints(stream: Stream) -> dict[str, TColumnSchema]:
    hints: dict[str, TColumnSchema] = {
        name: {"name": name, "data_type": "json"} for name in stream.json_columns
    }
    if stream.write is not Write.MERGE:
        hints[MARKER] = {"name": MARKER, "data_type": "bool", "hard_delete": True}
    return hints


def _marker(job: Job, schema: pa.Schema) -> pa.Table:
    marker: dict[str, Any] = {
        "source_name": job.source_name,
        "scope": job.scope,
        MARKER: True,
        "window_start": job.window.start,
        "window_end": job.window.end,
        "row_in_window": -1,
    }
    return pa.Table.from_pylist([marker], schema=pa.schema([*schema, *WINDOW_COLUMNS]))


def _numbered(window: Window, reading: Reading) -> Iterator[pa.Table]:
    """Give each row its place in the window, by which dlt drops what a crash staged twice."""
    first = 0
    for table in reading.tables:
        count = table.num_rows
        columns = [
            pa.array([False] * count, pa.bool_()),
            pa.array([window.start] * count, UTC_MICROS),
            pa.array([window.end] * count, UTC_MICROS),
            pa.array(range(first, first + count), pa.int64()),
        ]
        first += count
        yield pa.Table.from_arrays(
            [*table.columns, *columns], schema=pa.schema([*table.schema, *WINDOW_COLUMNS])
        )


def _instant(text: str) -> DateTime:
    return pendulum.instance(datetime.fromisoformat(text)).in_timezone("UTC")
