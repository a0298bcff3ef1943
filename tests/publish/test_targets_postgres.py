"""The published tables in Postgres: the same rows, at once, and no more work than is new."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest

from llm_usage_warehouse.targets import write_targets
from tests.publish.postgres_server import serving, why_not
from tests.publish.publications import TABLES, Publications

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

NOVEMBER = {"calls": "usage_date = date '2026-11-01'", "names": "true"}
INSERT = "insert into detail.calls values ('2026-11-01', 'a', 4, null)"
ROWS = "select usage_date, name, cost, called_at from {}.calls order by usage_date"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as found:
        yield found


@pytest.fixture
def database(address: str) -> Iterator[psycopg2.extensions.connection]:
    """A connection of somebody who only reads, to a database without tables."""
    connection = psycopg2.connect(address, options="-c timezone=UTC")
    connection.autocommit = True
    yield connection
    for schema in ("llm", "llm_detail", "llm_old"):
        ask(connection, f"drop schema if exists {schema} cascade")
    connection.close()


@pytest.fixture
def publications(
    tmp_path: Path, address: str, database: object, monkeypatch: pytest.MonkeyPatch
) -> Publications:
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", address)
    found = Publications(tmp_path, "postgres")
    assert found.publish(TABLES) == {}
    return found


def ask(connection: psycopg2.extensions.connection, sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def test_rows_are_the_same_to_the_last_digit(
    publications: Publications, database: psycopg2.extensions.connection
) -> None:
    assert ask(database, ROWS.format("llm_detail")) == publications.ask(ROWS.format("detail"))
    assert ask(database, "select team, sum(cost) from llm.costs group by 1 order by 1") == (
        publications.ask("select team, sum(cost) from main.costs group by 1 order by 1")
    )
    assert ask(database, "select to_regclass('llm_detail.named')") == [(None,)]


def test_types_and_comments_are_there(
    publications: Publications, database: psycopg2.extensions.connection
) -> None:
    found = ask(
        database,
        "select attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum) "
        "from pg_attribute where attrelid = 'llm_detail.calls'::regclass and attnum > 0",
    )
    assert found == [
        ("usage_date", "date", None),
        ("name", "text", None),
        ("cost", "numeric(38,12)", "What it cost."),
        ("called_at", "timestamp with time zone", None),
    ]
    said = ask(database, "select obj_description('llm_detail.calls'::regclass)")
    assert said == [("One row per call.",)]
    publications.publish("comment on table detail.calls is 'Said anew.'", {"calls": "false"})
    said = ask(database, "select obj_description('llm_detail.calls'::regclass)")
    assert said == [("Said anew.",)]


def test_only_the_days_that_changed_are_written(
    publications: Publications, database: psycopg2.extensions.connection
) -> None:
    where = "select usage_date, ctid::text from llm_detail.calls order by usage_date"
    before = ask(database, where)
    publications.publish(INSERT, NOVEMBER)
    october, *_, no_day = after = ask(database, where)
    assert (october, no_day, len(after)) == (before[0], before[-1], 4)
    assert ask(database, "select count(*), sum(cost) from llm.costs") == publications.ask(
        "select count(*), sum(cost) from main.costs"
    )


def test_an_open_connection_sees_each_publication_whole(
    publications: Publications, database: psycopg2.extensions.connection
) -> None:
    both = (
        "select (select sum(cost) from llm.costs), (select sum(cost) from llm_detail.calls), "
        "(select count(distinct obj_description(oid)) from pg_namespace where nspname like 'llm%')"
    )
    ((before, *_),) = ask(database, both)
    publications.publish(INSERT, NOVEMBER)
    assert ask(database, both) == [(before + 4, before + 4, 1)]


def test_a_failure_midway_leaves_the_publication_before(
    publications: Publications, database: psycopg2.extensions.connection
) -> None:
    ask(database, "create view public.mine as select * from llm.costs")
    failed = publications.publish(
        "insert into detail.calls values ('2026-11-01', 'a', 4, null); drop view main.costs"
    )
    assert "postgres was not written: cannot drop table llm.costs because" in failed["postgres"]
    assert ask(database, "select count(*) from llm_detail.calls") == [(3,)]
    ask(database, "drop view public.mine")
    assert write_targets(publications.settings) == {}
    assert ask(database, "select count(*) from llm_detail.calls") == [(4,)]
    assert ask(database, "select to_regclass('llm.costs')") == [(None,)]


def test_a_new_column_and_a_table_that_is_gone(
    publications: Publications, database: psycopg2.extensions.connection
) -> None:
    publications.publish("create schema old; create table old.list as select 1::bigint as number")
    assert ask(database, "select number from llm_old.list") == [(1,)]
    publications.publish("drop table old.list; alter table detail.names add column lead varchar")
    assert ask(database, "select count(*) from pg_namespace where nspname = 'llm_old'") == [(0,)]
    assert ask(database, "select name, team, lead from llm_detail.names order by 1") == [
        ("a", "red", None),
        ("b", "", None),
    ]


def test_a_schema_of_somebody_else_is_left_alone(
    tmp_path: Path,
    address: str,
    database: psycopg2.extensions.connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", address)
    ask(database, "create schema llm; create table llm.theirs ()")
    failed = Publications(tmp_path, "postgres").publish(TABLES)
    assert "has a schema llm that was not written by llm-usage" in failed["postgres"]
    assert ask(database, "select to_regclass('llm_detail')") == [(None,)]


def test_what_cannot_be_reached_is_told_without_the_password(
    publications: Publications, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "postgresql://writer:pass-example@127.0.0.1:1/postgres"
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", address)
    failed = publications.publish(INSERT, NOVEMBER)["postgres"]
    assert "Connection refused" in failed
    assert "the next night catches up" in failed
    assert "pass-example" not in failed
