"""Acme's usage API, played from its contract: `GET /v1/calls`.

Calls are a pure function of the world's seed: call number `n` ends in the `n`-th of the equal
stretches of time that `rows_per_day` makes. `personality.data` is the `Book` of them.
"""

from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from llm_usage_warehouse.simulator.server import Personality
from llm_usage_warehouse.simulator.world import World

API_KEY = "test-acme-key-example"
MODELS = ("acme-small", "acme-large")
MOST_ROWS = 500


class Book:
    """The calls of an account."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._first = world.now() - world.days * 86_400

    def between(self, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """Return the calls that ended in `[since, until)` and by now, oldest first."""
        start = max(since.timestamp(), self._first)
        end = min(until.timestamp(), self._world.now())
        if not self._world.rows_per_day:
            return []
        step = 86_400 / self._world.rows_per_day
        numbers = range(int(start / step), int(end / step) + 1)
        calls = [self._call(number, step) for number in numbers]
        return [one for one in calls if _text(start) <= one["ended_at"] < _text(end)]

    def _call(self, number: int, step: float) -> dict[str, Any]:
        random = self._world.random_for("acme", number)
        ended = (number + random.random()) * step
        failed = random.random() < 0.02
        return {
            "id": f"call-{number}",
            "project": random.choice(["search", "chat"]),
            "api_key_name": random.choice(["web", "batch"]),
            "model": random.choice(MODELS),
            "started_at": _text(ended - random.uniform(0.2, 20)),
            "ended_at": _text(ended),
            "status": 500 if failed else 200,
            "usage": {
                "input_tokens": 0 if failed else random.randint(50, 4_000),
                "output_tokens": 0 if failed else random.randint(1, 800),
            },
            "end_user": "somebody@mail.example",
        }


def create(world: World) -> Personality:
    """Return an account whose calls are `personality.data`."""
    book = Book(world)

    async def calls(request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {API_KEY}":
            return JSONResponse({"error": "unknown key"}, 401)
        asked = request.query_params
        since, until = (datetime.fromisoformat(asked[name]) for name in ("since", "until"))
        limit = min(int(asked.get("limit", MOST_ROWS)), MOST_ROWS)
        found = book.between(since, until)
        return JSONResponse({"data": found[:limit], "has_more": len(found) > limit})

    app = Starlette(routes=[Route("/v1/calls", calls)])
    settings = {"base_url": "{url}/v1", "api_key": API_KEY, "requests_per_second": 500}
    return Personality(app, world, settings, book)


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
