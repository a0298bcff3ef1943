"""What the gateway charges for a call: amounts from usage and the price that applied.

The rules are those of the gateway's `core/consume/consume.go` and `core/model/usage.go`.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

INPUT_PARTS = ("image_input", "audio_input", "video_input", "cached", "cache_creation")
OUTPUT_PARTS = ("image_output", "audio_output")


def bill(price: Mapping[str, float], usage: Mapping[str, int], code: int) -> dict[str, float]:
    """Return the non-zero amounts of one call, `used_amount` among them.

    A price is per 1000 tokens unless its `_unit` says otherwise. A part of the input or output (an
    image, cached tokens) with a price of its own is taken out of the plain count; without one it
    is charged as plain. A price per request replaces everything, and only for a code of 200.
    """
    if price.get("per_request_price"):
        return {"used_amount": price["per_request_price"]} if code == 200 else {}
    counts = {
        "input": usage.get("input_tokens", 0),
        "output": usage.get("output_tokens", 0),
        "web_search": usage.get("web_search_count", 0),
    }
    for whole, parts in (("input", INPUT_PARTS), ("output", OUTPUT_PARTS)):
        for part in parts:
            if price.get(f"{part}_price") and (tokens := usage.get(f"{part}_tokens")):
                counts[part] = tokens
                counts[whole] -= tokens
    thinks = bool(usage.get("reasoning_tokens") and price.get("thinking_mode_output_price"))
    amounts = {part: count * _rate_of(price, part, thinks=thinks) for part, count in counts.items()}
    named = {f"{part}_amount": float(amount) for part, amount in amounts.items() if amount}
    return named | ({"used_amount": float(sum(amounts.values()))} if named else {})


def _rate_of(price: Mapping[str, float], part: str, *, thinks: bool) -> Decimal:
    unit = price.get(f"{part}_price_unit", 0)
    if part == "output" and thinks:
        part = "thinking_mode_output"
        unit = price.get("thinking_mode_output_price_unit", 0) or unit
    return _rate(price.get(f"{part}_price", 0), int(unit) or 1000)


@lru_cache
def _rate(price: float, unit: int) -> Decimal:
    # Through text: 0.0025 is meant, not the binary fraction nearest to it.
    return Decimal(repr(price)) / unit
