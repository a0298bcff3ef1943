"""The published tables as Parquet: whole at once, a night's files only, and the live file."""

import os
from pathlib import Path

import duckdb
import pytest

from llm_usage_warehouse.targets import write_targets
from llm_usage_warehouse.targets.live import live_path
from llm_usage_warehouse.targets.parquet import parquet_folder
from tests.editions import TABLES, Editions, ask

NOVEMBER = {"calls": "usage_date = date '2026-11-01'", "names": "true"}
INSERT = "insert into detail.calls values ('2026-11-01', 'a', 4, null)"


@pytest.fixture
def editions(tmp_path: Path) -> Editions:
    found = Editions(tmp_path, "parquet")
    assert found.publish(TABLES) == {}
    return found


def files(editions: Editions, place: str = "") -> dict[str, int]:
    """Return the files of the current publication, each with what tells it from another."""
    top = (parquet_folder(editions.settings) / "current").resolve()
    found = sorted((top / place).rglob("*.parquet"))
    return {str(path.relative_to(top).parent): path.stat().st_ino for path in found}


def test_tables_and_the_views_of_main_are_files(editions: Editions) -> None:
    parts = ("2026-10", "2026-11", "__HIVE_DEFAULT_PARTITION__")
    assert list(files(editions)) == [
        *(f"detail/calls/usage_month={part}" for part in parts),
        "detail/names",
        *(f"main/costs/usage_month={part}" for part in parts),
    ]


@pytest.mark.parametrize("name", ["detail.calls", "detail.names", "detail.named", "main.costs"])
def test_the_live_file_has_what_the_published_file_has(editions: Editions, name: str) -> None:
    live = live_path(editions.settings)
    for question in (f"from {name} order by all", f"describe {name}"):
        assert ask(live, question) == editions.ask(question)


def test_the_live_file_says_what_each_table_and_column_is(editions: Editions) -> None:
    live = live_path(editions.settings)
    said = "select comment from duckdb_views() where view_name = 'calls'"
    assert ask(live, said) == [("One row per call.",)]
    said = "select comment from duckdb_columns() where column_name = 'cost' and comment is not null"
    assert ask(live, said) == [("What it cost.",)]


def test_another_engine_reads_the_months_of_a_table(editions: Editions) -> None:
    top = parquet_folder(editions.settings) / "current/detail/calls/*/*.parquet"
    with duckdb.connect() as connection:
        found = connection.execute(
            "select usage_month::varchar, sum(cost) from "
            f"read_parquet('{top}', hive_partitioning = true) group by all order by all"
        ).fetchall()
    assert [month for month, _ in found] == ["2026-10", "2026-11", None]


def test_a_month_that_changed_is_written_and_the_others_are_linked(editions: Editions) -> None:
    before = files(editions)
    editions.publish(INSERT, NOVEMBER)
    after = files(editions)
    assert [place for place in after if after[place] != before[place]] == [
        "detail/calls/usage_month=2026-11",
        "main/costs/usage_month=2026-11",
    ]
    live = "select sum(cost) from main.costs where usage_date = date '2026-11-01'"
    assert ask(live_path(editions.settings), live) == [(6,)]


def test_a_view_is_written_whole_where_a_table_of_one_piece_changed(editions: Editions) -> None:
    before = files(editions)
    editions.publish("update detail.names set team = 'blue'", {"calls": "false", "names": "true"})
    after = files(editions)
    assert {place.split("/")[1] for place in after if after[place] != before[place]} == {
        "names",
        "costs",
    }


def test_a_log_that_grows_with_each_publication_writes_no_day_anew(editions: Editions) -> None:
    editions.publish(
        "create table detail.publications as select 'EUR' as currency, now() as recorded_at; "
        "create or replace view main.costs as select usage_date, cost, currency from detail.calls, "
        "(select arg_max(currency, recorded_at) as currency from detail.publications)"
    )
    before = files(editions)
    row = "insert into detail.publications values ('EUR', now())"
    editions.publish(row, {"calls": "false", "names": "true"})
    after = files(editions)
    assert [place for place in after if after[place] != before[place]] == ["detail/publications"]


def test_nothing_new_writes_nothing(editions: Editions) -> None:
    before, live = files(editions), live_path(editions.settings).stat().st_ino
    editions.publish("select 1", {"calls": "false", "names": "true"})
    assert files(editions) == before
    assert live_path(editions.settings).stat().st_ino == live


def test_a_month_without_rows_and_a_table_that_is_gone_vanish(editions: Editions) -> None:
    editions.publish(
        "delete from detail.calls where usage_date = date '2026-10-31'",
        {"calls": "usage_date = date '2026-10-31'"},
    )
    assert "detail/calls/usage_month=2026-10" not in files(editions)
    editions.publish("drop view main.costs; drop table detail.names")
    assert not files(editions, "detail/names")
    names = [("calls",), ("named",)]
    assert ask(live_path(editions.settings), "select view_name from duckdb_views() "
               "where not internal order by 1") == names  # fmt: skip


def test_a_table_without_rows_keeps_its_columns(editions: Editions) -> None:
    editions.publish("delete from detail.calls", {"calls": "true", "names": "true"})
    live = live_path(editions.settings)
    assert ask(live, "from main.costs") == []
    editions.publish(INSERT, NOVEMBER)
    assert ask(live, "select count(*) from main.costs") == [(1,)]


def test_a_target_that_missed_publications_catches_up(editions: Editions) -> None:
    before = files(editions)
    editions.swap(INSERT, NOVEMBER)
    editions.publish("select 1", {"calls": "false"})
    after = files(editions)
    assert ask(live_path(editions.settings), "select sum(cost) from main.costs") == editions.ask(
        "select sum(cost) from main.costs"
    )
    assert before["main/costs/usage_month=2026-10"] == after["main/costs/usage_month=2026-10"]


@pytest.mark.parametrize("hurt", ["file", "note", "link"])
def test_a_folder_that_was_changed_by_hand_is_written_whole(editions: Editions, hurt: str) -> None:
    current = parquet_folder(editions.settings) / "current"
    if hurt == "file":
        next(current.rglob("calls/*10/*.parquet")).unlink()
    elif hurt == "note":
        (current / "publication.json").chmod(0o600)
        (current / "publication.json").write_text("{")
    else:
        current.unlink()
    assert editions.publish(INSERT, NOVEMBER) == {}
    assert ask(live_path(editions.settings), "select sum(cost) from main.costs") == editions.ask(
        "select sum(cost) from main.costs"
    )


def test_the_publication_before_stays_for_a_night(editions: Editions) -> None:
    folder = parquet_folder(editions.settings)
    first = (folder / "current").resolve()
    editions.publish(INSERT, NOVEMBER)
    assert first.is_dir()
    (folder / ".20261129T000000000000Z-00000000.new" / "left").mkdir(parents=True)
    editions.publish(INSERT, NOVEMBER)
    assert not first.is_dir()
    assert len(list(folder.iterdir())) == 3


def test_files_are_for_those_who_may_read_the_published_one(tmp_path: Path) -> None:
    editions = Editions(tmp_path, "parquet")
    before = os.umask(0o077)
    try:
        editions.publish(TABLES)
    finally:
        os.umask(before)
    top = parquet_folder(editions.settings)
    modes = {oct(path.stat().st_mode & 0o777) for path in top.rglob("*") if path.is_file()}
    folders = {oct(path.stat().st_mode & 0o777) for path in (top, *top.rglob("*")) if path.is_dir()}
    assert (modes, folders) == ({"0o444"}, {"0o755"})
    assert oct(live_path(editions.settings).stat().st_mode & 0o777) == "0o444"


def test_a_number_that_parquet_cannot_hold_exactly_is_refused(editions: Editions) -> None:
    failed = editions.publish("create table main.huge as select 1::hugeint as number")
    assert "main.huge.number is HUGEINT, in Parquet only DOUBLE" in failed["parquet"]
    assert ask(live_path(editions.settings), "select count(*) from detail.calls") == [(3,)]


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    editions = Editions(tmp_path, "parquet")
    with duckdb.connect(str(live_path(editions.settings))) as connection:
        connection.execute("create table theirs as select 1")
    failed = editions.publish(TABLES)
    assert "llm_live.duckdb was not written by llm-usage; move it" in failed["parquet"]
    assert ask(live_path(editions.settings), "from theirs") == [(1,)]


def test_written_whole_when_asked_for(editions: Editions) -> None:
    before = files(editions)
    assert write_targets(editions.settings, whole=True) == {}
    assert not set(before.values()) & set(files(editions).values())
