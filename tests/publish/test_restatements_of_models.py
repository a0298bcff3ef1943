"""Real models, published night after night: which closed days change, why, and what was before."""

from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from llm_usage_warehouse import report
from llm_usage_warehouse.asking import ask
from llm_usage_warehouse.layout import VERSIONED
from llm_usage_warehouse.publish import publish
from llm_usage_warehouse.settings import WarehouseSettings
from tests.sql_helpers import WITHOUT_TESTS, SqlWarehouse, open_file

# In `make test`, test_restatements.py shows each cause by rows that a test writes.
pytestmark = pytest.mark.slow

OCT_29, OCT_30, OCT_31, NOV_1 = (
    date(2026, *day) for day in ((10, 29), (10, 30), (10, 31), (11, 1))
)
OWN_PRICE = (
    "openai,global,gpt-4o,exact,{kind},,0,,1000000,{price},USD,2026-10-30,2026-10-31,test,,,\n"
)


@dataclass
class Nights:
    """What each published night left behind."""

    folder: Path
    warehouse: SqlWarehouse
    timezone: str = "UTC"
    told: dict[str, str] = field(default_factory=dict)
    reports: dict[str, str] = field(default_factory=dict)
    recorded_at: dict[str, datetime] = field(default_factory=dict)

    @property
    def settings(self) -> WarehouseSettings:
        return WarehouseSettings(
            path=self.warehouse.path, published_path=self.folder / "llm_usage.duckdb"
        )

    def build(self) -> None:
        built = self.warehouse.dbt("build", *WITHOUT_TESTS, timezone=self.timezone)
        assert built.ok, built.said

    def publish(self, name: str) -> None:
        """Publish, and keep what is printed of it and reported then."""
        printed = StringIO()
        report.published(Console(file=printed, width=200), publish(self.settings))
        self.told[name] = printed.getvalue()
        self.reports[name] = self.report()
        ((self.recorded_at[name],),) = self.ask("select max(recorded_at) from publications")

    def report(self, as_of: datetime | None = None) -> str:
        """Return October as `llm-usage query` prints it, of every table that keeps a history."""
        printed = StringIO()
        with redirect_stdout(printed):
            for table in VERSIONED:
                october = f"from {table} where usage_date < '2026-11-01' order by all"
                ask(self.settings, october, exact=True, as_of=as_of)
        return printed.getvalue()

    def ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with open_file(self.settings.published_path) as connection:
            return connection.execute(sql, list(values)).fetchall()

    def restated(self, name: str) -> list[tuple[Any, ...]]:
        return self.ask(
            "select usage_date, measure, old_value, new_value, cause from restatements "
            "where recorded_at = ? order by all",
            self.recorded_at[name],
        )


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nights]:
    folder = tmp_path_factory.mktemp("nights")
    warehouse = SqlWarehouse(folder)
    nights = Nights(folder, warehouse)
    tell(nights)
    yield nights


@pytest.fixture(scope="module")
def zone(nights: Nights) -> Nights:
    """The night after them, which moves to another time zone."""
    nights.timezone = "Asia/Shanghai"
    nights.build()
    nights.publish("zone")
    return nights


def tell(nights: Nights) -> None:
    one, prices = nights.warehouse, nights.folder / "sql" / "seeds" / "own_prices.csv"
    one.run("insert into raw_aiproxy.channels (source_name, id, type) values ('proxy', 1, 1)")
    load(
        one,
        "1",
        "2026-10-29",
        "2026-11-01 12:00:00Z",
        {day: f"2026-10-{day}" for day in (29, 30, 31)},
    )
    load(one, "2", "2026-11-01", "2026-11-01 12:00:00Z", {1: "2026-11-01 01:00:00Z"})
    nights.build()
    nights.publish("first")
    nights.publish("again")

    with prices.open("a") as file:
        file.writelines(OWN_PRICE.format(kind=kind, price=9) for kind in ("input", "output"))
    nights.build()
    nights.publish("price")

    load(one, "3", "2026-10-31 20:00:00Z", "2026-11-01 20:00:00Z", {99: "2026-10-31 23:00:00Z"})
    nights.build()
    nights.publish("late")


def load(warehouse: SqlWarehouse, load_id: str, start: str, end: str, logs: dict[int, str]) -> None:
    """Load calls of 10 input tokens that the gateway did not put a cost on."""
    warehouse.load(load_id, start, end, logs)
    warehouse.run(
        "update raw_aiproxy.logs set used_amount = null, price_input_price = null, channel = 1"
    )


def test_what_is_published_again_restates_nothing(nights: Nights) -> None:
    assert nights.restated("first") == nights.restated("again") == []
    assert "restated" not in nights.told["first"] + nights.told["again"]


def test_a_price_restates_exactly_the_days_it_touches(nights: Nights) -> None:
    old, new = Decimal("0.000025"), Decimal("0.00009")
    assert nights.restated("price") == [
        (OCT_30, "cost", old, new, "price"),
        (OCT_30, "cost_in_reporting_currency", old, new, "price"),
    ]


def test_the_log_says_so(nights: Nights) -> None:
    assert "restated: 1 closed day (price), see `history.restatements`" in nights.told["price"]


def test_a_late_row_restates_its_day(nights: Nights) -> None:
    told = {(day, cause) for day, *_, cause in nights.restated("late")}
    assert told == {(OCT_31, "late rows")}
    assert (OCT_31, "calls", 1, 2, "late rows") in nights.restated("late")


@pytest.mark.parametrize("name", ["first", "again", "price", "late"])
def test_every_october_that_was_published_can_be_reproduced(nights: Nights, name: str) -> None:
    assert nights.report(nights.recorded_at[name]) == nights.reports[name]


def test_the_octobers_differ(nights: Nights) -> None:
    reports = nights.reports
    assert reports["first"] == reports["again"]
    assert len({reports[name] for name in ("first", "price", "late")}) == 3


def test_only_what_changed_has_a_second_version(nights: Nights) -> None:
    versions = nights.ask(
        "select usage_date, count(*) from daily_costs_history "
        "where recorded_from <= ? group by usage_date order by usage_date",
        nights.recorded_at["price"],
    )
    assert versions == [(OCT_29, 1), (OCT_30, 2), (OCT_31, 1), (NOV_1, 1)]


def test_differences_add_up(nights: Nights) -> None:
    assert_differences_add_up(nights)


def assert_differences_add_up(nights: Nights) -> None:
    restated = sum(len(nights.restated(name)) for name in nights.recorded_at)
    assert restated > 0
    assert nights.ask(
        "select count(*), sum(difference - (new_value - old_value)) from restatements"
    ) == [(restated, 0)]


def test_another_time_zone_restates_what_moved(zone: Nights) -> None:
    moved = [
        (day, old, new) for day, measure, old, new, _ in zone.restated("zone") if measure == "calls"
    ]
    assert moved == [(OCT_31, 2, 1)]
    assert {cause for *_, cause in zone.restated("zone")} == {"settings"}
    assert_differences_add_up(zone)


@pytest.mark.parametrize("name", ["first", "again", "price", "late", "zone"])
def test_every_october_can_still_be_reproduced_in_another_zone(zone: Nights, name: str) -> None:
    assert zone.report(zone.recorded_at[name]) == zone.reports[name]
