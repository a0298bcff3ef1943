"""What each night came to, for machines: a line of JSON, and metrics for Prometheus."""

from typing import Any

import orjson
from pendulum import DateTime
from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from llm_usage_warehouse.alerts import counts
from llm_usage_warehouse.nightly import Night
from llm_usage_warehouse.one_source import SourceOutcome
from llm_usage_warehouse.published import open_published
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.verdict import Verdict

LINES, METRICS = "nights.jsonl", "metrics.prom"
"""The files in the data folder: one grows by a line a night, the other is of the last night."""

LOADED_TO = """
    select source_name, epoch(min(last_window_end)) as loaded_to
    from load_status
    group by source_name
"""


def write_down(
    warehouse: WarehouseSettings,
    night: Night,
    verdict: Verdict,
    began: DateTime,
    ended: DateTime,
    exit_code: int,
) -> None:
    """Add a night to `nights.jsonl`, and put its figures into `metrics.prom`.

    Args:
        warehouse: whose data folder holds the files.
        night: what was done.
        verdict: what it comes to.
        began: when it began.
        ended: when it ended.
        exit_code: what the command ends with.

    Raises:
        OSError: the data folder cannot be written to.
    """
    with (warehouse.data_folder / LINES).open("ab") as file:
        file.write(orjson.dumps(_line(night, verdict, began, ended, exit_code)) + b"\n")
    registry = _metrics(warehouse, night, verdict, began, ended, exit_code)
    write_to_textfile(str(warehouse.data_folder / METRICS), registry)


def _line(
    night: Night, verdict: Verdict, began: DateTime, ended: DateTime, exit_code: int
) -> dict[str, Any]:
    models = night.models
    return {
        "began_at": began.in_timezone("UTC").isoformat(),
        "ended_at": ended.in_timezone("UTC").isoformat(),
        "exit_code": exit_code,
        "verdict": verdict.word,
        "through": verdict.through,
        "faults": verdict.faults,
        "totals_differing": verdict.differing,
        "values_rejected": verdict.rejected,
        "calls_unpriced": verdict.unpriced,
        "alerts": counts(verdict.alerts),
        "sources": {load.source: _source(load) for load in night.loads},
        "warnings": night.warnings,
        "models": models
        and {
            "built": models.built,
            "tests": models.tests,
            "seconds": round(models.seconds, 1),
            "problems": models.problems,
            "warnings": models.warnings,
        },
        "restated_days": night.published and night.published.restated,
    }


def _source(load: SourceOutcome) -> dict[str, Any]:
    tallies = load.streams.values()
    sums = {
        name: sum(getattr(tally, name) for tally in tallies)
        for name in ("windows", "rows", "requests", "retries")
    }
    return {**sums, "error": load.error, "warnings": list(load.warnings)}


def _metrics(
    warehouse: WarehouseSettings,
    night: Night,
    verdict: Verdict,
    began: DateTime,
    ended: DateTime,
    exit_code: int,
) -> CollectorRegistry:
    registry = CollectorRegistry()
    of_the_night = {
        "night_began_timestamp_seconds": ("When the last night began.", began.timestamp()),
        "night_ended_timestamp_seconds": ("When the last night ended.", ended.timestamp()),
        "night_exit_code": ("What the last night ended with; 0 is good.", exit_code),
        "night_published": ("Whether the last night was published.", int(bool(night.published))),
        "totals_differing": ("Totals of the vendors that are not met.", verdict.differing),
        "values_rejected": ("Published values that could not be summed.", verdict.rejected),
        "calls_unpriced": ("Published calls without a cost.", verdict.unpriced),
    }
    for name, (meaning, value) in of_the_night.items():
        Gauge(f"llm_usage_{name}", meaning, registry=registry).set(value)
    for name, meaning in {
        "failed": "Whether the source's load failed in the last night.",
        "rows": "Rows that the last night loaded.",
        "requests": "Requests that the last night sent.",
    }.items():
        gauge = Gauge(f"llm_usage_source_{name}", meaning, ["source"], registry=registry)
        for load in night.loads:
            value = load.error is not None if name == "failed" else _source(load)[name]
            gauge.labels(load.source).set(value)
    alerts = Gauge("llm_usage_alerts", "Alerts that hold.", ["rule"], registry=registry)
    for rule, number in counts(verdict.alerts).items():
        alerts.labels(rule).set(number)
    if warehouse.published_path.exists():
        loaded_to = Gauge(
            "llm_usage_source_loaded_to_timestamp_seconds",
            "Up to when every stream of the source is loaded.",
            ["source"],
            registry=registry,
        )
        with open_published(warehouse) as connection:
            for source, instant in connection.execute(LOADED_TO).fetchall():
                loaded_to.labels(source).set(instant)
    return registry
