"""A source whose rows break an invariant: it stays as published, the others are published anew."""

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from rich.console import Console

from llm_usage_warehouse import report
from llm_usage_warehouse.connectors import connectors
from llm_usage_warehouse.differences import published_tables
from llm_usage_warehouse.layout import place_of
from llm_usage_warehouse.publish import publish
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.status import read_status, tell_status
from llm_usage_warehouse.transform import Outcome, check, transform
from llm_usage_warehouse.warehouse import connect
from tests.raw_rows import insert, log_row, slice_row
from tests.sql_helpers import FILE, give_empty, give_parse, open_file

NOW_DEPENDENT = {"load_status": "hours_since_last_window"}
CURRENCY = "calls have a reported cost without a currency, or a currency without a cost"


@dataclass
class Story:
    """Two gateways, night after night; what was done and shown of each night."""

    warehouse: WarehouseSettings
    nights: dict[str, Outcome] = field(default_factory=dict)
    published: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)

    def run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.warehouse.path)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            return connection.execute(statement, list(values)).fetchall()

    def load(self, source: str, load_id: str, first_day: int, *calls: tuple[int, int]) -> None:
        """Load the days since one of November: an id and a day of each call."""
        told = {"source_name": source, "_dlt_load_id": load_id}
        with connect(self.warehouse) as connection:
            for number, day in calls:
                row = log_row(number, f"2026-11-{day:02} 12:00:00Z", **told)
                insert(connection, "raw_aiproxy.logs", **row)
            start, end = f"2026-11-{first_day:02}", "2026-11-05"
            line = slice_row(source, "logs", start, end, row_count=len(calls), **told)
            insert(connection, "raw_aiproxy.load_ledger", **line)

    def night(self, name: str) -> None:
        """Build, test and publish, where it can be."""
        done = self.nights[name] = transform(self.warehouse, connectors().values())
        if done.is_sound:
            publish(self.warehouse)
        if not self.warehouse.published_path.exists():
            return
        with open_file(self.warehouse.published_path) as connection:
            self.published[name] = shown(connection, "p")
        console = Console(record=True, width=300)
        tell_status(console, read_status(self.warehouse))
        self.status[name] = console.export_text()

    def rows(self, night: str, table: str, source: str) -> list[Any]:
        return [row for row in self.published[night][table] if row["source_name"] == source]


def shown(connection: duckdb.DuckDBPyConnection, file: str) -> dict[str, list[Any]]:
    """Return the rows of every table but the memory, without what depends on the present."""
    found: dict[str, list[Any]] = {}
    for name, columns in published_tables(connection, file).items():
        if "recorded_at" in dict(columns) or name.endswith("_history"):
            continue
        kept = [column for column, _ in columns if column != NOW_DEPENDENT.get(name)]
        listed = ", ".join(f'"{column}"' for column in kept)
        rows = connection.execute(f"select {listed} from {place_of(name)} order by all").fetchall()
        found[name] = [dict(zip(kept, row, strict=True)) for row in rows]
    return found


def begun(folder: Path) -> Story:
    folder.mkdir(exist_ok=True)
    story = Story(WarehouseSettings(path=folder / FILE, published_path=folder / "p.duckdb"))
    give_empty(story.warehouse)
    return story


def begun_from(story: Story, folder: Path) -> Story:
    """Go on with copies of a story's files."""
    copy = Story(WarehouseSettings(path=folder / FILE, published_path=folder / "p.duckdb"))
    shutil.copy(story.warehouse.path, copy.warehouse.path)
    shutil.copy(story.warehouse.published_path, copy.warehouse.published_path)
    give_parse(copy.warehouse)
    return copy


def load_bucket_twice(story: Story) -> None:
    told = {"scope": "a/b", "_dlt_load_id": "l3"}
    bucket = {
        **{"source_name": "weave", "model": "gpt-4o", "bucket_start_raw": "noon"},
        **{"bucket_start": "2026-11-01 12:00:00Z", "bucket_end": "2026-11-01 13:00:00Z", **told},
    }
    line = slice_row("weave", "usage", "2026-11-01", "2026-11-02", row_count=2, **told)
    with connect(story.warehouse) as connection:
        for _ in range(2):
            insert(connection, "raw_weave.usage_buckets", **bucket)
        insert(connection, "raw_weave.load_ledger", **line)


def break_one(story: Story, number: int) -> None:
    story.run("update raw_aiproxy.logs set currency = null where id = ?", number)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    story = begun(tmp_path_factory.mktemp("holding"))
    story.load("broken", "l1", 1, (1, 1), (2, 2))
    story.load("sound", "l2", 1, (11, 1), (12, 2))
    story.night("good")
    story.load("broken", "l3", 2, (3, 2), (4, 3))
    break_one(story, 4)
    # A call that was published is sent again, with another cost: merging it leaves no old row.
    story.run("update raw_aiproxy.logs set used_amount = 7, _dlt_load_id = 'l3' where id = 2")
    story.load("sound", "l4", 2, (13, 2), (14, 3))
    story.night("broken")
    checked = check(story.warehouse, connectors().values())
    story.nights["checked"] = checked
    story.load("sound", "l5", 3, (15, 3))
    story.night("still broken")
    story.run("update raw_aiproxy.logs set currency = 'USD' where id = 4")
    story.load("broken", "l6", 3)
    story.night("corrected")
    return story


@pytest.mark.slow
def test_the_others_are_published_fresh(story: Story) -> None:
    assert [row["call_id"] for row in story.rows("broken", "calls", "sound")] == [
        *("sound:11", "sound:12", "sound:13", "sound:14"),
    ]
    assert len(story.rows("still broken", "calls", "sound")) == 5


@pytest.mark.parametrize("night", ["broken", "still broken"])
@pytest.mark.slow
def test_the_broken_source_is_as_it_was_published(story: Story, night: str) -> None:
    by_source = [
        name
        for name, rows in story.published["good"].items()
        if rows and "source_name" in rows[0] and name != "held_sources"
    ]
    assert {"calls", "call_costs", "daily_costs", "load_status", "team_costs"} <= set(by_source)
    for name in by_source:
        before = story.rows("good", name, "broken")
        assert story.rows(night, name, "broken") == before, name


@pytest.mark.slow
def test_totals_are_the_sum_of_both(story: Story) -> None:
    totals = {
        (row["usage_date"].day, row["calls"], str(row["cost"].normalize()))
        for row in story.published["broken"]["daily_totals"]
    }
    assert totals == {(1, 2, "1"), (2, 3, "1.5"), (3, 1, "0.5")}


@pytest.mark.slow
def test_the_night_says_who_is_held_and_why(story: Story) -> None:
    (held,) = story.nights["broken"].held
    assert (held.source, held.rows, held.broken_test) == ("broken", 1, "calls_money_has_a_currency")
    assert held.finding.startswith(f"1 row: {CURRENCY} (model calls); read their days again")
    kept = held.finding.split("to see them: ")[1].removesuffix(" in the private warehouse")
    assert kept == 'from held_rows."calls_money_has_a_currency"'
    console = Console(record=True, width=300)
    report.models(console, story.nights["broken"])
    said = console.export_text()
    assert "passed without what is held" in said
    assert f"held broken, as it was before {held.since:%Y-%m-%d %H:%M} UTC: 1 row" in said
    assert not story.nights["broken"].ok
    assert (
        f"held broken, as it was before {held.since:%Y-%m-%d %H:%M} UTC" in story.status["broken"]
    )


@pytest.mark.slow
def test_check_goes_on_telling_of_what_is_held(story: Story) -> None:
    assert story.nights["checked"].held == story.nights["broken"].held
    assert not story.nights["checked"].ok


@pytest.mark.slow
def test_it_is_held_since_the_first_night(story: Story) -> None:
    (first,), (later,) = story.nights["broken"].held, story.nights["still broken"].held
    assert later == first
    ((row),) = story.published["still broken"]["held_sources"]
    assert row["held_since"] == first.since


@pytest.mark.slow
def test_a_corrected_source_is_what_a_full_rebuild_says(story: Story, tmp_path: Path) -> None:
    assert story.nights["corrected"].ok, story.nights["corrected"]
    assert "held" not in story.status["corrected"]
    assert len(story.rows("corrected", "calls", "broken")) == 4
    copy = replace(
        story.warehouse, path=tmp_path / FILE, published_path=tmp_path / "rebuilt.duckdb"
    )
    shutil.copy(story.warehouse.path, copy.path)
    give_parse(copy)
    with duckdb.connect(str(copy.path)) as connection:
        connection.execute("delete from transform_state.processed_slices")
        left = connection.execute(
            "from duckdb_schemas() where schema_name in ('last_good', 'held_rows')"
        )
        assert left.fetchall() == []
    assert transform(copy, connectors().values(), tests=False).ok
    publish(copy)
    with open_file(copy.published_path) as connection:
        rebuilt = shown(connection, copy.published_path.stem)
    assert story.published["corrected"] == rebuilt


@pytest.mark.slow
def test_days_that_were_built_untested_are_held_once_they_are_built_again(
    story: Story, tmp_path: Path
) -> None:
    copy = begun_from(story, tmp_path)
    copy.load("broken", "l7", 4, (5, 4))
    break_one(copy, 5)
    copy.load("sound", "l8", 4, (16, 4))
    assert transform(copy.warehouse, connectors().values(), tests=False).ok
    copy.night("refused")
    assert (
        "some days of broken were built but never published" in copy.nights["refused"].problems[-1]
    )
    assert copy.published["refused"] == story.published["corrected"]
    copy.night("held")
    assert [held.source for held in copy.nights["held"].held] == ["broken"]
    assert copy.rows("held", "calls", "broken") == story.rows("corrected", "calls", "broken")
    assert len(copy.rows("held", "calls", "sound")) == 6


@pytest.mark.slow
def test_a_test_that_is_of_no_source_stops_all(story: Story, tmp_path: Path) -> None:
    copy = begun_from(story, tmp_path)
    copy.run("update daily_totals set calls = 70 where usage_date = '2026-11-01'")
    done = transform(copy.warehouse, connectors().values())
    assert not done.is_sound
    assert not done.held
    assert done.problems[-1] == (
        "no source can be held: what daily_totals_sum_what_counts finds is of no single source"
    )


def test_a_first_night_goes_without_the_broken_source(tmp_path: Path) -> None:
    story = begun(tmp_path)
    story.load("broken", "l1", 1, (1, 1), (2, 2))
    break_one(story, 2)
    story.load("sound", "l2", 1, (11, 1))
    load_bucket_twice(story)
    story.night("first")
    held = {held.source: held.finding.split("; ")[0] for held in story.nights["first"].held}
    assert held == {
        "broken": f"1 row: {CURRENCY} (model calls)",
        "weave": "1 row: bucket_id is there more than once (model stg_weave__usage_buckets)",
    }
    for table in ("calls", "usage_buckets", "daily_costs", "load_status"):
        sources = {row["source_name"] for row in story.published["first"][table]}
        assert sources <= {"sound"}, table
    assert len(story.rows("first", "calls", "sound")) == 1
    assert "held broken" in story.status["first"]
