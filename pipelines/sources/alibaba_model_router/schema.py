"""The rows of ModelRouter's read APIs, under names in snake_case however the vendor spells them.

Fields as the vendor's documentation and its official SDK (`alibabacloud-aicontent20240611` 7.10)
declare them. Names of people are dropped everywhere; prompts and answers unless `keep_bodies` is
set; keys, phone numbers and addresses under any setting.
"""

from functools import partial

from llm_usage_warehouse.pages import Fields, RowShape
from llm_usage_warehouse.streams import Table, Write

BODIES = frozenset({"request_body", "response_body"})
"""The prompt and the answer of a log row, in full."""

LOG: Fields = {
    "id": "int",
    "request_id": "text",
    "client_id": "int",
    "client_uuid": "text",
    "api_key_id": "int",
    "model_id": "int",
    "model_name": "text",
    "model_code": "text",
    "symbol": "text",
    "model_type": "text",
    "request_time": "iso",
    "response_time_ms": "int",
    "status_code": "int",
    "status": "text",
    "prompt_tokens": "int",
    "completion_tokens": "int",
    "total_tokens": "int",
    "request_body": "json_text",
    "response_body": "json_text",
    "delete_tag": "int",
    "gmt_create": "iso",
    "gmt_modified": "iso",
    "usage": {
        "prompt_tokens": "int",
        "completion_tokens": "int",
        "total_tokens": "int",
        "image_count": "int",
        "video_count": "int",
        "video_duration": "float",
    },
}

CALLER: Fields = {
    "client_id": "int",
    "client_name": "text",
    "member_user_id": "int",
    "member_user_name": "drop",
    "api_key_id": "int",
    "api_key_name": "text",
    "model_id": "int",
    "model_code": "text",
    "model_name": "text",
    "model_symbol": "text",
    "model_type": "text",
    # A number in one place of the vendor's documents and not typed in another.
    "model_version": "json",
}
"""Who called which model, as all billing and usage rows say it."""

BILLING_LINE: Fields = {
    "request_id": "text",
    "request_time": "unix_s",
    **CALLER,
    "input_tokens": "int",
    "output_tokens": "int",
    "total_tokens": "int",
    "cached_tokens": "int",
    "cache_creation_tokens": "int",
    "reasoning_tokens": "int",
    "metrics": "json_text",
    "discount": "money",
    "amount": "money",
    "usage_detail": "json_text",
}

USAGE_BUCKET: Fields = {"summary_time": "unix_s", **CALLER, "metrics": "json_text"}

COST_BUCKET: Fields = {
    "summary_time": "unix_s",
    **CALLER,
    "billing_type": "text",
    "dim_values": "json_text",
    "payable_amount": "money",
    "values": "json_text",
    "tiers": "json_text",
}

BILLING_RULE: Fields = {
    "id": "int",
    "model_id": "int",
    "model_code": "text",
    "model_name": "text",
    "model_type": "text",
    "symbol": "text",
    "billing_type": "text",
    "pricing_config": "json_text",
    "effective_time": "iso",
    "expire_time": "iso",
    "version": "int",
    "delete_tag": "int",
    "gmt_create": "iso",
    "gmt_modified": "iso",
}

MODEL: Fields = {
    "id": "int",
    "model_code": "text",
    "name": "text",
    "symbol": "text",
    "model_type": "text",
    "tags": "json_text",
    "version": "json",
    "has_billing_rule": "bool",
    "is_custom": "bool",
    "delete_tag": "int",
    "gmt_create": "iso",
    "gmt_modified": "iso",
}

CLIENT: Fields = {
    "id": "int",
    "client_uuid": "text",
    "name": "text",
    "parent_id": "int",
    "level": "int",
    "node_type": "text",
    "discount": "money",
    "contact": "drop",
    "address": "drop",
    "delete_tag": "int",
    "gmt_create": "iso",
    "gmt_modified": "iso",
}

API_KEY: Fields = {
    "id": "int",
    "name": "text",
    # The key itself, in clear.
    "key": "drop",
    "client_id": "int",
    "member_user_id": "int",
    "member_user_name": "drop",
    "delete_tag": "int",
    "gmt_create": "iso",
    "gmt_modified": "iso",
}


# The vendor has the rows in one of several places, from which `response.read_page` takes them.
_shape = partial(RowShape, ("data",))


def logs_shape(*, keep_bodies: bool) -> RowShape:
    """Return the shape of a log row, with what was said only where it is kept."""
    return _shape(
        fields=LOG,
        required=("id", "request_time"),
        withheld=frozenset() if keep_bodies else BODIES,
    )


def _dimension(fields: Fields) -> RowShape:
    return _shape(fields=fields, required=("id",), complete=False)


def _dimension_table(name: str, fields: Fields) -> Table:
    return Table(name, _dimension(fields), Write.SNAPSHOT)


# Rows of money say no currency; the setting does.
_MONEY_CONSTANTS = ("source_name", "scope", "base_url", "currency")

MODELS = _dimension_table("models", MODEL)
CLIENTS = _dimension_table("clients", CLIENT)
API_KEYS = _dimension_table("api_keys", API_KEY)
BILLING_RULES = Table(
    "billing_rules", _dimension(BILLING_RULE), Write.SNAPSHOT, constants=_MONEY_CONSTANTS
)
LOGS = Table(
    "observation_logs",
    logs_shape(keep_bodies=False),
    Write.MERGE,
    constants=("source_name", "base_url"),
    key=("source_name", "base_url", "id"),
)
BILLING_DETAILS = Table(
    "billing_details",
    _shape(fields=BILLING_LINE, required=("request_time",)),
    Write.REPLACE_WINDOW,
    constants=_MONEY_CONSTANTS,
    at="request_time",
)
USAGE_BREAKDOWN = Table(
    "usage_breakdown",
    _shape(fields=USAGE_BUCKET, required=("summary_time",)),
    Write.REPLACE_WINDOW,
    at="summary_time",
)
COST_BREAKDOWN = Table(
    "cost_breakdown",
    _shape(
        fields=COST_BUCKET,
        required=("summary_time",),
        # A reserved word of SQL.
        renamed={"values": "metrics"},
    ),
    Write.REPLACE_WINDOW,
    constants=_MONEY_CONSTANTS,
    at="summary_time",
)
TABLES = (
    MODELS,
    CLIENTS,
    API_KEYS,
    BILLING_RULES,
    LOGS,
    BILLING_DETAILS,
    USAGE_BREAKDOWN,
    COST_BREAKDOWN,
)
