"""The calls of one hour: a pure function of the world's seed and the number of the hour.

An hour holds the rows *inserted* in it, so that `id` follows the order of insertion as an
autoincrement does, while a late row's `created_at` lies before rows already seen.
"""

import math
from datetime import UTC, datetime
from functools import lru_cache
from itertools import accumulate
from random import Random
from typing import NamedTuple

from llm_usage_warehouse.simulator.aiproxy import catalogue as cat
from llm_usage_warehouse.simulator.aiproxy.rows import COMPLETED, FAILED, PENDING, Outcome, Row
from llm_usage_warehouse.simulator.world import World

HOUR_US = 3_600_000_000
# Numbers are left free between hours, as failed inserts leave them; they soon pass 32 bits.
IDS_PER_HOUR = 200_000
FIRST_HOUR = 440_000
# How far before its insertion a row may have been created, in whole hours.
LATEST_HOURS = 3
PRIVATE_TEXT = "private example prompt"

MODEL_WEIGHTS = list(accumulate(model.weight for model in cat.MODELS))
KEY_WEIGHTS = list(accumulate(key.weight for key in cat.KEYS))
USERS = ["", "", "", "alice@mail.example", "bob@mail.example", "用户-7", 'O\'Brien "q" 😀']
ODD_METADATA = [
    {"team": "growth", "cost center": "42"},
    {"a.b": "dotted", "": "no name", "键": "值"},
    {"select": "1; --", "html": "<b>&</b>", "__class__": "x"},
]
ERRORS = [400, 400, 429, 429, 500, 502, 503, 504]


class Rejection(NamedTuple):
    """A call turned away by the gateway's own rate limit: counted in summaries, never logged."""

    hour: int
    group: str
    token_name: str
    channel: int
    model: str


def first_id(hour: int) -> int:
    """Return the id before the first row inserted in an hour."""
    return (hour - FIRST_HOUR) * IDS_PER_HOUR


def calls_in(world: World, hour: int) -> int:
    """Return how many rows an hour holds: busy in UTC+8 working hours, quiet at weekends."""
    rng = world.random_for("aiproxy", hour, "size")
    local = datetime.fromtimestamp((hour + 8) * 3600, UTC)
    busy = 1 + 0.8 * math.cos((local.hour - 14.5) / 12 * math.pi)
    week = 0.5 if local.weekday() >= 5 else 1.2
    return min(round(world.rows_per_day / 24 * busy * week * rng.uniform(0.9, 1.1)), 90_000)


def rejections_of_hour(world: World, hour: int) -> list[Rejection]:
    """Return the calls that the gateway turned away in an hour."""
    rng = world.random_for("aiproxy", hour, "rejections")
    found = []
    for _ in range(calls_in(world, hour) // 40):
        key, model = rng.choice(cat.KEYS[:-1]), rng.choice(cat.MODELS)
        found.append(Rejection(hour, key.group, key.name, model.channel, model.name))
    return found


def rows_of_hour(world: World, hour: int) -> list[Row]:
    """Return the rows inserted in an hour, by id."""
    rng = world.random_for("aiproxy", hour)
    start = hour * HOUR_US
    inserted = sorted(start + int(rng.random() * HOUR_US) for _ in range(calls_in(world, hour)))
    rows: list[Row] = []
    for number, at in enumerate(inserted, first_id(hour) + 1):
        # The first on the whole hour, midnight in UTC and in UTC+8 among them.
        created = at - _lag(rng) if rows else start
        if rng.random() < 0.004:
            created -= created % 1_000_000
        if rows and rng.random() < 0.01:
            created = min(rows[-1].created_at, at)
        rows.append(_row(rng, number, at, created))
        if len(rows) > 1 and rng.random() < 0.003:
            # Two arrivals in one microsecond, or two replicas' clocks: the id of a request repeats.
            rows[-1].request_id = rows[-2].request_id
    return rows


def _lag(rng: Random) -> int:
    """Return how long after `created_at` a row is inserted, in microseconds."""
    draw = rng.random()
    if draw < 0.001:
        return int(rng.uniform(600, 7200) * 1e6)
    if draw < 0.02:
        return int(rng.uniform(1, 300) * 1e6)
    return int(rng.uniform(2_000, 40_000))


def _row(rng: Random, number: int, inserted_at: int, created_at: int) -> Row:
    model = rng.choices(cat.MODELS, cum_weights=MODEL_WEIGHTS)[0]
    key = rng.choices(cat.KEYS, cum_weights=KEY_WEIGHTS)[0]
    code = rng.choice(ERRORS) if rng.random() < 0.04 else 200
    usage = _usage(rng, model) if code == 200 else {}
    took = int(rng.lognormvariate(6.6, 0.8) * 1000) + usage.get("output_tokens", 0) % 5000 * 8_000
    row = Row(
        id=number,
        inserted_at=inserted_at,
        created_at=created_at,
        request_at=created_at - took,
        request_id=str(created_at - took),
        ttfb_milliseconds=took // 4000 if code == 200 else 0,
        code=code,
        mode=model.mode,
        model=model.name,
        group=key.group,
        token_id=key.id,
        token_name=key.name,
        channel=model.channel,
        endpoint=cat.ENDPOINTS[model.mode],
        ip=f"203.0.113.{rng.randrange(1, 255)}",
        user=rng.choice(USERS),
        upstream_id=f"example-{number:x}" if code == 200 else "",
        price=model.price_for(usage.get("input_tokens", 0)),
        usage=usage,
    )
    _embellish(rng, row)
    if code != 200:
        _fail(rng, row)
    elif model.mode == cat.VIDEO:
        _defer(rng, row)
    return row


def _usage(rng: Random, model: cat.Model) -> dict[str, int]:
    draw = rng.random()
    if draw < 0.003:
        return {}
    tokens_in = _around(rng, model.input_tokens) if draw < 0.999 else 1_048_576
    match model.mode:
        case cat.EMBEDDINGS | cat.RERANK:
            return {"input_tokens": tokens_in, "total_tokens": tokens_in}
        case cat.IMAGES:
            images = rng.choice([1, 1, 2, 4])
            # Priced by the image, so its output tokens are images.
            return {"input_tokens": tokens_in, "output_tokens": images, "total_tokens": tokens_in}
        case cat.VIDEO:
            made = model.output_tokens * rng.choice([1, 1, 2])
            return {"output_tokens": made, "total_tokens": made}
    tokens_out = _around(rng, model.output_tokens)
    usage = {"input_tokens": tokens_in, "output_tokens": tokens_out}
    if rng.random() < model.cached:
        usage["cached_tokens"] = int(tokens_in * rng.uniform(0.2, 0.95))
    if "cache_creation_price" in model.price and rng.random() < 0.2:
        usage["cache_creation_tokens"] = (tokens_in - usage.get("cached_tokens", 0)) // 2
    if rng.random() < model.reasoning:
        usage["reasoning_tokens"] = int(tokens_out * rng.uniform(0.2, 0.9))
    if "audio_input_price" in model.price:
        usage["audio_input_tokens"] = tokens_in // 2
        usage["audio_output_tokens"] = tokens_out // 2
    if "web_search_price" in model.price:
        usage["web_search_count"] = rng.choice([1, 1, 2, 3])
    # An upstream's own number, which need not be the sum.
    usage["total_tokens"] = tokens_in + tokens_out + (rng.choice([3, -1]) if draw < 0.02 else 0)
    return usage


def _around(rng: Random, median: int) -> int:
    return int(median * math.exp(rng.gauss(0, 0.9))) + 1 if median else 0


def _embellish(rng: Random, row: Row) -> None:
    draw = rng.random()
    if draw < 0.08:
        row.metadata = rng.choice(ODD_METADATA)
    if draw < 0.03:
        row.retry_times = rng.choice([1, 1, 2])
        row.retry_at = (row.request_at + row.created_at) // 2
    if row.model == "gpt-5":
        row.prompt_cache_key = f"user-{rng.randrange(50)}"
        if draw < 0.3:
            row.usage_context = {"service_tier": "flex" if draw < 0.2 else "priority"}


@lru_cache
def _error_text(code: int) -> str:
    text = f'{{"error":{{"message":"upstream said {code} to: {PRIVATE_TEXT}","code":{code}}}}}'
    # The gateway cuts long ones.
    return f"{text:x<1024}…" if code == 502 else text


def _fail(rng: Random, row: Row) -> None:
    row.content = _error_text(row.code)
    if row.code != 429 and rng.random() < 0.6:
        row.body = f'{{"messages":[{{"role":"user","content":"{PRIVATE_TEXT}"}}]}}'


def _defer(rng: Random, row: Row) -> None:
    """Make a row an asynchronous job: pending, and only later filled in place."""
    context = {"resolution": "1080p", "native_resolution": "1080p"}
    done = {"async_usage_status": COMPLETED, "usage": row.usage, "usage_context": context}
    failed = {"async_usage_status": FAILED, "content": _error_text(500)}
    draw = rng.random()
    if draw < 0.98:
        wait = int(rng.uniform(30, 1800) * 1e6) * (10 if draw < 0.05 else 1)
        row.outcome = Outcome(row.inserted_at + wait, failed if draw > 0.9 else done)
    row.async_usage_status = PENDING
    row.usage = {}
