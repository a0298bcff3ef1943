"""The night: load every source side by side, build and test the models, publish, write the page."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import duckdb
from pendulum import DateTime

from llm_usage_warehouse import delta, lake
from llm_usage_warehouse.connectors import Source, connectors
from llm_usage_warehouse.dbt_runs import imported_ahead
from llm_usage_warehouse.ecb import fetch_rates
from llm_usage_warehouse.errors import RunError, in_a_line
from llm_usage_warehouse.extraction import Watcher
from llm_usage_warehouse.loading import load_sources
from llm_usage_warehouse.one_source import Run, SourceOutcome
from llm_usage_warehouse.page import write_after_publishing
from llm_usage_warehouse.publish import Published, publish
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.targets import write_targets
from llm_usage_warehouse.transform import Outcome, transform
from llm_usage_warehouse.warehouse import connect, writing


@dataclass
class Night:
    """How a night went.

    Attributes:
        loads: one per source.
        warnings: what a person should know of what belongs to no source.
        models: what dbt did; None where it was not reached.
        published: the file swapped in; None where it was not.
        unwritten: the targets beside the published file that do not have it yet.
        stopped: why the models or the publishing could not run at all; None where they could.
    """

    loads: list[SourceOutcome] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    models: Outcome | None = None
    published: Published | None = None
    stopped: str | None = None
    unwritten: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every source was loaded, every test passed and all targets have it."""
        return (
            all(load.error is None for load in self.loads)
            and self.models is not None
            and self.models.ok
            and self.published is not None
            and not self.unwritten
        )


def run_night(
    sources: Sequence[Source],
    warehouse: WarehouseSettings,
    watcher: Watcher,
    now: DateTime,
    period: tuple[DateTime, DateTime] | None = None,
    audited: tuple[DateTime, DateTime] | None = None,
) -> Night:
    """Load, transform, test and publish.

    A source that fails does not keep the others from being loaded and published, nor does one whose
    rows break an invariant.

    Args:
        sources: which to load.
        warehouse: where to.
        watcher: told how the loading goes on.
        now: the instant taken for the present.
        period: `[from, to)` of a backfill; without it, everything since the watermarks.
        audited: `[from, to)` that the audit looks at; without it, the open period.

    Raises:
        RunError: the warehouse is held by somebody else, or cannot be opened.
    """
    run = Run(uuid4().hex, now, warehouse, period, audited)
    night = Night()
    with writing(warehouse), imported_ahead():
        night.loads = load_sources(sources, run, watcher)
        if warehouse.rates and period is None:
            night.warnings += fetch_rates(warehouse)
        try:
            _build(night, warehouse)
        except RunError as error:
            # What was loaded is to be told all the same.
            night.stopped = str(error)
        if warehouse.is_lake or warehouse.is_spark:
            night.warnings += _tidied(warehouse)
    return night


def _tidied(warehouse: WarehouseSettings) -> list[str]:
    """Keep the lake's files few, and return what went wrong, as the night itself is done."""
    try:
        with connect(warehouse) as connection:
            if warehouse.is_spark:
                delta.tidy(connection, warehouse)
            else:
                lake.tidy(connection)
    except (duckdb.Error, OSError) as error:
        return [f"the lake was not tidied: {in_a_line(error)}; the next night does it"]
    return []


def _build(night: Night, warehouse: WarehouseSettings) -> None:
    """Build and test the models, and publish what passed."""
    night.models = transform(warehouse, connectors().values())
    # A first file without a single source that was loaded would look like a day without calls.
    has_news = any(load.error is None for load in night.loads)
    if night.models.is_sound and (has_news or warehouse.published_path.exists()):
        night.published = publish(warehouse, everything=night.models.tested_all)
        night.warnings += write_after_publishing(warehouse)
        unwritten = write_targets(warehouse)
        night.warnings += unwritten.values()
        night.unwritten = tuple(unwritten)
