"""The simulated AI Proxy keeps the contract that the source relies on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from llm_usage_warehouse.simulator import Simulator, World
from llm_usage_warehouse.simulator.aiproxy import ADMIN_KEY, PRIVATE_TEXT, Books

NOW = 1_790_000_000
NOW_US = NOW * 1_000_000
HOUR_US = 3_600_000_000
DAY_MS = 86_400_000


class Gateway:
    """A simulated gateway with a clock that a test moves, and a client that may read it."""

    def __init__(self, url: str, world: World, books: Books) -> None:
        self.url = url
        self.world = world
        self.books = books
        self.client = httpx.Client(base_url=url, headers={"Authorization": ADMIN_KEY})

    def data(self, path: str, **query: Any) -> Any:
        response = self.client.get(path, params=query)
        assert response.status_code == 200, response.text
        assert response.json()["success"] is True
        return response.json()["data"]

    def search(self, path: str = "/api/logs/search", **query: Any) -> Any:
        return self.data(path, **query)

    def window(self, start_us: int, end_us: int, **query: Any) -> Any:
        return self.search(start_timestamp=start_us, end_timestamp=end_us, per_page=100, **query)

    def walk(self, **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for page in range(1, 1000):
            logs = self.search(per_page=100, page=page, **query)["logs"]
            found += logs
            if not logs:
                break
        return found

    def advance(self, seconds: float) -> None:
        now = self.world.now() + seconds
        self.world.now = lambda: now


@contextmanager
def running(days: int, rows_per_day: int) -> Iterator[Gateway]:
    world = World(now=lambda: float(NOW), days=days, rows_per_day=rows_per_day)
    with Simulator(world, ["aiproxy"]) as simulator:
        one = simulator["aiproxy"]
        made = Gateway(one.url, one.world, one.data)
        with made.client:
            yield made


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """Ten days of traffic, to be read only."""
    with running(days=10, rows_per_day=240) as made:
        yield made


@pytest.fixture
def own() -> Iterator[Gateway]:
    """Ten days of thin traffic, for one test to change."""
    with running(days=10, rows_per_day=100) as made:
        yield made


@pytest.fixture(scope="module")
def quiet() -> Iterator[Gateway]:
    with running(days=10, rows_per_day=0) as made:
        yield made


@pytest.fixture
def empty(quiet: Gateway) -> Iterator[Gateway]:
    """No traffic but what a test adds."""
    yield quiet
    quiet.books.delete(*(row["id"] for row in quiet.books.rows()))
    quiet.books.lie()
    quiet.books.version = "v0.6.5"
    quiet.world.now = lambda: float(NOW)


# Access and envelopes.


@pytest.mark.parametrize("given", [ADMIN_KEY, f"Bearer {ADMIN_KEY}", f"Bearer sk-{ADMIN_KEY}"])
def test_the_key_is_taken_with_any_prefix(gateway: Gateway, given: str) -> None:
    headers = {"Authorization": given}
    assert httpx.get(f"{gateway.url}/api/logs/search", headers=headers).status_code == 200


def test_the_key_is_taken_from_the_query(gateway: Gateway) -> None:
    assert httpx.get(f"{gateway.url}/api/logs/?key={ADMIN_KEY}").status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_a_missing_or_wrong_key_is_unauthorized(gateway: Gateway, headers: dict[str, str]) -> None:
    response = httpx.get(f"{gateway.url}/api/logs/search", headers=headers)
    assert response.status_code == 401
    message = "unauthorized, no access token provided"
    assert response.json() == {"message": message, "success": False}


def test_a_success_has_no_message(gateway: Gateway) -> None:
    response = gateway.client.get("/api/logs/search")
    assert list(response.json()) == ["data", "success"]
    assert response.headers["x-request-id"]


def test_status_needs_no_key(gateway: Gateway) -> None:
    assert httpx.get(f"{gateway.url}/api/status").json()["success"] is True


def test_unknown_paths(gateway: Gateway) -> None:
    unknown = gateway.client.get("/api/nothing")
    assert (unknown.status_code, unknown.text) == (404, "404 page not found")
    console = gateway.client.get("/logs/search")
    assert console.status_code == 200
    assert console.headers["content-type"].startswith("text/html")
    assert gateway.client.get("/api/logs").headers["location"].endswith("/api/logs/")


# Pages and windows.


def test_pages_hold_10_by_default_and_100_at_most(gateway: Gateway) -> None:
    assert len(gateway.search()["logs"]) == 10
    assert len(gateway.search(per_page=1000)["logs"]) == 100
    assert len(gateway.search(per_page="many")["logs"]) == 10


def test_pages_0_and_1_are_the_same_and_p_is_an_alias(gateway: Gateway) -> None:
    assert gateway.search(page=0)["logs"] == gateway.search(page=1)["logs"]
    assert gateway.search(p=2)["logs"] == gateway.search(page=2)["logs"]
    assert gateway.search(p=2)["logs"] != gateway.search(page=1)["logs"]


def test_past_the_end_is_an_empty_page_with_the_total(gateway: Gateway) -> None:
    data = gateway.search(page=5000)
    assert data["logs"] == []
    assert data["total"] > 1000


def test_a_walk_by_id_sees_every_row_once(gateway: Gateway) -> None:
    ids = [row["id"] for row in gateway.walk(order="id-desc")]
    assert ids == sorted(set(ids), reverse=True)
    assert len(ids) == gateway.search()["total"]


def test_no_window_means_seven_days(gateway: Gateway) -> None:
    created = [row["created_at"] for row in gateway.walk(order="id-asc")]
    assert NOW * 1000 - 7 * DAY_MS <= min(created) < NOW * 1000 - 6 * DAY_MS


def test_a_wide_window_is_silently_cut_before_its_end(gateway: Gateway) -> None:
    end = NOW * 1000 - DAY_MS
    wide = gateway.search(start_timestamp=1, end_timestamp=end)
    week = gateway.search(start_timestamp=end - 7 * DAY_MS, end_timestamp=end)
    assert wide["total"] == week["total"] < len(gateway.books.rows())


def test_a_bad_timestamp_is_no_timestamp(gateway: Gateway) -> None:
    assert gateway.search(start_timestamp="2026-01-01")["total"] == gateway.search()["total"]


@pytest.mark.parametrize("unit", [1, 1000, 1_000_000, 1_000_000_000])
def test_the_unit_of_a_timestamp_is_told_by_its_digits(gateway: Gateway, unit: int) -> None:
    in_us = gateway.window(NOW_US - 2 * HOUR_US, NOW_US)["total"]
    start, end = (NOW - 7200) * unit, NOW * unit
    assert gateway.search(start_timestamp=start, end_timestamp=end)["total"] == in_us > 0


def test_bounds_are_inclusive_below_the_millisecond(empty: Gateway) -> None:
    end_ms = NOW * 1000 - 1
    empty.books.add(id=1, created_at=end_ms * 1000)
    empty.books.add(id=2, created_at=end_ms * 1000 + 1)
    found = empty.search(end_timestamp=end_ms)["logs"]
    assert [row["id"] for row in found] == [1]
    assert [row["created_at"] for row in empty.search()["logs"]] == [end_ms, end_ms]


def test_start_after_end_is_empty(gateway: Gateway) -> None:
    data = gateway.window(NOW_US, NOW_US - HOUR_US)
    assert (data["logs"], data["total"]) == ([], 0)


# Order.


def test_the_default_order_is_newest_first_and_its_ties_move(empty: Gateway) -> None:
    for number in (1, 2, 3):
        empty.books.add(id=number, created_at=NOW_US - 5)
    pages = [empty.search(page=page, per_page=2)["logs"] for page in (1, 2)]
    assert [[row["id"] for row in page] for page in pages] == [[1, 2], [1]]


def test_id_order_is_not_created_at_order(gateway: Gateway) -> None:
    created = [row["created_at"] for row in gateway.walk(order="id-asc")]
    assert created != sorted(created)
    newest = [row["created_at"] for row in gateway.walk(order="created_at-asc")]
    assert newest == sorted(newest)


# Filters.


def test_filters_match_exactly(gateway: Gateway) -> None:
    for name, key in [("model_name", "model"), ("token_name", "token_name"), ("group", "group")]:
        value = gateway.books.rows()[50][key]
        rows = gateway.search(**{name: value}, per_page=100)["logs"]
        assert rows and {row[key] for row in rows} == {value}
    assert gateway.search(model_name="gpt")["total"] == 0


def test_channel_and_code_filters(gateway: Gateway) -> None:
    assert {row["channel"] for row in gateway.search(channel=2, per_page=100)["logs"]} == {2}
    assert {row["code"] for row in gateway.search(code=429)["logs"]} == {429}
    assert gateway.search(channel="x")["total"] == gateway.search()["total"]


def test_only_200_is_a_success(empty: Gateway) -> None:
    for code in (200, 201, 500):
        empty.books.add(code=code)
    ids = {kind: empty.search(code_type=kind)["total"] for kind in ("success", "error", "all")}
    assert ids == {"success": 1, "error": 2, "all": 3}


def test_keyword_is_whole_and_only_searched(empty: Gateway) -> None:
    empty.books.add(request_id="1780315200123456")
    empty.books.add(model="other")
    assert empty.search(keyword="1780315200123456")["total"] == 1
    assert empty.search(keyword="1780315")["total"] == 0
    assert empty.search("/api/logs/", keyword="1780315")["total"] == 2


def test_a_group_has_its_own_listing(gateway: Gateway) -> None:
    data = gateway.search("/api/log/客服-生产/search", channel=99)
    assert {row["group"] for row in data["logs"]} == {"客服-生产"}
    assert "" in data["token_names"]
    assert "channels" not in data
    assert gateway.search("/api/log/nobody/search")["total"] == 0


def test_a_group_with_a_slash_is_only_reached_globally(gateway: Gateway) -> None:
    assert gateway.client.get("/api/log/ops%2Flegacy/search").status_code == 404
    assert gateway.search(group="ops/legacy")["total"] > 0


def test_the_plain_list_ignores_the_group(gateway: Gateway) -> None:
    data = gateway.search("/api/logs/", group="g-research")
    assert data["total"] == gateway.search()["total"]
    assert "models" not in data and data["channels"]


# Rows.


def test_zero_and_empty_are_absent(empty: Gateway) -> None:
    empty.books.add(id=8, created_at=NOW_US, request_at=NOW_US, code=0, model="m")
    row = empty.search()["logs"][0]
    nothing: dict[str, Any] = {"price": {}, "usage": {}, "usage_context": {}, "amount": {}}
    times = {"created_at": NOW * 1000, "request_at": NOW * 1000}
    assert row == {"id": 8, "model": "m", "request_id": str(NOW_US), "mode": 1} | nothing | times


def test_numbers_are_written_as_go_writes_them(empty: Gateway) -> None:
    empty.books.add(price={"input_price": 2.0, "output_price": 0.00005}, usage={"input_tokens": 3})
    empty.books.add(price={"input_price": 0.00005}, usage={"input_tokens": 3}, user="<b>&")
    text = empty.client.get("/api/logs/search").text
    assert '"input_price":2,"output_price":0.00005}' in text
    assert '"used_amount":1.5e-7' in text
    assert '"user":"\\u003cb\\u003e\\u0026"' in text


def test_what_is_served_is_what_is_true(gateway: Gateway) -> None:
    served = gateway.walk(order="id-asc")
    true = [row for row in gateway.books.rows() if row["created_at"] >= NOW * 1000 - 7 * DAY_MS]
    assert served == true


def test_traffic_is_the_same_in_every_process_and_seed_makes_it() -> None:
    worlds = [World(seed=seed, now=lambda: float(NOW), days=1) for seed in (1, 1, 2)]
    first, second, other = (Books(world).rows() for world in worlds)
    assert first == second != other


def test_the_size_of_the_traffic_is_the_worlds() -> None:
    rows = Books(World(now=lambda: float(NOW), days=7, rows_per_day=1000)).rows()
    assert 6300 < len(rows) < 7700


def test_traffic_holds_the_odd_rows() -> None:
    rows = Books(World(now=lambda: float(NOW), days=7, rows_per_day=2000)).rows()
    ids = [row["request_id"] for row in rows]
    assert len(set(ids)) < len(ids)
    assert any(not row["usage"] and row.get("code") == 200 for row in rows)
    assert any("group" not in row for row in rows)
    assert any("" in row.get("metadata", {}) for row in rows)
    assert any(row["created_at"] % DAY_MS == 16 * 3_600_000 for row in rows)
    assert {row.get("async_usage_status", 0) for row in rows} == {0, 1, 2, 3}
    assert all("content" in row for row in rows if row["code"] != 200)


def test_a_row_appears_once_its_time_has_come(own: Gateway) -> None:
    before = {row["id"] for row in own.books.rows()}
    own.advance(6 * 3600)
    after = own.books.rows()
    assert before < {row["id"] for row in after}
    assert all(row["created_at"] <= (NOW + 6 * 3600) * 1000 for row in after)


def test_a_late_row_is_older_than_rows_already_seen(empty: Gateway) -> None:
    empty.books.add(id=5, created_at=NOW_US - 2 * HOUR_US, inserted_at=NOW_US + 10)
    assert empty.search()["total"] == 0
    empty.advance(1)
    assert empty.search()["logs"][0]["created_at"] == (NOW_US - 2 * HOUR_US) // 1000


def test_an_asynchronous_row_is_filled_in_place() -> None:
    with running(days=0, rows_per_day=30_000) as busy:
        video = {"model_name": "doubao-seedance-1-0-pro-250528"}
        pending = [row for row in busy.walk(**video) if row.get("async_usage_status") == 1]
        busy.advance(1800)
        later = {row["id"]: row for row in busy.walk(**video)}
    changed = [(row, later[row["id"]]) for row in pending if later[row["id"]] != row]
    row, filled = next(pair for pair in changed if pair[1]["async_usage_status"] == 2)
    assert "used_amount" not in row and filled["used_amount"] > 0
    assert row["created_at"] == filled["created_at"]
    assert filled["usage_context"]["resolution"] == "1080p"


def test_update_and_delete(empty: Gateway) -> None:
    gone = empty.books.add()
    kept = empty.books.add(price={"input_price": 0.5}, usage={"input_tokens": 10})
    empty.books.update(kept, usage={"input_tokens": 2000})
    empty.books.delete(gone)
    data = empty.search()
    assert [(row["id"], row["used_amount"]) for row in data["logs"]] == [(kept, 1)]
    assert data["total"] == 1


def test_retention_deletes_the_oldest(own: Gateway) -> None:
    recent = [row for row in own.books.rows() if row["created_at"] >= NOW * 1000 - DAY_MS]
    own.books.retain(24)
    assert own.walk(order="id-asc") == own.books.rows() == recent


# Details.


def test_bodies_come_only_when_asked_for(empty: Gateway) -> None:
    number = empty.books.add(id=5, code=500, body="asked", content="failed")
    assert empty.search()["logs"][0]["request_detail"] == {"id": 12, "log_id": number}
    asked = empty.search(include_detail="true")["logs"][0]["request_detail"]
    assert asked["request_body"] == "asked"
    assert empty.data(f"/api/logs/detail/{number}") == asked
    empty.advance(73 * 3600)
    assert "request_detail" not in empty.search()["logs"][0]


def test_a_missing_detail_is_an_internal_error(gateway: Gateway) -> None:
    response = gateway.client.get("/api/logs/detail/3")
    assert response.status_code == 500
    assert response.json() == {"message": "record not found", "success": False}


def test_traffic_says_private_things(gateway: Gateway) -> None:
    rows = gateway.walk(code_type="error", include_detail="true")
    assert PRIVATE_TEXT in rows[0]["content"]
    recent = [row for row in rows if "request_detail" in row]
    assert recent and PRIVATE_TEXT in recent[0]["request_detail"]["request_body"]


# Money.


@pytest.mark.parametrize(
    ("price", "usage", "code", "amount"),
    [
        (
            {"input_price": 0.0025, "output_price": 0.01, "cached_price": 0.00125},
            {"input_tokens": 100, "output_tokens": 50, "cached_tokens": 40},
            200,
            {
                "input_amount": 0.00015,
                "output_amount": 0.0005,
                "cached_amount": 0.00005,
                "used_amount": 0.0007,
            },
        ),
        (
            {"input_price": 1, "cache_creation_price": 2},
            {"input_tokens": 100, "cached_tokens": 40, "cache_creation_tokens": 10},
            200,
            {"input_amount": 0.09, "cache_creation_amount": 0.02, "used_amount": 0.11},
        ),
        (
            {"output_price": 1, "thinking_mode_output_price": 4, "output_price_unit": 100},
            {"output_tokens": 10, "reasoning_tokens": 1},
            200,
            {"output_amount": 0.4, "used_amount": 0.4},
        ),
        (
            {"output_price": 0.042, "output_price_unit": 1},
            {"output_tokens": 2},
            200,
            {"output_amount": 0.084, "used_amount": 0.084},
        ),
        (
            {"web_search_price": 25.0},
            {"web_search_count": 2},
            200,
            {"web_search_amount": 0.05, "used_amount": 0.05},
        ),
        (
            {"per_request_price": 0.3, "input_price": 1},
            {"input_tokens": 9},
            200,
            {"used_amount": 0.3},
        ),
        ({"per_request_price": 0.3}, {}, 201, {}),
        ({}, {"input_tokens": 1000}, 200, {}),
    ],
)
def test_amounts(
    empty: Gateway, price: dict[str, float], usage: dict[str, int], code: int, amount: Any
) -> None:
    empty.books.add(price=price, usage=usage, code=code)
    row = empty.search()["logs"][0]
    assert row["amount"] == amount
    assert row.get("used_amount") == amount.get("used_amount")


def test_a_conditional_price_is_the_selected_one(gateway: Gateway) -> None:
    prices = {
        row["price"]["input_price"]: row["usage"].get("input_tokens", 0)
        for row in gateway.walk(model_name="qwen3-max")
    }
    assert prices[0.0012] <= 32_000
    assert all(tokens > 32_000 for price, tokens in prices.items() if price != 0.0012)


# Versions.


@pytest.mark.parametrize(
    ("version", "present", "absent"),
    [
        (
            "v0.2.0",
            {"used_amount", "user"},
            {"amount", "service_tier", "usage_context", "upstream_id"},
        ),
        (
            "v0.4.1",
            {"amount", "service_tier", "upstream_id"},
            {"usage_context", "prompt_cache_key"},
        ),
        ("v0.5.7", {"service_tier", "async_usage_status"}, {"usage_context"}),
        ("v0.6.5", {"usage_context", "async_usage_status"}, {"service_tier"}),
    ],
)
def test_a_release_shows_what_it_knew(
    empty: Gateway, version: str, present: set[str], absent: set[str]
) -> None:
    empty.books.add(
        user="u",
        upstream_id="x",
        prompt_cache_key="k",
        async_usage_status=2,
        usage_context={"service_tier": "flex"},
        usage={"input_tokens": 5, "video_input_tokens": 2},
        price={"input_price": 1},
    )
    empty.books.version = version
    row = empty.search()["logs"][0]
    assert present <= set(row)
    assert not absent & set(row)
    assert ("video_input_tokens" in row["usage"]) == (version == "v0.6.5")
    assert empty.books.version == version


def test_old_releases_clamp_from_now_and_forget_the_order(own: Gateway) -> None:
    own.books.version = "v0.2.0"
    end = (NOW * 1000) - 8 * DAY_MS
    assert own.search(end_timestamp=end)["total"] == 0
    logs = own.search(order="created_at-asc")["logs"]
    assert logs[0]["created_at"] > logs[-1]["created_at"]
    assert "channels" in own.search("/api/log/g-research/search")


def test_old_releases_call_the_detail_a_body(empty: Gateway) -> None:
    empty.books.add(body="asked")
    empty.books.version = "v0.5.1"
    assert "request_body" not in empty.search(include_detail="true")["logs"][0]["request_detail"]
    assert "request_body" in empty.search(with_body="true")["logs"][0]["request_detail"]


# Lies.


def test_a_lie_about_the_total_and_a_missing_row(empty: Gateway) -> None:
    kept, hidden = empty.books.add(), empty.books.add()
    empty.books.lie(total_off=3, missing=frozenset({hidden}))
    data = empty.search()
    assert ([row["id"] for row in data["logs"]], data["total"]) == ([kept], 5)
    assert len(empty.books.rows()) == 2
    empty.books.lie()
    assert (len(empty.search()["logs"]), empty.search()["total"]) == (2, 2)


def test_a_lie_about_types_and_an_unknown_field(empty: Gateway) -> None:
    number = empty.books.add(usage={"input_tokens": 7}, channel=3)
    kinds = {"usage.input_tokens": "float", "channel": "string"}
    empty.books.lie(retyped=kinds, extra={"tenant": "x"})
    row = empty.search()["logs"][0]
    assert (row["usage"]["input_tokens"], row["channel"], row["tenant"]) == (7.5, "3", "x")
    empty.books.lie()
    assert empty.search()["logs"] == empty.books.rows()
    assert number == empty.books.rows()[0]["id"]


# Summaries and dimensions.


def tokens(series: list[dict[str, Any]]) -> int:
    return sum(entry.get("total_tokens", 0) for point in series for entry in point["summary"])


def requests(series: list[dict[str, Any]]) -> int:
    return sum(entry["request_count"] for point in series for entry in point["summary"])


def test_the_dashboard_counts_what_the_log_holds_and_more(own: Gateway) -> None:
    series = own.data("/api/dashboardv2/", timespan="hour")
    rows = [row for row in own.books.rows() if row["created_at"] < (NOW - 5) * 1000]
    assert tokens(series) == sum(row["usage"].get("total_tokens", 0) for row in rows)
    assert requests(series) > len(rows)
    assert all(point["timestamp"] % 3600 == 0 for point in series)
    own.books.lie(dashboard_off=11)
    assert tokens(own.data("/api/dashboardv2/", timespan="hour")) == tokens(series) + 11


def test_the_dashboard_outlives_the_log_and_knows_no_seven_days(own: Gateway) -> None:
    before = own.data("/api/dashboardv2/")
    own.books.retain(1)
    assert own.data("/api/dashboardv2/") == before
    assert len(before) > 8 * 24


def test_a_dashboard_day_is_local(empty: Gateway) -> None:
    # 2026-09-20 17:00 UTC, which is the 21st in UTC+8.
    empty.books.add(created_at=1_789_923_600 * 1_000_000, model="late", usage={"total_tokens": 5})
    empty.advance(60)
    query = {"model": "late", "timespan": "day"}
    local = empty.data("/api/dashboardv2/", timezone="Asia/Shanghai", **query)
    assert [point["timestamp"] for point in local] == [1_789_920_000]
    utc = empty.data("/api/dashboardv2/", **query)
    assert [point["timestamp"] for point in utc] == [1_789_862_400]


def test_a_group_dashboard_is_by_key_and_model(gateway: Gateway) -> None:
    series = gateway.data("/api/dashboardv2/g-research", timespan="day", token_name="notebook")
    entries = [entry for point in series for entry in point["summary"]]
    keys = {(entry["group_id"], entry["token_name"]) for entry in entries}
    assert keys == {("g-research", "notebook")}
    assert sum(entry.get("status_429_count", 0) for entry in entries) > 0


def test_a_dashboard_window_the_wrong_way_round_is_an_error(gateway: Gateway) -> None:
    query = {"start_timestamp": NOW, "end_timestamp": NOW - 1}
    response = gateway.client.get("/api/dashboardv2/", params=query)
    assert response.status_code == 500
    assert response.json()["message"] == "end time is before start time"


def test_a_groups_lifetime_outlives_its_log(own: Gateway) -> None:
    def group() -> Any:
        return next(g for g in own.data("/api/groups/")["groups"] if g["id"] == "g-research")

    before = group()
    logged = [row for row in own.books.rows() if row.get("group") == "g-research"]
    spent = sum(row.get("used_amount", 0) for row in logged)
    assert before["used_amount"] == pytest.approx(spent, rel=0.01)
    assert before["request_count"] >= len(logged)
    own.books.retain(1)
    assert group() == before


def test_channels_show_their_keys_and_a_deleted_one_is_gone(gateway: Gateway) -> None:
    channels = gateway.data("/api/channels/all")
    metas = gateway.data("/api/channels/type_metas")
    assert {str(one["type"]) for one in channels} <= set(metas)
    assert {one["key"] for one in channels} < set(gateway.books.secrets())
    used = {row["channel"] for row in gateway.books.rows()}
    assert used - {one["id"] for one in channels} == {9}


def test_tokens_show_their_keys(gateway: Gateway) -> None:
    data = gateway.data("/api/tokens/", per_page=100)
    assert data["total"] == len(data["tokens"]) == 7
    assert {len(one["key"]) for one in data["tokens"]} == {48}
    assert {one["key"] for one in data["tokens"]} < set(gateway.books.secrets())
    assert gateway.data("/api/tokens/", group="ops/legacy")["total"] == 1


def test_model_configs_are_the_price_list(gateway: Gateway) -> None:
    configs = {one["model"]: one for one in gateway.data("/api/model_configs/all")}
    assert configs["gpt-4o"]["price"]["cached_price"] == 0.00125
    tiers = configs["qwen3-max"]["price"]["conditional_prices"]
    assert tiers[0]["condition"] == {"input_token_max": 32_000}
    assert tiers[1]["condition"] == {"input_token_min": 32_001, "input_token_max": 128_000}
    assert configs["qwen-客服-sft-v3"]["price"] == {}


def test_settings_reach_the_account() -> None:
    with Simulator(World(rows_per_day=0), ["aiproxy"]) as simulator:
        one = simulator["aiproxy"]
        expected = {"base_url": f"{one.url}/api", "admin_key": ADMIN_KEY, "currency": "USD"}
        assert one.settings == {**expected, "requests_per_second": 500}
