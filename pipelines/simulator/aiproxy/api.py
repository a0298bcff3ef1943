"""The routes under `/api`: authentication, envelopes, listings."""

import itertools
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from llm_usage_warehouse.simulator.aiproxy import dashboard, dimensions, gojson, query
from llm_usage_warehouse.simulator.aiproxy.books import Books
from llm_usage_warehouse.simulator.aiproxy.rows import Row, detail, has_detail

ADMIN_KEY = "test-admin-key-example"
REQUEST_NUMBER = itertools.count(1)

Endpoint = Callable[[Books, Request], Response]
Handler = Callable[[Request], Awaitable[Response]]


def build_app(books: Books) -> Starlette:
    """Return the application that serves some books."""
    listings = Listings(books)
    endpoints: dict[str, Endpoint] = {
        "/api/logs/": partial(listings.answer, search=False),
        "/api/logs/search": partial(listings.answer, search=True),
        "/api/logs/detail/{log_id}": _detail,
        "/api/log/{group}": partial(listings.answer, search=False),
        "/api/log/{group}/search": partial(listings.answer, search=True),
        "/api/log/{group}/detail/{log_id}": _detail,
        "/api/groups/": lambda books, asked: _page(asked, "groups", dimensions.groups(books)),
        "/api/tokens/": _tokens,
        "/api/channels/all": lambda books, _: _ok(dimensions.channels(books)),
        "/api/channels/type_metas": lambda *_: _ok(dimensions.type_metas()),
        "/api/model_configs/all": lambda *_: _ok(dimensions.model_configs()),
        "/api/dashboardv2/": _dashboard,
        "/api/dashboardv2/{group}": _dashboard,
    }
    routes = [Route(path, _guarded(books, one)) for path, one in endpoints.items()]
    routes += [Route(path[:-1], _with_slash) for path in endpoints if path.endswith("/")]
    routes += [
        Route(
            "/api/status", _open(books, lambda books, _: _ok({"startTime": dimensions.born(books)}))
        ),
        Route("/{path:path}", _elsewhere),
    ]
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    return app


class Listings:
    """Log listings, the last few of which are kept so that a walk of pages costs little."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self._revision = -1
        self._kept: dict[Any, tuple[list[Row], bytes]] = {}

    def answer(self, books: Books, request: Request, *, search: bool) -> Response:
        """Return one page of the log, and the lists of names that come with it."""
        asked, version = request.query_params, books.version_tuple
        group: str | None = request.path_params.get("group")
        window = query.window(asked, books.now(), version)
        number, size = query.page(asked)
        for _ in range(books.arriving if number > 1 else 0):
            books.add(created_at=window.start + 1_000_000, group=group or "")
        order, ascending = query.order(asked, version)
        # Without a tie-breaker, rows of one instant may change places between two pages.
        flipped = order != "id" and number % 2 == 0
        kept = (window, order, ascending, flipped, group, search, self._asked(request))
        rows, names = self._listing(kept, request, search=search)
        lies = books.lies
        shown = [row for row in rows if row.id not in lies.missing] if lies.missing else rows
        name = "include_detail" if version >= (0, 5, 2) else "with_body"
        bodies = asked.get(name) == "true"
        page = shown[(number - 1) * size : number * size]
        logs = b",".join([books.json(row, bodies=bodies) for row in page])
        total = str(len(rows) + lies.total_off).encode()
        body = b'{"data":{"logs":[' + logs + b'],"total":' + total + names + b'},"success":true}'
        return _json(body)

    def _asked(self, request: Request) -> frozenset[tuple[str, str]]:
        paging = {"page", "p", "per_page", "start_timestamp", "end_timestamp", "order"}
        return frozenset((k, v) for k, v in request.query_params.items() if k not in paging)

    def _listing(
        self, kept: tuple[Any, ...], request: Request, *, search: bool
    ) -> tuple[list[Row], bytes]:
        window, order, ascending, flipped, group, *_ = kept
        revision = self.books.catch_up(window.start, window.end)
        if self._revision != revision or len(self._kept) > 16:
            self._revision = revision
            self._kept.clear()
        if kept not in self._kept:
            passes = query.filters(
                request.query_params,
                keyword=search,
                group=search or group is not None,
                channel=group is None,
            )
            everything = self.books.between(window.start, window.end)
            inside = [row for row in everything if group is None or row.group == group]
            rows = sorted(filter(passes, inside), key=lambda row: row.id, reverse=flipped)
            rows.sort(key=lambda row: getattr(row, order), reverse=not ascending)
            old = self.books.version_tuple < (0, 2, 3)
            names = _names(inside, group, search=search, old=old)
            shown = "".join([f",{gojson.quote(k)}:{gojson.dumps(v)}" for k, v in names.items()])
            self._kept[kept] = rows, shown.encode()
        return self._kept[kept]


def _names(rows: list[Row], group: str | None, *, search: bool, old: bool) -> dict[str, list[Any]]:
    """Return the names in use, which ignore the filters, as they come from hourly summaries."""
    names: dict[str, list[Any]] = {}
    if group is None or old:
        names["channels"] = sorted({row.channel for row in rows})
    if group is not None or search:
        names["models"] = sorted({row.model for row in rows})
    present = {name: values for name, values in names.items() if values}
    if group is None:
        return present
    return present | {"token_names": ["", *sorted({row.token_name for row in rows} - {""})]}


def _detail(books: Books, request: Request) -> Response:
    row = books.row(query.integer(request.path_params["log_id"]))
    group = request.path_params.get("group")
    if row is None or not has_detail(row, books.now()) or group not in {None, row.group}:
        return _error(500, "record not found")
    return _ok(detail(row, bodies=True))


def _tokens(books: Books, request: Request) -> Response:
    return _page(request, "tokens", dimensions.tokens(books, request.query_params.get("group")))


def _dashboard(books: Books, request: Request) -> Response:
    try:
        group = request.path_params.get("group")
        return _ok(dashboard.series(books, request.query_params, group))
    except ValueError as error:
        return _error(500, str(error))


def _page(request: Request, name: str, found: list[dict[str, Any]]) -> Response:
    number, size = query.page(request.query_params)
    return _ok({name: found[(number - 1) * size : number * size], "total": len(found)})


def _guarded(books: Books, endpoint: Endpoint) -> Handler:
    async def handler(request: Request) -> Response:
        given = request.headers.get("authorization") or request.query_params.get("key", "")
        if given.removeprefix("Bearer ").removeprefix("sk-") != ADMIN_KEY:
            return _error(401, "unauthorized, no access token provided")
        return endpoint(books, request)

    return handler


def _open(books: Books, endpoint: Endpoint) -> Handler:
    async def handler(request: Request) -> Response:
        return endpoint(books, request)

    return handler


async def _with_slash(request: Request) -> Response:
    return RedirectResponse(request.url.replace(path=f"{request.url.path}/"), 301)


async def _elsewhere(request: Request) -> Response:
    """Answer as the gateway's web console does: any other page is its single page."""
    if request.url.path.startswith(("/api", "/v1")):
        return PlainTextResponse("404 page not found", 404)
    return HTMLResponse('<!doctype html><html><div id="root"></div></html>')


def _ok(data: Any) -> Response:
    return _json(gojson.dumps({"data": data, "success": True}).encode())


def _error(status: int, message: str) -> Response:
    return _json(gojson.dumps({"message": message, "success": False}).encode(), status)


def _json(body: bytes, status: int = 200) -> Response:
    headers = {"x-request-id": f"example{next(REQUEST_NUMBER):08d}"}
    return Response(body, status, headers, "application/json; charset=utf-8")
