"""The rows of AI Proxy's log API, every release from v0.2.0 to v0.6.5 in one shape.

Field by field as the server declares them (core/model/log.go and usage.go of the releases'
sources). The server leaves out whatever is zero, so that a missing number means 0; the raw tables
keep the absence, and staging gives it its meaning.
"""

from llm_usage_warehouse.pages import Fields, RowShape
from llm_usage_warehouse.streams import Table, Write

PRICED = (
    "input",
    "image_input",
    "audio_input",
    "video_input",
    "output",
    "image_output",
    "audio_output",
    "cached",
    "cache_creation",
    "web_search",
)
"""The kinds of usage that have a price, a unit and an amount each."""

PRIVATE = ("ip", "user", "content", "metadata", "prompt_cache_key", "request_detail")
"""Fields that may say who called and what was said; the setting `keep` lists those to store."""

PRICE: Fields = {
    **{f"{kind}_price": "money" for kind in (*PRICED, "thinking_mode_output")},
    **{f"{kind}_price_unit": "int" for kind in (*PRICED, "thinking_mode_output")},
    "per_request_price": "money",
    "conditional_prices": "json",
}

USAGE: Fields = {
    **{f"{kind}_tokens": "int" for kind in PRICED if kind != "web_search"},
    "reasoning_tokens": "int",
    "total_tokens": "int",
    "web_search_count": "int",
}

USAGE_CONTEXT: Fields = {
    "resolution": "text",
    "native_resolution": "text",
    "quality": "text",
    "service_tier": "text",
    "input_media": "bool",
    "input_video": "bool",
    "output_audio": "bool",
}

LOG: Fields = {
    "id": "int",
    "request_id": "text",
    "upstream_id": "text",
    "created_at": "unix_ms",
    "request_at": "unix_ms",
    "retry_at": "unix_ms",
    "ttfb_milliseconds": "int",
    "retry_times": "int",
    "code": "int",
    "mode": "int",
    "model": "text",
    "group": "text",
    "token_id": "int",
    "token_name": "text",
    "channel": "int",
    "endpoint": "text",
    "service_tier": "text",
    "async_usage_status": "int",
    "usage": USAGE,
    "usage_context": USAGE_CONTEXT,
    "price": PRICE,
    "amount": {f"{kind}_amount": "money" for kind in (*PRICED, "used")},
    "used_amount": "money",
    "ip": "text",
    "user": "text",
    "content": "text",
    "metadata": "json",
    "prompt_cache_key": "text",
    "request_detail": "json",
}

CHANNEL: Fields = {
    "id": "int",
    "name": "text",
    "type": "int",
    "status": "int",
    "priority": "int",
    "models": "json",
    # Its host alone is stored: the rest may hold a user and a password.
    "base_url": "text",
    # The provider's API key, in clear.
    "key": "drop",
}

TOTAL: Fields = {
    "timestamp": "unix_s",
    "channel_id": "int",
    "group_id": "text",
    "token_name": "text",
    "model": "text",
    **{
        f"{kind}_count": "int"
        for kind in (
            "request",
            "retry",
            "exception",
            "status_2xx",
            "status_4xx",
            "status_5xx",
            "status_other",
            "status_400",
            "status_429",
            "status_500",
            "cache_hit",
            "cache_creation",
        )
    },
    **USAGE,
    **{f"{kind}_amount": "money" for kind in (*PRICED, "used")},
    "total_time_milliseconds": "int",
    "total_ttfb_milliseconds": "int",
    # Parts of the sums above, and peaks that cannot be added up.
    "service_tier_flex": "drop",
    "service_tier_priority": "drop",
    "claude_long_context": "drop",
    "max_rpm": "drop",
    "max_tpm": "drop",
}
"""One entry of the dashboard's time series: an hour of a channel and model, or of a group's API key
and model (core/model/summary.go)."""


def logs_shape(keep: frozenset[str]) -> RowShape:
    """Return the shape of a log row, with the private fields of `keep` only."""
    return RowShape(
        rows=("data", "logs"),
        fields=LOG,
        required=("id", "created_at", "request_at", "model"),
        # Both are reserved words of SQL.
        renamed={"group": "group_id", "user": "user_id"},
        withheld=frozenset(
            {"user": "user_id"}.get(name, name) for name in PRIVATE if name not in keep
        ),
    )


CHANNELS = RowShape(
    rows=("data",),
    fields=CHANNEL,
    required=("id",),
    renamed={"base_url": "host"},
    complete=False,
)

DASHBOARD = RowShape(
    rows=("rows",),
    fields=TOTAL,
    required=("bucket_start", "request_count"),
    # A type of SQL.
    renamed={"timestamp": "bucket_start"},
)

CHANNELS_TABLE = Table(
    name="channels",
    shape=CHANNELS,
    write=Write.SNAPSHOT,
    constants=("source_name", "scope", "base_url", "provider_name"),
)
LOGS_TABLE = Table(
    name="logs",
    shape=logs_shape(frozenset()),
    write=Write.MERGE,
    constants=("source_name", "base_url", "currency"),
    key=("source_name", "id"),
    identity=("request_id", "request_at"),
)
DASHBOARD_TABLE = Table(
    name="dashboard",
    shape=DASHBOARD,
    write=Write.REPLACE_WINDOW,
    constants=("source_name", "scope", "base_url", "currency"),
    at="bucket_start",
)
TABLES = (CHANNELS_TABLE, LOGS_TABLE, DASHBOARD_TABLE)
