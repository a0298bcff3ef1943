"""The rows of Acme's usage API, field by field as the vendor states them."""

from llm_usage_warehouse.pages import Fields, RowShape
from llm_usage_warehouse.streams import Table, Write

CALL: Fields = {
    "id": "text",
    "project": "text",
    "api_key_name": "text",
    "model": "text",
    "started_at": "iso",
    "ended_at": "iso",
    "status": "int",
    "usage": {"input_tokens": "int", "output_tokens": "int"},
    # Says who called: never stored.
    "end_user": "drop",
}

CALLS_TABLE = Table(
    name="calls",
    shape=RowShape(rows=("data",), fields=CALL, required=("id", "model", "ended_at")),
    write=Write.MERGE,
    constants=("source_name", "base_url"),
    key=("source_name", "id"),
)
TABLES = (CALLS_TABLE,)
