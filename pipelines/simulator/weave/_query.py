"""The call-level endpoints: `stream_query`, `query_stats`, and a project's prices."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from llm_usage_warehouse.simulator.weave._book import Book
from llm_usage_warehouse.simulator.weave._call import Call, iso_us, to_us, tokens
from llm_usage_warehouse.simulator.weave._errors import refuse
from llm_usage_warehouse.simulator.weave._prices import Price, at_start, float32
from llm_usage_warehouse.simulator.weave._stats import FILTERS, latency_ms

Body = dict[str, Any]
# Every row has every field; those not asked for are null or {}, like fields that have no value.
_FIELDS: Body = {
    "id": None,
    "project_id": None,
    "op_name": None,
    "display_name": None,
    "trace_id": None,
    "parent_id": None,
    "thread_id": None,
    "turn_id": None,
    "started_at": None,
    "attributes": {},
    "inputs": {},
    "ended_at": None,
    "exception": None,
    "output": None,
    "summary": None,
    "wb_user_id": None,
    "wb_run_id": None,
    "wb_run_step": None,
    "wb_run_step_end": None,
    "deleted_at": None,
    "expire_at": None,
    "storage_size_bytes": None,
    "total_storage_size_bytes": None,
}
_REQUIRED = {"id", "project_id", "trace_id", "op_name", "started_at"}
_SUMMARY_NEEDS = {"ended_at", "exception", "display_name"}
_PRICE_UNITS = ("prompt_token_cost_unit", "completion_token_cost_unit")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda left, right: left == right,
    "$gt": lambda left, right: left > right,
    "$gte": lambda left, right: left >= right,
    "$lt": lambda left, right: left < right,
    "$lte": lambda left, right: left <= right,
}


def stream(book: Book, body: Body) -> bytes:
    """Return the calls that a `stream_query` body selects, one JSON object a line."""
    now = book.now_us
    found = _selected(book, body)
    if body.get("latest_only"):
        found = list({call.id: call for call in found}.values())
    for sort in reversed(body.get("sort_by") or []):
        field = sort["field"]
        found.sort(key=lambda call: _value(call, field, now), reverse=sort["direction"] == "desc")
    offset = body.get("offset") or 0
    limit = body.get("limit")
    page = found[offset : None if limit is None else offset + limit]
    lines = [json.dumps(_row(book, body, call, now), ensure_ascii=False) for call in page]
    return "".join(f"{line}\n" for line in lines).encode()


def count(book: Book, body: Body) -> Body:
    """Return the answer of `query_stats`; without a condition it ignores the limit."""
    found = len(_selected(book, body))
    limit = body.get("limit") if body.get("filter") or body.get("query") else None
    capped = found if limit is None else min(found, limit)
    return {"count": capped, "has_more": capped < found, "total_storage_size_bytes": None}


def costs(book: Book, body: Body) -> Body:
    """Return the answer of `cost/query`: the project's own prices, never the defaults."""
    own = [price for price in book.prices if price.owner == body["project_id"]]
    fields = body.get("fields")
    rows = [_price_row(price) for price in own]
    if fields:
        rows = [{key: row[key] if key in fields else None for key in row} for row in rows]
    offset = body.get("offset") or 0
    limit = body.get("limit")
    return {"results": rows[offset : None if limit is None else offset + limit]}


def _selected(book: Book, body: Body) -> list[Call]:
    """Return the calls that pass a body's filter and query, by start and id."""
    now = book.now_us
    wanted = body.get("filter") or {}
    fields = {**FILTERS, "thread_ids": "thread_id"}
    sets = {key: set(wanted[name]) for name, key in fields.items() if wanted.get(name)}
    test = (body.get("query") or {}).get("$expr")
    return [
        call
        for call in book.calls(body["project_id"])
        if not (wanted.get("trace_roots_only") and call.parent_id)
        and all(getattr(call, key, None) in values for key, values in sets.items())
        and (test is None or _holds(test, call, now))
    ]


def _holds(test: Body, call: Call, now: int) -> bool:
    (operator, operands), *_ = test.items()
    match operator:
        case "$and":
            return all(_holds(part, call, now) for part in operands)
        case "$or":
            return any(_holds(part, call, now) for part in operands)
        case "$not":
            return not _holds(operands[0], call, now)
        case "$in":
            field = operands[0]["$getField"]
            literals = [_literal(field, part) for part in operands[1]]
            return _value(call, field, now) in literals
    if operator not in _COMPARE:
        raise refuse(400, f"Unknown operation: {operator}")
    field = operands[0]["$getField"]
    left, right = _value(call, field, now), _literal(field, operands[1])
    # SQL: nothing compares with null.
    return left is not None and right is not None and _COMPARE[operator](left, right)


def _literal(field: str, operand: Body) -> Any:
    value = operand["$literal"]
    return to_us(value) if field in ("started_at", "ended_at") and value is not None else value


def _value(call: Call, field: str, now: int) -> Any:
    match field:
        case "started_at":
            return call.started_us
        case "ended_at":
            return call.ended_us if call.is_finished(now) else None
        case "id" | "trace_id" | "parent_id" | "op_name" | "wb_user_id" | "thread_id":
            return getattr(call, field)
    raise refuse(400, f"Unknown field: {field}")


def _row(book: Book, body: Body, call: Call, now: int) -> Body:
    columns = {name.split(".")[0] for name in body.get("columns") or _FIELDS} | _REQUIRED
    if body.get("include_costs"):
        columns.add("summary")
    if "summary" in columns:
        columns |= _SUMMARY_NEEDS
    done = call.is_finished(now)
    values: Body = {
        "id": call.id,
        "project_id": call.project_id,
        "op_name": call.op_name,
        "trace_id": call.trace_id,
        "parent_id": call.parent_id,
        "thread_id": call.thread_id,
        "started_at": iso_us(call.started_us),
        "ended_at": iso_us(call.ended_us) if done and call.ended_us is not None else None,
        "exception": call.exception if done else None,
        "wb_user_id": call.wb_user_id,
        "attributes": {"otel_span": {"name": call.op_name}} if call.otel else {},
        "inputs": {"messages": [{"role": "user", "content": f"example prompt of {call.id}"}]},
        "output": f"example answer of {call.id}" if done else None,
    }
    row = _FIELDS | {name: value for name, value in values.items() if name in columns}
    row["summary"] = _summary(book, body, call, row, "summary" in columns)
    return row


def _summary(book: Book, body: Body, call: Call, row: Body, whole: bool) -> Body:
    """Return the summary, whose status sees no more than the selected columns."""
    ended, failed = row["ended_at"] is not None, row["exception"] is not None
    status = "error" if failed else "success" if ended else "running"
    if status == "success" and whole and call.errors:
        status = "descendant_error"
    derived: Body = {"status": status, "trace_name": call.op_name.split("/")[-1].split(":")[0]}
    if ended:
        derived["latency_ms"] = latency_ms(call)
    if not whole or not ended:
        return {"weave": derived}
    if body.get("include_costs"):
        priced = {model: _cost(book, call, model) for model in call.usage}
        derived["costs"] = {model: cost for model, cost in priced.items() if cost}
    counts = {"success": call.successes, "error": call.errors}
    return {"usage": call.usage, "status_counts": counts, "weave": derived}


def _cost(book: Book, call: Call, model: str) -> Body | None:
    """Return a model's costs in a call by the price of its day, None for an unknown model."""
    started = datetime.fromtimestamp(call.started_us / 10**6, UTC)
    price = at_start(book.prices, call.project_id, model, started)
    if price is None:
        return None
    usage = call.usage[model]
    sums = {
        "prompt_tokens": int(tokens(usage, "input_tokens") or 0),
        "completion_tokens": int(tokens(usage, "output_tokens") or 0),
        "requests": usage.get("requests", 0),
        "total_tokens": usage.get("total_tokens", 0),
        "cache_creation_input_tokens": usage.get("cache_creation_input_tokens", 0),
        "cache_read_input_tokens": usage.get("cache_read_input_tokens", 0),
    }
    cached, written = sums["cache_read_input_tokens"], sums["cache_creation_input_tokens"]
    net = sums["prompt_tokens"] - cached - written
    dated = price.effective.strftime("%Y-%m-%d %H:%M:%S.000")
    return sums | {
        "prompt_tokens_total_cost": _short(net * float32(price.prompt)),
        "completion_tokens_total_cost": _short(
            sums["completion_tokens"] * float32(price.completion)
        ),
        "prompt_token_cost": _short(price.prompt),
        "completion_token_cost": _short(price.completion),
        **dict(zip(_PRICE_UNITS, price.units, strict=True)),
        "effective_date": dated,
        "provider_id": price.provider_id,
        "pricing_level": price.level,
        "pricing_level_id": price.owner,
        "created_at": dated,
        "created_by": "system" if price.level == "default" else "user-0",
        "cache_read_input_token_cost": _short(price.cache_read),
        "cache_creation_input_token_cost": _short(price.cache_creation),
        "cache_read_input_tokens_total_cost": _short(cached * float32(price.cache_read)),
        "cache_creation_input_tokens_total_cost": _short(written * float32(price.cache_creation)),
    }


def _short(value: float) -> float:
    """Return a number as the database itself writes it into JSON: whole ones without a point."""
    return int(value) if value == int(value) else value


def _price_row(price: Price) -> Body:
    return {
        "id": f"price-{price.llm_id}-{price.effective:%Y%m%d}",
        "llm_id": price.llm_id,
        "prompt_token_cost": float32(price.prompt),
        "completion_token_cost": float32(price.completion),
        "cache_read_input_token_cost": float32(price.cache_read),
        "cache_creation_input_token_cost": float32(price.cache_creation),
        **dict(zip(_PRICE_UNITS, price.units, strict=True)),
        "effective_date": price.effective.replace(tzinfo=None).isoformat(),
        "provider_id": price.provider_id,
    }
