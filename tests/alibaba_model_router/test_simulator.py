"""What ModelRouter's APIs promise, and where they surprise, as their simulator plays them."""

import hashlib
import hmac
import json
import re
import time
import uuid
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from llm_usage_warehouse.simulator import Personality, Simulator, World
from llm_usage_warehouse.simulator.alibaba_model_router import (
    ANSWER_MARKER,
    KEY_MARKER,
    PROMPT_MARKER,
    STS_SETTINGS,
    Books,
    Credential,
    Usage,
    create,
)

NOW = 1_790_000_000  # Monday 2026-09-21 14:13:20 UTC, 22:13:20 in Beijing
NOON = 1_789_992_000  # 12:00:00 UTC of that day
SUNDAY: dict[str, Any] = {
    "startTime": 1_789_833_600,
    "endTime": 1_789_919_999,
}  # 2026-09-20 in Beijing
ROOT = "/api/v1/modelRouter/open"
LOGS, DETAILS = "/observation/logs", "/billing/details"
ACTIONS = {
    LOGS: "ModelRouterQueryObservationLogs",
    DETAILS: "ModelRouterQueryBillingDetails",
    "/billing/rules": "ModelRouterQueryBillingRuleList",
    "/billing/cost/breakdown": "ModelRouterQueryBillingCostBreakdown",
    "/usage/breakdown": "ModelRouterQueryUsageBreakdown",
    "/billing/bills/summary": "ModelRouterGetBillingBillSummary",
    "/clients": "ModelRouterQueryClientList",
    "/apikeys": "ModelRouterQueryApiKeyList",
    "/models": "ModelRouterQueryModelList",
}
ACS3 = json.loads((Path(__file__).with_name("acs3.json")).read_text())


def iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


class Account:
    """Signs requests to a running personality by the book, unless told otherwise."""

    def __init__(self, personality: Personality, http: httpx.Client) -> None:
        self.personality, self.http = personality, http
        self.world, self.books = personality.world, personality.data
        assert isinstance(self.books, Books)

    def get(
        self,
        path: str,
        query: dict[str, Any] | None = None,
        keys: dict[str, str] | None = None,
        changed: dict[str, str] | None = None,
    ) -> httpx.Response:
        keys = keys or self.personality.settings
        pairs = sorted((name, str(value)) for name, value in (query or {}).items())
        wire = "&".join(f"{name}={quote(value, safe='~')}" for name, value in pairs)
        headers = {
            "host": self.personality.url.removeprefix("http://"),
            "x-acs-action": ACTIONS.get(path, "ModelRouterUnknown"),
            "x-acs-version": "20240611",
            "x-acs-date": iso(self.world.now()),
            "x-acs-signature-nonce": uuid.uuid4().hex,
            "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
        } | (changed or {})
        if "security_token" in keys:
            headers["x-acs-security-token"] = keys["security_token"]
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        empty = hashlib.sha256(b"").hexdigest()
        canonical = f"GET\n{ROOT}{path}\n{wire}\n{lines}\n{names}\n{empty}"
        to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        secret = keys["access_key_secret"].encode()
        signed = hmac.new(secret, to_sign.encode(), hashlib.sha256).hexdigest()
        headers["authorization"] = (
            f"ACS3-HMAC-SHA256 Credential={keys['access_key_id']},"
            f"SignedHeaders={names},Signature={signed}"
        )
        return self.http.get(f"{self.personality.url}{ROOT}{path}?{wire}", headers=headers)

    def data(self, path: str, **query: Any) -> dict[str, Any]:
        envelope = json.loads(self.get(path, query).text, parse_float=Decimal)
        assert envelope["success"] is True, envelope
        data: dict[str, Any] = envelope["data"]
        return data

    def all(self, path: str, page: str = "page", size: int = 500, **query: Any) -> list[Any]:
        rows: list[Any] = []
        for number in range(1, 1000):
            data = self.data(path, **query, **{page: number, "pageSize": size})
            found = data["list"] if "list" in data else data["rows"]
            rows += found
            if not found:
                break
        return rows

    def logs(self, **query: Any) -> list[Any]:
        return self.all(LOGS, "pageIndex", 50, **query)

    def code(self, *args: Any, **more: Any) -> tuple[int, str]:
        response = self.get(*args, **more)
        return response.status_code, response.json()["Code"]


def serve() -> Simulator:
    return Simulator(World(now=lambda: NOW, days=2, rows_per_day=1200), ["alibaba_model_router"])


@pytest.fixture(scope="module")
def served() -> Iterator[Account]:
    with serve() as simulator, httpx.Client() as http:
        yield Account(simulator["alibaba_model_router"], http)


@pytest.fixture
def account(served: Account) -> Account:
    """One server for all tests, with new books for each."""
    served.world.now = lambda: NOW
    vars(served.books).update(vars(create(served.world).data))
    return served


def day(books: Books) -> list[dict[str, Any]]:
    first, last = iso(SUNDAY["startTime"]), iso(SUNDAY["endTime"])
    return [row for row in books.rows() if first <= row["requestTime"] <= last]


def day_bills(books: Books) -> list[dict[str, Any]]:
    window = range(SUNDAY["startTime"], SUNDAY["endTime"] + 1)
    return [bill for bill in books.bills() if bill["requestTime"] in window]


ISO_DAY: dict[str, Any] = {"startTime": iso(SUNDAY["startTime"]), "endTime": iso(SUNDAY["endTime"])}


# The gateway


@pytest.mark.parametrize("minimal", [False, True])
@pytest.mark.parametrize("vector", ACS3["vectors"], ids=lambda vector: vector["name"])
def test_requests_of_the_official_sdk_are_let_in(
    account: Account, vector: dict[str, Any], minimal: bool
) -> None:
    account.world.now = lambda: 1_759_104_005  # 2025-09-29T00:00:05Z
    account.books.credentials[ACS3["access_key_id"]] = Credential(
        ACS3["access_key_secret"], vector["security_token"]
    )
    headers = dict(vector["headers"], authorization=vector["authorization"])
    if minimal:
        headers = {name: vector["headers"][name] for name in vector["minimal_headers"]}
        headers["authorization"] = vector["minimal_authorization"]
    url = f"{account.personality.url}{vector['path']}?{vector['wire_query']}"
    response = account.http.get(url, headers=headers)
    # The SDK's "True" is signed well and refused as a value.
    capital = vector["query"].get("needTotalCount") == "True"
    assert (response.status_code, response.json().get("Code")) == (
        (400, "InvalidParameter") if capital else (200, None)
    )


def test_the_documented_signature_is_accepted(account: Account) -> None:
    known = ACS3["documentation"]
    account.world.now = lambda: 1_698_315_752  # 2023-10-26T10:22:32Z
    account.books.credentials[known["access_key_id"]] = Credential(known["access_key_secret"])
    query = "&".join(f"{name}={value}" for name, value in known["query"].items())
    headers = dict(known["headers"], authorization=known["authorization"])
    response = account.http.post(f"{account.personality.url}/?{query}", headers=headers)
    assert response.json()["Code"] == "InvalidVersion"  # of another product: signature passed


def test_a_nonce_passes_once(account: Account) -> None:
    nonce = {"x-acs-signature-nonce": "0f1e2d3c"}
    assert account.get("/models", changed=nonce).status_code == 200
    assert account.code("/models", changed=nonce) == (400, "SignatureNonceUsed")


def test_a_clock_may_be_15_minutes_off(account: Account) -> None:
    assert account.get("/models", changed={"x-acs-date": iso(NOW - 900)}).status_code == 200
    late = account.get("/models", changed={"x-acs-date": iso(NOW - 901)})
    assert (late.status_code, late.json()["Code"]) == (400, "InvalidTimeStamp.Expired")
    assert late.headers.get_list("date")[-1] == "Mon, 21 Sep 2026 14:13:20 GMT"


def test_keys_and_tokens_are_checked(account: Account) -> None:
    mine = account.personality.settings
    unknown = mine | {"access_key_id": "test-nobody"}
    assert account.code("/models", keys=unknown) == (404, "InvalidAccessKeyId.NotFound")
    wrong = mine | {"access_key_secret": "test-wrong"}
    assert account.code("/models", keys=wrong) == (400, "SignatureDoesNotMatch")
    assert account.get("/models", keys=STS_SETTINGS).status_code == 200
    stale = STS_SETTINGS | {"security_token": "test-stale"}
    refusal = (400, "InvalidSecurityToken.MismatchWithAccessKey")
    assert account.code("/models", keys=stale) == refusal


def test_what_is_not_the_api_is_refused(account: Account) -> None:
    assert account.code("/models", changed={"x-acs-version": "2024-06-11"})[1] == "InvalidVersion"
    assert account.code("/models", changed={"x-acs-action": "Else"})[1] == "InvalidAction.NotFound"
    assert account.code("/nothing") == (404, "InvalidApi.NotFound")
    unsigned = account.http.get(f"{account.personality.url}{ROOT}/models")
    assert unsigned.json()["Code"] == "IncompleteSignature"


def test_errors_come_in_the_vendors_words(account: Account) -> None:
    account.books.fail("Throttling.User", retry_after_ms=1500)
    throttled = account.get("/models")
    assert (throttled.status_code, throttled.headers["x-acs-retry-after"]) == (400, "1500")
    account.books.fail("B.Permission.DeniedException", status=403, message="鉴权失败或权限不足")
    assert account.get("/models").json()["code"] == "B.Permission.DeniedException"
    account.books.fail("Server.Internal.UnknownError", status=500, path="/clients", skip=1)
    codes = [account.get(path).status_code for path in ("/models", "/clients", "/clients")]
    assert codes == [200, 200, 500]
    account.books.fail("SYSTEM_BUSY", status=200)
    refused = account.get("/models").json()
    assert (refused["success"], refused["errCode"], refused["data"]) == (False, "SYSTEM_BUSY", None)


def test_errors_come_as_xml_on_request(account: Account) -> None:
    account.books.xml_errors = True
    response = account.get("/nothing")
    assert response.headers["content-type"].startswith("text/xml")
    assert "<Code>InvalidApi.NotFound</Code>" in response.text


# Log rows


def test_a_log_row_has_the_documented_fields(account: Account) -> None:
    envelope = account.get(LOGS).json()
    assert (envelope["success"], envelope["errCode"]) == (True, "UNKNOWN_ERROR")
    names = (
        "id requestId clientId clientUuid apiKeyId modelId modelName modelCode symbol modelType "
        "requestTime responseTimeMs statusCode status promptTokens completionTokens totalTokens "
        "requestBody responseBody deleteTag gmtCreate gmtModified usage"
    )
    assert sorted(envelope["data"]["list"][0]) == sorted(names.split(" "))


def test_pages_hold_every_row_once_and_at_most_50(account: Account) -> None:
    assert len(account.data(LOGS)["list"]) == 10
    capped = account.data(LOGS, **ISO_DAY, pageSize=500)
    assert (len(capped["list"]), capped["pageSize"]) == (50, 50)
    rows = account.logs(**ISO_DAY)
    assert sorted(row["id"] for row in rows) == [row["id"] for row in day(account.books)]
    assert len({row["id"] for row in rows}) == len(rows) > 100


def test_a_page_is_newer_than_the_next_but_not_sorted(account: Account) -> None:
    first, second = (
        [row["id"] for row in account.data(LOGS, **ISO_DAY, pageIndex=page)["list"]]
        for page in (1, 2)
    )
    assert min(first) > max(second)
    assert first != sorted(first) != first[::-1]


def test_the_end_second_belongs_to_the_window_or_not(account: Account) -> None:
    added = [account.books.add(at)["id"] for at in (NOON, NOON + 60)]
    window = {"startTime": iso(NOON), "endTime": iso(NOON + 60), "pageSize": 50}
    found = {row["id"] for row in account.data(LOGS, **window)["list"]}
    assert found >= set(added)
    account.books.end_inclusive = False
    assert found - {row["id"] for row in account.data(LOGS, **window)["list"]} >= {added[1]}


def test_time_range_gives_way_unless_told(account: Account) -> None:
    query = ISO_DAY | {"timeRange": "1h"}
    assert account.logs(**query) == account.logs(**ISO_DAY)
    account.books.time_range_wins = True
    rows = account.logs(**query)
    assert rows
    assert min(row["requestTime"] for row in rows) >= iso(NOW - 3600)


def test_a_total_is_0_unless_asked_and_sometimes_then(account: Account) -> None:
    assert account.data(LOGS, **ISO_DAY)["total"] == 0
    asked = [account.data(LOGS, **ISO_DAY, needTotalCount="true")["total"] for _ in range(5)]
    assert asked == [len(day(account.books))] * 4 + [0]


def test_parameters_are_read_strictly(account: Account) -> None:
    for query in (
        {"needTotalCount": "True"},
        {"startTime": "1789833600"},
        {"startTime": "2026-09-20T00:00:00+08:00"},
        {"clientId": 11, "clientIds": "11,12"},
    ):
        assert account.code(LOGS, query) == (400, "InvalidParameter")


def test_empty_member_ids_drop_the_members_rows(account: Account) -> None:
    rows = account.logs(**ISO_DAY)
    alone = account.logs(**ISO_DAY, memberUserIds="")
    assert {row["apiKeyId"] for row in rows} - {row["apiKeyId"] for row in alone} == {102, 103, 105}
    assert {row["apiKeyId"] for row in account.logs(**ISO_DAY, memberUserIds="501")} == {102}


def test_departments_filter(account: Account) -> None:
    rows = account.logs(**ISO_DAY)
    for query, wanted in (({"clientId": 12}, {12}), ({"clientIds": "11,13"}, {11, 13})):
        found = {row["id"] for row in account.logs(**ISO_DAY, **query)}
        assert found == {row["id"] for row in rows if row["clientId"] in wanted}


def test_private_text_is_in_every_log_row_and_keys_are_clear(account: Account) -> None:
    rows = account.data(LOGS, pageSize=50)["list"]
    assert all(PROMPT_MARKER in row["requestBody"] for row in rows)
    assert all(ANSWER_MARKER in row["responseBody"] for row in rows)
    keys = account.data("/apikeys")["list"]
    assert len(keys) == 8
    assert all(key["key"].startswith(KEY_MARKER) for key in keys)


# Billing lines


def test_only_successful_calls_are_billed(account: Account) -> None:
    account.books.match_rate = 1
    logs, bills = account.logs(**ISO_DAY), account.all(DETAILS, **SUNDAY)
    good = {row["requestId"] for row in logs if row["statusCode"] == 200}
    assert {bill["requestId"] for bill in bills} == good
    assert {row["status"] for row in logs} == {"success", "failed"}


def test_request_ids_match_at_the_set_rate(account: Account) -> None:
    kinds = [bill["requestId"].split("-")[0] for bill in account.books.bills()]
    assert 0.85 < kinds.count("req") / len(kinds) < 0.95
    account.books.match_rate = 0
    assert {bill["requestId"][:9] for bill in account.all(DETAILS, **SUNDAY)} == {"chatcmpl-"}


def test_details_want_unix_seconds_and_give_up_to_500(account: Account) -> None:
    assert account.code(DETAILS, {"startTime": 1}) == (400, "MissingEndTime")
    assert account.code(DETAILS, ISO_DAY) == (400, "InvalidParameter")
    data = account.data(DETAILS, **SUNDAY, pageSize=1000)
    assert (data["pageSize"], data["total"]) == (500, len(data["rows"]))
    assert len(account.data(DETAILS, **SUNDAY)["rows"]) == 20


def test_a_billing_line_comes_minutes_after_its_log_row(account: Account) -> None:
    account.books.add(NOON, logged_at=NOW + 30, billed_at=NOW + 300)
    window = {"startTime": NOON, "endTime": NOON}
    seen = []
    for now in (NOW, NOW + 30, NOW + 300):
        account.world.now = partial(float, now)
        logs = account.data(LOGS, startTime=iso(NOON), endTime=iso(NOON))["list"]
        seen.append((len(logs), len(account.data(DETAILS, **window)["rows"])))
    assert seen == [(0, 0), (1, 0), (1, 1)]


def test_an_amount_follows_from_the_rule_of_its_time(account: Account) -> None:
    usage = Usage(prompt=32_000, completion=1_000, cached=12_000)
    account.books.add(NOON, model="qwen3-max", key=104, usage=usage)
    (bill,) = account.data(DETAILS, startTime=NOON, endTime=NOON)["rows"]
    # Second tier, whose minimum is inclusive: (20000 x 4 + 12000 x 0.8 + 1000 x 16) / 1e6 x 0.85
    assert (bill["inputTokens"], bill["discount"]) == (32_000, Decimal("0.85"))
    assert bill["amount"] == Decimal("0.08976000")


def test_a_price_has_versions(account: Account) -> None:
    first, second = account.all("/billing/rules", modelCode="deepseek-v3.2", size=20)
    assert first["expireTime"] == second["effectiveTime"] == "2026-09-20T16:00:00Z"
    prices = [rule["pricingConfig"]["tiers"][0]["input_price"] for rule in (first, second)]
    assert sorted(prices) == [1, 2]
    for at, price in zip((1_789_919_999, 1_789_920_000), prices, strict=True):
        account.books.add(at, model="deepseek-v3.2", usage=Usage(prompt=1_000_000))
        bills = account.data(DETAILS, startTime=at, endTime=at, modelId=4)["rows"]
        assert max(bill["amount"] for bill in bills) == price
    active = account.data("/billing/rules", activeOnly="true", modelId=4)["list"]
    assert active == [second]


def test_a_model_without_a_rule_costs_nothing(account: Account) -> None:
    models = account.data("/models", needTotalCount="true")
    assert models["total"] == "8"
    assert [model["modelCode"] for model in models["list"] if not model["hasBillingRule"]] == [
        "acme-support-tuned-v2"
    ]
    bills = account.all(DETAILS, **SUNDAY, modelCodes="acme-support-tuned-v2")
    assert {bill["amount"] for bill in bills} == {0}


def test_the_other_shapes_of_a_billing_answer(account: Account) -> None:
    account.books.snake_case, account.books.rows_name = True, "items"
    account.books.json_as_text = False
    data = account.data(DETAILS, **SUNDAY)
    assert {"page_size", "items"} <= set(data)
    assert data["items"][0]["usage_detail"]["prompt_tokens"] == data["items"][0]["input_tokens"]
    costs = account.data("/billing/cost/breakdown", **SUNDAY, granularity="daily")
    assert costs["items"][0]["values"]["total_calls"] > 0


# Control totals


@pytest.mark.parametrize("granularity", ["hourly", "daily"])
def test_control_totals_equal_the_details(account: Account, granularity: str) -> None:
    bills = account.all(DETAILS, **SUNDAY)
    usage = account.all("/usage/breakdown", **SUNDAY, granularity=granularity)
    metrics = [metric for row in usage for metric in row["metrics"]]
    for key, wanted in (
        ("total_calls", len(bills)),
        ("output_tokens", sum(bill["outputTokens"] for bill in bills)),
        ("cached_tokens", sum(bill["cachedTokens"] for bill in bills)),
    ):
        assert sum(metric["value"] for metric in metrics if metric["key"] == key) == wanted
    costs = account.all("/billing/cost/breakdown", **SUNDAY, granularity=granularity)
    amount = sum(bill["amount"] for bill in bills)
    assert sum(row["payableAmount"] for row in costs) == amount
    assert account.data("/billing/bills/summary", **SUNDAY)["totalAmount"] == amount


def test_a_bucket_is_whole_and_of_beijing(account: Account) -> None:
    wide: dict[str, Any] = {"startTime": SUNDAY["startTime"] - 1, "endTime": SUNDAY["endTime"] + 1}
    daily = account.all("/usage/breakdown", **wide, granularity="daily")
    midnights = {SUNDAY["startTime"], SUNDAY["endTime"] + 1}
    assert {row["summaryTime"] for row in daily} == midnights
    inside: dict[str, Any] = {"startTime": SUNDAY["startTime"] + 1, "endTime": SUNDAY["endTime"]}
    assert account.all("/usage/breakdown", **inside, granularity="daily") == []


# Lies and changes


def test_lies_about_totals(account: Account) -> None:
    account.books.lies.tokens_off, account.books.lies.amount_off = 7, Decimal("0.5")
    query = SUNDAY | {"granularity": "daily"}
    told = [
        metric["value"]
        for row in account.all("/usage/breakdown", **query)
        for metric in row["metrics"]
        if metric["key"] == "input_tokens"
    ]
    chat = [bill for bill in day_bills(account.books) if bill["modelType"] == "Chat"]
    assert sum(told) - sum(bill["inputTokens"] for bill in chat) == 7
    amount = sum(bill["amount"] for bill in day_bills(account.books))
    assert account.data("/billing/bills/summary", **SUNDAY)["totalAmount"] - amount == Decimal(
        "0.5"
    )
    account.books.lies.total_zero = True
    assert account.data(DETAILS, **SUNDAY)["total"] == 0


def test_lies_about_rows(account: Account) -> None:
    account.books.lies.details_missing = 1
    data = account.data(DETAILS, **SUNDAY, pageSize=500)
    assert data["total"] - len(data["rows"]) == 1
    account.books.lies.repeat_page, account.books.lies.missing_page = 2, 3
    pages = [account.data(LOGS, **ISO_DAY, pageIndex=page)["list"] for page in (1, 2, 3, 4)]
    ids = [{row["id"] for row in page} for page in pages]
    assert (ids[0] == ids[1], len(ids[2]), len(ids[3])) == (True, 0, 10)


def test_calls_can_be_added_changed_and_deleted(account: Account) -> None:
    row = account.books.add(NOON, status_code=429)
    window = {"startTime": iso(NOON), "endTime": iso(NOON)}
    assert account.data(LOGS, **window)["list"] == [row]
    account.books.update(row["id"], statusCode=500)
    (changed,) = account.data(LOGS, **window)["list"]
    assert (changed["statusCode"], changed["gmtModified"]) == (500, iso(NOW))
    account.books.delete(row["id"])
    assert account.data(LOGS, **window)["list"] == []


# The traffic


def test_the_traffic_depends_on_the_seed_alone() -> None:
    def rows(seed: int, now: float) -> list[dict[str, Any]]:
        world = World(seed=seed, now=lambda: now, days=1)
        books: Books = create(world).data
        return [row for row in books.rows() if row["requestTime"] < iso(NOON)]

    assert rows(1, NOW) == rows(1, NOW + 600)
    assert rows(1, NOW) != rows(2, NOW)


def test_the_traffic_has_its_edges() -> None:
    books: Books = create(World(now=lambda: NOW)).data
    rows = books.rows()
    assert 0.8 < len(rows) / (14.6 * 900) < 1.1
    times = {row["requestTime"] for row in rows}
    assert {"2026-09-20T00:00:00Z", "2026-09-19T16:00:00Z"} <= times
    assert max(row["promptTokens"] for row in rows) > 200_000
    assert any(row["status"] == "success" and row["totalTokens"] == 0 for row in rows)
    assert all(re.fullmatch(r"req-[0-9a-f]{16}", row["requestId"]) for row in rows)
    for bill in books.bills():
        assert bill["cachedTokens"] + bill["cacheCreationTokens"] <= bill["inputTokens"]
        assert bill["reasoningTokens"] <= bill["outputTokens"]
