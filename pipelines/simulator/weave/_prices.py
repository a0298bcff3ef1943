"""Weave's price table: defaults for all projects, prices of one project, and which one applies."""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

DEFAULT = "default"


@dataclass(frozen=True)
class Price:
    """Money per token of one model from one day on, for all projects or for one.

    Attributes:
        owner: the project it was set for, or `default`.
        units: what the prices of prompt and completion tokens are in; any text, of a project.
    """

    owner: str
    llm_id: str
    provider_id: str
    effective: datetime
    prompt: float
    completion: float
    cache_read: float = 0.0
    cache_creation: float = 0.0
    units: tuple[str, str] = ("USD", "USD")

    @property
    def level(self) -> str:
        return "default" if self.owner == DEFAULT else "project"


# From the price checkpoint in the weave 0.53.12 wheel; a model that is not here costs 0.0.
_OLD = datetime(2024, 10, 8, 8, 45, 39, tzinfo=UTC)
_SONNET = datetime(2024, 11, 1, 9, 9, 13, tzinfo=UTC)
_NEW = datetime(2026, 4, 1, 13, 2, 37, tzinfo=UTC)
DEFAULT_PRICES = [
    Price(DEFAULT, "gpt-4o-2024-08-06", "openai", _OLD, 2.5e-6, 1e-5),
    Price(DEFAULT, "gpt-4o-2024-08-06", "openai", _NEW, 2.5e-6, 1e-5, 1.25e-6),
    Price(DEFAULT, "gpt-4o-mini-2024-07-18", "openai", _NEW, 1.5e-7, 6e-7, 7.5e-8),
    Price(DEFAULT, "gpt-5-2025-08-07", "openai", _NEW, 1.25e-6, 1e-5, 1.25e-7),
    Price(DEFAULT, "claude-3-5-sonnet-20241022", "anthropic", _SONNET, 3e-6, 1.5e-5),
    Price(DEFAULT, "claude-sonnet-4-5-20250929", "anthropic", _NEW, 3e-6, 1.5e-5, 3e-7, 3.75e-6),
    Price(DEFAULT, "claude-haiku-4-5-20251001", "anthropic", _NEW, 1e-6, 5e-6, 1e-7, 1.25e-6),
    Price(DEFAULT, "gemini-2.5-flash", "vertex_ai-language-models", _NEW, 3e-7, 2.5e-6, 3e-8),
]


def float32(value: float) -> float:
    """Return a number as a Float32 column gives it back: with noise from the eighth digit on."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


def newest(prices: list[Price], project_id: str, model: str) -> Price | None:
    """Return the price that statistics apply to all history: the newest, even a future one."""
    ranked = sorted(
        _candidates(prices, project_id, model),
        key=lambda price: (price.level == "project", price.effective),
    )
    return ranked[-1] if ranked else None


def at_start(prices: list[Price], project_id: str, model: str, started: datetime) -> Price | None:
    """Return the price that call rows apply: of those in force when the call began, the newest."""
    ranked = sorted(
        _candidates(prices, project_id, model),
        key=lambda price: (price.effective <= started, price.level == "project", price.effective),
    )
    return ranked[-1] if ranked else None


def _candidates(prices: list[Price], project_id: str, model: str) -> list[Price]:
    return [
        price
        for price in prices
        if model and price.llm_id == model and price.owner in (project_id, DEFAULT)
    ]


def add_costs(
    buckets: list[dict[str, Any]], wanted: set[str], prices: list[Price], project_id: str
) -> None:
    """Append the wanted `sum_*_cost` keys to usage buckets, in place.

    Cost is token sums times one price per model. Only sums that stand in the bucket take part, so
    the total depends on what else was asked for, and is 0.0 if the input was asked as avg alone.
    """
    table = {
        model: newest(prices, project_id, model) for model in {row["model"] for row in buckets}
    }
    for row in buckets:
        price = table[row["model"]] or Price(DEFAULT, "", "", _OLD, 0.0, 0.0)
        cache_read = row.get("sum_cache_read_input_tokens", 0)
        cache_creation = row.get("sum_cache_creation_input_tokens", 0)
        net_input = row.get("sum_input_tokens", 0) - cache_read - cache_creation
        input_cost = net_input * float32(price.prompt)
        output_cost = row.get("sum_output_tokens", 0) * float32(price.completion)
        if "input_cost" in wanted:
            row["sum_input_cost"] = input_cost
        if "output_cost" in wanted:
            row["sum_output_cost"] = output_cost
        if "total_cost" in wanted:
            row["sum_total_cost"] = (
                input_cost
                + output_cost
                + cache_read * float32(price.cache_read)
                + cache_creation * float32(price.cache_creation)
            )
