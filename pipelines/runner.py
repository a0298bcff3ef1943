"""Loads one source: recovers what a crash left, then slice after slice, each in one package.

Reading and typing happen beside other sources; only the short load into the DuckDB file is under a
lock, because a DuckDB file takes one writer at a time.
"""

import logging
import threading
from dataclasses import dataclass, field
from typing import Protocol

import dlt
from dlt.pipeline.exceptions import PipelineStepFailed
from pendulum import DateTime

from pipelines.connectors import Source
from pipelines.errors import RunError
from pipelines.http import SourceError
from pipelines.loading import Job, Mark, stream_marks
from pipelines.settings import WarehouseSettings, first_instant
from pipelines.streams import Progress, Reader, Stream, Write
from pipelines.warehouse import locked_or_broken
from pipelines.windows import Window, backfill_window, nightly_window, outside, slices

FILE_LOCK = threading.Lock()
"""Held while dlt has the DuckDB file open."""

REQUIRED_DLT_SETTINGS = {
    # Which load brought a row: the models rebuild only the days that a new load touched.
    "normalize.parquet_normalizer.add_dlt_load_id": True,
    "runtime.dlthub_telemetry": False,
    "load.delete_completed_jobs": True,
    "load.truncate_staging_dataset": True,
}


@dataclass(frozen=True)
class Run:
    """One command's loading.

    Attributes:
        run_id: names it in the ledger.
        kind: `nightly` or `backfill`.
        now: the instant that it takes for the present.
        warehouse: where to.
        start: for a backfill, its first instant.
        end: for a backfill, the instant that it ends before.
    """

    run_id: str
    kind: str
    now: DateTime
    warehouse: WarehouseSettings
    start: DateTime | None = None
    end: DateTime | None = None


@dataclass
class StreamTally:
    """What one stream of one source brought."""

    rows: int = 0
    windows: int = 0
    requests: int = 0
    retries: int = 0
    disagreeing: int = 0
    unknown_fields: set[str] = field(default_factory=set)


@dataclass
class SourceOutcome:
    """How loading one source went; `error` is what stopped it, in one line."""

    source: str
    streams: dict[str, StreamTally] = field(default_factory=dict)
    first_load: bool = False
    error: str | None = None


@dataclass(frozen=True)
class Step:
    """One slice still to be read."""

    stream: Stream
    scope: str
    window: Window
    kind: str


class Watcher(Protocol):
    """Told how a source's load goes on."""

    def planned(self, source: str, steps: int) -> None:
        """`steps` slices will be read."""

    def reading(self, source: str, step: Step) -> Progress:
        """A slice is begun; returns what its pages are reported to."""

    def loaded(self, source: str, step: Step, rows: int) -> None:
        """A slice is in the warehouse."""

    def failed(self, source: str, error: str) -> None:
        """The source stopped."""


def load_source(source: Source, run: Run, watcher: Watcher) -> SourceOutcome:
    """Load every stream of a source; never raises for what went wrong at the vendor.

    What was loaded before an error stays, and the next run goes on from there.
    """
    outcome = SourceOutcome(source.name)
    try:
        with source.connector.open(source.settings) as reader:
            _load(source, reader, run, watcher, outcome)
    except (SourceError, RunError) as error:
        outcome.error = str(error)
        watcher.failed(source.name, outcome.error)
    return outcome


def open_pipeline(source: Source, warehouse: WarehouseSettings) -> dlt.Pipeline:
    """Return the source's dlt pipeline, its working files in the data folder."""
    for key, value in REQUIRED_DLT_SETTINGS.items():
        dlt.config[key] = value
    pipeline = dlt.pipeline(
        pipeline_name=f"llm_usage_{source.name}",
        pipelines_dir=str(warehouse.data_folder / "dlt"),
        destination=dlt.destinations.duckdb(str(warehouse.path)),
        dataset_name=source.connector.dataset,
    )
    # Every Arrow table is typed in full by its stream; dlt warns each time that its hints say less.
    logging.getLogger("dlt").setLevel(logging.ERROR)
    return pipeline


def _load(
    source: Source, reader: Reader, run: Run, watcher: Watcher, outcome: SourceOutcome
) -> None:
    pipeline = open_pipeline(source, run.warehouse)
    _recover(pipeline, source, run)
    outcome.first_load = pipeline.first_run
    steps = _plan(source, reader, run, pipeline)
    watcher.planned(source.name, len(steps))
    for step in steps:
        job = Job(
            reader=reader,
            source_name=source.name,
            stream=step.stream,
            scope=step.scope,
            window=step.window,
            run_id=run.run_id,
            run_kind=step.kind,
            progress=watcher.reading(source.name, step),
        )
        _load_slice(pipeline, source, job, run)
        _count(outcome, job)
        watcher.loaded(source.name, step, job.outcome[0].rows)


def _count(outcome: SourceOutcome, job: Job) -> None:
    tally = outcome.streams.setdefault(job.stream.name, StreamTally())
    reading, line = job.outcome
    tally.rows += reading.rows
    tally.windows += 1
    tally.requests += line["requests"]
    tally.retries += line["retries"]
    tally.unknown_fields |= reading.unknown_fields
    if reading.reported_total is not None and reading.reported_total != reading.rows:
        tally.disagreeing += 1


def _plan(source: Source, reader: Reader, run: Run, pipeline: dlt.Pipeline) -> list[Step]:
    """Return the slices to read: unsettled stretches first, then oldest first."""
    steps: list[Step] = []
    first = first_instant(source.settings.start, run.warehouse.reporting_timezone, run.now)
    for stream in reader.streams():
        marks = stream_marks(pipeline.state, source.connector.vendor, stream.name)
        for scope in stream.scopes(sorted(marks)):
            steps += _plan_scope(stream, scope, marks.get(scope, Mark()), run, first)
    return steps


def _plan_scope(stream: Stream, scope: str, mark: Mark, run: Run, first: DateTime) -> list[Step]:
    if run.kind == "backfill":
        assert run.start is not None  # noqa: S101 - a backfill has both ends
        assert run.end is not None  # noqa: S101
        window = backfill_window(run.start, run.end, run.now, stream.pace)
    else:
        window = nightly_window(mark.watermark, first, run.now, stream.pace)
    if window is None:
        return []
    if stream.write is Write.SNAPSHOT:
        # The present state has no past: one read, named by the instant it was true at.
        now = Window(window.end.subtract(seconds=1), window.end)
        return [Step(stream, scope, now, run.kind)] if run.kind == "nightly" else []
    again = outside(mark.unsettled, window) if run.kind == "nightly" else []
    return [
        Step(stream, scope, piece, kind)
        for stretches, kind in ((again, "reread"), ([window], run.kind))
        for stretch in stretches
        for piece in slices(stretch, stream.pace.slices)
    ]


def _load_slice(pipeline: dlt.Pipeline, source: Source, job: Job, run: Run) -> None:
    where = f"stream {job.stream.name}" + (f" of {job.scope}" if job.scope else "")

    def told(error: Exception) -> RunError:
        return RunError(f"{_reason(error, source, run)} [{where}, window {job.window}]")

    try:
        pipeline.extract(source.connector.source(job), loader_file_format="parquet")
    except Exception as error:
        raise told(error) from error
    try:
        pipeline.normalize()
        with FILE_LOCK:
            pipeline.load()
    except Exception as error:
        raise told(error) from error


def _recover(pipeline: dlt.Pipeline, source: Source, run: Run) -> None:
    """Take the state from the warehouse where this machine has none; finish or drop leftovers.

    A package that a crash left is loaded; one that cannot be loaded is aborted, which also rewinds
    the watermark, so that its slice is read again.
    """
    try:
        with FILE_LOCK:
            pipeline.sync_destination()
        if not pipeline.has_pending_data:
            return
        try:
            pipeline.normalize()
            with FILE_LOCK:
                pipeline.load()
        except PipelineStepFailed as error:
            if _is_locked(error):
                raise
            pipeline.abort_packages()
    except Exception as error:
        raise RunError(_reason(error, source, run)) from error


def _reason(error: BaseException, source: Source, run: Run) -> str:
    """Find what a person needs to know in dlt's chain of exceptions."""
    chain = _chain(error)
    for one in chain:
        if isinstance(one, SourceError | RunError):
            return str(one)
    if _is_locked(error):
        return f"{source.name}: {locked_or_broken(run.warehouse, chain[-1])}"
    cause = str(chain[-1]).strip().splitlines() or [type(chain[-1]).__name__]
    return (
        f"{source.name}: the rows could not be loaded: {cause[0]}. Nothing of this slice was "
        "written; run again with --verbose to see where it happened"
    )


def _is_locked(error: BaseException) -> bool:
    return any("could not set lock" in str(one).lower() for one in _chain(error))


def _chain(error: BaseException) -> list[BaseException]:
    found = [error]
    while (below := found[-1].__cause__ or found[-1].__context__) and below not in found:
        found.append(below)
    return found
