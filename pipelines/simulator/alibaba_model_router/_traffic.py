"""Makes the calls of one hour: a pure function of the seed and the hour."""

import json
import re
import time
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

from llm_usage_warehouse.simulator.alibaba_model_router._catalogue import (
    API_KEYS,
    MODELS,
    ApiKey,
    Model,
    amount,
)
from llm_usage_warehouse.simulator.world import World

PROMPT_MARKER = "marker-of-a-private-prompt"
ANSWER_MARKER = "marker-of-a-private-answer"
"""Every request body and every response body of a log row holds its marker."""

LOGS_PER_ROW = 0.25  # this gateway carries a quarter of the world's traffic
BEIJING = 8 * 3600
_BY_HOUR = (2, 1, 1, 1, 1, 1, 2, 6, 14, 24, 28, 26, 15, 18, 26, 28, 26, 22, 14, 10, 9, 8, 6, 4)
_ENCODER = json.JSONEncoder(ensure_ascii=False, default=lambda number: f"@@{number}@@")
_QUOTED_NUMBER = re.compile(rb'"@@([^"]+)@@"')


@dataclass
class Usage:
    """What one call used; `prompt` holds `cached` and `creation`, `completion` the `reasoning`."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    creation: int = 0
    reasoning: int = 0
    images: int = 0


@dataclass(slots=True)
class Row:
    """One call: its log row and, if it succeeded, its billing line.

    Attributes:
        at: Unix second of the request.
        log: the log row as the vendor words it.
        bill: the billing line likewise, None for a failed call.
        logged_at: from when the log row can be seen, in Unix seconds.
        billed_at: from when the billing line can be seen.
        draw: 0 to 1; below the match rate, log row and billing line share their requestId.
        other_id: the billing line's requestId otherwise.
    """

    at: int
    id: int
    key: ApiKey
    model: Model
    log: dict[str, Any]
    bill: dict[str, Any] | None
    logged_at: float
    billed_at: float
    draw: float
    other_id: str
    _log_json: bytes = field(default=b"", repr=False)
    _bill_json: bytes = field(default=b"", repr=False)

    def log_json(self) -> bytes:
        """Return the log row as JSON, made once."""
        self._log_json = self._log_json or to_json(self.log)
        return self._log_json

    def bill_json(self) -> bytes:
        """Return the billing line as JSON, made once."""
        self._bill_json = self._bill_json or to_json(self.bill)
        return self._bill_json

    def changed(self) -> None:
        """Forget the JSON, after a change of a field."""
        self._log_json = self._bill_json = b""


def to_json(value: Any) -> bytes:
    """Return JSON in UTF-8, with a `Decimal` as the number that Java's BigDecimal writes."""
    return _QUOTED_NUMBER.sub(rb"\1", _ENCODER.encode(value).encode())


def iso(at: float) -> str:
    """Return a Unix time as the vendor writes instants, whole seconds in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def hour_of(world: World, hour: int) -> list[Row]:
    """Return the calls of a Unix hour in order of time, seen or not."""
    rng = world.random_for("alibaba_model_router", hour)
    local_hour, local_day = (hour + 8) % 24, (hour + 8) // 24
    weekend = (local_day + 3) % 7 >= 5  # day 0 was a Thursday
    per_day = world.rows_per_day * LOGS_PER_ROW * (0.4 if weekend else 1.24)
    count = int(per_day * _BY_HOUR[local_hour] / sum(_BY_HOUR) * rng.uniform(0.8, 1.2) + 0.5)
    seconds = sorted(hour * 3600 + rng.randrange(3600) for _ in range(count))
    if seconds and hour % 24 in (0, 16):
        seconds[0] = hour * 3600  # midnight, in UTC and in Beijing
    return [_call(rng, hour * 1_000_000 + index, at) for index, at in enumerate(seconds)]


def _call(rng: Random, row_id: int, at: int) -> Row:
    key = rng.choices(API_KEYS, _KEY_SHARES)[0]
    model = rng.choices(MODELS, _MODEL_SHARES)[0]
    status_code = 200 if rng.random() > 0.03 else rng.choice((400, 429, 500, 504))
    usage = _usage(rng, model) if status_code == 200 else Usage()
    return make_row(
        rng,
        row_id,
        at,
        key,
        model,
        usage,
        status_code=status_code,
        response_ms=int(rng.lognormvariate(7.5, 0.8)),
    )


def _usage(rng: Random, model: Model) -> Usage:
    if model.kind == "ImageGeneration":
        return Usage(images=rng.choice((1, 1, 2, 4)))
    luck = rng.random()
    if luck < 0.004:
        return Usage()  # an answer that was cut off before it began, yet counts as a success
    prompt = min(int(rng.lognormvariate(7.2, 1.2)), 200_000) + 1
    if luck > 0.999:
        prompt = rng.randrange(200_000, 990_000)
    if model.kind == "Embedding":
        return Usage(prompt)
    usage = Usage(prompt, min(int(rng.lognormvariate(5.8, 1.0)), 32_000) + 1)
    if model.caches and luck < 0.40:
        usage.cached = int(prompt * rng.uniform(0.3, 0.95))
    elif model.caches and luck < 0.46:
        usage.creation = int(prompt * rng.uniform(0.2, 0.8))
    if model.thinks and rng.random() < 0.5:
        usage.reasoning = int(usage.completion * rng.uniform(0.3, 0.8))
    return usage


def make_row(
    rng: Random,
    row_id: int,
    at: int,
    key: ApiKey,
    model: Model,
    usage: Usage,
    *,
    status_code: int = 200,
    response_ms: int = 1000,
) -> Row:
    """Return a call with the given facts; ids and delays come from the generator."""
    logged_at = at + response_ms / 1000 + rng.uniform(1, 60)
    request_id = f"req-{rng.getrandbits(64):016x}"
    return Row(
        at=at,
        id=row_id,
        key=key,
        model=model,
        log=_log(row_id, at, key, model, usage, request_id, status_code, response_ms, logged_at),
        bill=_bill(at, key, model, usage, request_id) if status_code == 200 else None,
        logged_at=logged_at,
        billed_at=logged_at + rng.uniform(120, 900),
        draw=rng.random(),
        other_id=f"chatcmpl-{rng.getrandbits(48):012x}",
    )


def _log(
    row_id: int,
    at: int,
    key: ApiKey,
    model: Model,
    usage: Usage,
    request_id: str,
    status_code: int,
    response_ms: int,
    logged_at: float,
) -> dict[str, Any]:
    tokens = {
        "promptTokens": usage.prompt,
        "completionTokens": usage.completion,
        "totalTokens": usage.prompt + usage.completion,
    }
    prompt = f"{PROMPT_MARKER} {row_id}: 请总结这份合同 ✍️"
    answer = f"{ANSWER_MARKER} {row_id}: 好的。\\n" if status_code == 200 else ANSWER_MARKER
    written = iso(logged_at)
    return {
        "id": row_id,
        "requestId": request_id,
        "clientId": key.client.id,
        "clientUuid": key.client.uuid,
        "apiKeyId": key.id,
        "modelId": model.id,
        "modelName": model.name,
        "modelCode": model.code,
        "symbol": model.symbol,
        "modelType": model.kind,
        "requestTime": iso(at),
        "responseTimeMs": response_ms,
        "statusCode": status_code,
        "status": "success" if status_code == 200 else "failed",
        **tokens,
        "requestBody": f'{{"model":"{model.code}","messages":[{{"content":"{prompt}"}}]}}',
        "responseBody": f'{{"choices":[{{"message":{{"content":"{answer}"}}}}]}}',
        "deleteTag": 0,
        "gmtCreate": written,
        "gmtModified": written,
        "usage": {**tokens, "imageCount": usage.images, "videoCount": 0, "videoDuration": 0},
    }


def _bill(at: int, key: ApiKey, model: Model, usage: Usage, request_id: str) -> dict[str, Any]:
    charged: Decimal = amount(
        model,
        at,
        key.client.discount,
        prompt=usage.prompt,
        completion=usage.completion,
        cached=usage.cached,
        reasoning=usage.reasoning,
        images=usage.images,
    )
    detail = {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
    return {
        "requestId": request_id,
        "requestTime": at,
        "clientId": key.client.id,
        "clientName": key.client.name,
        "memberUserId": key.member_id,
        "memberUserName": key.member_name,
        "apiKeyId": key.id,
        "apiKeyName": key.name,
        "modelId": model.id,
        "modelCode": model.code,
        "modelName": model.name,
        "modelSymbol": model.symbol,
        "modelType": model.kind,
        "modelVersion": 1,
        "inputTokens": usage.prompt,
        "outputTokens": usage.completion,
        "totalTokens": usage.prompt + usage.completion,
        "cachedTokens": usage.cached,
        "cacheCreationTokens": usage.creation,
        "reasoningTokens": usage.reasoning,
        "metrics": f'{{"image_count":{usage.images}}}' if usage.images else "{}",
        "discount": key.client.discount,
        "amount": charged,
        "usageDetail": json.dumps(detail),
    }


_KEY_SHARES = [key.share for key in API_KEYS]
_MODEL_SHARES = [model.share for model in MODELS]
