"""What the account has set up: models, the billing rules of each, departments and API keys."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any, NamedTuple

KEY_MARKER = "sk-example-clear-key"
"""Every API key in the clear begins so; nothing that a source writes may hold it."""

BEGINNING = 1_704_038_400  # 2024-01-01 00:00 in Beijing: since then each open rule holds
WEEK = 7 * 86400
FIRST_MONDAY = 4 * 86400 - 8 * 3600  # 1970-01-05 00:00 in Beijing


class Tier(NamedTuple):
    """Prices in CNY per million tokens, for requests of `min_tokens` to under `max_tokens` input.

    `max_tokens` 0 means no limit. The names are those of the vendor's `pricingConfig`.
    """

    min_tokens: int
    max_tokens: int
    input_price: Decimal
    output_price: Decimal
    thinking_input_price: Decimal
    thinking_output_price: Decimal
    cached_input_price: Decimal


@dataclass(frozen=True)
class Model:
    """One model of the gateway; without a rule nothing is charged for it.

    Attributes:
        kind: the vendor's modelType.
        rule: the vendor's billingType, or "" where no rule is configured.
        tiers: for `token_tiered`.
        price: for `token_flat` CNY per million input tokens, for `per_image` CNY per image.
        promoted: whether every odd week halves the price, which makes versions of its rule.
        share: how much of the traffic it takes.
    """

    id: int
    code: str
    name: str
    symbol: str
    kind: str
    rule: str
    share: float
    tiers: tuple[Tier, ...] = ()
    price: Decimal = Decimal(0)
    promoted: bool = False
    thinks: bool = False
    caches: bool = False


@dataclass(frozen=True)
class Client:
    """One department."""

    id: int
    uuid: str
    name: str
    discount: Decimal


@dataclass(frozen=True)
class ApiKey:
    """One API key, of a department, of a member in it, or of nobody (client id 0)."""

    id: int
    name: str
    client: Client
    share: float
    member_id: int = 0
    member_name: str = ""
    deleted: bool = False


@dataclass(frozen=True)
class Rule:
    """One version of a model's price, from `effective` to before `expire` (Unix seconds)."""

    id: int
    model: Model
    version: int
    effective: int
    expire: int | None
    factor: Decimal


def _tier(low: int, high: int, *prices: str) -> Tier:
    into, out, thinking_out, cached = map(Decimal, prices)
    return Tier(low, high, into, out, into, thinking_out, cached)


MODELS = (
    Model(
        *(1, "qwen3-max", "通义千问3-Max", "qwen", "Chat", "token_tiered", 22),
        tiers=(
            _tier(0, 32_000, "2.5", "10", "10", "0.5"),
            _tier(32_000, 128_000, "4", "16", "16", "0.8"),
            _tier(128_000, 0, "7", "28", "28", "1.4"),
        ),
        caches=True,
    ),
    Model(
        *(2, "qwen-plus", "通义千问-Plus", "qwen", "Chat", "token_tiered", 26),
        tiers=(
            _tier(0, 128_000, "0.8", "2", "8", "0.16"),
            _tier(128_000, 256_000, "2.4", "20", "24", "0.48"),
            _tier(256_000, 0, "4.8", "48", "64", "0.96"),
        ),
        thinks=True,
        caches=True,
    ),
    Model(
        *(3, "qwen-flash", "通义千问-Flash", "qwen", "Chat", "token_tiered", 20),
        tiers=(
            _tier(0, 128_000, "0.15", "1.5", "1.5", "0.03"),
            _tier(128_000, 256_000, "0.6", "6", "6", "0.12"),
            _tier(256_000, 0, "1.2", "12", "12", "0.24"),
        ),
        thinks=True,
        caches=True,
    ),
    Model(
        *(4, "deepseek-v3.2", "DeepSeek-V3.2", "deepseek", "Chat", "token_tiered", 14),
        tiers=(_tier(0, 0, "2", "3", "3", "0.4"),),
        promoted=True,
        thinks=True,
        caches=True,
    ),
    Model(
        *(5, "kimi-k2.5", "Kimi K2.5 🌙", "moonshot", "Chat", "token_tiered", 6),
        tiers=(_tier(0, 0, "4", "21", "21", "0.8"),),
        caches=True,
    ),
    Model(
        *(6, "text-embedding-v4", "通用文本向量-v4", "qwen", "Embedding", "token_flat", 8),
        price=Decimal("0.5"),
    ),
    Model(
        *(7, "qwen-image", "通义千问-文生图", "qwen", "ImageGeneration", "per_image", 1),
        price=Decimal("0.25"),
    ),
    Model(8, "acme-support-tuned-v2", "客服微调模型", "custom", "Chat", "", 3, thinks=True),
)

NOBODY = Client(0, "", "", Decimal(1))
CLIENTS = (
    Client(11, "mt_exampleRD01", "研发中心", Decimal("1.0")),
    Client(12, "mt_exampleCS02", "客户服务部", Decimal("0.85")),
    Client(13, "mt_exampleMK03", "Märkte & Größe", Decimal("0.9")),
)
API_KEYS = (
    ApiKey(101, "rd-backend", CLIENTS[0], 25),
    ApiKey(102, "rd-agent", CLIENTS[0], 15, 501, "李雷"),
    ApiKey(103, "rd-notebook", CLIENTS[0], 5, 502, "Zoë"),
    ApiKey(104, "客服机器人🤖", CLIENTS[1], 30),
    ApiKey(105, "cs-quality", CLIENTS[1], 8, 503, "韩梅梅"),
    ApiKey(106, "mk-copywriter", CLIENTS[2], 10),
    ApiKey(107, "mk-retired", CLIENTS[2], 4, deleted=True),
    ApiKey(108, "unassigned", NOBODY, 3),
)


@cache
def _rule(model: Model, week: int | None) -> Rule:
    if week is None:
        return Rule(model.id, model, 1, BEGINNING, None, Decimal(1))
    start = FIRST_MONDAY + week * WEEK
    factor = Decimal("0.5") if week % 2 else Decimal(1)
    return Rule(model.id * 100_000 + week, model, week, start, start + WEEK, factor)


def rule_at(model: Model, at: int) -> Rule:
    """Return the rule that holds for a model at a Unix second."""
    return _rule(model, (at - FIRST_MONDAY) // WEEK if model.promoted else None)


def rules_between(start: int, end: int) -> list[Rule]:
    """Return every version of every rule that holds at some second of a window, oldest first."""
    rules = {
        rule_at(model, at)
        for model in MODELS
        if model.rule
        for at in (*range(start, end, WEEK), end)
    }
    return sorted(rules, key=lambda rule: (rule.model.id, rule.effective))


def pricing_config(rule: Rule) -> dict[str, Any]:
    """Return the vendor's `pricingConfig` of a rule, prices in CNY."""
    price = rule.model.price * rule.factor
    match rule.model.rule:
        case "token_flat":
            return {"input_price": price}
        case "per_image":
            return {"price_per_image": price}
    return {
        "tiers": [
            {
                name: value * rule.factor if isinstance(value, Decimal) else value
                for name, value in tier._asdict().items()
            }
            for tier in rule.model.tiers
        ]
    }


def tier_of(model: Model, input_tokens: int) -> Tier:
    """Return the tier that a whole request is charged at, by its input tokens."""
    return next(t for t in model.tiers if not t.max_tokens or input_tokens < t.max_tokens)


def amount(
    model: Model,
    at: int,
    discount: Decimal,
    *,
    prompt: int,
    completion: int,
    cached: int,
    reasoning: int,
    images: int,
) -> Decimal:
    """Return what a call costs in CNY after discount, rounded to 8 decimals."""
    match model.rule:
        case "":
            return Decimal(0)
        case "token_flat":
            price = model.price * prompt / 1_000_000
        case "per_image":
            price = model.price * images
        case _:
            tier = tier_of(model, prompt)
            into = tier.thinking_input_price if reasoning else tier.input_price
            out = tier.thinking_output_price if reasoning else tier.output_price
            price = (
                into * (prompt - cached) + tier.cached_input_price * cached + out * completion
            ) / 1_000_000
    factor = rule_at(model, at).factor
    return (price * factor * discount).quantize(Decimal("1e-8"), ROUND_HALF_UP)
