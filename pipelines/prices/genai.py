"""The public price list that `genai-prices` packages, flattened into rows that SQL can match.

Its prices are USD; a row is what one token kind of one model costs, in one tier, for a time and a
stretch of each of its days.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise

import pyarrow as pa
from genai_prices import types

from llm_usage_warehouse.pages import UTC_MICROS

PRICES_SCHEMA = pa.schema(
    [
        ("provider", pa.string()),
        ("model_pattern", pa.string()),
        ("match_kind", pa.string()),
        ("token_kind", pa.string()),
        ("reasoning_mode", pa.string()),
        ("tier_min_input_tokens", pa.int64()),
        ("tier_max_input_tokens", pa.int64()),
        ("unit_size", pa.int64()),
        ("unit_price", pa.decimal128(38, 12)),
        ("currency", pa.string()),
        ("valid_from", UTC_MICROS),
        ("valid_to", UTC_MICROS),
        ("daily_from", pa.string()),
        ("daily_to", pa.string()),
        ("source_url", pa.string()),
    ]
)

KINDS = {
    "input_mtok": ("input", None, 1_000_000),
    "output_mtok": ("output", None, 1_000_000),
    "cache_read_mtok": ("cache_read", None, 1_000_000),
    "cache_write_mtok": ("cache_creation", None, 1_000_000),
    "output_reasoning_mtok": ("reasoning_output", "separate", 1_000_000),
    "input_audio_mtok": ("audio_input", None, 1_000_000),
    "input_image_mtok": ("image_input", None, 1_000_000),
    "input_video_mtok": ("video_input", None, 1_000_000),
    "output_audio_mtok": ("audio_output", None, 1_000_000),
    "output_image_mtok": ("image_output", None, 1_000_000),
    "web_searches_kcount": ("web_search", None, 1_000),
    "requests_kcount": ("request", None, 1_000),
}
"""Token kind, reasoning mode and unit size of those of the package's prices that a call's token
counts can use. Its prices for hours of sound, cached sound and longer-lived caches need counts
that usage APIs do not give."""

PLACES = Decimal(1).scaleb(-12)
"""To what a price is rounded. A few of the package's carry the noise of a float, in the 17th
place."""

SOLD_AT_THE_MAKERS_PRICE = frozenset({"openai", "anthropic"})
"""Makers whose models the package prices as theirs at a cloud that it lists no price of its own of.
It does so for more makers, but what open weights cost is up to each host."""

OPEN_WEIGHTS = "gpt-oss"
"""How the names of those begin that these makers gave away."""

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
"""The start of a price whose source names none."""

DAY = 24 * 60
"""Minutes."""


@dataclass(frozen=True)
class Catalogue:
    """The package's prices as rows, and what of it rows cannot say.

    Attributes:
        prices: one row per model pattern, token kind, tier and period, in `PRICES_SCHEMA`.
        patterns_left_out: ways of naming a model that are no exact name and no prefix, or that
            the package itself resolves to another model.
    """

    prices: pa.Table
    patterns_left_out: int


def flatten(providers: list[types.Provider]) -> Catalogue:
    """Return every price of the providers that a row can say."""
    rows: list[dict[str, object]] = []
    left_out = 0
    for provider in providers:
        for maker, model in _sold_by(provider, providers):
            patterns, omitted = _patterns(provider, model, providers)
            left_out += omitted if maker is provider else 0
            url = (maker.pricing_urls or ["https://github.com/pydantic/genai-prices"])[0]
            prices = list(_periods(model))
            rows += [
                {
                    "provider": provider.id,
                    "model_pattern": text,
                    "match_kind": match_kind,
                    "currency": "USD",
                    "source_url": url,
                    **price,
                }
                for match_kind, text in patterns
                for price in prices
            ]
    return Catalogue(pa.Table.from_pylist(rows, schema=PRICES_SCHEMA), left_out)


def _sold_by(
    provider: types.Provider, providers: list[types.Provider]
) -> Iterator[tuple[types.Provider, types.ModelInfo]]:
    """Yield what a provider sells: its own list, then what it resells, each with whose price it is.

    The package says whose models a cloud resells at the maker's price.
    """
    for model in provider.models:
        yield provider, model
    resold = SOLD_AT_THE_MAKERS_PRICE.intersection(provider.fallback_model_providers or ())
    for maker in providers:
        if maker.id in resold:
            for model in maker.models:
                if not model.id.startswith(OPEN_WEIGHTS):
                    yield maker, model


def _patterns(
    provider: types.Provider, model: types.ModelInfo, providers: list[types.Provider]
) -> tuple[list[tuple[str, str]], int]:
    """Return how calls may name the model, as (exact or prefix, lower-case text).

    Also returns how many of the package's ways are left out. The package takes the first model
    of its list that matches, we take an exact name before the longest prefix; a pattern stays
    only where both lead to the same model.
    """
    found: dict[tuple[str, str], bool] = {("exact", model.id.lower()): True}
    inexpressible = 0
    for clause in _alternatives(model.match):
        match clause:
            case types.ClauseEquals(equals=text) | types.ClauseEndsWith(ends_with=text):
                found["exact", text.lower()] = True
            # A name that starts with a text also contains it.
            case types.ClauseStartsWith(starts_with=text) | types.ClauseContains(contains=text):
                found["prefix", text.lower()] = True
            case _:
                inexpressible += 1
    kept = [
        (match_kind, text)
        for match_kind, text in found
        if provider.find_model(
            text if match_kind == "exact" else f"{text}~", all_providers=providers
        )
        is model
    ]
    return kept, inexpressible + len(found) - len(kept)


def _alternatives(match: types.MatchLogic) -> Iterator[types.MatchLogic]:
    if isinstance(match, types.ClauseOr):
        for clause in match.or_:
            yield from _alternatives(clause)
    else:
        yield match


def _periods(model: types.ModelInfo) -> Iterator[dict[str, object]]:
    """Yield the model's prices, one per kind, tier, time between two changes and stretch of a day.

    A start date is a UTC date, and the last price of the list that is in force holds. A price of
    some hours has no date of its own, but was made for the newest of the others: of the time before
    that, its hours are left out.
    """
    starts = [ALWAYS, *map(_midnight, sorted(_start_dates(model)))]
    ends = [*starts[1:], None]
    for start, end in zip(starts, ends, strict=True):
        for begins, ends_at in _stretches_of_day(model):
            instant = start + timedelta(minutes=begins)
            if start < starts[-1] and _is_of_some_hours(model, instant):
                continue
            for price in _prices_at(model, instant):
                yield {
                    **price,
                    "valid_from": start,
                    "valid_to": end,
                    "daily_from": _clock(begins),
                    "daily_to": _clock(ends_at),
                }


def _prices_at(model: types.ModelInfo, instant: datetime) -> Iterator[dict[str, object]]:
    for key, value in vars(model.get_prices(instant)).items():
        if key not in KINDS or value is None:
            continue
        token_kind, reasoning_mode, unit_size = KINDS[key]
        for lowest, highest, price in _tiers(value):
            yield {
                "token_kind": token_kind,
                "reasoning_mode": reasoning_mode,
                "tier_min_input_tokens": lowest,
                "tier_max_input_tokens": highest,
                "unit_size": unit_size,
                "unit_price": price.quantize(PLACES),
            }


def _stretches_of_day(model: types.ModelInfo) -> Iterator[tuple[int, int]]:
    """Yield the stretches of a UTC day in which no price changes, in minutes since midnight."""
    bounds = {0, DAY}
    for price in _conditions(model):
        if isinstance(price.constraint, types.TimeOfDateConstraint):
            bounds |= {_minute(price.constraint.start_time), _minute(price.constraint.end_time)}
    yield from pairwise(sorted(bounds))


def _is_of_some_hours(model: types.ModelInfo, instant: datetime) -> bool:
    """Return whether the price that holds at an instant is one of some hours of the day."""
    holding = [
        price.constraint
        for price in _conditions(model)
        if price.constraint is None or price.constraint.active(instant)
    ]
    return isinstance(holding[-1], types.TimeOfDateConstraint) if holding else False


def _conditions(model: types.ModelInfo) -> list[types.ConditionalPrice]:
    return [] if isinstance(model.prices, types.ModelPrice) else model.prices


def _minute(at: time) -> int:
    """Return the minute of the UTC day; a time that names no zone is in UTC."""
    local = datetime.combine(ALWAYS, at, at.tzinfo or UTC)
    utc = local.astimezone(UTC)
    return utc.hour * 60 + utc.minute


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _start_dates(model: types.ModelInfo) -> set[date]:
    return {
        price.constraint.start_date
        for price in _conditions(model)
        if isinstance(price.constraint, types.StartDateConstraint)
    }


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _tiers(
    price: Decimal | types.TieredPrices,
) -> Iterator[tuple[int, int | None, Decimal]]:
    """Yield (lowest input tokens, first input tokens beyond, price).

    The package applies a tier to requests of more tokens than the tier's start.
    """
    if isinstance(price, Decimal):
        yield 0, None, price
        return
    lowest = [0, *(tier.start + 1 for tier in price.tiers)]
    prices = [price.base, *(tier.price for tier in price.tiers)]
    yield from zip(lowest, [*lowest[1:], None], prices, strict=True)
