"""AI Proxy, a self-hosted LLM gateway: its log, dashboard and dimension endpoints under `/api`.

The contract is that of the gateway's own server (github.com/labring/aiproxy) at release v0.6.5;
`personality.data` is a `Books`, which can also play some older releases, change and lie.
"""

from llm_usage_warehouse.simulator.aiproxy.api import ADMIN_KEY, build_app
from llm_usage_warehouse.simulator.aiproxy.books import Books, Lies
from llm_usage_warehouse.simulator.aiproxy.traffic import PRIVATE_TEXT
from llm_usage_warehouse.simulator.server import Personality
from llm_usage_warehouse.simulator.world import World

__all__ = ["ADMIN_KEY", "PRIVATE_TEXT", "Books", "Lies", "create", "deliver_for_demo"]

HOUR = 3600
LATE = 26 * HOUR


def create(world: World) -> Personality:
    """Return a running-ready AI Proxy whose books are `personality.data`."""
    books = Books(world)
    settings = {
        "base_url": "{url}/api",
        "admin_key": ADMIN_KEY,
        "currency": "USD",
        "requests_per_second": 500,
    }
    return Personality(build_app(books), world, settings, books)


def deliver_for_demo(books: Books, about: int) -> None:
    """Log five calls of the day before an instant, as if they had come in 26 hours late."""
    ended = about - LATE + HOUR
    for number in range(5):
        books.add(
            id=about + number,
            created_at=(ended + number) * 1_000_000,
            inserted_at=(ended + number + LATE) * 1_000_000,
            usage={"input_tokens": 1400, "output_tokens": 140, "total_tokens": 1540},
            price={"input_price": 0.0025, "output_price": 0.01},
            group="example-team",
        )
