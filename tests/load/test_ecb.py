"""Rates that a night fetches: which file, and what is said where it cannot be had."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from llm_usage_warehouse.ecb import fetch_rates
from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.rates import parse_rates_xml
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.simulator import Fault, Personality, Simulator
from llm_usage_warehouse.simulator.central_bank import rates_of
from llm_usage_warehouse.warehouse import connect
from tests.loads import NOW, frozen

Both = tuple[Personality, WarehouseSettings]


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Both]:
    with Simulator(frozen(), ["central_bank"]) as simulator:
        bank = simulator["central_bank"]
        settings = {"rates": "ecb", "rates_url": bank.settings["rates_url"]}
        yield bank, WarehouseSettings(path=tmp_path / "w.duckdb", **settings)


def days(warehouse: WarehouseSettings) -> list[date]:
    with connect(warehouse) as connection:
        found = connection.execute("select distinct valid_on from raw_rates.ecb order by 1")
        return [day for (day,) in found.fetchall()]


def fetched(bank: Personality) -> list[str]:
    return [request.path.rsplit("/", 1)[-1] for request in bank.world.requests]


def test_the_history_first_then_each_day_and_90_days_after_a_gap(bank: Both) -> None:
    server, warehouse = bank
    assert fetch_rates(warehouse) == []
    assert days(warehouse)[-1] == date(2026, 11, 20)
    # A weekend lies between.
    server.world.now = NOW.add(days=3).timestamp
    assert fetch_rates(warehouse) == []
    assert days(warehouse)[-2:] == [date(2026, 11, 20), date(2026, 11, 23)]
    server.world.now = NOW.add(days=20).timestamp
    assert fetch_rates(warehouse) == []
    assert len([day for day in days(warehouse) if day > date(2026, 11, 23)]) == 13
    day, ninety, history = "eurofxref.zip", "eurofxref-hist-90d.xml", "eurofxref-hist.zip"
    assert fetched(server) == [history, day, day, ninety]


def test_rates_are_as_the_bank_writes_them(bank: Both) -> None:
    _, warehouse = bank
    fetch_rates(warehouse)
    with connect(warehouse) as connection:
        found = connection.execute(
            "select currency, units_per_euro from raw_rates.ecb where valid_on = '2026-11-20'"
        ).fetchall()
    expected = rates_of(date(2026, 11, 20))
    assert dict(found) == {currency: Decimal(rate) for currency, rate in expected.items()}


@pytest.mark.parametrize("kind", ["status", "html", "empty", "drop"])
def test_a_bank_that_cannot_be_read_costs_a_warning(bank: Both, kind: str) -> None:
    server, warehouse = bank
    fetch_rates(warehouse)
    known = days(warehouse)
    server.world.faults.append(Fault(kind, times=9, status=503))
    (warning,) = fetch_rates(warehouse)
    assert warning.startswith("the ECB's rates could not be fetched: ")
    assert warning.endswith("the last rates known are of 2026-11-20")
    assert days(warehouse) == known


def test_xml_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="is no XML"):
        parse_rates_xml(b"<html><body>", "eurofxref-hist-90d.xml")


def test_an_address_that_is_none_costs_a_warning(tmp_path: Path) -> None:
    warehouse = WarehouseSettings(path=tmp_path / "w.duckdb", rates_url="http://[broken/")
    (warning,) = fetch_rates(warehouse)
    assert warning.endswith("no rates are known")


def test_rates_are_fetched_through_the_proxy_of_the_environment(
    bank: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, warehouse = bank
    monkeypatch.setenv("HTTP_PROXY", server.url)
    fetch_rates(replace(warehouse, rates_url="http://rates.example/"))
    assert server.world.requests[-1].headers["host"] == "rates.example"
