"""The published tables as Parquet: whole at once, a night's files only, and the live file."""

import os
from pathlib import Path

import duckdb
import pytest

from llm_usage_warehouse.targets import write_targets
from llm_usage_warehouse.targets.live import live_path
from llm_usage_warehouse.targets.parquet import parquet_folder
from tests.publish.publications import TABLES, Publications, ask, differing

NOVEMBER = {"calls": "usage_date = date '2026-11-01'", "names": "true"}
INSERT = "insert into detail.calls values ('2026-11-01', 'a', 4, null)"


@pytest.fixture
def publications(tmp_path: Path) -> Publications:
    found = Publications(tmp_path, "parquet")
    assert found.publish(TABLES) == {}
    return found


def files(publications: Publications, place: str = "") -> dict[str, int]:
    """Return the files of the current publication, each with what tells it from another."""
    top = (parquet_folder(publications.settings) / "current").resolve()
    found = sorted((top / place).rglob("*.parquet"))
    return {str(path.relative_to(top).parent): path.stat().st_ino for path in found}


def test_tables_and_the_views_of_main_are_files(publications: Publications) -> None:
    parts = ("2026-10", "2026-11", "__HIVE_DEFAULT_PARTITION__")
    assert list(files(publications)) == [
        *(f"detail/calls/usage_month={part}" for part in parts),
        "detail/names",
        *(f"main/costs/usage_month={part}" for part in parts),
    ]


@pytest.mark.parametrize("name", ["detail.calls", "detail.names", "detail.named", "main.costs"])
def test_the_live_file_has_what_the_published_file_has(
    publications: Publications, name: str
) -> None:
    live = live_path(publications.settings)
    for question in (f"from {name} order by all", f"describe {name}"):
        assert ask(live, question) == publications.ask(question)


def test_the_live_file_says_what_each_table_and_column_is(publications: Publications) -> None:
    live = live_path(publications.settings)
    said = "select comment from duckdb_views() where view_name = 'calls'"
    assert ask(live, said) == [("One row per call.",)]
    said = "select comment from duckdb_columns() where column_name = 'cost' and comment is not null"
    assert ask(live, said) == [("What it cost.",)]


def test_another_engine_reads_the_months_of_a_table(publications: Publications) -> None:
    top = parquet_folder(publications.settings) / "current/detail/calls/*/*.parquet"
    with duckdb.connect() as connection:
        found = connection.execute(
            "select usage_month::varchar, sum(cost) from "
            f"read_parquet('{top}', hive_partitioning = true) group by all order by all"
        ).fetchall()
    assert [month for month, _ in found] == ["2026-10", "2026-11", None]


def test_a_month_that_changed_is_written_and_the_others_are_linked(
    publications: Publications,
) -> None:
    before = files(publications)
    publications.publish(INSERT, NOVEMBER)
    after = files(publications)
    assert [place for place in after if after[place] != before[place]] == [
        "detail/calls/usage_month=2026-11",
        "main/costs/usage_month=2026-11",
    ]
    live = "select sum(cost) from main.costs where usage_date = date '2026-11-01'"
    assert ask(live_path(publications.settings), live) == [(6,)]


def test_a_view_is_written_whole_where_a_table_of_one_piece_changed(
    publications: Publications,
) -> None:
    before = files(publications)
    publications.publish(
        "update detail.names set team = 'blue'", {"calls": "false", "names": "true"}
    )
    after = files(publications)
    assert {place.split("/")[1] for place in after if after[place] != before[place]} == {
        "names",
        "costs",
    }


def test_a_log_that_grows_with_each_publication_writes_no_day_anew(
    publications: Publications,
) -> None:
    publications.publish(
        "create table detail.publications as select 'EUR' as currency, now() as recorded_at; "
        "create or replace view main.costs as select usage_date, cost, currency from detail.calls, "
        "(select arg_max(currency, recorded_at) as currency from detail.publications)"
    )
    before = files(publications)
    row = "insert into detail.publications values ('EUR', now())"
    publications.publish(row, {"calls": "false", "names": "true"})
    after = files(publications)
    assert [place for place in after if after[place] != before[place]] == ["detail/publications"]


def test_a_view_of_one_piece_is_written_whenever_a_day_under_it_changed(
    publications: Publications,
) -> None:
    publications.publish("create view main.totals as select sum(cost) as cost from detail.calls")
    publications.publish(INSERT, {"calls": "usage_date = date '2026-11-01'"})
    assert differing(publications.settings) == []


def test_nothing_new_writes_nothing(publications: Publications) -> None:
    before, live = files(publications), live_path(publications.settings).stat().st_ino
    publications.publish("select 1", {"calls": "false", "names": "true"})
    assert files(publications) == before
    assert live_path(publications.settings).stat().st_ino == live


def test_a_month_without_rows_and_a_table_that_is_gone_vanish(publications: Publications) -> None:
    publications.publish(
        "delete from detail.calls where usage_date = date '2026-10-31'",
        {"calls": "usage_date = date '2026-10-31'"},
    )
    assert "detail/calls/usage_month=2026-10" not in files(publications)
    publications.publish("drop view main.costs; drop table detail.names")
    assert not files(publications, "detail/names")
    names = [("calls",), ("named",)]
    assert ask(live_path(publications.settings), "select view_name from duckdb_views() "
               "where not internal order by 1") == names  # fmt: skip


def test_a_table_without_rows_keeps_its_columns(publications: Publications) -> None:
    publications.publish("delete from detail.calls", {"calls": "true", "names": "true"})
    live = live_path(publications.settings)
    assert ask(live, "from main.costs") == []
    publications.publish(INSERT, NOVEMBER)
    assert ask(live, "select count(*) from main.costs") == [(1,)]


def test_a_target_that_missed_publications_catches_up(publications: Publications) -> None:
    before = files(publications)
    publications.swap(INSERT, NOVEMBER)
    publications.publish("select 1", {"calls": "false"})
    after = files(publications)
    assert ask(
        live_path(publications.settings), "select sum(cost) from main.costs"
    ) == publications.ask("select sum(cost) from main.costs")
    assert before["main/costs/usage_month=2026-10"] == after["main/costs/usage_month=2026-10"]


@pytest.mark.parametrize("hurt", ["file", "note", "link"])
def test_a_folder_that_was_changed_by_hand_is_written_whole(
    publications: Publications, hurt: str
) -> None:
    current = parquet_folder(publications.settings) / "current"
    if hurt == "file":
        next(current.rglob("calls/*10/*.parquet")).unlink()
    elif hurt == "note":
        (current / "publication.json").chmod(0o600)
        (current / "publication.json").write_text("{")
    else:
        current.unlink()
    assert publications.publish(INSERT, NOVEMBER) == {}
    assert ask(
        live_path(publications.settings), "select sum(cost) from main.costs"
    ) == publications.ask("select sum(cost) from main.costs")


def test_the_publication_before_stays_for_a_night(publications: Publications) -> None:
    folder = parquet_folder(publications.settings)
    first = (folder / "current").resolve()
    publications.publish(INSERT, NOVEMBER)
    assert first.is_dir()
    (folder / ".20261129T000000000000Z-00000000.new" / "left").mkdir(parents=True)
    publications.publish(INSERT, NOVEMBER)
    assert not first.is_dir()
    assert len(list(folder.iterdir())) == 3


def test_files_are_for_those_who_may_read_the_published_one(tmp_path: Path) -> None:
    publications = Publications(tmp_path, "parquet")
    before = os.umask(0o077)
    try:
        publications.publish(TABLES)
    finally:
        os.umask(before)
    top = parquet_folder(publications.settings)
    modes = {oct(path.stat().st_mode & 0o777) for path in top.rglob("*") if path.is_file()}
    folders = {oct(path.stat().st_mode & 0o777) for path in (top, *top.rglob("*")) if path.is_dir()}
    assert (modes, folders) == ({"0o444"}, {"0o755"})
    assert oct(live_path(publications.settings).stat().st_mode & 0o777) == "0o444"


def test_a_number_that_parquet_cannot_hold_exactly_is_refused(publications: Publications) -> None:
    failed = publications.publish("create table main.huge as select 1::hugeint as number")
    assert "main.huge.number is HUGEINT, in Parquet only DOUBLE" in failed["parquet"]
    assert ask(live_path(publications.settings), "select count(*) from detail.calls") == [(3,)]


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    publications = Publications(tmp_path, "parquet")
    with duckdb.connect(str(live_path(publications.settings))) as connection:
        connection.execute("create table theirs as select 1")
    failed = publications.publish(TABLES)
    assert "llm_live.duckdb was not written by llm-usage; move it" in failed["parquet"]
    assert ask(live_path(publications.settings), "from theirs") == [(1,)]


def test_written_whole_when_asked_for(publications: Publications) -> None:
    before = files(publications)
    assert write_targets(publications.settings, whole=True) == {}
    assert not set(before.values()) & set(files(publications).values())
