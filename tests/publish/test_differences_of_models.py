"""Real models, published night after night by difference: each time what a whole file would say."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

from llm_usage_warehouse.differences import forget, published_tables
from llm_usage_warehouse.layout import VERSIONED, place_of
from llm_usage_warehouse.publish import publish
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.targets import write_targets
from tests.publish import publications
from tests.sql_helpers import FILE, WITHOUT_TESTS, SqlWarehouse, open_file

NIGHTS = {
    "first": True,
    "nothing new": False,
    "late, moved and emptied": False,
}
"""The nights of the story, and whether each is published whole."""

MORE_NIGHTS = {
    "after a failure": False,
    "rate": False,
    "owner": True,
    "zone": True,
    "rebuilt": True,
}
"""The nights after them."""


@dataclass
class Nights:
    """What each published night left behind, and `unlike` what the live file has otherwise."""

    folder: Path
    warehouse: SqlWarehouse
    timezone: str = "UTC"
    whole: dict[str, bool] = field(default_factory=dict)
    differing: dict[str, list[str]] = field(default_factory=dict)
    unlike: dict[str, list[str]] = field(default_factory=dict)
    rows: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        return self.folder / "p.duckdb"

    def build(self, *arguments: str, ok: bool = True) -> None:
        built = self.warehouse.dbt("build", *WITHOUT_TESTS, *arguments, timezone=self.timezone)
        assert built.ok is ok, built.said

    def publish(self, name: str) -> None:
        """Publish, and once more whole, from the same warehouse and the same earlier file."""
        other = self.folder / "other"
        other.mkdir(exist_ok=True)
        copy = WarehouseSettings(path=other / FILE, published_path=other / "p.duckdb")
        shutil.copy(self.warehouse.path, copy.path)
        copy.published_path.unlink(missing_ok=True)
        if self.file.exists():
            shutil.copy(self.file, copy.published_path)
        with duckdb.connect(str(copy.path)) as connection:
            forget(connection)
        whole = publish(copy)
        found = publish(WarehouseSettings(path=self.warehouse.path, published_path=self.file))
        target = WarehouseSettings(published_path=self.file, publish=["duckdb", "parquet"])
        assert write_targets(target) == {}
        self.unlike[name] = publications.differing(target)
        self.whole[name] = found.whole
        self.rows[name] = found.rows
        self.differing[name] = differing(self.file, copy.published_path)
        assert whole.whole
        assert (found.rows, found.restated) == (whole.rows, whole.restated)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with open_file(self.file) as connection:
            return connection.execute(sql).fetchall()


def differing(one: Path, other: Path) -> list[str]:
    """Return the tables that two files differ in, but for the instant of their publication."""
    with duckdb.connect() as connection:
        for name, path in (("one", one), ("other", other)):
            connection.execute(f"attach '{path}' as {name} (read_only)")
        found, expected = (published_tables(connection, name) for name in ("one", "other"))
        assert found == expected
        return [
            name
            for name in found
            if shown(connection, "one", name) != shown(connection, "other", name)
        ]


def shown(connection: duckdb.DuckDBPyConnection, file: str, name: str) -> list[tuple[object, ...]]:
    now = f"(select max(recorded_at) from {file}.history.publications)"
    instants = [
        column for column, _ in published_tables(connection, file)[name] if "recorded_" in column
    ]
    replaced = [
        f"case when {column} = {now} then 'infinity' else {column} end as {column}"
        for column in instants
    ]
    replace = f"replace ({', '.join(replaced)})" if replaced else ""
    return connection.execute(
        f"select * {replace} from {file}.{place_of(name)} order by all"
    ).fetchall()


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    folder = tmp_path_factory.mktemp("nights")
    warehouse = SqlWarehouse(folder)
    nights = Nights(folder, warehouse)
    tell(nights)
    return nights


@pytest.fixture(scope="module")
def more_nights(nights: Nights) -> Nights:
    tell_more(nights)
    return nights


def tell(nights: Nights) -> None:
    one = nights.warehouse
    one.run("insert into raw_aiproxy.channels (source_name, id, type) values ('proxy', 1, 1)")
    days = {day: f"2026-10-{day} 12:00:00Z" for day in range(20, 31)}
    one.load("l1", "2026-10-20", "2026-10-31", days)
    # A day without a rate: its cost in euros becomes known later.
    one.run("update raw_aiproxy.logs set currency = 'CNY' where id = 21")
    night(nights, "first", lambda: None)
    night(nights, "nothing new", lambda: None)

    night(
        nights,
        "late, moved and emptied",
        lambda: one.load("l2", "2026-10-22", "2026-10-23", {2200: "2026-10-22 13:00:00Z"}),
        lambda: one.load("l3", "2026-10-31", "2026-11-01", {31: "2026-10-31 12:00:00Z"}),
        lambda: move(one, 24, "2026-10-25 12:00:00Z"),
        lambda: one.run("delete from raw_aiproxy.logs where id = 26"),
        lambda: one.load("l5", "2026-10-26", "2026-10-27", {}),
    )


def tell_more(nights: Nights) -> None:
    one = nights.warehouse
    # Two runs whose days are not published: the models of one fail, the tests of the other would.
    one.load("l6", "2026-10-27", "2026-10-28", {2700: "2026-10-27 13:00:00Z"})
    nights.build()
    one.load("l7", "2026-10-28", "2026-10-29", {2800: "2026-10-28 13:00:00Z"})
    one.run("update raw_aiproxy.logs set metadata = 'no json' where id = 2800")
    nights.build(ok=False)
    one.run("update raw_aiproxy.logs set metadata = null where id = 2800")
    night(
        nights,
        "after a failure",
        lambda: one.load("l8", "2026-11-01", "2026-11-02", {100: "2026-11-01 13:00:00Z"}),
    )
    night(nights, "rate", lambda: rate(one))
    night(nights, "owner", lambda: own(nights))
    nights.timezone = "Asia/Shanghai"
    night(
        nights,
        "zone",
        lambda: one.load("l10", "2026-11-03", "2026-11-04", {300: "2026-11-03 20:00:00Z"}),
    )
    # Another way to build every day, of one table.
    nights.build("--full-refresh", "--select", "calls")
    nights.publish("rebuilt")


def night(nights: Nights, name: str, *happenings: Callable[[], object]) -> None:
    for happen in happenings:
        happen()
    nights.build()
    nights.publish(name)


def move(warehouse: SqlWarehouse, number: int, to: str) -> None:
    """Read a call again, that now lies on another day."""
    warehouse.load("l4", "2026-10-24", "2026-10-26", {})
    warehouse.run(
        "update raw_aiproxy.logs set created_at = ?, request_at = ?, _dlt_load_id = 'l4' "
        "where id = ?",
        *(to, to, number),
    )


def rate(warehouse: SqlWarehouse) -> None:
    warehouse.run(
        "insert into raw_rates.ecb select currency, '2026-10-21', units, 'test', now() "
        "from (values ('USD', 1.25), ('CNY', 8)) as rates (currency, units)"
    )


def own(nights: Nights) -> None:
    with (nights.folder / "sql" / "seeds" / "owners.csv").open("a") as owners:
        owners.write("platform,proxy,,,,,\n")


@pytest.mark.parametrize("name", NIGHTS)
def test_every_night_is_what_a_whole_file_would_say(nights: Nights, name: str) -> None:
    assert nights.differing[name] == []
    assert nights.unlike[name] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE_NIGHTS)
def test_every_night_after_them_is_what_a_whole_file_would_say(
    more_nights: Nights, name: str
) -> None:
    assert more_nights.differing[name] == []
    assert more_nights.unlike[name] == []


def test_only_nights_that_change_every_day_are_whole(nights: Nights) -> None:
    assert {name: nights.whole[name] for name in NIGHTS} == NIGHTS


@pytest.mark.slow
def test_only_later_nights_that_change_every_day_are_whole(more_nights: Nights) -> None:
    assert more_nights.whole == {**NIGHTS, **MORE_NIGHTS}


def test_the_story_is_told(nights: Nights) -> None:
    assert [nights.rows[name]["calls"] for name in NIGHTS] == [11, 11, 12]


@pytest.mark.slow
def test_the_story_goes_on(more_nights: Nights) -> None:
    nights = more_nights
    assert [nights.rows[name]["calls"] for name in MORE_NIGHTS] == [15, 15, 15, 16, 16]
    assert nights.ask("select count(*) from daily_costs_converted where exchange_rate <> 1")
    owners = "select distinct team from daily_costs_converted_history where recorded_to is null"
    assert nights.ask(owners) == [("platform",)]
    for name in VERSIONED:
        ((ended,),) = nights.ask(f"select count(recorded_to) from {name}_history")
        assert ended > 0


def test_an_unchanged_day_has_one_version(nights: Nights) -> None:
    versions = "select count(*) from daily_tokens_history where usage_date = '2026-10-20'"
    assert nights.ask(versions) == [(1,)]
