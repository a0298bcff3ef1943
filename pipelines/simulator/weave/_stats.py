"""The answer of `POST /calls/stats`: metrics in buckets of time, by model for usage."""

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from llm_usage_warehouse.simulator.weave._book import Book
from llm_usage_warehouse.simulator.weave._call import Call, tokens
from llm_usage_warehouse.simulator.weave._errors import bad_sql, refuse
from llm_usage_warehouse.simulator.weave._prices import add_costs
from llm_usage_warehouse.simulator.weave._request import Metric, StatsRequest

MAX_BUCKETS = 10_000
HOUR, DAY = 3600, 86_400
_AUTO = ((2 * HOUR, 300), (12 * HOUR, HOUR), (3 * DAY, 6 * HOUR), (14 * DAY, 12 * HOUR))
COSTS = ("input_cost", "output_cost", "total_cost")
# The filter fields that statistics honour; all others are ignored without a word.
FILTERS = {
    "op_names": "op_name",
    "trace_ids": "trace_id",
    "call_ids": "id",
    "parent_ids": "parent_id",
    "wb_user_ids": "wb_user_id",
    "wb_run_ids": "wb_run_id",
}
Row = dict[str, Any]
Cells = dict[Any, dict[str, list[float | None]]]


def answer(book: Book, request: StatsRequest) -> dict[str, Any]:
    """Return the response body.

    Raises:
        RefusalError: for what the server finds only while it builds or runs its queries.
    """
    end = request.end or datetime.fromtimestamp(book.world.now(), UTC)
    lie, by = book.take_lie()
    usage_metrics = _token_metrics(request.usage_metrics)
    granularity = 0
    usage: list[Row] = []
    calls: list[Row] = []
    if usage_metrics or request.call_metrics:
        granularity = _granularity(request, (end - request.start).total_seconds())
        if lie in ("granularity", "hidden_granularity"):
            granularity *= by
        _refuse_late(book, request, end, granularity, usage_metrics)
        grid = _Grid(request, end, granularity)
        found = [
            call
            for call in book.window(request.project_id, grid.start * 10**6, grid.end * 10**6)
            if _matches(call, request.filter)
        ]
        if usage_metrics:
            usage = _usage_rows(book, request, usage_metrics, grid, found)
        if request.call_metrics:
            calls = _call_rows(book, request, grid, found)
    if lie == "tokens":
        for row in [row for row in usage if row["count"]][:1]:
            row["sum_input_tokens"] += by
    if lie == "hidden_granularity" and request.granularity:
        granularity = request.granularity
    return {
        "start": _echo(request.start),
        "end": _echo(end),
        "granularity": granularity,
        "timezone": request.timezone,
        "usage_buckets": usage,
        "call_buckets": calls,
    }


def _token_metrics(metrics: tuple[Metric, ...]) -> tuple[Metric, ...]:
    """Return the metrics without costs, and the token sums that the costs need put last."""
    wanted = {metric.name for metric in metrics}
    kept = [metric for metric in metrics if metric.name not in COSTS]
    for side in ("input", "output"):
        if wanted & {f"{side}_cost", "total_cost"} and f"{side}_tokens" not in wanted:
            kept.append(Metric(f"{side}_tokens"))
    return tuple(kept)


def _granularity(request: StatsRequest, seconds: float) -> int:
    granularity = request.granularity
    if granularity is None:
        granularity = next((step for limit, step in _AUTO if seconds <= limit), DAY)
    if granularity == 0:
        raise refuse(500, "Internal server error")
    if seconds / granularity > MAX_BUCKETS:
        return max(granularity, int(seconds / MAX_BUCKETS) + 1)
    return granularity


def _refuse_late(
    book: Book,
    request: StatsRequest,
    end: datetime,
    granularity: int,
    usage_metrics: tuple[Metric, ...],
) -> None:
    percentiles = [p for m in (*usage_metrics, *request.call_metrics) for p in m.percentiles]
    for percentile in percentiles:
        if not 0 <= percentile <= 100:
            raise refuse(400, f"Percentile must be between 0 and 100, got {percentile}")
    # The alias of p99.9 is not quoted.
    if granularity < 0 or any(p != int(p) for p in percentiles):
        raise bad_sql()
    limit = book.max_hours_per_query
    if limit is not None and end - request.start > timedelta(hours=limit):
        raise refuse(
            504,
            "Query timeout exceeded. Please limit the scope of the query by including a date range"
            " and/or additional filter criteria. ",
        )


class _Grid:
    """The buckets of a request: multiples of the granularity since the Unix epoch.

    The time zone moves none of them; it only decides how their starts are written.
    """

    def __init__(self, request: StatsRequest, end: datetime, granularity: int) -> None:
        self.start = _relabelled(request.start)
        self.end = _relabelled(end)
        self.step = granularity
        zone = _zone(request.timezone)
        first = self.start // granularity * granularity
        self.stamps = {
            second: _stamp(second, zone) for second in range(first, self.end, granularity)
        }

    def bucket_of(self, call: Call) -> int:
        """Return the start of a call's bucket in Unix seconds."""
        return call.started_us // (self.step * 10**6) * self.step


def _relabelled(instant: datetime) -> int:
    """Return whole Unix seconds of what a clock shows, read as UTC whatever its offset says."""
    return int(instant.replace(tzinfo=UTC).timestamp())


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise bad_sql() from error


def _stamp(second: int, zone: tzinfo) -> str:
    stamp = datetime.fromtimestamp(second, zone)
    return (stamp.replace(tzinfo=None) if str(zone) == "UTC" else stamp).isoformat()


def _echo(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def _matches(call: Call, wanted: dict[str, Any]) -> bool:
    """Return whether a call passes the filter, that for trace roots apart."""
    return all(
        getattr(call, attribute, None) in wanted[name]
        for name, attribute in FILTERS.items()
        if wanted.get(name)
    )


def _usage_rows(
    book: Book,
    request: StatsRequest,
    metrics: tuple[Metric, ...],
    grid: _Grid,
    found: list[Call],
) -> list[Row]:
    """Return a row for each bucket and each model seen anywhere in the range."""
    now = book.now_us
    roots_only = request.filter.get("trace_roots_only")
    names = {metric.name for metric in metrics}
    cells: Cells = {}
    for call in found:
        # Root sums leave spans out that came in by OpenTelemetry, so those count by themselves.
        if not call.is_finished(now) or (roots_only and call.parent_id and not call.otel):
            continue
        for model, usage in call.usage.items():
            cell = cells.setdefault((grid.bucket_of(call), model), defaultdict(list))
            cell["count"].append(1)
            for name in names:
                cell[name].append(tokens(usage, name))
    models = sorted({model for _, model in cells})
    empty = _aggregated(metrics, {}, 0.0)
    rows = [
        {"timestamp": stamp, "model": model}
        | (_aggregated(metrics, cells[key], 0.0) if (key := (second, model)) in cells else empty)
        for second, stamp in grid.stamps.items()
        for model in models
    ]
    wanted = {metric.name for metric in request.usage_metrics if metric.name in COSTS}
    if wanted:
        add_costs(rows, wanted, book.prices, request.project_id)
    return rows


def _call_rows(book: Book, request: StatsRequest, grid: _Grid, found: list[Call]) -> list[Row]:
    """Return a row for each bucket, whether it has calls or not."""
    now = book.now_us
    cells: Cells = {}
    for call in found:
        if request.filter.get("trace_roots_only") and call.parent_id:
            continue
        cell = cells.setdefault(grid.bucket_of(call), defaultdict(list))
        cell["count"].append(1)
        done = call.is_finished(now)
        cell["call_count"].append(1)
        cell["error_count"].append(int(done and call.exception is not None))
        cell["latency_ms"].append(latency_ms(call) if done else None)
    return [
        {"timestamp": stamp} | _aggregated(request.call_metrics, cells.get(second, {}), 0)
        for second, stamp in grid.stamps.items()
    ]


def latency_ms(call: Call) -> int | None:
    """Return how many times the millisecond changed during a call."""
    if call.ended_us is None or call.ended_us < call.started_us:
        return None
    return call.ended_us // 1000 - call.started_us // 1000


def _aggregated(
    metrics: tuple[Metric, ...], cell: dict[str, list[float | None]], zero: float
) -> Row:
    """Return the metric keys of a row, in the order asked for, and `count`.

    Without values, sums, counts and even averages are 0; the rest is null.
    """
    row: Row = {}
    for metric in metrics:
        values = [value for value in cell.get(metric.name, []) if value is not None]
        for name in metric.aggregations:
            row[f"{name}_{metric.name}"] = _AGGREGATES[name](values, zero)
        for p in metric.percentiles:
            row[f"p{int(p)}_{metric.name}"] = _quantile(values, p) if values else None
    return row | {"count": len(cell.get("count", []))}


def _quantile(values: list[float], percentile: float) -> float:
    """Return a percentile with ClickHouse's interpolation, operation by operation."""
    ordered = sorted(values)
    place = round(percentile / 100, 6) * (len(ordered) - 1)
    left = int(place)
    if left + 1 == len(ordered):
        return float(ordered[left])
    return ordered[left] * (left + 1 - place) + ordered[left + 1] * (place - left)


_AGGREGATES: dict[str, Callable[[list[float], float], float | None]] = {
    "sum": sum,
    "avg": lambda values, _: sum(values) / len(values) if values else 0.0,
    "min": lambda values, _: min(values, default=None),
    "max": lambda values, _: max(values, default=None),
    "count": lambda values, _: len(values),
    "count_true": lambda values, _: sum(value == 1 for value in values),
    "count_false": lambda values, _: sum(value == 0 for value in values),
}
