"""In which currency the server's costs are: the units of a project's own prices.

`POST /cost/query` gives a project's own prices, never the default ones, which are in US dollars.
Statistics are priced at the newest price of a model, whatever its date.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec
import pyarrow as pa

from llm_usage_warehouse.http import BadResponseError

DEFAULT_UNIT = "USD"
FIELDS = ("llm_id", "effective_date", "prompt_token_cost_unit", "completion_token_cost_unit")


class OwnPrice(msgspec.Struct):
    """One of a project's own prices; instants of one answer are all without or all with offset."""

    llm_id: str
    effective_date: datetime
    prompt_token_cost_unit: str | None = None
    completion_token_cost_unit: str | None = None


class OwnPrices(msgspec.Struct):
    """The answer of `POST /cost/query`."""

    results: list[OwnPrice]


def prices_body(project_id: str) -> bytes:
    """Return the JSON that asks for a project's own prices."""
    return msgspec.json.encode({"project_id": project_id, "fields": FIELDS})


def cost_units(source: str, body: bytes) -> dict[str, str]:
    """Return by model what the costs are in that come from a project's own prices.

    A model whose newest price has several units has them all, with strokes between, which is no
    code of a currency.

    Raises:
        BadResponseError: the answer is not one of `POST /cost/query`.
    """
    try:
        prices = msgspec.json.decode(body, type=OwnPrices).results
    except msgspec.DecodeError as error:
        raise BadResponseError(source, f"a project's own prices cannot be read: {error}") from error
    newest: dict[str, datetime] = {}
    for price in prices:
        known = newest.get(price.llm_id, price.effective_date)
        newest[price.llm_id] = max(known, price.effective_date)
    units: dict[str, set[str]] = {}
    for price in prices:
        if price.effective_date == newest[price.llm_id]:
            both = price.prompt_token_cost_unit, price.completion_token_cost_unit
            units.setdefault(price.llm_id, set()).update(unit or "" for unit in both)
    return {model: "/".join(sorted(found)) for model, found in units.items()}


def with_cost_unit(table: pa.Table, units: Mapping[str, str] | None) -> pa.Table:
    """Return usage buckets with what their costs are in; NULL where that could not be read."""
    models = table["model"].to_pylist()
    found = [None if units is None else units.get(model, DEFAULT_UNIT) for model in models]
    return table.append_column("cost_unit", pa.array(found, pa.string()))
