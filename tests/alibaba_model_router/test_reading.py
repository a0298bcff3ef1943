"""ModelRouter's lists, read page by page: every row once, whatever the vendor's pages do."""

import json
from collections.abc import Iterator
from typing import Any

import pendulum
import pytest

from llm_usage_warehouse.http import BadResponseError
from llm_usage_warehouse.paging import MissingRowsError
from llm_usage_warehouse.simulator import Personality, Simulator
from llm_usage_warehouse.simulator.alibaba_model_router import PROMPT_MARKER, Books, create
from llm_usage_warehouse.sources.alibaba_model_router.listing import read_list
from llm_usage_warehouse.sources.alibaba_model_router.reader import ModelRouter, ModelRouterSettings
from llm_usage_warehouse.sources.alibaba_model_router.response import Page, read_page
from llm_usage_warehouse.sources.alibaba_model_router.schema import BILLING_DETAILS, logs_shape
from llm_usage_warehouse.streams import Reading
from llm_usage_warehouse.windows import Window
from tests.loads import frozen, pulled

DAY = Window(pendulum.datetime(2026, 11, 18), pendulum.datetime(2026, 11, 19))
NOON = DAY.start.add(hours=12)
LOGS, BILLS = "observation_logs", "billing_details"


@pytest.fixture(scope="module")
def served() -> Iterator[Personality]:
    with Simulator(frozen(rows_per_day=600), ["alibaba_model_router"]) as simulator:
        yield simulator["alibaba_model_router"]


@pytest.fixture
def router(served: Personality) -> Personality:
    """One server for all tests, with new books for each."""
    vars(served.data).update(vars(create(served.world).data))
    served.world.requests.clear()
    return served


def read(router: Personality, table: str, window: Window = DAY, **changes: Any) -> Reading:
    settings = {**router.settings, "requests_per_second": 500.0, "concurrency": 4, **changes}
    with ModelRouter(ModelRouterSettings(name="router", **settings), "UTC") as reader:
        (stream,) = (one for one in reader.streams() if one.name == table)
        return pulled(lambda pull: stream.read("", window, pull), threads=settings["concurrency"])


def rows(reading: Reading) -> list[dict[str, Any]]:
    return [row for table in reading.tables for row in table.to_pylist()]


def logs_of(books: Books, window: Window = DAY) -> list[dict[str, Any]]:
    first, last = (edge.strftime("%Y-%m-%dT%H:%M:%SZ") for edge in (window.start, window.end))
    return [row for row in books.rows() if first <= row["requestTime"] <= last]


def bills_of(books: Books, window: Window = DAY) -> list[dict[str, Any]]:
    seconds = range(round(window.start.timestamp()), round(window.end.timestamp()))
    return [bill for bill in books.bills() if bill["requestTime"] in seconds]


def asked(router: Personality) -> list[str]:
    return [request.query for request in router.world.requests]


def test_log_rows_equal_the_vendors(router: Personality) -> None:
    reading = read(router, LOGS)
    expected = logs_of(router.data)
    assert len(expected) > 150
    assert sorted(row["id"] for row in rows(reading)) == [row["id"] for row in expected]
    assert (reading.reported_total, reading.unknown_fields) == (len(expected), frozenset())


def test_what_is_asked_for_is_spelled_as_the_vendor_reads_it(router: Personality) -> None:
    read(router, LOGS)
    window = "endTime=2026-11-19T00%3A00%3A00Z"
    assert asked(router)[-1].startswith(f"{window}&needTotalCount=true&pageIndex=")
    assert not [query for query in asked(router) if "memberUserIds" in query]


def test_billing_lines_keep_every_digit(router: Personality) -> None:
    found = {row["request_id"]: row["amount"] for row in rows(read(router, BILLS))}
    expected = {bill["requestId"]: bill["amount"] for bill in bills_of(router.data)}
    assert len(expected) > 150
    assert found == expected


@pytest.mark.parametrize("rows_name", ["rows", "items", "list"])
@pytest.mark.parametrize("table", [BILLS, "usage_breakdown", "cost_breakdown"])
def test_both_spellings_of_billing_answers_are_one(
    router: Personality, table: str, rows_name: str
) -> None:
    plain = read(router, table)
    router.data.snake_case, router.data.rows_name = True, rows_name
    router.data.json_as_text = False
    other = read(router, table)
    json_columns = {"tiers", "metrics", "dim_values", "usage_detail"}
    kept = [name for name in plain.tables[0].column_names if name not in json_columns]
    assert plain.rows > 100
    assert other.tables[0].select(kept).equals(plain.tables[0].select(kept))
    assert other.unknown_fields == frozenset()


@pytest.mark.parametrize("end_inclusive", [True, False])
@pytest.mark.parametrize("table", [BILLS, "usage_breakdown", "cost_breakdown"])
def test_a_boundary_belongs_to_one_window(
    router: Personality, table: str, end_inclusive: bool
) -> None:
    for edge in (DAY.start, DAY.end):
        router.data.add(round(edge.timestamp()))
    router.data.end_inclusive = end_inclusive
    halves = Window(DAY.start, NOON), Window(NOON, DAY.end)
    parts = [rows(read(router, table, half)) for half in halves]
    at = "request_time" if table == BILLS else "summary_time"
    for part, half in zip(parts, halves, strict=True):
        assert all(half.start <= row[at] < half.end for row in part)
    whole = read(router, table)
    assert len(parts[0]) + len(parts[1]) == whole.rows == whole.reported_total


def test_control_totals_equal_the_billing_lines(router: Personality) -> None:
    costs = rows(read(router, "cost_breakdown"))
    assert sum(row["payable_amount"] for row in costs) == sum(
        bill["amount"] for bill in bills_of(router.data)
    )


def test_a_total_that_is_always_0_is_no_total(router: Personality) -> None:
    router.data.zero_total_every = 1
    reading = read(router, LOGS)
    assert (reading.rows, reading.reported_total) == (len(logs_of(router.data)), None)


@pytest.mark.parametrize("lie", ["repeat_page", "missing_page"])
def test_a_page_that_stays_wrong_shows_in_the_total(router: Personality, lie: str) -> None:
    setattr(router.data.lies, lie, 2)
    reading = read(router, LOGS)
    expected = len(logs_of(router.data))
    assert (reading.rows, reading.reported_total) == (expected - 50, expected)
    assert sum("pageIndex=2&" in query for query in asked(router)) == 3


def test_a_window_short_of_its_total_is_not_replaced(router: Personality) -> None:
    router.data.lies.details_missing = 3
    with pytest.raises(MissingRowsError, match="that are stated, 3 times over"):
        read(router, BILLS)


def test_bodies_are_dropped_unless_they_are_asked_for(router: Personality) -> None:
    router.data.update(logs_of(router.data)[0]["id"], responseBody="cut {")
    assert {(row["request_body"], row["response_body"]) for row in rows(read(router, LOGS))} == {
        (None, None)
    }
    kept = rows(read(router, LOGS, keep_bodies=True))
    assert all(PROMPT_MARKER in row["request_body"] for row in kept)
    assert '"cut {"' in {row["response_body"] for row in kept}


def test_an_unknown_field_is_kept_and_reported(router: Personality) -> None:
    row = router.data.add(round(NOON.timestamp()))
    usage = {**row["usage"], "audioSeconds": 7}
    router.data.update(row["id"], traceId="t-1", apiKeySecret="hide", usage=usage)
    reading = read(router, LOGS)
    assert reading.unknown_fields == {"trace_id", "api_key_secret", "usage.audio_seconds"}
    (found,) = (one for one in rows(reading) if one["id"] == row["id"])
    assert json.loads(found["unknown_fields"]) == {"trace_id": "t-1", "usage.audio_seconds": 7}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"promptTokens": "12"}, "prompt_tokens should be int and is text"),
        ({"promptTokens": 1.5}, "prompt_tokens should be int and is a fraction"),
        ({"id": None}, "id is missing in 1 rows"),
        ({"requestTime": 1795000000}, "request_time should be iso and is"),
    ],
)
def test_a_retyped_field_is_an_error(
    router: Personality, change: dict[str, Any], words: str
) -> None:
    router.data.update(logs_of(router.data)[0]["id"], **change)
    with pytest.raises(BadResponseError, match=words):
        read(router, LOGS)


def test_rows_from_outside_the_window_are_an_error(router: Personality) -> None:
    row = router.data.add(round(NOON.timestamp()))
    router.data.update_bill(row["id"], requestTime=round(DAY.end.timestamp()) + 2)
    with pytest.raises(BadResponseError, match="ModelRouterQueryBillingDetails sent rows from"):
        read(router, BILLS)


@pytest.mark.parametrize("edge", [DAY.start.subtract(hours=2), DAY.end.add(hours=2)])
def test_log_rows_from_outside_the_window_are_an_error(
    router: Personality, edge: pendulum.DateTime
) -> None:
    row = router.data.add(round(NOON.timestamp()))
    router.data.update(row["id"], requestTime=edge.strftime("%Y-%m-%dT%H:%M:%SZ"))
    with pytest.raises(BadResponseError, match="ModelRouterQueryObservationLogs sent rows from"):
        read(router, LOGS)


def test_dimensions_hold_no_key_and_no_person(router: Personality) -> None:
    names = {
        table: [row["name"] for row in rows(read(router, table))]
        for table in ("models", "clients", "api_keys")
    }
    assert {table: len(found) for table, found in names.items()} == {
        "models": 8,
        "clients": 3,
        "api_keys": 8,
    }
    (table,) = read(router, "api_keys").tables
    assert not {"key", "client", "member_user_name"} & set(table.column_names)
    assert "sk-" not in str(table.to_pylist())


def test_an_address_is_the_same_with_a_slash_at_its_end(router: Personality) -> None:
    found = rows(read(router, "models", base_url=f"{router.url}/"))
    assert {row["base_url"] for row in found} == {router.url}


def test_the_price_book_has_prices_and_their_validity(router: Personality) -> None:
    rules = {rule["model_code"]: rule for rule in rows(read(router, "billing_rules"))}
    tiers = json.loads(rules["qwen3-max"]["pricing_config"])["tiers"]
    assert [(tier["min_tokens"], tier["input_price"]) for tier in tiers] == [
        (0, 2.5),
        (32000, 4),
        (128000, 7),
    ]
    assert rules["deepseek-v3.2"]["effective_time"] == pendulum.datetime(2026, 11, 15, 16)
    assert rules["deepseek-v3.2"]["expire_time"] == pendulum.datetime(2026, 11, 22, 16)


def test_a_prompt_cut_within_an_emoji_is_read() -> None:
    body = b'{"success": true, "data": {"list": [{"id": 1, "requestBody": "\\ud83d"}]}}'
    (row,) = read_page("s", body, logs_shape(keep_bodies=True), "id").rows
    assert row == (b"1", b'{"id":1,"request_body":"\\ufffd"}')


def test_an_answer_without_rows_is_an_empty_page() -> None:
    body = b'{"data": {"total": "0", "list": null}}'
    assert read_page("s", body, BILLING_DETAILS.shape, None) == Page([], 0)


def listed(pages: list[Page], size: int) -> tuple[list[int], int | None, list[int]]:
    """Read a list whose pages are given; returns ids, total, and which pages were asked for."""
    numbers: list[int] = []

    def fetch(number: int) -> Page:
        numbers.append(number)
        return pages[number - 1] if number <= len(pages) else Page([], pages[0].total)

    listing = pulled(lambda pull: read_list("s", fetch, pull, size))
    return sorted(int(key) for key, _ in listing.rows), listing.reported_total, sorted(numbers)


def page(*ids: int, total: int = 0) -> Page:
    return Page([(str(one).encode(), b"{}") for one in ids], total)


@pytest.mark.parametrize(
    ("pages", "ids", "asked_for"),
    [
        ([page(total=0)], [], [1]),
        ([page(1, total=1)], [1], [1]),
        # Full to the brim: nobody promised that the total is not an older one.
        ([page(1, 2, total=2)], [1, 2], [1, 2]),
        ([page(1, 2, total=3), page(3, total=3)], [1, 2, 3], [1, 2]),
        # Rows that came meanwhile push others onto a page that was not counted.
        ([page(1, 2, total=3), page(2, 3, total=4), page(4, total=4)], [1, 2, 3, 4], [1, 2, 3]),
        # No total: a short page may be one that the vendor cut.
        ([page(1, 2), page(3)], [1, 2, 3], [1, 2, 3]),
    ],
)
def test_pages_are_read_until_nothing_more_can_come(
    pages: list[Page], ids: list[int], asked_for: list[int]
) -> None:
    found, _, numbers = listed(pages, size=2)
    assert (found, numbers) == (ids, asked_for)


def test_equal_billing_lines_collapse() -> None:
    """Reported as pymc-labs/decision-lab#58, cellcounter/cellcounter#447, Velir/dbt-ga4#297."""
    line = (
        b'{"requestId":"","requestTime":1795132900,"clientId":1,"apiKeyId":1,"amount":4e-06,'
        b'"modelCode":"text-embedding-v4","inputTokens":8,"outputTokens":0,"totalTokens":8}'
    )
    body = b'{"success":true,"data":{"total":2,"rows":[' + line + b"," + line + b"]}}"
    page = read_page("s", body, BILLING_DETAILS.shape, None)
    listing = pulled(lambda pull: read_list("s", lambda _: page, pull, 500))
    assert (len(listing.rows), listing.reported_total) == (2, 2)


def test_a_list_whose_total_runs_away_is_an_error() -> None:
    def fetch(number: int) -> Page:
        return Page([(b"%d" % number, b"{}")], number + 1)

    with pytest.raises(MissingRowsError, match="does not end"):
        pulled(lambda pull: read_list("s", fetch, pull, 1))


def test_a_total_that_only_the_second_page_states_is_read_to_its_end() -> None:
    numbers = range(1, 31)
    pages = [page(one, total=0 if one == 1 else 30) for one in numbers]
    assert listed(pages, size=1)[:2] == ([*numbers], 30)


def test_a_line_that_a_shifted_page_shows_again_is_one() -> None:
    pages = [page(1, 2, total=3), page(2, 3, total=3)]
    assert listed(pages, size=2)[0] == [1, 2, 3]


def test_a_vendor_that_gives_smaller_pages_is_read_whole() -> None:
    pages = [page(1, 2, total=5), page(3, 4, total=5), page(5, total=5)]
    assert listed(pages, size=50) == ([1, 2, 3, 4, 5], 5, [1, 2, 3])


def test_the_pages_of_a_window_are_asked_for_at_once(router: Personality) -> None:
    router.world.peak_in_flight, router.world.latency = 0, 0.05
    try:
        read(router, LOGS, concurrency=3)
    finally:
        router.world.latency = 0
    assert router.world.peak_in_flight == 3
