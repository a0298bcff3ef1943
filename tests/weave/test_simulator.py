"""The simulated Weave server answers as the real one did, and as its source says it would."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from llm_usage_warehouse.simulator import Fault, Personality, Simulator, World
from llm_usage_warehouse.simulator.weave import Book

NOW = 1_790_000_000.0  # 2026-09-21T14:13:20Z
SAMPLES = Path(__file__).with_name("samples")
GPT, CLAUDE = "gpt-4o-2024-08-06", "claude-sonnet-4-5-20250929"
DAY: dict[str, Any] = {
    "start": "2026-09-20T00:00:00Z",
    "end": "2026-09-21T00:00:00Z",
    "granularity": 86400,
}
INPUT = {"usage_metrics": [{"metric": "input_tokens"}]}
COUNT = {"call_metrics": [{"metric": "call_count"}]}
ROOTS = {"filter": {"trace_roots_only": True}}
AUTH = ("api", "test-wandb-key-example")


def gpt(prompt: int, completion: int) -> dict[str, int]:
    total = prompt + completion
    counts = {"prompt_tokens": prompt, "completion_tokens": completion}
    return {**counts, "requests": 1, "total_tokens": total}


@pytest.fixture(scope="module")
def clock() -> list[float]:
    return [NOW]


@pytest.fixture(scope="module")
def vendor(clock: list[float]) -> Iterator[Personality]:
    with Simulator(World(days=2, now=lambda: clock[0]), ["weave"]) as simulator:
        fill_like_samples(simulator["weave"].data)
        yield simulator["weave"]


@pytest.fixture
def book(vendor: Personality) -> Book:
    assert isinstance(vendor.data, Book)
    return vendor.data


@pytest.fixture(scope="module")
def api(vendor: Personality) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=vendor.url, auth=AUTH, timeout=30) as client:
        yield client


@pytest.fixture
def project(request: pytest.FixtureRequest, book: Book) -> str:
    """A project of the test's own, without traffic."""
    name = f"acme/{request.node.name}"
    book.delete(book.add(project_id=name))
    return name


def stats(api: httpx.Client, project_id: str, *parts: dict[str, Any]) -> Any:
    body: dict[str, Any] = {"project_id": project_id, **DAY}
    for part in parts:
        body |= part
    return api.post("/calls/stats", json=body).raise_for_status().json()


# ---- the real server's responses -----------------------------------------------------------------


def fill_like_samples(book: Book) -> None:
    """Put the calls in the books that the real server held when the samples were taken."""
    project, place = "acme/llm-app", "019c0000-0000-7000-8000-{:012x}"

    def add(n: int, at: str, seconds: float, usage: dict[str, Any], **fields: Any) -> None:
        trace = place.format(0x186A0 + fields.pop("root", n))
        fields = {"id": place.format(n), "trace_id": trace, "op_name": "chat"} | fields
        book.add(usage, started_at=f"2026-03-{at}Z", seconds=seconds, project_id=project, **fields)

    openai, sonnet = "openai.chat.completions.create", "claude-3-5-sonnet-20241022"
    cached = {"cache_creation_input_tokens": 100, "cache_read_input_tokens": 600}
    claude = {"input_tokens": 1000, "output_tokens": 40, "requests": 1, **cached}
    first, third = {"root": 1, "parent_id": place.format(1)}, {"root": 3}
    third_child = {"parent_id": place.format(3), **third}
    add(1, "01T00:10:00.123456", 1.5, {GPT: gpt(100, 50)})
    add(2, "01T00:10:00.200000", 1.3, {GPT: gpt(100, 50)}, op_name=openai, **first)
    add(3, "01T05:30:00", 0.9, {GPT: gpt(200, 80), sonnet: claude})
    add(4, "01T05:30:00.1", 0.3, {GPT: gpt(200, 80)}, **third_child)
    add(5, "01T05:30:00.4", 0.35, {sonnet: claude}, **third_child)
    add(6, "01T05:45:00", 2.5, {}, exception="ValueError: example")
    add(7, "03T10:00:00", 0.2, {GPT: gpt(7, 3)})
    add(8, "03T11:00:00", 0.7, {"my-local-model": gpt(10, 5)})
    add(9, "04T00:00:00", 0.1, {GPT: gpt(11, 4)})
    for hour in range(30):
        add(10 + hour, f"{8 + hour // 24:02}T{hour % 24:02}:00:00", 1, {GPT: gpt(1, 1)})
    twice = {"prompt_tokens": 100, "input_tokens": 100, "completion_tokens": 10}
    add(39, "20T09:00:00", 1, {"big-model": gpt(9007199254740993, 1)})
    add(40, "20T11:00:00", 1, {"dup-model": twice | {"output_tokens": 10, "total_tokens": 110}})
    add(41, "20T11:00:00", 1, {"nototal-model": {"prompt_tokens": 100}}, op_name="nototal")
    text = {"prompt_tokens": 42, "completion_tokens": "7"}
    add(42, "20T12:00:00", 1, {"": text}, op_name="strtok")
    for seconds, usage in ((1.0, {GPT: gpt(3, 2)}), (3.0, {GPT: gpt(7, 2)}), (None, {})):
        at = "2026-03-01T12:00:00Z"
        book.add(usage, started_at=at, seconds=seconds, project_id="acme/legacy")


def replay(api: httpx.Client, name: str) -> tuple[dict[str, Any], httpx.Response]:
    sample = json.loads((SAMPLES / f"{name}.json").read_text())
    sent = sample["request"]
    return sample, api.request(sent["method"], sent["path"], json=sent["body"])


@pytest.mark.parametrize(
    "name",
    [
        "stats_daily",
        "stats_hourly_all_aggs",
        "stats_roots_only",
        "stats_cost_only_total",
        "stats_cost_total_with_cache_metrics",
        "stats_edge_tokens",
        "stats_empty_range",
        "stats_legacy_with_running_call",
        "stats_misaligned_start",
        "offset_start_end",
        "err_bad_metric",
        "err_bad_timezone",
        "err_granularity_0",
        "err_range_gt_31d",
    ],
)
def test_response_is_the_real_one_to_the_byte(api: httpx.Client, name: str) -> None:
    sample, response = replay(api, name)
    assert response.status_code == sample["status"]
    assert json.dumps(response.json()) == json.dumps(sample["response"])


@pytest.mark.parametrize(
    "name", ["stream_query_columns", "stream_query_columns_nosummary", "stream_query_keyset"]
)
def test_lines_of_calls_are_the_real_ones(api: httpx.Client, name: str) -> None:
    sample, response = replay(api, name)
    assert response.headers["content-type"] == "application/jsonl"
    lines = [json.loads(line) for line in response.text.splitlines()]
    assert json.dumps(lines) == json.dumps(sample["response"])


def test_fine_granularity_is_coarsened_like_the_real_one(api: httpx.Client) -> None:
    sample, response = replay(api, "granularity_1s_31d")
    real, ours = sample["response"], response.json()
    assert ours["granularity"] == 268
    for kind, length in sample["_truncated"].items():
        assert len(ours[kind]) == length
        assert ours[kind][:5] == real[kind][:5]
        assert ours[kind][-3:] == real[kind][-3:]


def test_zone_changes_the_spelling_of_buckets_only(api: httpx.Client) -> None:
    sample, response = replay(api, "tz_newyork_daily_dst")
    stamps = iter(sample["derived_production_timestamps"])
    real = [row | {"timestamp": next(stamps)} for row in sample["response"]["call_buckets"]]
    assert response.json()["call_buckets"] == real


def test_new_price_reprices_all_history(vendor: Personality, api: httpx.Client, book: Book) -> None:
    before = list(book.prices)
    book.set_price("acme/llm-app", "my-local-model", "2026-01-01", 0.001, 0.002)
    book.set_price("acme/llm-app", "my-local-model", "2026-10-01", 0.01, 0.02)
    sample, response = replay(api, "stats_cost_after_price_change")
    book.prices = before
    assert json.dumps(response.json()) == json.dumps(sample["response"])


def test_production_example_has_the_same_keys_in_the_same_order(
    api: httpx.Client, project: str, book: Book
) -> None:
    real = json.loads((SAMPLES / "docs_production_example.json").read_text())["response"]
    book.add({GPT: gpt(219, 279)}, started_at="2026-09-20T01:00:00Z", project_id=project)
    names = ("total_tokens", "input_tokens", "output_tokens", "total_cost")
    latency = {"metric": "latency_ms", "aggregations": ["avg", "min", "max"]}
    counts = [{"metric": "call_count"}, {"metric": "error_count"}]
    calls = [*counts, latency | {"percentiles": [50, 95, 99]}]
    usage = [{"metric": name} for name in names]
    ours = stats(api, project, {"usage_metrics": usage, "call_metrics": calls})
    assert list(ours) == list(real)
    assert list(ours["usage_buckets"][0]) == list(real["usage_buckets"][0])
    assert list(ours["call_buckets"][0]) == list(real["call_buckets"][0])


# ---- windows and buckets -------------------------------------------------------------------------


def test_start_is_inclusive_and_end_exclusive(api: httpx.Client, project: str, book: Book) -> None:
    for at in ("19T23:59:59.999999", "20T00:00:00", "20T23:59:59.999999", "21T00:00:00"):
        book.add({GPT: gpt(1, 1)}, started_at=f"2026-09-{at}Z", project_id=project)
    assert stats(api, project, INPUT)["usage_buckets"][0]["count"] == 2


def test_model_set_depends_on_the_window(api: httpx.Client, project: str, book: Book) -> None:
    book.add({GPT: gpt(1, 1)}, started_at="2026-09-19T05:00:00Z", project_id=project)
    book.add({CLAUDE: {"input_tokens": 2}}, started_at="2026-09-20T05:00:00Z", project_id=project)
    one_day = stats(api, project, INPUT)["usage_buckets"]
    two_days = stats(api, project, INPUT, {"start": "2026-09-19T00:00:00Z"})["usage_buckets"]
    assert [(row["model"], row["count"]) for row in one_day] == [(CLAUDE, 1)]
    assert [row["count"] for row in two_days] == [0, 1, 1, 0]


def test_no_metrics_no_granularity(api: httpx.Client, project: str) -> None:
    response = stats(api, project)
    assert (response["granularity"], response["usage_buckets"], response["call_buckets"]) == (
        0,
        [],
        [],
    )


@pytest.mark.parametrize(
    ("start", "granularity"),
    [("T22:00:00", 300), ("T12:00:00", 3600), ("T00:00:00", 21600)],
)
def test_granularity_is_chosen_by_range(
    api: httpx.Client, project: str, start: str, granularity: int
) -> None:
    response = stats(api, project, COUNT, {"start": f"2026-09-20{start}Z", "granularity": None})
    assert response["granularity"] == granularity


def test_end_defaults_to_the_servers_clock(api: httpx.Client, project: str) -> None:
    response = stats(api, project, COUNT, {"start": "2026-09-21T00:00:00Z", "end": None})
    assert response["end"] == "2026-09-21T14:13:20Z"


def test_range_of_31_days_is_the_last_that_fits(api: httpx.Client, project: str) -> None:
    assert len(stats(api, project, COUNT, {"start": "2026-08-21T00:00:00Z"})["call_buckets"]) == 31


# ---- what is counted -----------------------------------------------------------------------------


def trace(book: Book, project: str, **fields: Any) -> None:
    """Add a trace of one root and one child, both with the usage that the SDK gives them."""
    at: dict[str, Any] = {"started_at": "2026-09-20T05:00:00Z", "project_id": project}
    root = book.add({GPT: gpt(100, 10)}, **at, **fields)
    book.add({GPT: gpt(100, 10)}, **at, **fields, trace_id=root, parent_id=root)


def test_unfiltered_statistics_count_rolled_up_usage_twice(
    api: httpx.Client, project: str, book: Book
) -> None:
    trace(book, project)
    (every,) = stats(api, project, INPUT)["usage_buckets"]
    (roots,) = stats(api, project, INPUT, ROOTS)["usage_buckets"]
    assert (every["sum_input_tokens"], every["count"]) == (200.0, 2)
    assert (roots["sum_input_tokens"], roots["count"]) == (100.0, 1)


def test_roots_only_keeps_otel_spans_in_usage_but_not_in_calls(
    api: httpx.Client, project: str, book: Book
) -> None:
    child: dict[str, Any] = {"parent_id": "root", "otel": True}
    at: dict[str, Any] = {"started_at": "2026-09-20T05:00:00Z", "project_id": project}
    book.add({}, id="root", otel=True, **at)
    book.add({GPT: gpt(1, 1)}, **child, **at)
    book.add({GPT: gpt(2, 1)}, **child, **at)
    response = stats(api, project, INPUT, COUNT, ROOTS)
    assert response["usage_buckets"][0]["sum_input_tokens"] == 3.0
    assert (response["usage_buckets"][0]["count"], response["call_buckets"][0]["count"]) == (2, 1)


def test_usage_arrives_when_a_call_ends(
    api: httpx.Client, project: str, book: Book, clock: list[float]
) -> None:
    book.add({GPT: gpt(9, 1)}, started_at=NOW, seconds=3600, project_id=project)
    window = {"start": "2026-09-21T00:00:00Z", "end": "2026-09-22T00:00:00Z"}
    running = stats(api, project, INPUT, COUNT, window)
    clock[0] = NOW + 3600
    ended = stats(api, project, INPUT, COUNT, window)
    clock[0] = NOW
    assert (running["usage_buckets"], running["call_buckets"][0]["count"]) == ([], 1)
    assert ended["usage_buckets"][0]["sum_input_tokens"] == 9.0


def test_retried_upload_counts_twice_until_merged(
    api: httpx.Client, project: str, book: Book
) -> None:
    book.duplicate(
        book.add({GPT: gpt(7, 1)}, started_at="2026-09-20T05:00:00Z", project_id=project)
    )
    doubled = stats(api, project, INPUT)["usage_buckets"][0]
    lines = [
        api.post("/calls/stream_query", json={"project_id": project, "latest_only": latest}).text
        for latest in (False, True)
    ]
    book.merge()
    merged = stats(api, project, INPUT)["usage_buckets"][0]
    assert (doubled["sum_input_tokens"], merged["sum_input_tokens"]) == (14.0, 7.0)
    assert [text.count("\n") for text in lines] == [2, 1]


def test_deleted_calls_vanish(api: httpx.Client, project: str, book: Book) -> None:
    book.delete(book.add({GPT: gpt(7, 1)}, started_at=DAY["start"], project_id=project))
    assert stats(api, project, INPUT)["usage_buckets"] == []


def test_unknown_fields_and_unsupported_filters_are_ignored(
    api: httpx.Client, project: str, book: Book
) -> None:
    trace(book, project, thread_id="thread-1")
    narrowed = {"filter": {"thread_ids": ["none"]}, "filters": {"trace_roots_only": True}}
    assert stats(api, project, COUNT, narrowed)["call_buckets"][0]["count"] == 2
    by_op = {"filter": {"op_names": [f"weave:///{project}/op/chat:*"]}}
    assert stats(api, project, COUNT, by_op)["call_buckets"][0]["count"] == 0


# ---- costs ---------------------------------------------------------------------------------------


def test_cost_is_zero_without_the_sum_of_tokens(
    api: httpx.Client, project: str, book: Book
) -> None:
    book.add({GPT: gpt(100, 10)}, started_at="2026-09-20T05:00:00Z", project_id=project)
    average = {"metric": "input_tokens", "aggregations": ["avg"]}
    cost = {"usage_metrics": [average, {"metric": "input_cost"}]}
    (row,) = stats(api, project, cost)["usage_buckets"]
    assert (row["avg_input_tokens"], row["sum_input_cost"]) == (100.0, 0.0)


def test_anthropic_usage_has_no_total_and_cached_tokens_cost_less(
    api: httpx.Client, project: str, book: Book
) -> None:
    usage = {"input_tokens": 1000, "output_tokens": 0, "cache_read_input_tokens": 900}
    book.add({CLAUDE: usage}, started_at="2026-09-20T05:00:00Z", project_id=project)
    names = ("total_tokens", "cache_read_input_tokens", "input_tokens", "total_cost")
    asked = {"usage_metrics": [{"metric": name} for name in names]}
    (row,) = stats(api, project, asked)["usage_buckets"]
    assert row["sum_total_tokens"] == 0.0
    assert row["sum_total_cost"] == pytest.approx(100 * 3e-6 + 900 * 3e-7)


def test_cost_query_lists_only_prices_of_the_project(
    api: httpx.Client, project: str, book: Book
) -> None:
    book.set_price(project, GPT, "2026-01-01T00:00:00Z", 0.5, 0.25)
    asked = {"project_id": project, "fields": ["llm_id", "prompt_token_cost", "effective_date"]}
    (row,) = api.post("/cost/query", json=asked).json()["results"]
    known = {key: value for key, value in row.items() if value is not None}
    assert known == {
        "llm_id": GPT,
        "prompt_token_cost": 0.5,
        "effective_date": "2026-01-01T00:00:00",
    }


# ---- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"project_id": "acme/none"}, 404, "Project acme/none not found"),
        ({"project_id": "acme/forbidden"}, 403, "Forbidden"),
        ({"call_metrics": [{"metric": "latency_ms", "percentiles": [99.9]}]}, 502, None),
        ({"call_metrics": [{"metric": "latency_ms", "percentiles": [101]}]}, 400, None),
        ({"granularity": -1}, 502, "Temporary backend error"),
        ({"granularity": 1.5}, 422, None),
        ({"start": "2026-09-20T00:00:00"}, 500, "Internal server error"),
        ({"start": "yesterday"}, 422, None),
        ({"start": "2026-08-20T23:59:59Z"}, 422, None),
        ({"end": "2026-09-19T00:00:00Z"}, 422, None),
    ],
)
def test_refusal(
    api: httpx.Client, change: dict[str, Any], status: int, reason: str | None
) -> None:
    response = api.post(
        "/calls/stats", json={"project_id": "acme/chatbot", **DAY, **COUNT, **change}
    )
    assert response.status_code == status
    assert reason is None or response.json() == {"reason": reason}


def test_missing_fields_are_listed(api: httpx.Client) -> None:
    detail = api.post("/calls/stats", json={}).json()["detail"]
    assert [(one["type"], one["loc"]) for one in detail] == [
        ("missing", ["body", "project_id"]),
        ("missing", ["body", "start"]),
    ]


@pytest.mark.parametrize("path", ["/calls/stats", "/calls/stream_query", "/cost/query"])
def test_wrong_key_is_unauthorized(vendor: Personality, path: str) -> None:
    response = httpx.post(vendor.url + path, auth=("api", "wrong-example"), json={})
    assert response.status_code == 401


def test_wide_window_times_out(api: httpx.Client, project: str, book: Book) -> None:
    book.max_hours_per_query = 12
    body = {"project_id": project, **DAY, **COUNT}
    wide = api.post("/calls/stats", json=body)
    narrow = api.post("/calls/stats", json=body | {"end": "2026-09-20T12:00:00Z"})
    book.max_hours_per_query = None
    assert (wide.status_code, narrow.status_code) == (504, 200)


def test_throttling_names_its_wait(vendor: Personality, api: httpx.Client, project: str) -> None:
    headers = {"retry-after-ms": "20", "Retry-After": "1"}
    vendor.world.faults.append(Fault("status", status=429, headers=headers))
    body = {"project_id": project, **DAY}
    first, second = (api.post("/calls/stats", json=body) for _ in range(2))
    assert (first.status_code, first.headers["retry-after-ms"]) == (429, "20")
    assert second.status_code == 200


# ---- calls ---------------------------------------------------------------------------------------


def test_stream_of_a_window_in_pages(api: httpx.Client, project: str, book: Book) -> None:
    for hour in range(5):
        book.add({}, id=f"call-{hour}", started_at=NOW - 3600 * hour, project_id=project)
    window = [
        {"$gte": [{"$getField": "started_at"}, {"$literal": NOW - 3 * 3600}]},
        {"$lt": [{"$getField": "started_at"}, {"$literal": "2026-09-21T14:13:20Z"}]},
    ]
    body = {"project_id": project, "query": {"$expr": {"$and": window}}, "columns": ["id"]}
    newest_first = {"sort_by": [{"field": "started_at", "direction": "desc"}], "offset": 1}
    pages = [
        [json.loads(line)["id"] for line in api.post("/calls/stream_query", json=one).iter_lines()]
        for one in (body, body | {"limit": 2}, body | newest_first)
    ]
    assert pages == [["call-3", "call-2", "call-1"], ["call-3", "call-2"], ["call-2", "call-3"]]


def test_count_of_calls_ignores_a_limit_without_condition(
    api: httpx.Client, project: str, book: Book
) -> None:
    trace(book, project)
    body = {"project_id": project, "limit": 1}
    plain = api.post("/calls/query_stats", json=body).json()
    roots = api.post("/calls/query_stats", json=body | ROOTS).json()
    assert plain == {"count": 2, "has_more": False, "total_storage_size_bytes": None}
    assert roots["count"] == 1


# ---- traffic and books ---------------------------------------------------------------------------


def test_statistics_agree_with_the_books(api: httpx.Client, book: Book) -> None:
    for project_id in ("acme/chatbot", "acme/search"):
        truth = book.totals(project_id, DAY["start"], DAY["end"])
        asked = {"usage_metrics": [{"metric": "input_tokens"}, {"metric": "output_tokens"}]}
        rows = stats(api, project_id, asked, ROOTS)["usage_buckets"]
        got = {row["model"]: (row["sum_input_tokens"], row["count"]) for row in rows}
        assert got == {
            model: (sums["input_tokens"], sums["count"]) for model, sums in truth.items()
        }
        assert len(got) >= 3


def test_traffic_is_the_same_in_every_world_of_one_seed() -> None:
    earlier = Book(World(days=1, now=lambda: NOW))
    later = Book(World(days=1, now=lambda: NOW + 7200))
    known = {row["id"]: row for row in later.rows()}
    ended = [row for row in earlier.rows() if row["ended_us"] and row["id"] in known]
    assert len(ended) > 500
    assert all(known[row["id"]] == row for row in ended)
    assert Book(World(seed=2, days=1, now=lambda: NOW)).rows()[0]["id"] not in known


def test_traffic_has_its_edges() -> None:
    rows = Book(World(days=14, now=lambda: NOW)).rows()
    models = {model for row in rows for model in row["usage"]}
    usages = [usage for row in rows for usage in row["usage"].values()]
    starts = {row["started_us"] % 86_400_000_000 for row in rows}
    assert {"", "reranker-内部-v2", "gemini-2.5-flash"} < models
    assert any(usage.get("prompt_tokens", 0) >= 1_048_576 for usage in usages)
    assert any(usage.get("completion_tokens") == 0 for usage in usages)
    assert 16 * 3_600_000_000 in starts
    assert 0.01 < sum(row["exception"] is not None for row in rows) / len(rows) < 0.05


def test_new_calls_appear_as_the_clock_moves(
    api: httpx.Client, book: Book, clock: list[float]
) -> None:
    before = len(book.rows("acme/chatbot"))
    clock[0] = NOW + 12 * 3600
    after = len(book.rows("acme/chatbot"))
    clock[0] = NOW
    assert after > before
    assert len(book.rows("acme/chatbot")) == before


# ---- lies ----------------------------------------------------------------------------------------


def test_lie_about_tokens_lasts_as_long_as_told(
    api: httpx.Client, project: str, book: Book
) -> None:
    book.add({GPT: gpt(100, 10)}, started_at="2026-09-20T05:00:00Z", project_id=project)
    book.lie("tokens", 3)
    sums = [stats(api, project, INPUT)["usage_buckets"][0]["sum_input_tokens"] for _ in range(2)]
    assert sums == [103.0, 100.0]


@pytest.mark.parametrize(("kind", "told"), [("granularity", 7200), ("hidden_granularity", 3600)])
def test_lie_about_granularity(
    api: httpx.Client, project: str, book: Book, kind: str, told: int
) -> None:
    book.lie(kind, 2)
    response = stats(api, project, COUNT, {"granularity": 3600})
    assert (response["granularity"], len(response["call_buckets"])) == (told, 12)
