"""Adds billing lines up into the rows of the usage and the cost breakdown."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from llm_usage_warehouse.simulator.alibaba_model_router._catalogue import Tier, tier_of
from llm_usage_warehouse.simulator.alibaba_model_router._traffic import BEIJING, Row

BUCKET_SECONDS = {"hourly": 3600, "daily": 86400}
_METRICS = {
    "Chat": {
        "input_tokens": "inputTokens",
        "output_tokens": "outputTokens",
        "reasoning_tokens": "reasoningTokens",
        "cached_tokens": "cachedTokens",
    },
    "Embedding": {"billing_tokens": "inputTokens"},
    "ImageGeneration": {},
}


def bucket_of(at: int, granularity: str) -> int:
    """Return the Unix second at which the Beijing hour or day of an instant begins."""
    size = BUCKET_SECONDS[granularity]
    return (at + BEIJING) // size * size - BEIJING


def bucket_span(start: int, stop: int, granularity: str) -> tuple[int, int]:
    """Return the span of the whole buckets that begin in `[start, stop)`."""
    size = BUCKET_SECONDS[granularity]
    return bucket_of(start + size - 1, granularity), bucket_of(stop + size - 1, granularity)


def usage_rows(rows: Iterable[Row], granularity: str) -> list[dict[str, Any]]:
    """Return the usage breakdown: a row per bucket, model and key, of metrics other than zero."""
    return [
        {
            **_grid(bucket, lines[0]),
            "metrics": [{"key": key, "value": value} for key, value in _values(lines).items()],
        }
        for bucket, lines in _groups(rows, granularity)
    ]


def cost_rows(rows: Iterable[Row], granularity: str) -> list[dict[str, Any]]:
    """Return the cost breakdown: a row per bucket, model and key, with its price tiers inside."""
    return [
        {
            **_grid(bucket, lines[0]),
            "modelSymbol": lines[0].model.symbol,
            "modelVersion": 1,
            "billingType": "total_amount",
            "dimValues": {},
            "payableAmount": total(lines),
            "values": _values(lines),
            "tiers": _tiers(lines),
        }
        for bucket, lines in _groups(rows, granularity)
    ]


def total(rows: Iterable[Row]) -> Decimal:
    """Return the sum of the amounts of billing lines, in CNY."""
    return sum((row.bill["amount"] for row in rows if row.bill), Decimal(0))


def _groups(rows: Iterable[Row], granularity: str) -> list[tuple[int, list[Row]]]:
    groups: dict[tuple[int, int, int], list[Row]] = {}
    for row in rows:
        key = (bucket_of(row.at, granularity), row.model.id, row.key.id)
        groups.setdefault(key, []).append(row)
    return [(key[0], groups[key]) for key in sorted(groups)]


def _grid(bucket: int, row: Row) -> dict[str, Any]:
    return {
        "summaryTime": bucket,
        "modelId": row.model.id,
        "modelCode": row.model.code,
        "modelName": row.model.name,
        "modelType": row.model.kind,
        "clientId": row.key.client.id,
        "clientName": row.key.client.name,
        "apiKeyId": row.key.id,
        "apiKeyName": row.key.name,
        "memberUserId": row.key.member_id,
        "memberUserName": row.key.member_name,
    }


def _values(rows: list[Row]) -> dict[str, int]:
    bills = [row.bill for row in rows if row.bill]
    values = {"total_calls": len(bills)}
    for metric, name in _METRICS[rows[0].model.kind].items():
        values[metric] = sum(bill[name] for bill in bills)
    values["image_count"] = sum(row.log["usage"]["imageCount"] for row in rows)
    return {metric: value for metric, value in values.items() if value}


def _tiers(rows: list[Row]) -> list[dict[str, Any]]:
    if not rows[0].model.tiers:
        return []
    tiers: dict[Tier, list[Row]] = {}
    for row in rows:
        tiers.setdefault(tier_of(row.model, row.log["promptTokens"]), []).append(row)
    return [
        {
            "dimValues": {"min_tokens": tier.min_tokens, "max_tokens": tier.max_tokens},
            "payableAmount": total(lines),
            "values": _values(lines),
        }
        for tier, lines in sorted(tiers.items())
    ]
