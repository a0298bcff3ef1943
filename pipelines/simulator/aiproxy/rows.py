"""One row of the gateway's log table, and how a release of the gateway shows it as JSON."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from llm_usage_warehouse.simulator.aiproxy import billing

DETAIL_LIFE_US = 72 * 3_600_000_000
PENDING, COMPLETED, FAILED = 1, 2, 3

# The release in which a field of a row, or a kind of token or price, first appeared.
FIELD_SINCE = {
    "upstream_id": (0, 3, 17),
    "amount": (0, 4, 1),
    "prompt_cache_key": (0, 5, 0),
    "async_usage_status": (0, 5, 7),
    "usage_context": (0, 6, 0),
}
KIND_SINCE = {
    "audio_input": (0, 2, 4),
    "image_output": (0, 3, 9),
    "audio_output": (0, 6, 0),
    "video_input": (0, 6, 0),
}
# A release that knows these shows them even when zero or empty.
ALWAYS = {"id", "model", "request_id", "created_at", "request_at"}
ALWAYS |= {"price", "usage", "usage_context", "amount"}

Version = tuple[int, ...]


@dataclass(slots=True)
class Outcome:
    """How an asynchronous job ends: the fields of its row that change, and when (microseconds)."""

    at: int
    fields: dict[str, Any]


@dataclass(slots=True)
class Row:
    """A row as stored: named as the JSON is, times in Unix microseconds.

    Attributes:
        inserted_at: when it became visible; it is late where `created_at` is well before that.
        amount: what the call cost; None until asked for, then derived from usage and price.
        body: what the request said, where the gateway kept it, for three days.
        json: the row as bytes, once made.
    """

    id: int
    inserted_at: int
    created_at: int
    request_at: int
    model: str
    request_id: str = ""
    retry_at: int = 0
    ttfb_milliseconds: int = 0
    retry_times: int = 0
    code: int = 200
    mode: int = 1
    group: str = ""
    token_id: int = 0
    token_name: str = ""
    channel: int = 0
    endpoint: str = ""
    ip: str = ""
    user: str = ""
    prompt_cache_key: str = ""
    upstream_id: str = ""
    content: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    async_usage_status: int = 0
    price: dict[str, float] = field(default_factory=dict)
    usage: dict[str, int] = field(default_factory=dict)
    usage_context: dict[str, str] = field(default_factory=dict)
    amount: dict[str, float] | None = None
    body: str = ""
    outcome: Outcome | None = None
    json: bytes | None = None

    def amounts(self) -> dict[str, float]:
        """Return what the call cost, by component, zero components left out."""
        if self.amount is None:
            self.amount = billing.bill(self.price, self.usage, self.code)
        return self.amount

    def change(self, **fields: Any) -> None:
        """Overwrite fields in place; a changed usage, price or code is charged anew."""
        if "amount" not in fields and fields.keys() & {"usage", "price", "code"}:
            fields["amount"] = None
        for name, value in (fields | {"json": None}).items():
            setattr(self, name, value)


def detail(row: Row, *, bodies: bool) -> dict[str, Any]:
    """Return the stored request and response of a row, or only its two numbers."""
    texts = {"request_body": row.body, "response_body": row.content} if bodies else {}
    return {"id": row.id + 7, "log_id": row.id} | _present(texts)


def has_detail(row: Row, now_us: int) -> bool:
    """Return whether the gateway still has the bodies of a row."""
    return bool(row.body) and now_us - row.created_at < DETAIL_LIFE_US


def emit(row: Row, version: Version) -> dict[str, Any]:
    """Return a row as a release shows it, but for the detail: zero and empty mean absent."""
    amounts = row.amounts()
    context = row.usage_context
    shown = {
        "ttfb_milliseconds": row.ttfb_milliseconds,
        "token_name": row.token_name,
        "endpoint": row.endpoint,
        "group": row.group,
        "model": row.model,
        "request_id": row.request_id,
        "upstream_id": row.upstream_id,
        "prompt_cache_key": row.prompt_cache_key,
        "service_tier": context.get("service_tier") if _top_level_tier(version) else None,
        "id": row.id,
        "token_id": row.token_id,
        "channel": row.channel,
        "code": row.code,
        "mode": row.mode,
        "ip": row.ip,
        "retry_times": row.retry_times,
        "async_usage_status": row.async_usage_status,
        "price": _known(row.price, version),
        "usage": _known(row.usage, version),
        "usage_context": _present(context),
        "amount": _known(amounts, version),
        "content": row.content,
        "user": row.user,
        "metadata": row.metadata,
        "created_at": row.created_at // 1000,
        "request_at": row.request_at // 1000,
        "retry_at": row.retry_at // 1000,
        "used_amount": amounts.get("used_amount", 0),
    }
    unknown = _later(version)
    return {k: v for k, v in shown.items() if (v or k in ALWAYS) and k not in unknown}


def _top_level_tier(version: Version) -> bool:
    return (0, 4, 1) <= version < (0, 6, 0)


@lru_cache
def _later(version: Version) -> tuple[str, ...]:
    """Return the fields and kinds of token that a release does not know yet."""
    return tuple(k for k, since in (FIELD_SINCE | KIND_SINCE).items() if version < since)


def _known(values: dict[str, Any], version: Version) -> dict[str, Any]:
    kept = _present(values)
    later = _later(version)
    return {k: v for k, v in kept.items() if not k.startswith(later)} if later else kept


def _present(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}
