"""What Tencent LKE promises, and where it surprises, as its simulator plays it."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from llm_usage_warehouse.simulator import Personality, Simulator, World
from llm_usage_warehouse.simulator.tencent_lke import APPS, RETIRED, Books, create
from llm_usage_warehouse.simulator.tencent_lke._signing import signature

NOW = 1_790_000_000  # 2026-09-21 14:13:20 UTC, 22:13:20 in Beijing
DAY = 86400
YESTERDAY = (1_789_833_600, 1_789_919_999)  # 2026-09-20 00:00:00..23:59:59 in Beijing
VECTORS = json.loads((Path(__file__).with_name("tc3.json")).read_text())
MODELS = ["cs-normal-70b", "deepseek-v4-pro", "hy3", "lke-text-embedding-v1", RETIRED]


class Account:
    """Signs requests to a running personality by the book, unless told otherwise."""

    def __init__(self, personality: Personality, http: httpx.Client) -> None:
        self.personality, self.http = personality, http
        self.books: Books = personality.data

    def post(self, action: str, _sent: bytes | None = None, **parameters: Any) -> httpx.Response:
        return self.post_with({}, action, parameters, _sent)

    def post_with(
        self, changed: dict[str, str], action: str, parameters: Any, sent: bytes | None = None
    ) -> httpx.Response:
        body = json.dumps(parameters).encode()
        now = int(self.personality.world.now())
        headers = {"content-type": "application/json", "host": self.personality.url[7:]}
        headers |= {"x-tc-timestamp": str(now), "x-tc-action": action}
        headers |= {"x-tc-version": "2023-11-30", "x-tc-region": "ap-jakarta"} | changed
        names = ["content-type", "host"]
        at = int(headers["x-tc-timestamp"])
        key = self.personality.settings["secret_key"]
        scope = time.strftime("%Y-%m-%d/lke/tc3_request", time.gmtime(at))
        headers.setdefault(
            "authorization",
            f"TC3-HMAC-SHA256 Credential={self.personality.settings['secret_id']}/{scope}, "
            f"SignedHeaders=content-type;host, "
            f"Signature={signature(key, 'lke', at, headers, names, body)}",
        )
        url = self.personality.url
        return self.http.post(url, content=body if sent is None else sent, headers=headers)

    def ask(self, action: str, **parameters: Any) -> dict[str, Any]:
        response: dict[str, Any] = self.post(action, **parameters).json()["Response"]
        assert "Error" not in response, response
        return response

    def refusal(self, action: str, **parameters: Any) -> str:
        return code_of(self.post(action, **parameters))

    def page(self, number: int = 1, size: int = 1000, **parameters: Any) -> dict[str, Any]:
        given = {"ModelName": "cs-normal-70b"} | parameters
        return self.ask("ListUsageCallDetail", PageNumber=number, PageSize=size, **given)


def code_of(response: httpx.Response) -> str:
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    code: str = response.json()["Response"]["Error"]["Code"]
    return code


def window(start: int, end: int) -> dict[str, int]:
    return {"StatStartTime": start, "StatEndTime": end}


def serve(world: World) -> Iterator[Account]:
    with Simulator(world, ["tencent_lke"]) as simulator, httpx.Client() as http:
        yield Account(simulator["tencent_lke"], http)


@pytest.fixture(scope="module")
def busy() -> Iterator[Account]:
    """An account with three days of traffic, for tests that only read."""
    for account in serve(World(now=lambda: NOW, days=3, rows_per_day=1800)):
        account.books.account.requests_per_second = None
        yield account


@pytest.fixture
def empty() -> Iterator[Account]:
    """An account without a call, for tests that make their own."""
    yield from serve(World(now=lambda: NOW, rows_per_day=0))


@pytest.fixture(scope="module")
def three() -> Iterator[Account]:
    """An account with three calls that differ in what filters look at."""
    for account in serve(World(now=lambda: NOW, rows_per_day=0)):
        add = account.books.add
        account.books.account.requests_per_second = None
        add(at=NOW - 3, app=APPS[1], Id="one")
        add(at=NOW - 2, app=APPS[2], Id="two", UinAccount="700001187441")
        add(at=NOW - 1, app=APPS[4], Id="three", kind="parse", SubScene="image_ocr")
        yield account


# Signature, headers and refusals


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])
def test_requests_signed_by_the_published_sdk_are_admitted(
    empty: Account, vector: dict[str, Any]
) -> None:
    empty.personality.world.now = lambda: float(vector["timestamp"])
    keys = empty.books.account
    keys.secret_id, keys.secret_key = VECTORS["secret_id"], VECTORS["secret_key"]
    body = vector["body"].encode()
    response = empty.http.post(empty.personality.url, content=body, headers=vector["headers"])
    assert response.json()["Response"]["Total"] == 0


def test_the_known_answer_of_the_vendors_documentation() -> None:
    known = VECTORS["documentation"]
    headers = {"content-type": known["content_type"], "host": known["host"]}
    made = signature(
        known["secret_key"],
        known["service"],
        known["timestamp"],
        headers,
        ["content-type", "host"],
        known["body"].encode(),
    )
    assert made == "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"


def test_settings_reach_the_running_server(busy: Account) -> None:
    assert busy.personality.settings == {
        "base_url": busy.personality.url,
        "region": "ap-jakarta",
        "secret_id": "test-secret-id-example",
        "secret_key": "test-secret-key-example",
    }


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"x-tc-timestamp": str(NOW - 301)}, "AuthFailure.SignatureExpire"),
        ({"x-tc-timestamp": str(NOW + 301)}, "AuthFailure.SignatureExpire"),
        ({"authorization": "Bearer example"}, "AuthFailure.InvalidAuthorization"),
        ({"x-tc-token": "test-token-example"}, "AuthFailure.TokenFailure"),
        ({"x-tc-action": ""}, "MissingParameter"),
        ({"x-tc-action": "ListUsage"}, "InvalidAction"),
        ({"x-tc-version": "2026-05-20"}, "NoSuchVersion"),
        ({"x-tc-region": "eu-nowhere"}, "UnsupportedRegion"),
        ({"x-tc-region": ""}, "MissingParameter"),
    ],
)
def test_headers_that_are_refused(busy: Account, changed: dict[str, str], code: str) -> None:
    assert code_of(busy.post_with(changed, "DescribeTokenUsage", {})) == code


def test_a_clock_five_minutes_off_is_still_admitted(busy: Account) -> None:
    changed = {"x-tc-timestamp": str(NOW - 300)}
    assert "ApiCallStats" in busy.post_with(changed, "DescribeTokenUsage", {}).text


def test_content_type_is_verified_as_sent(busy: Account) -> None:
    changed = {"content-type": "application/json; charset=utf-8"}
    assert "ApiCallStats" in busy.post_with(changed, "DescribeTokenUsage", {}).text


def test_a_body_other_than_the_signed_one_is_refused(busy: Account) -> None:
    response = busy.post("DescribeTokenUsage", _sent=b'{"ModelName": "hy3"}')
    assert code_of(response) == "AuthFailure.SignatureFailure"


@pytest.mark.parametrize(("day", "admitted"), [("2026-09-21", True), ("2026-09-22", False)])
def test_the_scope_must_name_the_utc_day(busy: Account, day: str, admitted: bool) -> None:
    headers = {"content-type": "application/json", "host": busy.personality.url[7:]}
    key, names = "test-secret-key-example", ["content-type", "host"]
    signed = signature(key, "lke", NOW, headers, names, b"{}")
    authorization = (
        f"TC3-HMAC-SHA256 Credential=test-secret-id-example/{day}/lke/tc3_request, "
        f"SignedHeaders=content-type;host, Signature={signed}"
    )
    response = busy.post_with({"authorization": authorization}, "DescribeTokenUsage", {})
    assert ("ApiCallStats" in response.text) is admitted
    assert admitted or code_of(response) == "AuthFailure.SignatureFailure"


def test_unknown_key_and_wrong_key(empty: Account) -> None:
    empty.books.account.secret_key = "another-example"
    assert empty.refusal("DescribeTokenUsage") == "AuthFailure.SignatureFailure"
    empty.books.account.secret_id = "another-example"
    assert empty.refusal("DescribeTokenUsage") == "AuthFailure.SecretIdNotFound"


def test_temporary_keys_need_their_token(empty: Account) -> None:
    empty.books.account.token = "test-token-example"
    assert empty.refusal("DescribeTokenUsage") == "AuthFailure.TokenFailure"
    changed = {"x-tc-token": "test-token-example"}
    assert empty.post_with(changed, "ListApp", {}).json()["Response"]["Total"] == "6"


def test_the_date_header_tells_the_vendors_clock(busy: Account) -> None:
    dates = busy.post("DescribeTokenUsage").headers.get_list("date")
    assert dates[-1] == "Mon, 21 Sep 2026 14:13:20 GMT"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"PageNumber": 1, "PageSize": 10}, "MissingParameter"),
        ({"ModelName": "hy3", "PageSize": 10}, "MissingParameter"),
        ({"ModelName": "hy3", "PageNumber": 0, "PageSize": 10}, "InvalidParameter"),
        ({"ModelName": "hy3", "PageNumber": 1, "PageSize": 1001}, "InvalidParameter"),
        ({"ModelName": "hy3", "PageNumber": "1", "PageSize": 10}, "InvalidParameter"),
        ({"StatStartTime": "1789833600"}, "InvalidParameter"),
        ({"AppBizIds": "1801166480814637052"}, "InvalidParameter"),
        ({"Offset": 0}, "UnknownParameter"),
    ],
)
def test_parameters_that_are_refused(busy: Account, parameters: dict[str, Any], code: str) -> None:
    assert busy.refusal("ListUsageCallDetail", **parameters) == code


def test_a_reversed_window_and_a_list_for_a_body_are_refused(busy: Account) -> None:
    assert busy.refusal("DescribeTokenUsage", **window(NOW, NOW - 1)) == "InvalidParameter"
    assert code_of(busy.post_with({}, "DescribeTokenUsage", [])) == "InvalidParameter"


def test_more_requests_of_one_action_than_a_second_admits_are_refused(empty: Account) -> None:
    assert empty.books.account.requests_per_second == 20
    empty.books.account.requests_per_second = 2
    responses = [empty.post("DescribeTokenUsage") for _ in range(3)]
    assert ["Error" in one.text for one in responses] == [False, False, True]
    assert code_of(responses[-1]) == "RequestLimitExceeded"
    assert empty.ask("ListApp")["Total"] == "6"


def test_refusals_on_request(empty: Account) -> None:
    empty.books.fail("InternalError", action="DescribeTokenUsage", times=2, skip=1)
    codes = [empty.post("DescribeTokenUsage").json()["Response"].get("Error") for _ in range(4)]
    assert [code and code["Code"] for code in codes] == [
        None,
        "InternalError",
        "InternalError",
        None,
    ]


def test_a_page_can_be_too_large(empty: Account) -> None:
    for _ in range(3):
        empty.books.add()
    empty.books.account.largest_page = 2
    asked = {"ModelName": "cs-normal-70b", "PageNumber": 1}
    refused = empty.refusal("ListUsageCallDetail", PageSize=3, **asked)
    assert refused == "ResponseSizeLimitExceeded"
    assert len(empty.page(size=2)["List"]) == 2


def test_a_warning_of_deprecation_comes_with_the_answer(empty: Account) -> None:
    empty.books.account.deprecated_warning = "This action will be discontinued."
    assert empty.page()["DeprecatedWarning"] == "This action will be discontinued."
    assert "DeprecatedWarning" in empty.ask("DescribeTokenUsage")


# Call details


def test_pages_hold_every_row_once_newest_first(busy: Account) -> None:
    pages = [busy.page(number, 100, **window(*YESTERDAY)) for number in (1, 2, 3)]
    rows = [row for page in pages for row in page["List"]]
    assert 100 < len(rows) == pages[0]["Total"] < 300
    assert rows == busy.books.rows("cs-normal-70b", *YESTERDAY)
    assert [row["CallTime"] for row in rows] == sorted(
        (row["CallTime"] for row in rows), reverse=True
    )


def test_a_row_as_it_comes(empty: Account) -> None:
    empty.books.add(at=1_789_900_000, Id="Bd4_20260920_202635_831_tlwHTOyB")
    body = empty.post(
        "ListUsageCallDetail", ModelName="cs-normal-70b", PageNumber=1, PageSize=10
    ).text
    assert '"TotalTokenUsage": 183.0' in body
    assert json.loads(body)["Response"]["List"] == [
        {
            "Id": "Bd4_20260920_202635_831_tlwHTOyB",
            "CallTime": "1789900000",
            "TotalTokenUsage": 183.0,
            "InputTokenUsage": 168.0,
            "OutputTokenUsage": 15.0,
            "SearchUsage": 0,
            "PageUsage": 183,
            "ModelName": "youtu-mrc-pro",
            "CallType": "对话调用-分享用户端对话",
            "UinAccount": "700000963993",
            "AppName": "jacobs-0926",
            "SubScene": "",
            "BillingTag": "null",
        }
    ]


def test_both_ends_of_a_window_are_inside_it(empty: Account) -> None:
    for second in (999, 1000, 2000, 2001):
        empty.books.add(at=1_789_900_000 + second)
    page = empty.page(**window(1_789_901_000, 1_789_902_000))
    assert [row["CallTime"] for row in page["List"]] == ["1789902000", "1789901000"]


def test_the_deprecated_window_is_ignored_without_a_word(busy: Account) -> None:
    old: dict[str, Any] = {"StartTime": str(NOW - 60), "EndTime": str(NOW)}
    assert busy.page(**old)["Total"] == len(busy.books.rows("cs-normal-70b"))
    usage = busy.ask("DescribeTokenUsage", **old)
    assert usage["ApiCallStats"] == busy.books.totals()["calls"]


def test_the_language_changes_what_is_shown(busy: Account) -> None:
    asked = {"ModelName": RETIRED, "PageNumber": 1, "PageSize": 500}
    shown = {
        language: {
            row["ModelName"]
            for row in busy.post_with(
                {"x-tc-language": language}, "ListUsageCallDetail", asked
            ).json()["Response"]["List"]
        }
        for language in ("zh-CN", "en-US")
    }
    assert shown == {"zh-CN": {"混元大模型 Turbo S"}, "en-US": {"Hunyuan Turbo S"}}
    english = {row["CallType"] for row in busy.books.rows("hy3", language="en-US")}
    assert "Dialogue Call - Shared Client Dialogue" in english


def test_an_unknown_model_has_no_calls(busy: Account) -> None:
    assert busy.page(ModelName="youtu-mrc-pro")["Total"] == 0


def test_ids_are_shared_and_rows_can_be_identical(busy: Account) -> None:
    rows = busy.page(ModelName="lke-text-embedding-v1", **window(*YESTERDAY))["List"]
    identical = Counter(json.dumps(row, sort_keys=True) for row in rows)
    assert max(identical.values()) > 1
    turns = {row["Id"] for row in busy.books.rows("cs-normal-70b")}
    assert turns & {row["Id"] for row in busy.books.rows("hy3")}


def test_pages_are_pages_only_for_parsed_documents(busy: Account) -> None:
    rows = busy.page(ModelName="hy3", **window(*YESTERDAY))["List"]
    same = {row["CallType"]: True for row in rows}
    for row in rows:
        same[row["CallType"]] &= row["PageUsage"] == row["TotalTokenUsage"]
    assert same.pop("文档解析") is False
    assert set(same.values()) == {True}


def test_the_first_and_last_second_of_a_day_see_calls(busy: Account) -> None:
    times = {int(row["CallTime"]) for row in busy.books.rows()}
    midnights = [1_789_833_600, 1_789_833_600 + 8 * 3600]  # in Beijing, in UTC
    assert times >= {second + edge for second in midnights for edge in (0, 3599)}


def test_a_call_can_be_metered_late(empty: Account) -> None:
    empty.books.add(at=NOW - 60, visible_at=NOW + 600)
    assert empty.page()["Total"] == 0
    assert empty.ask("DescribeTokenUsage")["ApiCallStats"] == 0
    empty.personality.world.now = lambda: NOW + 600.0
    assert empty.page()["Total"] == 1


def test_a_window_can_grow_while_it_is_paged(empty: Account) -> None:
    for second in range(4):
        empty.books.add(at=NOW - 100 + second)
    empty.books.after_page(lambda: empty.books.add(at=NOW - 50))
    first, second_page = empty.page(1, 2), empty.page(2, 2)
    assert (first["Total"], second_page["Total"]) == (4, 5)
    assert first["List"][-1]["CallTime"] == second_page["List"][0]["CallTime"]


def test_a_window_can_shrink_while_it_is_paged(empty: Account) -> None:
    for second in range(4):
        empty.books.add(at=NOW - 100 + second)
    newest = str(NOW - 97)
    empty.books.after_page(lambda: empty.books.delete(lambda row: row["CallTime"] == newest))
    assert [len(empty.page(number, 2)["List"]) for number in (1, 2)] == [2, 1]


def test_rows_can_be_amended(empty: Account) -> None:
    empty.books.add(Id="first-example")
    empty.books.add(Id="second-example")
    empty.books.update(lambda row: row["Id"] == "first-example", AppName=None)
    names = {row["Id"]: row["AppName"] for row in empty.page()["List"]}
    assert names == {"first-example": None, "second-example": "jacobs-0926"}


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({"AppBizIds": [APPS[2].biz_id]}, ["two"]),
        ({"AppBizIds": [APPS[1].biz_id, APPS[4].biz_id]}, ["three", "one"]),
        ({"UinAccount": ["uin:700001187441"]}, ["two"]),
        ({"UinAccount": ["700000963993"], "AppBizIds": []}, ["three", "one"]),
        ({"CallType": "AllCallType", "SpaceId": "default_space"}, ["three", "two", "one"]),
        ({"CallType": "Document Parsing"}, ["three"]),
        ({"AppType": "shared_knowlege"}, ["three"]),
        ({"SubScenes": ["image_ocr"]}, ["three"]),
        ({"BillingTag": '{"cost_center":"jakarta"}'}, ["two"]),
        ({"SpaceId": "another_space"}, []),
    ],
)
def test_filters(three: Account, filters: dict[str, Any], ids: list[str]) -> None:
    assert [row["Id"] for row in three.page(**filters)["List"]] == ids


# Control totals, graphs and dimensions


@pytest.mark.parametrize("model", MODELS)
def test_usage_equals_the_details(busy: Account, model: str) -> None:
    rows = busy.page(ModelName=model, **window(*YESTERDAY))["List"]
    usage = busy.ask("DescribeTokenUsage", ModelName=model, **window(*YESTERDAY))
    assert usage["ApiCallStats"] == len(rows) > 0
    for name in ("TotalTokenUsage", "InputTokenUsage", "OutputTokenUsage", "SearchUsage"):
        assert usage[name] == sum(row[name] for row in rows)


def test_usage_without_a_model_is_that_of_all_even_unlisted_ones(busy: Account) -> None:
    whole = busy.ask("DescribeTokenUsage", **window(*YESTERDAY))
    parts = [
        busy.ask("DescribeTokenUsage", ModelName=model, **window(*YESTERDAY)) for model in MODELS
    ]
    assert whole["TotalTokenUsage"] == sum(part["TotalTokenUsage"] for part in parts)


def test_usage_by_sub_business_type(busy: Account) -> None:
    kinds = ["KnowledgeQA", "Rewrite", "KnowledgeSummary", "FileParse", "embedding", "SearchEngine"]
    usages = [busy.ask("DescribeTokenUsage", SubBizType=kind) for kind in kinds]
    assert min(usage["ApiCallStats"] for usage in usages) > 0
    assert sum(usage["ApiCallStats"] for usage in usages) == busy.books.totals()["calls"]
    assert [("PageUsage" in usage) for usage in usages] == [False, False, False, True, False, False]
    unused = [busy.ask("DescribeTokenUsage", SubBizType=kind) for kind in ("Concurrency", "Other")]
    assert [usage["ApiCallStats"] for usage in unused] == [0, 0]


def test_the_books_can_lie(empty: Account) -> None:
    empty.books.add()
    empty.books.lie(usage_calls=2, usage_tokens=-5, total=3, absent=("SearchUsage",))
    usage = empty.ask("DescribeTokenUsage")
    assert (usage["ApiCallStats"], usage["TotalTokenUsage"]) == (3, 178.0)
    assert "SearchUsage" not in usage
    assert empty.page()["Total"] == 4
    empty.books.lie(missing_page=1)
    assert empty.page() | {"RequestId": ""} == {"List": [], "Total": 1, "RequestId": ""}
    assert empty.books.totals() == {
        "calls": 1,
        "input_tokens": 168,
        "output_tokens": 15,
        "total_tokens": 183,
    }


def test_graphs_add_up_but_come_in_no_order(busy: Account) -> None:
    graph = busy.ask("DescribeTokenUsageGraph", **window(*YESTERDAY))
    calls = busy.ask("DescribeCallStatsGraph", **window(*YESTERDAY))["List"]
    usage = busy.ask("DescribeTokenUsage", **window(*YESTERDAY))
    assert sum(point["Y"] for point in graph["Total"]) == usage["TotalTokenUsage"]
    assert sum(point["Y"] for point in calls) == usage["ApiCallStats"]
    orders = [[point["X"] for point in graph[name]] for name in ("Total", "Input", "Output")]
    assert orders[0] != orders[1] != orders[2] != sorted(orders[0])
    assert sorted(orders[0]) == sorted(orders[1])


def test_intervals_of_a_graph_are_in_beijing_time(empty: Account) -> None:
    empty.books.add(at=1_789_833_600 + 301)
    first = {"X": "202609200005", "Y": 1.0}
    assert empty.ask("DescribeCallStatsGraph", **window(*YESTERDAY))["List"] == [first]
    by_day = empty.ask("DescribeCallStatsGraph")["List"]
    assert by_day == [{"X": "202609200000", "Y": 1.0}]


def test_models_on_offer_leave_out_the_retired_one(busy: Account) -> None:
    models = busy.ask("ListModel", AppType="knowledge_qa")["List"]
    assert [model["ModelName"] for model in models] == MODELS[:-1]
    assert models[0]["AliasName"] == "精调知识大模型高级版"
    assert busy.page(ModelName=RETIRED)["Total"] > 0
    assert busy.refusal("ListModel") == "MissingParameter"


def test_models_by_category(busy: Account) -> None:
    models = busy.ask("ListModel", AppType="knowledge_qa", ModelCategory="embedding")["List"]
    assert [model["ModelName"] for model in models] == ["lke-text-embedding-v1"]


def test_apps_are_counted_in_text_and_share_names(busy: Account) -> None:
    first = busy.ask("ListApp", AppType="knowledge_qa", PageNumber=1, PageSize=3)
    assert (first["Total"], len(first["List"])) == ("4", 3)
    assert [app["Name"] for app in first["List"]] == ["jacobs-0926", "客服助手", "客服助手"]
    assert len({app["AppBizId"] for app in first["List"]}) == 3


# The world


def test_an_hour_is_the_same_whenever_and_whatever_was_asked_before() -> None:
    early = create(World(now=lambda: NOW, days=2, rows_per_day=600)).data
    late = create(World(now=lambda: NOW + 2 * DAY, days=4, rows_per_day=600)).data
    late.rows("hy3", NOW, NOW + 60)
    assert early.rows(None, *YESTERDAY) == late.rows(None, *YESTERDAY)
    other = create(World(seed=2, now=lambda: NOW, days=2, rows_per_day=600)).data
    assert other.rows(None, *YESTERDAY) != early.rows(None, *YESTERDAY)


def test_new_rows_appear_as_the_clock_advances() -> None:
    morning = 1_789_957_800  # 10:30 in Beijing
    clock = [float(morning)]
    books: Books = create(World(now=lambda: clock[0], days=1, rows_per_day=3600)).data
    before = books.rows()
    clock[0] += 2 * 3600
    after = books.rows()
    late = [row for row in after if int(row["CallTime"]) <= morning]
    assert len(after) > len(late) + 100 > len(before) + 100 > 600
    assert all(row in late for row in before)


def test_a_third_of_the_worlds_rows_fall_here() -> None:
    books: Books = create(World(now=lambda: NOW, days=14, rows_per_day=900)).data
    assert 290 * 14 < books.totals()["calls"] < 320 * 14
