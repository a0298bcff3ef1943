"""The API: one address, `POST /`, where the header X-TC-Action names what is asked."""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from llm_usage_warehouse.simulator.tencent_lke import _signing
from llm_usage_warehouse.simulator.tencent_lke._books import Books
from llm_usage_warehouse.simulator.tencent_lke._catalogue import APPS, MODELS, App, Model
from llm_usage_warehouse.simulator.tencent_lke._envelope import ApiError, answer, encode, refusal
from llm_usage_warehouse.simulator.tencent_lke._parameters import ACCEPTED, page_of, parse, query_of
from llm_usage_warehouse.simulator.tencent_lke._traffic import BEIJING_SECONDS, Call

VERSION = "2023-11-30"
REGIONS = {"ap-jakarta", "ap-guangzhou"}
DAY = 86400

Answer = tuple[dict[str, Any], list[bytes] | None]


def create_app(books: Books) -> Starlette:
    """Return the application that answers from the books."""
    api = _Api(books)

    async def handle(request: Request) -> Response:
        body = api.respond(request.headers, await request.body())
        date = formatdate(books.world.now(), usegmt=True)
        return Response(body, media_type="application/json", headers={"Date": date})

    return Starlette(routes=[Route("/", handle, methods=["POST"])])


class _Api:
    def __init__(self, books: Books) -> None:
        self.books = books
        self.admitted: defaultdict[str, deque[float]] = defaultdict(deque)
        self.actions: dict[str, Callable[[dict[str, Any], str], Answer]] = {
            "ListUsageCallDetail": self.list_usage_call_detail,
            "DescribeTokenUsage": self.describe_token_usage,
            "DescribeTokenUsageGraph": self.describe_token_usage_graph,
            "DescribeCallStatsGraph": self.describe_call_stats_graph,
            "ListModel": self.list_model,
            "ListApp": self.list_app,
        }

    def respond(self, headers: Mapping[str, str], body: bytes) -> bytes:
        """Return the body that answers a request, refusals included."""
        try:
            action = self._admit(headers, body)
            language = headers.get("x-tc-language", "zh-CN")
            fields, rows = self.actions[action](parse(action, body), language)
            return answer(fields, rows, self.books.account.deprecated_warning)
        except ApiError as error:
            return refusal(error)

    def _admit(self, headers: Mapping[str, str], body: bytes) -> str:
        """Return the action that a request may call."""
        account = self.books.account
        now = self.books.world.now()
        keys = (account.secret_id, account.secret_key, account.token)
        _signing.verify(headers, body, *keys, now)
        action = _common(headers, "Action")
        if _common(headers, "Version") != VERSION:
            raise ApiError("NoSuchVersion", "The version is not supported.")
        if action not in ACCEPTED:
            raise ApiError("InvalidAction", f"The action `{action}` is invalid or not found.")
        if _common(headers, "Region") not in REGIONS:
            raise ApiError("UnsupportedRegion", "The region is not supported.")
        self._pace(action)
        if code := self.books.take_failure(action):
            raise ApiError(code, "This failure was asked for.")
        return action

    def _pace(self, action: str) -> None:
        limit = self.books.account.requests_per_second
        admitted, now = self.admitted[action], time.monotonic()
        while admitted and admitted[0] <= now - 1:
            admitted.popleft()
        if limit is not None and len(admitted) >= limit:
            raise ApiError(
                "RequestLimitExceeded",
                f"Your current request times equals to `{len(admitted) + 1}` in a second, which "
                f"exceeds the frequency limit `{limit}` for a second. Please reduce the frequency "
                "of calls.",
            )
        admitted.append(now)

    def list_usage_call_detail(self, parameters: dict[str, Any], language: str) -> Answer:
        """Return a page of single calls, newest first."""
        lies = self.books.lies
        page = page_of(parameters, 1000, lies.page_cap)
        calls = self._calls(parameters)
        rows = [call.encoded(language) for call in calls[page]]
        largest = self.books.account.largest_page
        if largest is not None and len(rows) > largest:
            raise ApiError("ResponseSizeLimitExceeded", "The response exceeds the size limit.")
        if parameters["PageNumber"] == lies.missing_page:
            rows = []
        self.books.page_made()
        return {"Total": len(calls) + lies.total}, rows

    def describe_token_usage(self, parameters: dict[str, Any], _language: str) -> Answer:
        """Return the sums of the calls asked for; what does not apply is absent."""
        calls = self._calls(parameters)
        window = (parameters.get("StatStartTime"), parameters.get("StatEndTime"))
        lies = self.books.lies.about_usage(parameters.get("ModelName"), *window)
        usage: dict[str, Any] = {
            "TotalTokenUsage": _sum(calls, "TotalTokenUsage") + lies.usage_tokens,
            "InputTokenUsage": _sum(calls, "InputTokenUsage") + lies.usage_tokens,
            "OutputTokenUsage": _sum(calls, "OutputTokenUsage"),
            "SearchUsage": _sum(calls, "SearchUsage"),
            "ApiCallStats": len(calls) + lies.usage_calls,
        }
        if parsed := [call for call in calls if call.kind == "parse"]:
            usage["PageUsage"] = int(_sum(parsed, "PageUsage"))
        return {name: value for name, value in usage.items() if name not in lies.absent}, None

    def describe_token_usage_graph(self, parameters: dict[str, Any], _language: str) -> Answer:
        """Return three series of token sums, each in an order of its own."""
        calls = self._calls(parameters)
        series = {"Total": "TotalTokenUsage", "Input": "InputTokenUsage"}
        series["Output"] = "OutputTokenUsage"
        return {
            name: self._series(parameters, name, [(call.at, call.fields[key]) for call in calls])
            for name, key in series.items()
        }, None

    def describe_call_stats_graph(self, parameters: dict[str, Any], _language: str) -> Answer:
        """Return the number of calls of the intervals that have any, in no order."""
        points = [(call.at, 1.0) for call in self._calls(parameters)]
        return {"List": self._series(parameters, "List", points)}, None

    def list_model(self, parameters: dict[str, Any], language: str) -> Answer:
        """Return the models on offer now."""
        category = parameters.get("ModelCategory")
        models = [
            encode(_model_info(model, language))
            for model in MODELS.values()
            if model.name in self.books.account.listed and category in (None, "", model.category)
        ]
        return {}, models

    def list_app(self, parameters: dict[str, Any], language: str) -> Answer:
        """Return a page of applications; their count is a text."""
        app_type = parameters.get("AppType")
        keyword = parameters.get("Keyword", "")
        apps = [app for app in APPS if app_type in (None, "", app.app_type) and keyword in app.name]
        rows = [encode(_app_info(app, language)) for app in apps[page_of(parameters, 200)]]
        return {"Total": str(len(apps))}, rows

    def _calls(self, parameters: dict[str, Any]) -> list[Call]:
        query = query_of(parameters)
        return [] if query is None else self.books.select(query)

    def _series(
        self, parameters: dict[str, Any], name: str, points: list[tuple[int, float]]
    ) -> list[dict[str, Any]]:
        """Return sums by interval of Beijing time; only intervals with a call appear."""
        step = _interval(parameters)
        sums: defaultdict[int, float] = defaultdict(float)
        for at, value in points:
            local = at + BEIJING_SECONDS
            sums[local - local % step] += value
        series = [{"X": f"{_utc(at):%Y%m%d%H%M}", "Y": value} for at, value in sums.items()]
        self.books.world.random_for("tencent_lke", name, len(series)).shuffle(series)
        return series


def _common(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(f"x-tc-{name.lower()}")
    if not value:
        raise ApiError("MissingParameter", f"The request is missing a required parameter `{name}`.")
    return value


def _sum(calls: list[Call], name: str) -> float:
    return float(sum(call.fields[name] for call in calls))


def _utc(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _interval(parameters: dict[str, Any]) -> int:
    """Return the width of a graph's intervals in seconds: the wider the window, the coarser."""
    start, end = parameters.get("StatStartTime"), parameters.get("StatEndTime")
    if not start or not end or end - start >= 7 * DAY:
        return DAY
    return 300 if end - start < DAY else 3600


def _model_info(model: Model, language: str) -> dict[str, Any]:
    provider, provider_alias = model.provider
    return {
        "ModelName": model.name,
        "AliasName": model.alias.in_language(language),
        "ModelDesc": "",
        "ModelCategory": model.category,
        "ProviderName": provider,
        "ProviderAliasName": provider_alias,
        "ProviderType": "Self" if provider == "Self" else "Third",
        "Source": "Industry" if model.name == "cs-normal-70b" else "Hunyuan",
        "ResourceStatus": 1,
        "IsFree": False,
        "IsExclusive": False,
    }


def _app_info(app: App, language: str) -> dict[str, Any]:
    alias = MODELS[app.model].alias.in_language(language)
    return {
        "AppBizId": app.biz_id,
        "AppType": app.app_type,
        "Name": app.name,
        "ModelName": alias,
        "ModelAliasName": alias,
        "Pattern": "standard",
        "AppStatus": 2,
        "UpdateTime": "1767225600",
    }
