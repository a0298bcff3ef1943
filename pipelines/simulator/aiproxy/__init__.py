"""AI Proxy, a self-hosted LLM gateway: its log, dashboard and dimension endpoints under `/api`.

The contract is that of the gateway's own server (github.com/labring/aiproxy) at release v0.6.5;
`personality.data` is a `Books`, which can also play some older releases, change and lie.
"""

from pipelines.simulator.aiproxy.api import ADMIN_KEY, build_app
from pipelines.simulator.aiproxy.books import Books, Lies
from pipelines.simulator.aiproxy.traffic import PRIVATE_TEXT
from pipelines.simulator.server import Personality
from pipelines.simulator.world import World

__all__ = ["ADMIN_KEY", "PRIVATE_TEXT", "Books", "Lies", "create"]


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
