"""W&B Weave's trace server: usage statistics, calls and prices.

Plays the contract that the trace server's published source states (Python package `weave` 0.53.12,
folder `weave/trace_server`), its surprises included.
"""

import base64
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from llm_usage_warehouse.simulator.server import Personality
from llm_usage_warehouse.simulator.weave import _query, _request, _stats
from llm_usage_warehouse.simulator.weave._book import Book
from llm_usage_warehouse.simulator.weave._errors import RefusalError, refuse
from llm_usage_warehouse.simulator.weave._traffic import CHATBOT, SEARCH
from llm_usage_warehouse.simulator.world import World

__all__ = ["Book", "create"]

API_KEY = "test-wandb-key-example"
FORBIDDEN = "acme/forbidden"
_CREDENTIALS = base64.b64encode(f"api:{API_KEY}".encode()).decode()

Endpoint = Callable[[Request], Awaitable[Response]]


def create(world: World) -> Personality:
    """Return a simulated W&B account with two projects; `data` is its `Book`."""
    book = Book(world)

    def stats(body: Any) -> Response:
        now = datetime.fromtimestamp(world.now(), UTC)
        request = _request.parse(body, now)
        _check_project(book, request.project_id)
        return _json(_stats.answer(book, request))

    def stream(body: Any) -> Response:
        return Response(_query.stream(book, body), media_type="application/jsonl")

    routes = {
        "/calls/stats": stats,
        "/calls/stream_query": _of_project(book, stream),
        "/calls/query_stats": _of_project(book, lambda body: _json(_query.count(book, body))),
        "/cost/query": _of_project(book, lambda body: _json(_query.costs(book, body))),
    }
    app = Starlette(
        routes=[Route(path, _endpoint(of), methods=["POST"]) for path, of in routes.items()]
    )
    settings = {
        "base_url": "{url}",
        "project_id": [CHATBOT, SEARCH],
        "api_key": API_KEY,
        "requests_per_second": 500,
    }
    return Personality(app, world, settings, book)


def _endpoint(answer: Callable[[Any], Response]) -> Endpoint:
    """Return the handler that checks the credentials and reads the body for `answer`."""

    async def handle(request: Request) -> Response:
        try:
            if request.headers.get("authorization") != f"Basic {_CREDENTIALS}":
                raise refuse(401, "Unauthorized")
            return answer(_read(await request.body()))
        except RefusalError as refusal:
            return _json(refusal.body, refusal.status)

    return handle


def _read(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError as error:
        detail = {"type": "json_invalid", "loc": ["body", 0], "msg": "JSON decode error"}
        raise RefusalError(422, {"detail": [detail | {"input": {}}]}) from error


def _of_project(book: Book, answer: Callable[[Any], Response]) -> Callable[[Any], Response]:
    def checked(body: Any) -> Response:
        if "project_id" not in body:
            detail = {"type": "missing", "loc": ["body", "project_id"], "msg": "Field required"}
            raise RefusalError(422, {"detail": [detail | {"input": body}]})
        _check_project(book, body["project_id"])
        return answer(body)

    return checked


def _check_project(book: Book, project_id: str) -> None:
    if project_id == FORBIDDEN:
        raise refuse(403, "Forbidden")
    if project_id not in book.projects:
        raise refuse(404, f"Project {project_id} not found")


def _json(body: Any, status: int = 200) -> Response:
    return JSONResponse(body, status)
