"""Tencent Cloud LKE (Agent Development Platform), API version 2023-11-30, as a local server.

Speaks ListUsageCallDetail, DescribeTokenUsage, their two graphs, ListModel and ListApp over
TC3-HMAC-SHA256, with the contract's traps: localised names, several rows under one Id, identical
rows, late metering, float token counts, deprecated parameters that are ignored without a word.
`Personality.data` is a `Books`.

Sources: the vendor's API pages (https://www.tencentcloud.com/document/product/1254) and its
published SDK. What neither says (the effect of an unknown model or sub-business type, of a reversed
window, of paging past the end) is answered here in the way that hides a client's mistake the most.
"""

from llm_usage_warehouse.simulator.server import Personality
from llm_usage_warehouse.simulator.tencent_lke._api import create_app
from llm_usage_warehouse.simulator.tencent_lke._books import Account, Books, Lies
from llm_usage_warehouse.simulator.tencent_lke._catalogue import APPS, KINDS, MODELS, RETIRED
from llm_usage_warehouse.simulator.world import World

__all__ = [
    "APPS",
    "KINDS",
    "MODELS",
    "RETIRED",
    "Account",
    "Books",
    "Lies",
    "create",
    "lie_for_demo",
]


def create(world: World) -> Personality:
    """Return an account with permanent keys; `data.account.token` makes it one with STS keys."""
    account = Account("test-secret-id-example", "test-secret-key-example")
    books = Books(world, account)
    settings = {
        "base_url": "{url}",
        "region": "ap-jakarta",
        "secret_id": account.secret_id,
        "secret_key": account.secret_key,
    }
    return Personality(create_app(books), world, settings, books)


def lie_for_demo(books: Books, about: int) -> None:
    """Count seven calls too many in the total of one model on the day before an instant."""
    books.lie(usage_calls=7, usage_model="cs-normal-70b", usage_at=about - 86_400)
