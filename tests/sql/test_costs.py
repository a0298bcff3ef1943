"""What calls cost by the price list: literal calls and prices in, hand-checked amounts out."""

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from genai_prices import Usage, calc_price

from tests.sql_helpers import WITHOUT_TESTS, SqlWarehouse

NOON = "2026-06-15 12:00:00+00"
Price = tuple[str, str, str, dict[str, Any]]

# Model, kind, price per million tokens in USD, and what differs from a flat, open, exact price.
PRICES: list[Price] = [
    ("plain", "input", "3", {}),
    ("plain", "output", "15", {}),
    ("cached", "input", "2.5", {}),
    ("cached", "output", "10", {}),
    ("cached", "cache_read", "0.25", {}),
    ("cached", "cache_creation", "3.125", {}),
    ("dated", "input", "4", {"valid_to": "2026-06-15 12:00:00+00"}),
    ("dated", "input", "1", {"valid_from": "2026-06-15 12:00:00+00"}),
    ("dated", "output", "0", {}),
    ("tiered", "input", "1.2", {"tier_max_input_tokens": 32001}),
    ("tiered", "input", "2.4", {"tier_min_input_tokens": 32001}),
    ("tiered", "output", "6", {"tier_max_input_tokens": 32001}),
    ("tiered", "output", "12", {"tier_min_input_tokens": 32001}),
    ("thinking", "input", "1", {}),
    ("thinking", "output", "2", {}),
    ("thinking", "reasoning_output", "8", {"reasoning_mode": "replaces_output"}),
    ("separate", "input", "1", {}),
    ("separate", "output", "2", {}),
    ("separate", "reasoning_output", "8", {"reasoning_mode": "separate"}),
    ("by-request", "request", "0.04", {"unit_size": 1}),
    ("both", "request", "5", {"unit_size": 1000}),
    ("both", "input", "1", {}),
    ("both", "output", "1", {}),
    ("family", "input", "1", {"match_kind": "prefix"}),
    ("family-large", "input", "2", {"match_kind": "prefix"}),
    ("family-large-1", "input", "3", {}),
    ("input-only", "input", "0.02", {}),
    ("later", "input", "1", {"valid_from": "2026-06-16"}),
    ("in-yuan", "input", "1", {"currency": "CNY"}),
    ("hears", "input", "1", {}),
    ("hears", "output", "2", {}),
    ("hears", "cache_read", "0.5", {}),
    ("hears", "audio_input", "4", {}),
    ("hears", "audio_output", "8", {}),
    ("hears", "web_search", "10", {"unit_size": 1000}),
    ("hourly", "input", "2", {"daily_to": "08:00"}),
    ("hourly", "input", "5", {"daily_from": "08:00"}),
    ("hourly", "output", "1", {}),
    ("by night", "input", "1", {"daily_from": "22:00"}),
    ("own-and-list", "input", "7", {"valid_from": "2026-06-10", "valid_to": "2026-06-20"}),
    ("gpt-4o-mini", "input", "9", {"valid_from": "2026-06-10"}),
]
LISTED: list[Price] = [
    ("own-and-list", "input", "11", {}),
    ("explicit", "input", "2", {}),
    ("explicit", "cache_read", "0.4", {}),
    ("explicit", "cache_read", "0.2", {"service_tier": "explicit_cache"}),
    ("explicit", "cache_write", "2.5", {"service_tier": "explicit_cache"}),
]

# One call each: model, input, output, what else is known of it; the cost in USD or why not.
CALLS: dict[str, tuple[str, int, int, dict[str, Any], str]] = {
    "input and output": ("plain", 1000, 500, {}, "0.010500000000"),
    "one token": ("plain", 1, 0, {}, "0.000003000000"),
    "no tokens": ("plain", 0, 0, {}, "0E-12"),
    "2^40 tokens": ("plain", 2**40, 2**40, {}, "19791209.299968000000"),
    "case of the name": ("PLAIN", 1, 0, {}, "0.000003000000"),
    "cached without a price": ("plain", 1000, 0, {"cached": 400}, "0.003000000000"),
    "cached": ("cached", 1000, 10, {"cached": 400}, "0.001700000000"),
    "cache created": ("cached", 1000, 0, {"created": 100}, "0.002562500000"),
    "read and created": ("cached", 500, 0, {"cached": 400, "created": 100}, "0.000412500000"),
    "all cached": ("cached", 400, 0, {"cached": 400}, "0.000100000000"),
    "more cached than input": ("cached", 10, 0, {"cached": 11}, "tokens_contradict_each_other"),
    "before the change": ("dated", 7, 5, {"at": "2026-06-15 11:59:59.999999+00"}, "0.000028000000"),
    "instant of the change": ("dated", 7, 5, {"at": NOON}, "0.000007000000"),
    "tier's first": ("tiered", 0, 3, {}, "0.000018000000"),
    "tier's last": ("tiered", 32000, 3, {}, "0.038418000000"),
    "next tier's first": ("tiered", 32001, 3, {}, "0.076838400000"),
    "thinks": ("thinking", 10, 100, {"reasoning": 1}, "0.000810000000"),
    "does not think": ("thinking", 10, 100, {"reasoning": 0}, "0.000210000000"),
    "thinks apart": ("separate", 10, 100, {"reasoning": 40}, "0.000450000000"),
    "thinks as output": ("plain", 0, 100, {"reasoning": 40}, "0.001500000000"),
    "per request": ("by-request", 123, 456, {}, "0.040000000000"),
    "failed request": ("by-request", 0, 0, {"code": 500}, "0E-12"),
    "request and tokens": ("both", 10, 10, {}, "0.005020000000"),
    "failed with tokens": ("both", 10, 10, {"code": 500}, "0.000020000000"),
    "failed, nothing used": ("plain", 0, 0, {"code": 429}, "0E-12"),
    "prefix": ("family-small", 1000, 0, {}, "0.001000000000"),
    "longest prefix": ("family-large-2", 1000, 0, {}, "0.002000000000"),
    "exact before prefix": ("family-large-1", 1000, 0, {}, "0.003000000000"),
    "own before list": ("own-and-list", 1000, 0, {}, "0.007000000000"),
    "list before own": (
        "own-and-list",
        1000,
        0,
        {"at": "2026-06-01 00:00:00+00"},
        "0.011000000000",
    ),
    "list again": ("own-and-list", 1000, 0, {"at": "2026-06-20 00:00:00+00"}, "0.011000000000"),
    "own before genai": ("gpt-4o-mini", 1000, 0, {}, "0.009000000000"),
    "genai before own": (
        "gpt-4o-mini",
        1000,
        0,
        {"at": "2026-06-09 00:00:00+00"},
        "0.000150000000",
    ),
    "embedding": ("input-only", 1000, 0, {}, "0.000020000000"),
    "no price of output": ("input-only", 1000, 1, {}, "output_not_priced"),
    "sound": ("hears", 1000, 100, {"audio": 400, "spoken": 60}, "0.002760000000"),
    "text alone": ("hears", 1000, 100, {"cached": 400}, "0.001000000000"),
    "sound that may be cached": ("hears", 9, 0, {"audio": 4, "cached": 1}, "units_not_priced"),
    "sound without a price": ("plain", 1000, 0, {"audio": 1}, "units_not_priced"),
    "speech without a price": ("plain", 0, 100, {"spoken": 1}, "units_not_priced"),
    "more sound than input": ("hears", 10, 0, {"audio": 11}, "tokens_contradict_each_other"),
    "searches": ("hears", 1000, 0, {"searches": 3}, "0.031000000000"),
    "searches without a price": ("plain", 1000, 0, {"searches": 1}, "units_not_priced"),
    "writes to its cache": ("explicit", 1000, 0, {"created": 9, "cached": 400}, "0.001284500000"),
    "reads a cache": ("explicit", 1000, 0, {"cached": 400}, "0.001360000000"),
    "before the hour": (
        "hourly",
        1000,
        1,
        {"ends": "2026-06-21 07:59:59.999999+00"},
        "0.002001000000",
    ),
    "from the hour on": ("hourly", 1000, 1, {"ends": "2026-06-21 08:00:00+00"}, "0.005001000000"),
    "outside the hours": ("by night", 1000, 0, {}, "model_not_listed_at_that_time"),
    "in the hours": ("by night", 1000, 0, {"ends": "2026-06-21 23:59:59+00"}, "0.001000000000"),
    "hours older than a price": (
        "deepseek-v4-flash",
        1000,
        0,
        {"channel": 2, "at": "2026-08-20 02:00:00+00", "ends": "2026-08-20 02:00:00+00"},
        "model_not_listed_at_that_time",
    ),
    "yuan": ("in-yuan", 1000, 0, {}, "0.001000000000"),
    "other provider": ("plain", 1000, 0, {"channel": 2}, "model_not_listed"),
    "unknown model": ("nobody's", 1000, 0, {}, "model_not_listed"),
    "no prefix of an exact name": ("plain-2", 1000, 0, {}, "model_not_listed"),
    "before its first price": ("later", 1000, 0, {}, "model_not_listed_at_that_time"),
    "batch": ("plain", 1000, 0, {"tier": "batch"}, "service_tier_not_listed"),
    "channel gone": ("plain", 1000, 0, {"channel": 9}, "model_not_listed"),
    "pending": ("plain", 0, 0, {"pending": True}, "unsettled"),
}

# One call each that the gateway put an amount on: what it said in USD, and what that tells.
REPORTED: dict[str, tuple[str, int, str, str]] = {
    "equal": ("plain", 1000, "0.003", "none"),
    "a float's noise": ("plain", 1000, "0.00300000001", "rounding"),
    "other": ("plain", 1000, "0.0031", "unexplained"),
    "tier above": ("tiered", 1000, "0.0024", "tier"),
    "old price": ("dated", 1000, "0.004", "repriced_by_vendor"),
    "dollars for yuan": ("in-yuan", 1000, "0.001", "currency"),
    "nobody else's price": ("nobody's", 1000, "0.001", "price_missing"),
}

# Provider, its channel, model, instant; at each, several sizes of a call.
PACKAGED = [
    ("openai", 1, "gpt-5", NOON),
    ("anthropic", 3, "claude-sonnet-4-5", NOON),
    ("google", 4, "gemini-2.5-pro", NOON),
    ("google", 4, "gemini-2.5-flash", NOON),
    ("openai", 1, "gpt-5.6-luna", "2026-07-29 23:59:59.999999+00"),
    ("openai", 1, "gpt-5.6-luna", "2026-07-30 00:00:00+00"),
    ("anthropic", 3, "claude-opus-4-6", "2026-03-12 23:59:59.999999+00"),
    ("anthropic", 3, "claude-opus-4-6-20260201", "2026-03-13 00:00:00+00"),
    ("deepseek", 2, "deepseek-chat", "2026-06-15 00:29:59.999999+00"),
    ("deepseek", 2, "deepseek-chat", "2026-06-15 00:30:00+00"),
    ("deepseek", 2, "deepseek-chat", "2026-06-15 16:30:00+00"),
    ("deepseek", 2, "deepseek-v4-flash", "2026-08-20 05:00:00+00"),
    ("deepseek", 2, "deepseek-v4-flash", "2026-10-01 03:59:59.999999+00"),
    ("deepseek", 2, "deepseek-v4-pro", "2026-10-01 04:00:00+00"),
    ("deepseek", 2, "deepseek-v4-pro", "2026-10-01 06:00:00+00"),
]
SIZES = [(0, 0, 0, 0), (7, 3, 0, 0), (200_000, 9, 5, 0), (200_001, 9, 5, 11), (272_001, 1, 0, 0)]


def price_rows(prices: Iterable[Price]) -> list[dict[str, Any]]:
    return [
        {
            **{"provider": "openai", "region": "global", "model_pattern": model},
            **{"match_kind": "exact", "token_kind": kind, "tier_min_input_tokens": 0},
            **{"unit_size": 1_000_000, "unit_price": price, "currency": "USD"},
            **{"valid_from": "2026-01-01", "source_url": "test", **changes},
        }
        for model, kind, price, changes in prices
    ]


def write_seed(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    header = path.read_text().splitlines()[0].split(",")
    with path.open("w") as file:
        writer = csv.DictWriter(file, header)
        writer.writeheader()
        writer.writerows(rows)


def log_row(
    number: int, model: str, tokens: tuple[int, int], known: dict[str, Any]
) -> dict[str, Any]:
    """Return a row of the gateway's log, of which nobody said what it cost."""
    at = known.get("at", NOON)
    return {
        **{"source_name": "proxy", "id": number, "model": model, "currency": "USD"},
        **{"usage_input_tokens": tokens[0], "usage_output_tokens": tokens[1]},
        **{"usage_total_tokens": sum(tokens), "usage_cached_tokens": known.get("cached")},
        **{"usage_cache_creation_tokens": known.get("created")},
        **{"usage_reasoning_tokens": known.get("reasoning"), "service_tier": known.get("tier")},
        **{"usage_audio_input_tokens": known.get("audio")},
        **{"usage_audio_output_tokens": known.get("spoken")},
        **{"usage_web_search_count": known.get("searches")},
        **{"channel": known.get("channel", 1), "code": known.get("code", 200)},
        **{"async_usage_status": 1 if "pending" in known else None},
        # By default it ends when other prices hold.
        **{"request_at": at, "created_at": known.get("ends", "2026-06-21 00:00:00+00")},
        "_dlt_load_id": "1",
        **{"used_amount": known.get("reported"), "price_input_price": known.get("reported")},
    }


def log_rows() -> Iterator[dict[str, Any]]:
    """Yield the rows of all tables above, numbered from 0, 1000 and 2000."""
    for number, (model, read, written, known, _) in enumerate(CALLS.values()):
        yield log_row(number, model, (read, written), known)
    for number, (model, read, said, _) in enumerate(REPORTED.values(), 1000):
        yield log_row(number, model, (read, 0), {"reported": Decimal(said)})
    sizes = [(*call, size) for call in PACKAGED for size in SIZES]
    for number, (_, channel, model, at, (read, written, cached, created)) in enumerate(sizes, 2000):
        known = {"channel": channel, "at": at, "ends": at, "cached": cached, "created": created}
        yield log_row(number, model, (read, written), known)


def load(warehouse: SqlWarehouse) -> None:
    with duckdb.connect(str(warehouse.path)) as connection:
        for number, channel_type in ((1, 1), (2, 36), (3, 14), (4, 24)):
            connection.execute(
                "insert into raw_aiproxy.channels (source_name, id, type) values ('proxy', ?, ?)",
                [number, channel_type],
            )
        for row in log_rows():
            marks = ", ".join("?" * len(row))
            connection.execute(
                f"insert into raw_aiproxy.logs ({', '.join(row)}) values ({marks})",
                list(row.values()),
            )
    warehouse.load("1", "2026-06-21 00:00:00+00", "2026-06-22 00:00:00+00", {})


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlWarehouse]:
    folder = tmp_path_factory.mktemp("costs")
    warehouse = SqlWarehouse(folder)
    seeds = folder / "sql" / "seeds"
    write_seed(seeds / "own_prices.csv", price_rows(PRICES))
    listed = [{"provider_name": row.pop("provider"), **row} for row in price_rows(LISTED)]
    standard = [{"service_tier": "standard", **row} for row in listed]
    write_seed(seeds / "list_prices.csv", standard)
    load(warehouse)
    built = warehouse.dbt("build", *WITHOUT_TESTS, timezone="UTC")
    assert built.ok, built.said
    yield warehouse


@pytest.fixture(scope="module")
def costs(warehouse: SqlWarehouse) -> dict[int, dict[str, Any]]:
    with duckdb.connect(str(warehouse.path)) as connection:
        rows = connection.execute("from call_costs").to_arrow_table().to_pylist()
    return {int(row["call_id"].removeprefix("proxy:")): row for row in rows}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_costs(costs: dict[int, dict[str, Any]], name: str) -> None:
    *_, expected = CALLS[name]
    row = costs[list(CALLS).index(name)]
    assert str(
        row["cost_derived"] if row["reason_unpriced"] is None else row["reason_unpriced"]
    ) == (expected)


def test_the_currency_is_the_price_lists(costs: dict[int, dict[str, Any]]) -> None:
    yuan = costs[list(CALLS).index("yuan")]
    assert (yuan["cost"], yuan["currency"], yuan["cost_basis"], yuan["cost_kind"]) == (
        Decimal("0.001"),
        "CNY",
        "derived",
        "own_price",
    )


def test_what_has_no_price_has_no_cost(costs: dict[int, dict[str, Any]]) -> None:
    row = costs[list(CALLS).index("unknown model")]
    assert (row["cost"], row["currency"], row["cost_basis"]) == (None, None, "unpriced")
    assert (row["priced_tokens"], row["unpriced_tokens"]) == (0, 1000)


def test_a_call_names_the_prices_it_was_billed_at(costs: dict[int, dict[str, Any]]) -> None:
    row = costs[list(CALLS).index("next tier's first")]
    prefix = "own:openai:global:tiered"
    assert row["input_price_id"] == f"{prefix}:input::standard:32001:2026-01-01T00:00:00Z"
    assert row["output_price_id"] == f"{prefix}:output::standard:32001:2026-01-01T00:00:00Z"
    assert (row["cache_read_price_id"], row["tier_min_input_tokens"]) == (None, 32001)


@pytest.mark.parametrize("name", REPORTED)
def test_a_variance_is_told(costs: dict[int, dict[str, Any]], name: str) -> None:
    _, _, said, reason = REPORTED[name]
    row = costs[1000 + list(REPORTED).index(name)]
    assert (row["cost"], row["cost_basis"]) == (Decimal(said), "reported")
    assert row["variance_reason"] == reason


def test_packaged_prices_cost_what_the_package_says(costs: dict[int, dict[str, Any]]) -> None:
    calls = [(*call, size) for call in PACKAGED for size in SIZES]
    for number, (provider, _, model, at, (read, written, cached, created)) in enumerate(
        calls, 2000
    ):
        usage = Usage(
            input_tokens=read,
            output_tokens=written,
            cache_read_tokens=cached,
            cache_write_tokens=created,
        )
        said = calc_price(
            usage,
            model,
            provider_id=provider,
            genai_request_timestamp=datetime.fromisoformat(at).astimezone(UTC),
        )
        assert costs[number]["cost_derived"] == said.total_price, (model, read)


def test_the_days_sum_their_calls(warehouse: SqlWarehouse) -> None:
    by_call = warehouse.run("select currency, sum(cost) from call_costs group by all order by all")
    by_day = warehouse.run("select currency, sum(cost) from daily_costs group by all order by all")
    assert by_day == by_call
    assert [currency for currency, _ in by_day] == ["CNY", "USD", None]


def test_unpriced_usage_says_what_and_why(warehouse: SqlWarehouse) -> None:
    assert warehouse.run(
        "select model, reason, calls, total_tokens, cast(last_seen_date as varchar) "
        "from unpriced_usage where provider_name = 'openai' and model = 'later'"
    ) == [("later", "model_not_listed_at_that_time", 1, 1000, "2026-06-21")]


def test_a_new_price_reaches_days_long_closed(warehouse: SqlWarehouse) -> None:
    seed = warehouse.path.parent / "sql" / "seeds" / "own_prices.csv"
    write_seed(seed, price_rows([("later", "input", "2", {})]))
    built = warehouse.dbt("build", *WITHOUT_TESTS, timezone="UTC")
    assert built.ok, built.said
    assert warehouse.run("select cost, cost_basis from call_costs where model = 'later'") == [
        (Decimal("0.002000000000"), "derived")
    ]
