"""The published tables in a DuckLake, where DuckDB's extension for it is installed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.lake import load_extension
from llm_usage_warehouse.targets.ducklake import check_ducklake, lake_path
from tests.publish.publications import TABLES, Publications

NOVEMBER = {"calls": "usage_date = date '2026-11-01'", "names": "true"}
INSERT = "insert into detail.calls values ('2026-11-01', 'a', 4, null)"


def why_not() -> str | None:
    """Return why the extension cannot be loaded; None where it can."""
    try:
        check_ducklake()
    except UsageError as error:
        return str(error)
    return None


pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.fixture
def publications(tmp_path: Path) -> Iterator[Publications]:
    found = Publications(tmp_path, "ducklake")
    assert found.publish(TABLES) == {}
    yield found


def ask(publications: Publications, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        load_extension(connection)
        connection.execute(
            f"attach 'ducklake:{lake_path(publications.settings)}' as lake (read_only)"
        )
        connection.execute("set TimeZone = 'UTC'; use lake")
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize("name", ["detail.calls", "detail.names", "main.costs"])
def test_the_lake_has_what_the_published_file_has(publications: Publications, name: str) -> None:
    assert ask(publications, f"from {name} order by all") == publications.ask(
        f"from {name} order by all"
    )


def test_each_publication_is_a_snapshot(publications: Publications) -> None:
    ((first,),) = ask(publications, "select max(snapshot_id) from lake.snapshots()")
    assert publications.publish(INSERT, NOVEMBER) == {}
    total = "select sum(cost) from main.costs"
    assert ask(publications, total) == publications.ask(total)
    assert ask(publications, f"select count(*) from main.costs at (version => {first})") == [(3,)]
    assert ask(publications, "select max(snapshot_id) from lake.snapshots()") == [(first + 1,)]


def test_a_new_column_and_a_table_that_is_gone(publications: Publications) -> None:
    publications.publish("drop view main.costs; alter table detail.names add column lead varchar")
    assert ask(publications, "select distinct lead from detail.names") == [(None,)]
    found = "select table_name from duckdb_tables() where database_name = 'lake' order by 1"
    assert ask(publications, found) == [("calls",), ("names",), ("publication_of_lake",)]


def test_a_column_may_be_called_as_one_of_ducklakes_own(publications: Publications) -> None:
    table = "create table detail.rejected as select 1::bigint as row_id, null::date as usage_date"
    assert publications.publish(table) == {}
    assert ask(publications, "from detail.rejected") == [(1, None)]


def test_a_catalog_that_is_open_elsewhere_is_written_the_next_night(
    publications: Publications,
) -> None:
    with duckdb.connect() as connection:
        load_extension(connection)
        connection.execute(f"attach 'ducklake:{lake_path(publications.settings)}' as lake")
        connection.execute("from lake.main.costs")
        failed = publications.publish(INSERT, NOVEMBER)
    assert "ducklake was not written: " in failed["ducklake"]
    assert publications.publish("select 1", {"calls": "false"}) == {}
    total = "select sum(cost) from main.costs"
    assert ask(publications, total) == publications.ask(total)


def test_a_lake_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    publications = Publications(tmp_path, "ducklake")
    with duckdb.connect() as connection:
        load_extension(connection)
        connection.execute(f"attach 'ducklake:{lake_path(publications.settings)}' as lake")
        connection.execute("create table lake.theirs as select 1 as number")
    assert "not written by llm-usage; move it" in publications.publish(TABLES)["ducklake"]
    assert ask(publications, "from theirs") == [(1,)]
