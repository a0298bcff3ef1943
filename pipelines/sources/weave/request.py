"""The body of `POST /calls/stats`; what the server would misread is refused before it is sent.

The server ignores fields that it does not know, takes an instant with an offset for UTC, widens
buckets of which there would be more than 10,000, and answers some mistakes with the same 502 that
an overload gets (trace server of the Python package `weave` 0.53.12).
"""

import re
from collections.abc import Iterator

import msgspec
import pendulum
from pendulum import DateTime

from llm_usage_warehouse.http import InvalidRequestError
from llm_usage_warehouse.sources.weave.schema import COSTS, COUNTS, TOKENS, Buckets, Metric
from llm_usage_warehouse.windows import Window

LONGEST = pendulum.duration(days=31)
MAX_BUCKETS = 10_000

KNOWN_METRICS = {
    "usage_metrics": frozenset({*TOKENS, *COSTS}),
    "call_metrics": frozenset({*COUNTS, "latency_ms"}),
}
AGGREGATIONS = frozenset({"sum", "avg", "min", "max", "count", "count_true", "count_false"})

_NAME = r"[^/\\#?%:]*[^/\\#?%:\s][^/\\#?%:]*"
PROJECT_ID = re.compile(f"{_NAME}/{_NAME}")
"""`entity/project`. W&B forbids these six characters in a name and no others: a space is legal."""

HOUR = 3600
"""Seconds. Windows end on whole hours, whatever their buckets: so that buckets of another length,
read again, never overlap what they replace."""

QUARTER = 900


def stats_body(
    source: str, project_id: str, window: Window, granularity: int, *buckets: Buckets
) -> bytes:
    """Return the JSON that asks for the buckets of a window.

    Args:
        source: name for error messages.
        project_id: `entity/project`.
        window: both ends UTC and on the grid of `granularity`.
        granularity: seconds per bucket.
        buckets: which of the two arrays, with its metrics; or both, of the same calls.

    Raises:
        InvalidRequestError: the server would refuse, misread or silently change the request.
    """
    problems = list(_problems(project_id, window, granularity))
    for one in buckets:
        problems += _bucket_problems(one)
    if problems:
        raise InvalidRequestError(
            source,
            f"not sent, since {'; '.join(problems)}",
            next_step=f"Check project_id, slice and granularity in [sources.{source}].",
        )
    return msgspec.json.encode(
        {
            "project_id": project_id,
            "start": spelled(window.start),
            "end": spelled(window.end),
            "granularity": granularity,
            "timezone": "UTC",
            # Clients write a call's usage to its parents too: any other set counts it twice.
            "filter": {"trace_roots_only": all(one.roots_only for one in buckets)},
            **{one.asked_as: [metric.asked() for metric in one.metrics] for one in buckets},
        }
    )


def granularity_for(timezone: str) -> int:
    """Return the longest bucket, in seconds, of which the days of `timezone` are whole multiples.

    An hour, or a quarter of one where the zone's offset from UTC has had minutes since 2020.
    """
    month = pendulum.datetime(2020, 1, 1)
    while month.year < 2038:
        if (month.in_timezone(timezone).offset or 0) % HOUR:
            return QUARTER
        month = month.add(months=1)
    return HOUR


def bucket_count(window: Window, granularity: int) -> int:
    """Return how many buckets a window has that lies on their grid."""
    return int((window.end - window.start).total_seconds()) // granularity


def _problems(project_id: str, window: Window, granularity: int) -> Iterator[str]:
    if not PROJECT_ID.fullmatch(project_id):
        yield f"project_id {project_id!r} is not of the form entity/project"
    if granularity <= 0:
        yield f"buckets cannot be {granularity} seconds long"
        return
    for end in (window.start, window.end):
        if end.offset:
            yield f"{end} is not in UTC, and the server would drop its offset"
        if end.microsecond or end.int_timestamp % granularity:
            yield f"{end} cuts a bucket of {granularity} seconds in two"
    if window.end - window.start > LONGEST:
        yield f"{window} is longer than 31 days"
    if bucket_count(window, granularity) > MAX_BUCKETS:
        yield f"{window} has more than {MAX_BUCKETS} buckets, and the server would widen them"


def _bucket_problems(buckets: Buckets) -> Iterator[str]:
    if not buckets.metrics:
        yield "no metric is asked for, which is answered with nothing"
    for metric in buckets.metrics:
        yield from _metric_problems(metric, buckets.asked_as)


def _metric_problems(metric: Metric, asked_as: str) -> Iterator[str]:
    if metric.name not in KNOWN_METRICS[asked_as]:
        yield f"{metric.name!r} is none of the server's {asked_as}"
    for unknown in sorted(set(metric.aggregations) - AGGREGATIONS):
        yield f"{unknown!r} is none of the server's aggregations"
    for percentile in metric.percentiles:
        if percentile != int(percentile):
            yield f"percentile {percentile} is not whole, and the server cannot name its column"
        if not 0 <= percentile <= 100:
            yield f"percentile {percentile} is not between 0 and 100"


def spelled(instant: DateTime) -> str:
    """Return an instant of UTC as the server reads it right, in whole seconds."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
