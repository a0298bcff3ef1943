"""What publishing notes of its changes in the published file, and what targets make of it."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from llm_usage_warehouse.targets import write_targets
from llm_usage_warehouse.targets.changes import REMEMBERED, Days, changes_since
from llm_usage_warehouse.targets.publication import Publication
from tests.publish.publications import TABLES, Publications, differing
from tests.publish.test_differences import Book


@pytest.fixture
def book(tmp_path: Path) -> Book:
    found = Book(tmp_path)
    found.settings = replace(found.settings, publish=["duckdb", "parquet"])
    found.run(
        "create schema transform_state; "
        "create table transform_state.unpublished_days (usage_date date); "
        "create table calls (call_id bigint, call_date date, cost decimal(38, 12))"
    )
    found.write(10, 1)
    found.write(11, 1)
    return found


def publish(book: Book) -> dict[str, Days]:
    """Publish, write the target, and return what changed, by the names of the tables."""
    path = book.settings.published_path
    before = ""
    if path.exists():
        with duckdb.connect(str(path), read_only=True) as connection:
            before = Publication(connection).publication_id
    book.publish()
    assert write_targets(book.settings) == {}
    with duckdb.connect(str(path), read_only=True) as connection:
        found = changes_since(connection, before) if before else None
    return {table: days for (_, table), days in (found or {}).items() if "stamp" not in table}


def test_the_days_that_changed_are_noted_and_reach_the_target(book: Book) -> None:
    assert publish(book) == {}
    assert differing(book.settings) == []
    book.write(12, 2)
    twelfth = frozenset([date(2026, 11, 12)])
    assert publish(book) == {"calls": twelfth, "daily": twelfth}
    book.write(10, 3)
    book.run("insert into names values ('c')")
    tenth = frozenset([date(2026, 11, 10)])
    assert publish(book) == {"calls": tenth, "daily": tenth, "names": None}
    assert differing(book.settings) == []
    assert publish(book) == {}


def test_a_file_written_whole_is_new_to_every_target(book: Book) -> None:
    publish(book)
    book.run("alter table calls add column name varchar")
    assert publish(book) == {}
    assert differing(book.settings) == []


def test_a_target_far_behind_is_written_whole(tmp_path: Path) -> None:
    publications = Publications(tmp_path, "parquet")
    publications.publish(TABLES)
    with duckdb.connect(str(publications.settings.published_path), read_only=True) as connection:
        first = Publication(connection).publication_id
    november = {"calls": "usage_date = date '2026-11-01'"}
    for _ in range(REMEMBERED):
        publications.swap("insert into detail.calls values ('2026-11-01', 'a', 1, null)", november)
    with duckdb.connect(str(publications.settings.published_path), read_only=True) as connection:
        assert changes_since(connection, first) is None
    assert write_targets(publications.settings) == {}
    assert differing(publications.settings) == []
