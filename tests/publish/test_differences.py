"""Publishing by difference: no other file than one that is written whole, and no longer one."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from llm_usage_warehouse.errors import RunError
from llm_usage_warehouse.publish import Published, publish
from llm_usage_warehouse.settings import WarehouseSettings
from tests.sql_helpers import open_file

DIE = """
import os, signal, sys
from pathlib import Path
from llm_usage_warehouse.publish import publish
from llm_usage_warehouse.settings import WarehouseSettings

path, published, event, touched = sys.argv[1:]

def die(happening, arguments):
    if happening == event and str(arguments[0]) == touched:
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die)
publish(WarehouseSettings(path=Path(path), published_path=Path(published)))
"""


class Book:
    """A warehouse with a table of calls, one of days and a small one; two days of each."""

    def __init__(self, folder: Path) -> None:
        self.settings = WarehouseSettings(
            path=folder / "w.duckdb", published_path=folder / "out" / "p.duckdb"
        )

    def run(self, sql: str) -> None:
        with duckdb.connect(str(self.settings.path)) as connection:
            connection.execute(sql)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with open_file(self.settings.published_path) as connection:
            return connection.execute(sql).fetchall()

    def write(self, day: int, cost: int, *, noted: bool = True) -> None:
        """Give a day 1000 other calls, and note it as the models do."""
        self.run(
            f"delete from calls where call_date = date '2026-11-{day}'; "
            f"insert into calls select range, date '2026-11-{day}', {cost} from range(1000); "
            "create or replace table daily as select call_date as usage_date, sum(cost) as cost "
            "from calls group by call_date; "
            "create or replace table names as from (values ('a'), ('b')) as names (name)"
        )
        if noted:
            self.run(f"insert into transform_state.unpublished_days values ('2026-11-{day}')")

    def publish(self) -> Published:
        """Publish, and see that the file is equal to the warehouse."""
        published = publish(self.settings)
        with duckdb.connect(str(self.settings.path), read_only=True) as connection:
            for name in published.rows:
                ours = connection.execute(f"from main.{name} order by all").fetchall()
                assert self.ask(f"from detail.{name} order by all") == ours
        return published


@pytest.fixture(scope="module")
def published_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    book = Book(tmp_path_factory.mktemp("once"))
    book.run(
        "create schema transform_state; "
        "create table transform_state.unpublished_days (usage_date date); "
        "create table calls (call_id bigint, call_date date, cost decimal(38, 12))"
    )
    book.write(10, 1)
    book.write(11, 1)
    assert book.publish().whole
    return book.settings.path.parent


@pytest.fixture
def book(published_once: Path, tmp_path: Path) -> Book:
    """A copy of `published_once` that a test may change."""
    return Book(shutil.copytree(published_once, tmp_path / "book"))


def test_what_is_new_is_published_by_difference(book: Book) -> None:
    book.write(12, 2)
    published = book.publish()
    assert (published.whole, published.rows) == (False, {"calls": 3000, "daily": 3, "names": 2})
    assert book.ask("select call_date::text, sum(cost)::int from calls group by 1 order by 1") == [
        ("2026-11-10", 1000),
        ("2026-11-11", 1000),
        ("2026-11-12", 2000),
    ]


def test_a_day_that_became_empty_is_emptied(book: Book) -> None:
    book.run(
        "delete from calls where call_date = '2026-11-10'; "
        "delete from daily where usage_date = '2026-11-10'; "
        "insert into transform_state.unpublished_days values ('2026-11-10')"
    )
    assert book.publish().rows == {"calls": 1000, "daily": 1, "names": 2}


def test_days_are_noted_until_they_are_published(book: Book) -> None:
    book.write(12, 2)
    book.write(10, 3)
    assert not book.publish().whole
    with duckdb.connect(str(book.settings.path)) as connection:
        assert connection.execute("from transform_state.unpublished_days").fetchall() == []


def test_two_rows_of_a_day_that_swap_a_value_differ(book: Book) -> None:
    book.run(
        "create table owners as from (values (date '2026-11-10', 'a', 1), "
        "(date '2026-11-10', 'b', 2)) as owners (usage_date, team, cost)"
    )
    book.publish()
    book.run("update owners set cost = 3 - cost")
    assert not book.publish().whole
    assert book.ask("select team, cost from owners order by 1") == [("a", 2), ("b", 1)]


def test_rows_without_a_day(book: Book) -> None:
    book.run("insert into daily values (null, 5)")
    assert not book.publish().whole
    book.run("update daily set cost = 6 where usage_date is null")
    assert not book.publish().whole


@pytest.mark.parametrize(
    "doubt",
    [
        "insert into transform_state.unpublished_days values (null)",
        "alter table calls add column model text",
        "alter table calls alter call_id type varchar",
        "create table more as select 1 as one",
        "drop table names",
        "drop table transform_state.published_files",
        "drop table transform_state.unpublished_days",
    ],
)
def test_in_doubt_every_table_is_written_whole(book: Book, doubt: str) -> None:
    book.run("update calls set cost = 7 where call_date = '2026-11-10'")
    book.run(doubt)
    assert book.publish().whole
    assert book.ask("select max(cost)::int from calls") == [(7,)]


def test_a_file_of_an_older_program_is_replaced_whole(book: Book) -> None:
    book.settings.published_path.chmod(0o644)
    with duckdb.connect(str(book.settings.published_path)) as connection:
        connection.execute("drop table ops.publishing_stamp")
        # Every version wrote this one, by which the file is known as ours.
        connection.execute("create table daily_tokens (usage_date date)")
    book.write(12, 2)
    assert (book.publish().whole, book.publish().whole) == (True, False)


def test_a_file_restored_from_a_backup_is_replaced_whole(book: Book) -> None:
    backup = shutil.copy(book.settings.published_path, book.settings.path.with_name("backup"))
    book.write(12, 2)
    book.publish()
    shutil.copy(backup, book.settings.published_path.with_name("restored"))
    book.settings.published_path.with_name("restored").replace(book.settings.published_path)
    assert (book.publish().whole, book.publish().whole) == (True, False)


def test_a_published_file_that_is_gone_is_written_whole(book: Book) -> None:
    book.write(12, 2)
    book.publish()
    book.settings.published_path.unlink()
    assert book.publish().whole


def test_a_warehouse_restored_from_a_backup_publishes_whole(book: Book) -> None:
    backup = shutil.copy(book.settings.path, book.settings.path.with_name("backup"))
    book.write(10, 2)
    book.publish()
    shutil.copy(backup, book.settings.path)
    assert book.publish().whole
    assert book.ask("select max(cost)::int from calls") == [(1,)]


def test_a_change_that_was_not_noted_is_not_swapped_in(book: Book) -> None:
    book.write(12, 2, noted=False)
    before = book.settings.published_path.read_bytes()
    with pytest.raises(RunError, match=r"published copy of calls differs.*nothing was swapped"):
        publish(book.settings)
    assert book.settings.published_path.read_bytes() == before
    assert book.publish().whole


def test_a_cost_that_changed_without_a_word_is_found_once_a_week(book: Book) -> None:
    book.run("update calls set cost = 9 where call_id = 5 and call_date = '2026-11-10'")
    book.write(12, 2)
    publish(book.settings)
    with pytest.raises(RunError, match=r"published copy of calls differs.* in 2026-11; nothing"):
        publish(book.settings, everything=True)
    assert publish(book.settings, everything=True).whole
    assert not publish(book.settings, everything=True).whole


def kill(book: Book, event: str, touched: Path) -> None:
    paths = [str(path) for path in (book.settings.path, book.settings.published_path)]
    command = [sys.executable, "-c", DIE, *paths, event, str(touched)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL


def before_the_swap(book: Book) -> None:
    kill(book, "os.rename", book.settings.published_path.with_name(".p.duckdb.new"))
    assert book.ask("select max(call_date)::text from calls") == [("2026-11-11",)]


def after_the_swap(book: Book) -> None:
    # The folder is opened to make the rename last, before anything is settled in the warehouse.
    kill(book, "open", book.settings.published_path.parent)
    assert book.ask("select max(call_date)::text from calls") == [("2026-11-12",)]


@pytest.mark.parametrize("death", [before_the_swap, after_the_swap])
def test_a_run_that_is_killed_loses_no_day(book: Book, death: Callable[[Book], None]) -> None:
    book.write(12, 2)
    death(book)
    book.write(10, 3)
    assert not book.publish().whole
    assert book.ask("select sum(cost)::int from calls") == [(6000,)]


def test_the_file_before_restored_after_a_kill_is_known(book: Book) -> None:
    book.write(12, 2)
    after_the_swap(book)
    previous = book.settings.published_path.with_name("p.previous.duckdb")
    previous.replace(book.settings.published_path)
    assert not book.publish().whole


@pytest.mark.slow
def test_publishing_the_same_again_and_again_does_not_grow_the_file(book: Book) -> None:
    book.run("insert into calls select range, '2026-11-12', 0.5 from range(1000000)")
    book.write(11, 2)
    book.run("insert into transform_state.unpublished_days values ('2026-11-12')")
    sizes = []
    for _ in range(10):
        assert not book.publish().whole
        sizes.append(book.settings.published_path.stat().st_size)
        book.run("insert into transform_state.unpublished_days values ('2026-11-12')")
    assert max(sizes[5:]) <= max(sizes[:5])
    for _ in range(3):
        book.run("delete from transform_state.unpublished_days")
        book.publish()
        sizes.append(book.settings.published_path.stat().st_size)
    assert max(sizes[-3:]) <= max(sizes[:5])


def test_a_file_that_is_mostly_waste_is_written_whole(book: Book) -> None:
    book.run(
        "create table long as select range as id, md5(range::text) as text from range(1000000)"
    )
    book.publish()
    book.run("delete from long where id > 1000")
    assert not book.publish().whole
    size = book.settings.published_path.stat().st_size
    assert book.publish().whole
    assert book.settings.published_path.stat().st_size < size / 2


def test_duckdb_draws_no_bar_of_its_own(book: Book) -> None:
    script = (
        "import duckdb, sys; from pathlib import Path; "
        "from llm_usage_warehouse.warehouse import connect; "
        "from llm_usage_warehouse.settings import WarehouseSettings; "
        "found = connect(WarehouseSettings(path=Path(sys.argv[1]))); "
        "print(found.sql(\"select current_setting('enable_progress_bar')\").fetchall())"
    )
    command = [sys.executable, "-c", script, str(book.settings.path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[(False,)]"
