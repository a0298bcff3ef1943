"""The packaged price list as rows, and its way into the warehouse."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from genai_prices import types
from genai_prices.data import providers

from llm_usage_warehouse.prices import load_public_prices
from llm_usage_warehouse.prices.genai import Catalogue, flatten
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.warehouse import connect

SEEDS = Path(__file__).resolve().parents[2] / "sql" / "seeds"
JUNE = datetime(2026, 6, 1, tzinfo=UTC)
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


def price(**amounts: str) -> types.ModelPrice:
    return types.ModelPrice(**{f"{kind}_mtok": Decimal(text) for kind, text in amounts.items()})


def model(name: str, match: types.MatchLogic, prices: Any) -> types.ModelInfo:
    return types.ModelInfo(id=name, match=match, prices=prices)


def flat(*models: types.ModelInfo) -> Catalogue:
    provider = types.Provider(id="seller", name="Seller", api_pattern="", models=list(models))
    return flatten([provider])


def pick(catalogue: Catalogue, *columns: str) -> list[tuple[Any, ...]]:
    rows: list[dict[str, Any]] = catalogue.prices.to_pylist()
    return [tuple(row[column] for column in columns) for row in rows]


def test_each_kind_is_a_row() -> None:
    prices = price(input="3", output="15", cache_read="0.3", cache_write="3.75", input_audio="9")
    found = flat(model("m", types.ClauseEquals("m"), prices))
    assert pick(found, "provider", "model_pattern", "token_kind", "unit_size", "unit_price") == [
        ("seller", "m", "input", 1_000_000, Decimal("3")),
        ("seller", "m", "output", 1_000_000, Decimal("15")),
        ("seller", "m", "cache_read", 1_000_000, Decimal("0.3")),
        ("seller", "m", "cache_creation", 1_000_000, Decimal("3.75")),
        ("seller", "m", "audio_input", 1_000_000, Decimal("9")),
    ]


def test_a_tier_begins_beyond_its_start() -> None:
    tiers = types.TieredPrices(Decimal(1), [types.Tier(200_000, Decimal(2))])
    found = flat(model("m", types.ClauseEquals("m"), types.ModelPrice(input_mtok=tiers)))
    assert pick(found, "tier_min_input_tokens", "tier_max_input_tokens", "unit_price") == [
        (0, 200_001, Decimal(1)),
        (200_001, None, Decimal(2)),
    ]


def test_a_start_date_is_midnight_in_utc() -> None:
    later = types.ConditionalPrice(types.StartDateConstraint(JUNE.date()), prices=price(input="2"))
    found = flat(
        model(
            "m", types.ClauseEquals("m"), [types.ConditionalPrice(prices=price(input="1")), later]
        )
    )
    assert pick(found, "valid_from", "valid_to", "unit_price") == [
        (ALWAYS, JUNE, Decimal(1)),
        (JUNE, None, Decimal(2)),
    ]


def test_the_last_price_that_has_started_wins() -> None:
    newer = types.ConditionalPrice(
        types.StartDateConstraint(date(2026, 6, 1)), prices=price(input="2")
    )
    older = types.ConditionalPrice(
        types.StartDateConstraint(date(2026, 1, 1)), prices=price(input="3")
    )
    base = types.ConditionalPrice(prices=price(input="1"))
    found = flat(model("m", types.ClauseEquals("m"), [base, newer, older]))
    assert [amount for (amount,) in pick(found, "unit_price")] == [1, 3, 3]


def test_reasoning_and_requests() -> None:
    prices = types.ModelPrice(output_reasoning_mtok=Decimal(3), requests_kcount=Decimal(5))
    found = flat(model("m", types.ClauseEquals("m"), prices))
    assert pick(found, "token_kind", "reasoning_mode", "unit_size") == [
        ("reasoning_output", "separate", 1_000_000),
        ("request", None, 1_000),
    ]


def test_names_are_exact_or_prefixes() -> None:
    names = types.ClauseOr(
        [
            types.ClauseEquals("Alias"),
            types.ClauseStartsWith("m-2026"),
            types.ClauseContains("word"),
            types.ClauseRegex("^m-[0-9]$"),
        ]
    )
    found = flat(model("m", names, price(input="1")))
    assert pick(found, "match_kind", "model_pattern") == [
        ("exact", "alias"),
        ("prefix", "m-2026"),
        ("prefix", "word"),
    ]
    assert found.patterns_left_out == 2, "the regular expression, and an id that does not match"


NIGHT = types.TimeOfDateConstraint(time(16, 30, tzinfo=UTC), time(0, 30, tzinfo=UTC))
HOURS = ("valid_from", "daily_from", "daily_to", "unit_price")


def test_hours_over_midnight_are_two_stretches_of_a_day() -> None:
    prices = [
        types.ConditionalPrice(prices=price(input="2")),
        types.ConditionalPrice(NIGHT, prices=price(input="1")),
    ]
    assert pick(flat(model("m", types.ClauseEquals("m"), prices)), *HOURS) == [
        (ALWAYS, "00:00", "00:30", 1),
        (ALWAYS, "00:30", "16:30", 2),
        (ALWAYS, "16:30", "24:00", 1),
    ]


def test_hours_are_those_of_the_newest_price() -> None:
    june = types.StartDateConstraint(JUNE.date())
    morning = types.TimeOfDateConstraint(time(1), time(4))
    prices = [
        types.ConditionalPrice(prices=price(input="1")),
        types.ConditionalPrice(june, prices=price(input="2")),
        types.ConditionalPrice(morning, prices=price(input="4")),
    ]
    assert pick(flat(model("m", types.ClauseEquals("m"), prices)), *HOURS) == [
        (ALWAYS, "00:00", "01:00", 1),
        (ALWAYS, "04:00", "24:00", 1),
        (JUNE, "00:00", "01:00", 2),
        (JUNE, "01:00", "04:00", 4),
        (JUNE, "04:00", "24:00", 2),
    ]


def test_a_cloud_resells_at_the_makers_price_what_it_does_not_list_itself() -> None:
    maker = types.Provider(
        id="openai",
        name="Maker",
        api_pattern="",
        pricing_urls=["https://maker.example"],
        models=[
            model("m", types.ClauseEquals("m"), price(input="1")),
            model("n", types.ClauseEquals("n"), price(input="2")),
            model("gpt-oss", types.ClauseEquals("gpt-oss"), price(input="3")),
        ],
    )
    host = types.Provider(id="deepseek", name="Host", api_pattern="", models=maker.models)
    cloud = types.Provider(
        id="cloud",
        name="Cloud",
        api_pattern="",
        fallback_model_providers=["openai", "deepseek"],
        models=[model("n", types.ClauseEquals("n"), price(input="9"))],
    )
    rows = pick(
        flatten([maker, host, cloud]), "provider", "model_pattern", "unit_price", "source_url"
    )
    assert [row for row in rows if row[0] == "cloud"] == [
        ("cloud", "n", Decimal(9), "https://github.com/pydantic/genai-prices"),
        ("cloud", "m", Decimal(1), "https://maker.example"),
    ]


def first_tier_input_prices(provider: types.Provider) -> dict[tuple[str, str], Decimal]:
    """Return what a million input tokens cost in the first tier now, by match kind and pattern."""
    return {
        (row["match_kind"], row["model_pattern"]): row["unit_price"]
        for row in flatten([provider]).prices.to_pylist()
        if row["token_kind"] == "input"
        and row["tier_min_input_tokens"] == 0
        and row["daily_from"] == "00:00"
        and row["valid_from"] <= JUNE
        and (row["valid_to"] is None or row["valid_to"] > JUNE)
    }


def packaged_price(provider: types.Provider, name: str) -> Decimal | None:
    found = provider.find_model(name)
    amount = found.get_prices(JUNE).input_mtok if found else None
    return amount.base if isinstance(amount, types.TieredPrices) else amount


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "deepseek", "mistral"])
def test_exact_then_longest_prefix_finds_the_packages_price(provider: str) -> None:
    seller = next(each for each in providers if each.id == provider)
    prices = first_tier_input_prices(seller)
    suffixes = ("", "-latest", "-20261001", "-2026-10-01", "-mini", "-tts")
    compared = 0
    for name in (pattern + suffix for _, pattern in prices for suffix in suffixes):
        prefixes = [text for kind, text in prices if kind == "prefix" and name.startswith(text)]
        longest = prices.get(("prefix", max(prefixes, key=len, default="")))
        ours = prices.get(("exact", name), longest)
        if ours is not None:
            assert ours == packaged_price(seller, name), name
            compared += 1
    assert compared >= len(prices)


@pytest.fixture
def warehouse(tmp_path: Path) -> WarehouseSettings:
    return WarehouseSettings(path=tmp_path / "w.duckdb")


def loaded_at(warehouse: WarehouseSettings) -> datetime:
    with connect(warehouse) as connection:
        rows = connection.execute("select loaded_at from raw_prices.genai_package").fetchall()
    ((instant,),) = rows
    assert isinstance(instant, datetime)
    return instant


def test_one_version_is_loaded_once(warehouse: WarehouseSettings) -> None:
    load_public_prices(warehouse)
    first = loaded_at(warehouse)
    load_public_prices(warehouse)
    assert loaded_at(warehouse) == first


@pytest.mark.parametrize("known", ["package_version", "flattening"])
def test_another_version_replaces_prices_and_reopens_every_day(
    warehouse: WarehouseSettings, known: str
) -> None:
    load_public_prices(warehouse)
    with connect(warehouse) as connection:
        connection.execute(f"update raw_prices.genai_package set {known} = '0.0.1'")
        connection.execute("delete from raw_prices.genai_prices")
        connection.execute("create schema transform_state")
        connection.execute("create table transform_state.processed_slices as select 1 as slice_id")
    load_public_prices(warehouse)
    with connect(warehouse) as connection:
        assert connection.execute(
            "select count(*) > 1000, min(currency) from raw_prices.genai_prices"
        ).fetchall() == [(True, "USD")]
        assert not connection.execute("from transform_state.processed_slices").fetchall()


def test_dbt_notices_every_change_of_a_price() -> None:
    """Of a larger seed dbt compares the path only."""
    assert (SEEDS / "list_prices.csv").stat().st_size < 1024 * 1024
    assert (SEEDS / "own_prices.csv").stat().st_size < 1024 * 1024
