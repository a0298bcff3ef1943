"""One call in Weave's books, and the instants and numbers that it is made of."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Call:
    """A traced operation: a trace's root, one of its steps, or one request to a model.

    Attributes:
        started_us: when it started, in microseconds of Unix time.
        ended_us: when it ends, None if it never does; until then the API knows no usage of it.
        usage: what the client logged, by model, in the client's own key names.
        exception: the error that ended it, None for success.
        otel: whether it came in as an OpenTelemetry span; such spans carry their own usage and
            their parents no sum of it, unlike calls that the Python SDK logged.
        late_us: how long after each event the client's upload reached Weave.
        copies: physical rows in the table; above one until the database merges a retried upload.
        successes: finished calls without error among itself and its descendants.
        errors: failed calls among itself and its descendants.
    """

    id: str
    project_id: str
    trace_id: str
    op_name: str
    started_us: int
    ended_us: int | None
    parent_id: str | None = None
    usage: dict[str, dict[str, Any]] = field(default_factory=dict)
    exception: str | None = None
    otel: bool = False
    wb_user_id: str | None = None
    thread_id: str | None = None
    late_us: int = 0
    copies: int = 1
    successes: int = 1
    errors: int = 0

    def is_visible(self, now_us: int) -> bool:
        """Return whether the start of the call has reached Weave."""
        return self.started_us + self.late_us <= now_us

    def is_finished(self, now_us: int) -> bool:
        """Return whether the end of the call, and with it its usage, has reached Weave."""
        return self.ended_us is not None and self.ended_us + self.late_us <= now_us


def to_us(instant: str | float | datetime) -> int:
    """Return Unix microseconds of an ISO 8601 text, Unix seconds or an aware datetime."""
    if isinstance(instant, str):
        instant = datetime.fromisoformat(instant)
    if isinstance(instant, datetime):
        aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        return (aware - EPOCH) // timedelta(microseconds=1)
    return round(instant * 1_000_000)


def iso_us(us: int) -> str:
    """Return an instant as the call endpoints write it: UTC, `Z`, a fraction only if there is one.

    >>> iso_us(1_772_323_800_123_456)
    '2026-03-01T00:10:00.123456Z'
    """
    return (EPOCH + timedelta(microseconds=us)).replace(tzinfo=None).isoformat() + "Z"


def tokens(usage: dict[str, Any], metric: str) -> float | None:
    """Return a usage metric of one call and model as the server derives it.

    OpenAI's and Anthropic's key names are added up, so a client that logs both counts twice; a
    total is only ever the one that the client logged, None without it.
    """
    match metric:
        case "input_tokens":
            return (_number(usage, "prompt_tokens") or 0.0) + (
                _number(usage, "input_tokens") or 0.0
            )
        case "output_tokens":
            return (_number(usage, "completion_tokens") or 0.0) + (
                _number(usage, "output_tokens") or 0.0
            )
        case "total_tokens":
            return _number(usage, "total_tokens")
        case _:
            return _number(usage, metric) or 0.0


def _number(usage: dict[str, Any], key: str) -> float | None:
    value = usage.get(key)
    # The server casts raw JSON to Float64: a quoted number is no number, and 2**53 + 1 rounds.
    return float(value) if isinstance(value, int | float) else None
