"""Answers requests: which path is which API, the envelope, pages, errors in the vendor's words."""

import json
import re
import uuid
from collections.abc import Callable, Mapping
from email.utils import formatdate
from random import Random
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from llm_usage_warehouse.simulator.alibaba_model_router import _acs3, _dimensions, _query
from llm_usage_warehouse.simulator.alibaba_model_router._acs3 import GatewayError
from llm_usage_warehouse.simulator.alibaba_model_router._books import Books
from llm_usage_warehouse.simulator.alibaba_model_router._catalogue import rules_between
from llm_usage_warehouse.simulator.alibaba_model_router._control import cost_rows, total, usage_rows
from llm_usage_warehouse.simulator.alibaba_model_router._traffic import Row, to_json

ROOT = "/api/v1/modelRouter/open"
JSON_TEXTS = ("metrics", "usageDetail", "values", "dimValues")
COLUMNS = [
    {"key": "input_tokens", "label": "输入", "unit": "tokens", "sortable": True},
    {"key": "output_tokens", "label": "输出", "unit": "tokens", "sortable": True},
    {"key": "amount", "label": "实付金额", "unit": "元", "sortable": True},
]
Query = Mapping[str, str]
Endpoint = Callable[[Query], bytes]


class Api:
    """The account's API over its books; each endpoint returns the JSON of the envelope's `data`."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.endpoints: dict[str, tuple[str, Endpoint]] = {
            "/observation/logs": ("ModelRouterQueryObservationLogs", self.logs),
            "/billing/details": ("ModelRouterQueryBillingDetails", self.details),
            "/billing/rules": ("ModelRouterQueryBillingRuleList", self.rules),
            "/billing/cost/breakdown": ("ModelRouterQueryBillingCostBreakdown", self.costs),
            "/usage/breakdown": ("ModelRouterQueryUsageBreakdown", self.usage),
            "/billing/bills/summary": ("ModelRouterGetBillingBillSummary", self.summary),
            "/clients": ("ModelRouterQueryClientList", self.clients),
            "/apikeys": ("ModelRouterQueryApiKeyList", self.api_keys),
            "/models": ("ModelRouterQueryModelList", self.models),
        }

    async def answer(self, request: HttpRequest) -> Response:
        """Answer one request."""
        seen = _acs3.Request(
            request.method,
            request.scope["raw_path"].decode("latin-1"),
            request.scope["query_string"].decode("latin-1"),
            dict(request.headers),
            await request.body(),
        )
        request_id = str(uuid.uuid4()).upper()
        try:
            _acs3.check(seen, self.books.credentials, self.books.nonces, self.books.world.now())
            self._fail_on_request(seen.path)
            data = self._endpoint(seen)(dict(parse_qsl(seen.query, keep_blank_values=True)))
        except GatewayError as error:
            return self._error(error, request_id)
        # errCode beside success is what the vendor's own sample of a good answer shows.
        content = (
            f'{{"requestId":"{request_id}","success":true,"errCode":"UNKNOWN_ERROR",'
            '"errMessage":"未知错误","httpStatusCode":200,"data":'.encode()
            + data
            + b',"nextToken":"","maxResults":10}'
        )
        return self._response(200, content, "application/json;charset=utf-8", request_id)

    def logs(self, query: Query) -> bytes:
        """Log rows, newest first, in no order within a page; `total` is not to be trusted."""
        start, end = _query.instant_window(
            query, self.books.world.now(), time_range_wins=self.books.time_range_wins
        )
        page, size = _query.page_of(query, 10, 50)
        rows = self.books.select("log", start, self._stop(end), _query.wanted_of(query))
        shown = self._page(rows, page, size)
        Random(page).shuffle(shown)
        fields = {
            "total": self._log_total(len(rows), asked=_query.flag(query, "needTotalCount")),
            "page": page,
            "pageSize": size,
            "nextToken": 0,
            "maxResults": 10,
        }
        return _joined(fields, "list", [row.log_json() for row in shown])

    def details(self, query: Query) -> bytes:
        """Billing lines, newest first."""
        start, end = _query.seconds_window(query)
        page, size = _query.page_of(query, 20, 500)
        rows = self.books.select("bill", start, self._stop(end), _query.wanted_of(query))
        shown = self._page(rows[self.books.lies.details_missing :], page, size)
        if self.books.snake_case or not self.books.json_as_text:
            lines = [to_json(self._shaped(row.bill)) for row in shown]
        else:
            lines = [row.bill_json() for row in shown]
        fields = {"columns": COLUMNS, **self._page_fields(len(rows), page, size)}
        return _joined(self._shaped(fields), self.books.rows_name, lines)

    def usage(self, query: Query) -> bytes:
        """Control totals of usage."""
        lines, fields = self._breakdown(query, usage_rows)
        tokens = (
            metric
            for line in lines
            for metric in line["metrics"]
            if metric["key"] == "input_tokens"
        )
        if metric := next(tokens, None):
            metric["value"] += self.books.lies.tokens_off
        shaped = [to_json(self._shaped(line)) for line in lines]
        return _joined(self._shaped(fields), self.books.rows_name, shaped)

    def costs(self, query: Query) -> bytes:
        """Control totals of money."""
        lines, fields = self._breakdown(query, cost_rows)
        if lines:
            lines[0]["payableAmount"] += self.books.lies.amount_off
        shaped = [to_json(self._shaped(line)) for line in lines]
        return _joined(self._shaped(fields), self.books.rows_name, shaped)

    def summary(self, query: Query) -> bytes:
        """The amount of all whole hours that begin in a window, and of each."""
        start, end = _query.seconds_window(query)
        stop = self._stop(end)
        rows = self.books.control(start, stop, "hourly", _query.wanted_of(query))
        hours: dict[int, list[Row]] = {}
        for row in reversed(rows):
            hours.setdefault(row.at // 3600 * 3600, []).append(row)
        points = [{"timestamp": at, "totalAmount": total(lines)} for at, lines in hours.items()]
        amount = total(rows) + self.books.lies.amount_off
        return to_json(self._shaped({"totalAmount": amount, "points": points}))

    def rules(self, query: Query) -> bytes:
        """Every version of the billing rules that the account's history touches."""
        now = int(self.books.world.now())
        first = now if _query.flag(query, "activeOnly") else self.books.first_hour * 3600
        model, code = _query.integer(query, "modelId"), query.get("modelCode")
        lines = [
            _dimensions.rule_row(rule)
            for rule in rules_between(first, now)
            if model in (None, rule.model.id) and code in (None, rule.model.code)
        ]
        page, size = _query.page_of(query, 20, 100)
        fields = self._page_fields(len(lines), page, size)
        return _joined(fields, "list", _slice(lines, page, size))

    def clients(self, query: Query) -> bytes:
        """The departments, leaves of the tree only."""
        return self._dimension(query, _dimensions.client_rows(), int)

    def api_keys(self, query: Query) -> bytes:
        """The API keys, each with its clear `key`."""
        return self._dimension(query, _dimensions.key_rows(), int)

    def models(self, query: Query) -> bytes:
        """The models; `total` and `maxResults` are texts here."""
        return self._dimension(query, _dimensions.model_rows(), str)

    def _dimension(
        self, query: Query, lines: list[dict[str, Any]], total_type: type[int] | type[str]
    ) -> bytes:
        page, size = _query.page_of(query, 10, 50)
        asked = _query.flag(query, "needTotalCount")
        fields = {
            "total": total_type(len(lines) if asked else 0),
            "page": page,
            "pageSize": size,
            "nextToken": "",
            "maxResults": "10",
        }
        return _joined(fields, "list", _slice(lines, page, size))

    def _breakdown(
        self, query: Query, add_up: Callable[[list[Row], str], list[dict[str, Any]]]
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        start, end = _query.seconds_window(query)
        granularity = _query.text(query, "granularity")
        if granularity not in ("hourly", "daily"):
            raise _query.invalid("granularity")
        page, size = _query.page_of(query, 20, 500)
        wanted = _query.wanted_of(query)
        rows = self.books.control(start, self._stop(end), granularity, wanted)
        lines = add_up(rows, granularity)
        fields = {"granularity": granularity, **self._page_fields(len(lines), page, size)}
        return lines[(page - 1) * size : page * size], fields

    def _endpoint(self, request: _acs3.Request) -> Endpoint:
        known = self.endpoints.get(request.path.removeprefix(ROOT))
        if not known or request.method != "GET" or not request.path.startswith(ROOT):
            raise GatewayError(404, "InvalidApi.NotFound", "Specified api is not found.")
        action, endpoint = known
        if request.headers["x-acs-action"] != action:
            raise GatewayError(404, "InvalidAction.NotFound", "Specified action is not found.")
        return endpoint

    def _stop(self, end: int) -> int:
        return end + 1 if self.books.end_inclusive else end

    def _page(self, rows: list[Row], page: int, size: int) -> list[Row]:
        lies = self.books.lies
        if page == lies.missing_page:
            return []
        if page == lies.repeat_page:
            page -= 1
        return rows[(page - 1) * size : page * size]

    def _page_fields(self, count: int, page: int, size: int) -> dict[str, Any]:
        return {
            "total": 0 if self.books.lies.total_zero else count,
            "page": page,
            "pageSize": size,
        }

    def _log_total(self, count: int, *, asked: bool) -> int:
        self.books.totals_asked += asked
        zero = (
            self.books.lies.total_zero or not self.books.totals_asked % self.books.zero_total_every
        )
        return count if asked and not zero else 0

    def _shaped(self, value: Any, name: str = "") -> Any:
        """Return a billing or usage answer in the shape that the books are set to."""
        if isinstance(value, list):
            return [self._shaped(one) for one in value]
        if name in JSON_TEXTS:
            data = json.loads(value) if isinstance(value, str) else value
            return json.dumps(data) if self.books.json_as_text else data
        if isinstance(value, dict):
            return {
                _snake(key) if self.books.snake_case else key: self._shaped(one, key)
                for key, one in value.items()
            }
        return value

    def _fail_on_request(self, path: str) -> None:
        if failure := self.books.take_failure(path):
            wait = failure.retry_after_ms
            headers = {} if wait is None else {"x-acs-retry-after": str(wait)}
            raise GatewayError(failure.status, failure.code, failure.message, headers)

    def _error(self, error: GatewayError, request_id: str) -> Response:
        if error.status == 200:
            envelope = {
                "requestId": request_id,
                "success": False,
                "errCode": error.code,
                "errMessage": error.message,
                "httpStatusCode": 500,
                "data": None,
            }
            return self._response(200, to_json(envelope), "application/json", request_id)
        body = {"Code": error.code, "Message": error.message, "RequestId": request_id}
        if self.books.xml_errors:
            inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in body.items())
            content, media = f"<?xml version='1.0'?><Error>{inner}</Error>".encode(), "text/xml"
        else:
            if error.code.startswith(("B.", "Server.")):
                # The product's own errors begin with a small letter, the gateway's do not.
                body = {name[0].lower() + name[1:]: value for name, value in body.items()}
            content, media = to_json(body), "application/json"
        return self._response(error.status, content, media, request_id, error.headers)

    def _response(
        self,
        status: int,
        content: bytes,
        media_type: str,
        request_id: str,
        headers: dict[str, str] | None = None,
    ) -> Response:
        now = formatdate(self.books.world.now(), usegmt=True)
        own = {"x-acs-request-id": request_id, "date": now, **(headers or {})}
        return Response(content, status, own, media_type)


def _slice(lines: list[dict[str, Any]], page: int, size: int) -> list[bytes]:
    return [to_json(line) for line in lines[(page - 1) * size : page * size]]


def _joined(fields: dict[str, Any], name: str, lines: list[bytes]) -> bytes:
    return to_json(fields)[:-1] + f',"{name}":['.encode() + b",".join(lines) + b"]}"


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", lambda match: "_" + match[1].lower(), name)
