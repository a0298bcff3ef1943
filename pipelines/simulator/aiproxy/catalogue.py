"""The account: its channels, models with their prices, groups and API keys.

Prices are the vendors' public list prices in USD per 1000 tokens, as an administrator would have
typed them in; model names are the vendors' own, so that most can be priced independently.
"""

from dataclasses import dataclass

CHAT, EMBEDDINGS, IMAGES, RERANK, ANTHROPIC, RESPONSES, GEMINI, VIDEO = 1, 3, 5, 10, 12, 16, 21, 36
ENDPOINTS = {
    CHAT: "/v1/chat/completions",
    EMBEDDINGS: "/v1/embeddings",
    IMAGES: "/v1/images/generations",
    RERANK: "/v1/rerank",
    ANTHROPIC: "/v1/messages",
    RESPONSES: "/v1/responses",
    GEMINI: "/v1beta/models",
    VIDEO: "/api/v3/contents/generations/tasks",
}


@dataclass(frozen=True)
class Model:
    """A model as configured at the gateway, and the shape of the traffic it gets.

    Attributes:
        price: selected unless one of `tiers` fits.
        tiers: (largest number of input tokens, price), in order.
        weight: share of the traffic, relative to the others.
        input_tokens: median; 0 for a model that reports none.
        output_tokens: median.
        cached: share of calls that hit the prompt cache.
        reasoning: share of calls that think.
    """

    name: str
    owner: str
    channel: int
    mode: int
    price: dict[str, float]
    weight: int
    input_tokens: int
    output_tokens: int
    cached: float = 0.0
    reasoning: float = 0.0
    tiers: tuple[tuple[int, dict[str, float]], ...] = ()

    def price_for(self, input_tokens: int) -> dict[str, float]:
        """Return the price that applies to a call of that size."""
        return next((price for most, price in self.tiers if input_tokens <= most), self.price)


def _rates(rate_in: float, rate_out: float, **others: float) -> dict[str, float]:
    return {"input_price": rate_in, "output_price": rate_out, **others}


MODELS = [
    Model(
        "gpt-4o", "openai", 1, CHAT, _rates(0.0025, 0.01, cached_price=0.00125), 14, 1800, 350, 0.4
    ),
    Model(
        "gpt-5",
        "openai",
        1,
        RESPONSES,
        _rates(0.00125, 0.01, cached_price=0.000125),
        8,
        3200,
        900,
        0.5,
        0.8,
    ),
    Model(
        "gpt-5-mini",
        "openai",
        1,
        CHAT,
        _rates(0.00025, 0.002, cached_price=0.000025),
        14,
        1500,
        400,
        0.4,
        0.6,
    ),
    Model(
        "gpt-4o-audio-preview",
        "openai",
        1,
        CHAT,
        _rates(0.0025, 0.01, audio_input_price=0.04, audio_output_price=0.08),
        1,
        900,
        400,
    ),
    Model(
        "gpt-4o-search-preview",
        "openai",
        1,
        CHAT,
        _rates(0.0025, 0.01, web_search_price=25.0),
        1,
        600,
        500,
    ),
    Model("gpt-image-1", "openai", 1, IMAGES, _rates(0.005, 0.042, output_price_unit=1), 1, 60, 1),
    Model("text-embedding-3-small", "openai", 1, EMBEDDINGS, {"input_price": 0.00002}, 12, 220, 0),
    Model(
        "claude-sonnet-4-5",
        "anthropic",
        2,
        ANTHROPIC,
        _rates(0.003, 0.015, cached_price=0.0003, cache_creation_price=0.00375),
        10,
        9000,
        700,
        0.6,
    ),
    Model(
        "claude-haiku-4-5",
        "anthropic",
        2,
        ANTHROPIC,
        _rates(0.001, 0.005, cached_price=0.0001, cache_creation_price=0.00125),
        6,
        4000,
        400,
        0.5,
    ),
    Model(
        "gemini-2.5-flash",
        "google",
        3,
        GEMINI,
        _rates(0.0003, 0.0025, cached_price=0.00003),
        9,
        2500,
        500,
        0.2,
        0.5,
    ),
    # Its cached tokens have no price of their own and are charged as plain input.
    Model("deepseek-chat", "deepseek", 4, CHAT, _rates(0.00027, 0.0011), 10, 1200, 450, 0.5),
    Model(
        "deepseek-reasoner",
        "deepseek",
        4,
        CHAT,
        _rates(0.00055, 0.00219, cached_price=0.00014),
        5,
        900,
        1800,
        0.3,
        1.0,
    ),
    Model(
        "qwen3-max",
        "alibaba",
        5,
        CHAT,
        _rates(0.003, 0.015),
        7,
        5000,
        600,
        tiers=((32_000, _rates(0.0012, 0.006)), (128_000, _rates(0.0024, 0.012))),
    ),
    Model(
        "qwen-plus",
        "alibaba",
        5,
        CHAT,
        _rates(0.0004, 0.0012, thinking_mode_output_price=0.004),
        6,
        1500,
        500,
        reasoning=0.3,
    ),
    Model("qwen3-rerank", "alibaba", 5, RERANK, {"per_request_price": 0.0005}, 3, 1800, 0),
    Model(
        "doubao-seedance-1-0-pro-250528",
        "doubao",
        6,
        VIDEO,
        {"output_price": 0.0021},
        1,
        0,
        108_900,
    ),
    # Trained in house: no vendor lists it, and the administrator gave it no price.
    Model("qwen-客服-sft-v3", "custom", 7, CHAT, {}, 4, 800, 200),
    # Its channel has since been deleted, so that only its number is known.
    Model(
        "gpt-4o-mini",
        "openai",
        9,
        CHAT,
        _rates(0.00015, 0.0006, cached_price=0.000075),
        2,
        700,
        200,
        0.2,
    ),
]

CHANNEL_TYPES = {
    1: ("openai", "https://api.openai.com/v1"),
    14: ("anthropic", "https://api.anthropic.com/v1"),
    17: ("ali", "https://dashscope.aliyuncs.com"),
    24: ("google gemini", "https://generativelanguage.googleapis.com"),
    36: ("deepseek", "https://api.deepseek.com/v1"),
    40: ("doubao", "https://ark.cn-beijing.volces.com"),
}
# Number, name, type, own base URL. Channel 7 speaks OpenAI's protocol and is not OpenAI.
CHANNELS = [
    (1, "OpenAI 主通道", 1, ""),
    (2, "anthropic", 14, ""),
    (3, "gemini", 24, ""),
    (4, "deepseek", 36, ""),
    (5, "dashscope", 17, ""),
    (6, "ark-video", 40, ""),
    (7, "in-house vllm", 1, "http://vllm.internal.example/v1"),
]


@dataclass(frozen=True)
class Key:
    """An API key of a group; the one with no group stands for calls with the admin key.

    Attributes:
        id: number of the key, 0 for none.
        weight: share of the traffic, relative to the others.
    """

    id: int
    group: str
    name: str
    weight: int


KEYS = [
    Key(1, "team-platform", "ci", 10),
    Key(2, "team-platform", "prod", 24),
    Key(3, "客服-生产", "机器人", 20),
    Key(4, "客服-生产", "prod", 8),
    Key(5, "g-research", "notebook", 12),
    Key(6, "g-research", "batch <eval> & co", 8),
    # Its slash cannot stand in a path: only the global endpoint reaches this group.
    Key(7, "ops/legacy", "cron", 6),
    Key(0, "", "", 2),
]


def channel_key(channel: int) -> str:
    """Return the provider's secret of a channel, obviously a fake one."""
    return f"example-provider-key-of-channel-{channel}"


def token_key(token: int) -> str:
    """Return the secret of an API key: 48 characters, obviously fake."""
    return f"example-test-key-{token:031d}"
