"""What the log's numbers and names refer to: channels, models, groups, API keys."""

from typing import Any

from llm_usage_warehouse.simulator.aiproxy import dashboard
from llm_usage_warehouse.simulator.aiproxy.books import Books
from llm_usage_warehouse.simulator.aiproxy.catalogue import (
    CHANNEL_TYPES,
    CHANNELS,
    KEYS,
    MODELS,
    Model,
    channel_key,
    token_key,
)

Entry = dict[str, Any]


def born(books: Books) -> int:
    """Return when the gateway was set up, in Unix milliseconds."""
    return books.first_hour * 3_600_000


def groups(books: Books) -> list[Entry]:
    """Return what `/api/groups/` lists, with what each group ever called and spent."""
    names = sorted({key.group for key in KEYS if key.group}, reverse=True)
    return [_group(books, name) for name in names]


def _group(books: Books, name: str) -> Entry:
    count, used = dashboard.totals(books, name)
    return {
        "id": name,
        "status": 1,
        "rpm_ratio": 1.0,
        "used_amount": used,
        "request_count": count,
        "balance_alert_enabled": False,
        "balance_alert_threshold": 0.0,
        "created_at": born(books),
        "accessed_at": books.now() // 1000,
    }


def tokens(books: Books, group: str | None) -> list[Entry]:
    """Return what `/api/tokens/` lists, of one group or all, secrets in clear."""
    return [
        {
            "id": key.id,
            "key": token_key(key.id),
            "name": key.name,
            "group": key.group,
            "subnets": None,
            "models": None,
            "status": 1,
            "used_amount": 0.0,
            "request_count": 0,
            "quota": 0.0,
            "created_at": born(books),
        }
        for key in reversed(KEYS)
        if key.id and (not group or key.group == group)
    ]


def channels(books: Books) -> list[Entry]:
    """Return what `/api/channels/all` lists, newest first, secrets in clear as the gateway does."""
    return [
        {
            "id": number,
            "name": name,
            "type": kind,
            "key": channel_key(number),
            "base_url": base_url,
            "models": [model.name for model in MODELS if model.channel == number],
            "model_mapping": {"gpt-4o": "gpt-4o-2024-11-20"} if number == 1 else None,
            "balance": 0.0,
            "used_amount": 0.0,
            "request_count": 0,
            "retry_count": 0,
            "status": 1,
            "priority": 10,
            "enabled_auto_balance_check": False,
            "balance_threshold": 0.0,
            "created_at": born(books),
            "balance_updated_at": born(books),
            # A time that never was: the zero of Go's clock.
            "last_test_error_at": -62135596800000,
        }
        for number, name, kind, base_url in reversed(CHANNELS)
    ]


def type_metas() -> Entry:
    """Return what `/api/channels/type_metas` lists, by channel type as text."""
    return {
        str(kind): {"name": name, "keyHelp": "", "defaultBaseUrl": url, "readme": ""}
        for kind, (name, url) in CHANNEL_TYPES.items()
    }


def model_configs() -> list[Entry]:
    """Return what `/api/model_configs/all` lists: the price list of the moment, with no dates."""
    return [
        {
            "model": model.name,
            "owner": model.owner,
            "type": model.mode,
            "rpm": 600,
            "price": model.price | _conditional(model),
        }
        for model in MODELS
        if model.channel <= len(CHANNELS)
    ]


def _conditional(model: Model) -> Entry:
    least = 0
    found = []
    for most, price in model.tiers:
        condition = {"input_token_min": least} if least else {}
        found.append({"condition": condition | {"input_token_max": most}, "price": price})
        least = most + 1
    return {"conditional_prices": found} if found else {}
