"""Alibaba Cloud AiContent ModelRouter: its read APIs under `/api/v1/modelRouter/open`.

Signatures, parameters and field names follow the vendor's documentation and its official SDK
(`alibabacloud-aicontent20240611` 7.10). What neither says is a choice of this simulator:

- lists of calls and billing lines are newest first; log rows are shuffled within their page;
- a window holds its start and, unless `data.end_inclusive` is unset, its end second as well;
- a control total covers a whole bucket, and belongs to a window that holds the bucket's start;
  hourly and daily buckets are those of Beijing;
- a log row appears within a minute of the answer, its billing line 2 to 15 minutes later.
"""

from starlette.applications import Starlette
from starlette.routing import Route

from llm_usage_warehouse.simulator.alibaba_model_router._acs3 import Credential
from llm_usage_warehouse.simulator.alibaba_model_router._api import Api
from llm_usage_warehouse.simulator.alibaba_model_router._books import Books
from llm_usage_warehouse.simulator.alibaba_model_router._catalogue import KEY_MARKER
from llm_usage_warehouse.simulator.alibaba_model_router._lies import Lies
from llm_usage_warehouse.simulator.alibaba_model_router._traffic import (
    ANSWER_MARKER,
    PROMPT_MARKER,
    Usage,
)
from llm_usage_warehouse.simulator.server import Personality
from llm_usage_warehouse.simulator.world import World

__all__ = [
    "ANSWER_MARKER",
    "KEY_MARKER",
    "PROMPT_MARKER",
    "STS_SETTINGS",
    "Books",
    "Credential",
    "Lies",
    "Usage",
    "create",
]

SETTINGS = {
    "base_url": "{url}",
    "access_key_id": "test-access-key-id-example",
    "access_key_secret": "test-access-key-secret-example",
}
STS_SETTINGS = {
    "access_key_id": "STS.test-access-key-id-example",
    "access_key_secret": "test-sts-secret-example",
    "security_token": "test-security-token-example/+==",
}
"""Temporary credentials that the account accepts as well, to lay over its ordinary settings."""

METHODS = ["GET", "POST", "PUT", "DELETE"]


def create(world: World) -> Personality:
    """Return a ModelRouter account whose `data` is its `Books`."""
    credentials = {
        SETTINGS["access_key_id"]: Credential(SETTINGS["access_key_secret"]),
        STS_SETTINGS["access_key_id"]: Credential(
            STS_SETTINGS["access_key_secret"], STS_SETTINGS["security_token"]
        ),
    }
    books = Books(world, credentials)
    routes = [Route("/{path:path}", Api(books).answer, methods=METHODS)]
    app = Starlette(routes=routes)
    settings = {**SETTINGS, "requests_per_second": 500}
    return Personality(app=app, world=world, settings=settings, data=books)
