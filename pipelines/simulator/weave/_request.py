"""Validation of the body of `POST /calls/stats`, with the server's own 422 bodies."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from llm_usage_warehouse.simulator.weave._errors import RefusalError, refuse

USAGE_METRICS = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "input_cost",
    "output_cost",
    "total_cost",
)
CALL_METRICS = ("latency_ms", "call_count", "error_count")
AGGREGATIONS = ("sum", "avg", "min", "max", "count", "count_true", "count_false")
MAX_RANGE = timedelta(days=31)

Loc = tuple[str | int, ...]


@dataclass(frozen=True)
class Metric:
    """One metric to compute; percentiles are of 0 to 100."""

    name: str
    aggregations: tuple[str, ...] = ("sum",)
    percentiles: tuple[float, ...] = ()


@dataclass(frozen=True)
class StatsRequest:
    """A valid body. `end` is None if it was left out, a metric list empty if not asked for."""

    project_id: str
    start: datetime
    end: datetime | None
    granularity: int | None
    usage_metrics: tuple[Metric, ...]
    call_metrics: tuple[Metric, ...]
    filter: dict[str, Any] = field(default_factory=dict)
    timezone: str = "UTC"


def parse(body: Any, now: datetime) -> StatsRequest:
    """Return the request that a body states.

    Fields that the API does not know are ignored without a word.

    Raises:
        RefusalError: 422 for what validation finds, 500 where naive and aware instants meet.
    """
    check = _Check(body if isinstance(body, dict) else {})
    request = StatsRequest(
        project_id=check.text("project_id", None),
        start=check.instant("start") or now,
        end=check.instant("end"),
        granularity=check.integer("granularity"),
        usage_metrics=check.metrics("usage_metrics", USAGE_METRICS),
        call_metrics=check.metrics("call_metrics", CALL_METRICS),
        filter=check.filter(),
        timezone=check.text("timezone", "UTC") or "UTC",
    )
    if check.errors:
        raise RefusalError(422, {"detail": check.errors})
    _check_range(body, request, now)
    return request


def _check_range(body: Any, request: StatsRequest, now: datetime) -> None:
    end = request.end or now
    if (request.start.tzinfo is None) != (end.tzinfo is None):
        raise refuse(500, "Internal server error")
    message = ""
    if end < request.start:
        message = "CallStatsReq end must be after start"
    elif end - request.start > MAX_RANGE:
        message = "CallStatsReq date range cannot exceed 31 days"
    if message:
        error = _error("value_error", (), f"Value error, {message}", body) | {"ctx": {"error": {}}}
        raise RefusalError(422, {"detail": [error]})


class _Check:
    """Reads typed fields out of a body and gathers what is wrong with them."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body
        self.errors: list[dict[str, Any]] = []

    def text(self, name: str, default: str | None) -> str:
        value = self.body.get(name, default)
        if name not in self.body and default is None:
            self._missing((name,), self.body)
        elif not isinstance(value, str):
            self._add("string_type", (name,), "Input should be a valid string", value)
        return str(value)

    def instant(self, name: str) -> datetime | None:
        value = self.body.get(name)
        if name not in self.body and name == "start":
            self._missing((name,), self.body)
        try:
            if isinstance(value, int | float) and not isinstance(value, bool):
                return datetime.fromtimestamp(value, UTC)
            if isinstance(value, str):
                return datetime.fromisoformat(value)
        except (ValueError, OverflowError):
            message = "Input should be a valid datetime or date, invalid character in year"
            self._add("datetime_from_date_parsing", (name,), message, value)
            return None
        if value is not None or (name == "start" and name in self.body):
            self._add("datetime_type", (name,), "Input should be a valid datetime", value)
        return None

    def integer(self, name: str) -> int | None:
        value = self.body.get(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        self._add("int_type", (name,), "Input should be a valid integer", value)
        return None

    def filter(self) -> dict[str, Any]:
        value = self.body.get("filter")
        if value is None:
            return {}
        if isinstance(value, dict):
            return value
        message = "Input should be a valid dictionary or object to extract fields from"
        self._add("model_attributes_type", ("filter",), message, value)
        return {}

    def metrics(self, name: str, known: tuple[str, ...]) -> tuple[Metric, ...]:
        value = self.body.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            self._add("list_type", (name,), "Input should be a valid list", value)
            return ()
        return tuple(self._metric(spec, (name, i), known) for i, spec in enumerate(value))

    def _metric(self, spec: Any, loc: Loc, known: tuple[str, ...]) -> Metric:
        if not isinstance(spec, dict) or "metric" not in spec:
            self._missing((*loc, "metric"), spec)
            return Metric("")
        self._one_of("literal_error", (*loc, "metric"), spec["metric"], known)
        aggregations = spec.get("aggregations", ["sum"])
        for i, name in enumerate(aggregations):
            self._one_of("enum", (*loc, "aggregations", i), name, AGGREGATIONS)
        percentiles = tuple(float(p) for p in spec.get("percentiles", []))
        # A metric without anything to compute is summed.
        default = () if percentiles else ("sum",)
        return Metric(spec["metric"], tuple(aggregations) or default, percentiles)

    def _one_of(self, kind: str, loc: Loc, value: Any, known: tuple[str, ...]) -> None:
        if value not in known:
            quoted = [f"'{name}'" for name in known]
            expected = f"{', '.join(quoted[:-1])} or {quoted[-1]}"
            self._add(kind, loc, f"Input should be {expected}", value)
            self.errors[-1]["ctx"] = {"expected": expected}

    def _missing(self, loc: Loc, value: Any) -> None:
        self._add("missing", loc, "Field required", value)

    def _add(self, kind: str, loc: Loc, message: str, value: Any) -> None:
        self.errors.append(_error(kind, loc, message, value))


def _error(kind: str, loc: Loc, message: str, value: Any) -> dict[str, Any]:
    return {"type": kind, "loc": ["body", *loc], "msg": message, "input": value}
