"""Loads one source: recovers what a crash left, then package after package.

Reading goes on beside the loading, and beside other sources; only the short load into the DuckDB
file is under a lock, because a DuckDB file takes one writer at a time.
"""

import gc
import logging
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import dlt
import duckdb
import pyarrow as pa
from pendulum import DateTime

from llm_usage_warehouse.audit import Audited, Auditor, open_period
from llm_usage_warehouse.connectors import Source
from llm_usage_warehouse.delta_destination import DeltaDestination
from llm_usage_warehouse.destination import WarehouseDestination
from llm_usage_warehouse.dlt_sources import dlt_source
from llm_usage_warehouse.errors import RunError, chain, in_a_line, is_held_elsewhere, next_step
from llm_usage_warehouse.extraction import Extraction, Watcher
from llm_usage_warehouse.http import SourceError
from llm_usage_warehouse.lake_destination import LakeDestination
from llm_usage_warehouse.ledger import Coverage, coverage, silent_accounts
from llm_usage_warehouse.packages import ReadStep
from llm_usage_warehouse.recovery import recover
from llm_usage_warehouse.reused_ids import check_ids
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.warehouse import HeldFile, locked_or_broken
from llm_usage_warehouse.warnings import anew, in_plain_sight, put_back, silent

log = logging.getLogger("llm_usage")

PACKAGE_ROWS = 125_000
PACKAGE_BYTES = 190_000_000
PACKAGE_SECONDS = 60.0
"""What one load package holds at most, about: each costs half a second of CPU, and a crash costs at
most one. DuckDB writes each 122,880 rows of an insert straight into the file; what is less goes
through its log first, and so is written twice."""

MEMORY_KEPT = 4_000_000
"""What a package of more bytes took is given back before the next one."""

# Arrow's own pool keeps for each thread what it once needed: 100 MB in a load of ten threads.
pa.set_memory_pool(pa.system_memory_pool())


@dataclass(frozen=True)
class Run:
    """One command's loading.

    Attributes:
        run_id: names it in the ledger.
        now: the instant that it takes for the present.
        warehouse: where to.
        period: `[start, end)` of a backfill; None for everything since the watermarks.
        audited: `[start, end)` that the audit of a nightly run looks at; None for the open period.
    """

    run_id: str
    now: DateTime
    warehouse: WarehouseSettings
    period: tuple[DateTime, DateTime] | None = None
    audited: tuple[DateTime, DateTime] | None = None


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
    """How loading one source went.

    Attributes:
        source: its name.
        streams: what each of its streams brought.
        first_load: whether nothing was loaded of it before.
        warnings: what a person should know although nothing failed, and the slices it is true of.
        audited: what its audit read and found; None where there was none.
        error: what stopped it, in one line.
    """

    source: str
    streams: dict[str, StreamTally] = field(default_factory=dict)
    first_load: bool = False
    warnings: dict[str, list[str]] = field(default_factory=dict)
    audited: Audited | None = None
    error: str | None = None

    def warn(self, *sentences: str) -> None:
        """Add what is true of the source as a whole."""
        self.warnings |= {one: [] for one in sentences}


def load_source(source: Source, run: Run, watcher: Watcher, file: HeldFile) -> SourceOutcome:
    """Load every stream of a source; whatever goes wrong is its outcome, and is never raised.

    What was loaded before an error stays, and the next run goes on from there.

    Args:
        source: which.
        run: the command's.
        watcher: told how it goes on.
        file: the warehouse's, which other sources are loaded into meanwhile.
    """
    outcome = SourceOutcome(source.name)
    try:
        _load(source, run, watcher, file, outcome)
    except Exception as error:
        outcome.error = str(
            error if isinstance(error, RunError) else _as_run_error(error, source, run)
        )
        log.debug("%s", outcome.error, exc_info=error)
        watcher.failed(source.name, outcome.error)
    return outcome


def first_of(steps: Sequence[str]) -> str:
    """Return the first of some slices, and how many more there are."""
    return f"{steps[0]} and {len(steps) - 1} more" if len(steps) > 1 else "".join(steps)


def _load(
    source: Source, run: Run, watcher: Watcher, file: HeldFile, outcome: SourceOutcome
) -> None:
    outcome.warn(*in_plain_sight(source.settings.base_url))
    found = recover(source, run.warehouse, file)
    pipeline = found.pipeline
    outcome.first_load = pipeline.first_run
    with _ledger(source, run, file) as connection:
        covered = coverage(connection, source.connector.dataset, source.name)
    auditor = _auditor(source, run, file, covered)
    extraction = Extraction(
        source.connector,
        source.settings,
        run.warehouse.reporting_timezone,
        now=run.now,
        period=run.period,
        run_id=run.run_id,
        package_rows=PACKAGE_ROWS,
        package_bytes=PACKAGE_BYTES,
        package_seconds=PACKAGE_SECONDS,
        covered=covered,
        audit=auditor.audit if auditor else None,
        watcher=watcher,
        in_database=not run.warehouse.is_spark,
    )
    extraction.warnings |= outcome.warnings
    outcome.warnings = extraction.warnings
    outcome.audited = auditor.done if auditor else None
    if found.set_aside:
        outcome.warn(anew(found.set_aside))
    if found.is_older:
        outcome.warn(put_back(covered))
    with closing(extraction):
        while True:
            _load_package(pipeline, source, extraction, run, file)
            for read in extraction.package.steps:
                _count(outcome, read)
                watcher.loaded(source.name, read.step, read.rows)
            if extraction.error is not None:
                raise _as_run_error(extraction.error, source, run, extraction.failed_at)
            if extraction.is_done:
                break
    if auditor:
        outcome.warn(*auditor.done.warnings)
    with _ledger(source, run, file) as connection:
        accounts = silent_accounts(connection, source.connector.dataset, source.name)
    outcome.warn(*silent(accounts))


def _auditor(source: Source, run: Run, file: HeldFile, covered: Coverage) -> Auditor | None:
    """Return what audits a nightly run of a source that was loaded before."""
    if run.period is not None or not covered:
        return None
    period, is_thorough = open_period(run.now, run.warehouse, run.audited)
    return Auditor(
        source.settings,
        source.connector.dataset,
        run.warehouse,
        period=period,
        thorough=is_thorough,
        covered=covered,
        run_id=run.run_id,
        now=run.now,
        opened=lambda: _ledger(source, run, file),
    )


def _load_package(
    pipeline: dlt.Pipeline,
    source: Source,
    extraction: Extraction,
    run: Run,
    file: HeldFile,
) -> None:
    destination = pipeline.destination
    assert isinstance(  # noqa: S101 - as opened
        destination, WarehouseDestination | LakeDestination | DeltaDestination
    )
    try:
        fill = dlt_source(source.connector)(extraction=extraction)
        pipeline.extract(fill, loader_file_format="parquet")
        pipeline.normalize()
        package = extraction.package
        destination.give_memory_for(package)
        is_large = package.bytes > MEMORY_KEPT
        if is_large:
            # What dlt read it with is held in cycles, and its rows with it, until Python looks.
            gc.collect()
        with file.turn() as connection:
            check_ids(connection, source.connector, source.name, package)
            pipeline.load()
            file.show_loaded(connection, source.connector.dataset)
        if is_large:
            file.give_memory_back()
    except Exception as error:
        where = first_of([str(read.step) for read in extraction.package.steps])
        raise _as_run_error(error, source, run, where) from error


def _count(outcome: SourceOutcome, read: ReadStep) -> None:
    tally = outcome.streams.setdefault(read.step.stream.name, StreamTally())
    reading = read.reading
    tally.rows += read.rows
    tally.windows += 1
    tally.requests += read.requests
    tally.retries += read.retries
    tally.unknown_fields |= reading.unknown_fields
    if reading.reported_total is not None and reading.reported_total != read.rows:
        tally.disagreeing += 1
    for warning in reading.warnings:
        outcome.warnings.setdefault(warning, []).append(str(read.step))


@contextmanager
def _ledger(source: Source, run: Run, file: HeldFile) -> Iterator[duckdb.DuckDBPyConnection]:
    """Ask the ledger in the warehouse.

    Raises:
        RunError: it cannot be read.
    """
    try:
        with file.turn() as connection:
            yield connection
    except duckdb.Error as error:
        raise _as_run_error(error, source, run) from error


def _as_run_error(error: BaseException, source: Source, run: Run, where: str = "") -> RunError:
    """Return what a person needs to know of an error, with the slice that it happened in."""
    reason = _reason(error, source, run)
    return RunError(f"{reason} [{where}]" if where else reason)


def _reason(error: BaseException, source: Source, run: Run) -> str:
    """Find what a person needs to know in dlt's chain of exceptions."""
    causes = chain(error)
    for one in causes:
        if isinstance(one, SourceError | RunError):
            return str(one)
    if is_held_elsewhere(error):
        return f"{source.name}: {locked_or_broken(run.warehouse, causes[-1])}"
    return (
        f"{source.name}: the rows could not be loaded: {in_a_line(causes[-1])}. Nothing of this "
        f"package was written; {next_step(error)}"
    )
