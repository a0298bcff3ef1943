"""Programs that keep a file open across publications: what they see of the next one."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import duckdb
import pytest
import sqlalchemy

from llm_usage_warehouse.targets.live import live_path
from tests.publish.publications import TABLES, Publications

ROWS = "select count(*) from main.costs"
CLIENTS = Path(__file__).with_name("clients")

READER = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
seen, failures = {(0, 0, 0)}, set()
while max(seen)[0] < 10:
    try:
        seen.add(connection.execute(
            "select min(number), max(number), count(text) from main.costs"
        ).fetchone())
    except duckdb.Error as error:
        failures.add(str(error))
print((sorted(seen), sorted(failures)))
"""

Ask = Callable[[], int]
"""Asks how many rows there are, over a connection that stays open."""


@pytest.fixture
def publications(tmp_path: Path) -> Publications:
    found = Publications(tmp_path, "parquet")
    found.publish(TABLES)
    return found


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


def by_duckdb(path: Path, stack: ExitStack) -> Ask:
    connection = stack.enter_context(duckdb.connect(str(path), read_only=True))
    return lambda: connection.execute(ROWS).fetchall()[0][0]


def by_sqlalchemy(path: Path, stack: ExitStack) -> Ask:
    engine = sqlalchemy.create_engine(
        f"duckdb:///{path}",
        poolclass=sqlalchemy.QueuePool,
        pool_size=2,
        connect_args={"read_only": True},
    )
    stack.callback(engine.dispose)

    def ask() -> int:
        with engine.connect() as connection:
            return int(connection.execute(sqlalchemy.text(ROWS)).scalar_one())

    return ask


def by_jdbc(path: Path, stack: ExitStack) -> Ask:
    driver = os.environ.get("DUCKDB_JDBC_JAR")
    if not driver or not shutil.which("java"):
        pytest.skip("needs java, and DuckDB's driver in DUCKDB_JDBC_JAR")
    return _by_lines(["java", "-cp", driver, str(CLIENTS / "Live.java"), str(path)], stack)


def by_node(path: Path, stack: ExitStack) -> Ask:
    if not os.environ.get("NODE_PATH") or not shutil.which("node"):
        pytest.skip("needs node, and @duckdb/node-api in NODE_PATH")
    return _by_lines(["node", str(CLIENTS / "live.mjs"), str(path)], stack)


def _by_lines(command: list[str], stack: ExitStack) -> Ask:
    process = stack.enter_context(
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    )

    def ask() -> int:
        assert process.stdin
        assert process.stdout
        print(ROWS, file=process.stdin, flush=True)
        return int(process.stdout.readline())

    return ask


CLIENT = pytest.mark.parametrize("client", [by_duckdb, by_sqlalchemy, by_jdbc, by_node])


@CLIENT
def test_the_live_file_shows_each_publication_without_a_new_connection(
    publications: Publications, stack: ExitStack, client: Callable[[Path, ExitStack], Ask]
) -> None:
    ask = client(live_path(publications.settings), stack)
    seen = [ask()]
    for day in (1, 30):
        row = f"(date '2026-11-{day:02}', 'a', 1, null)"
        days = f"usage_date = date '2026-11-{day:02}'"
        publications.publish(f"insert into detail.calls values {row}", {"calls": days})
        seen.append(ask())
    assert seen == [3, 4, 5]


@CLIENT
def test_the_published_file_is_as_it_was_for_who_keeps_it_open(
    publications: Publications, stack: ExitStack, client: Callable[[Path, ExitStack], Ask]
) -> None:
    ask = client(publications.settings.published_path, stack)
    seen = [ask()]
    publications.swap("delete from detail.calls")
    assert [*seen, ask()] == [3, 3]


def test_a_query_over_a_swap_is_of_one_publication_or_fails(tmp_path: Path) -> None:
    publications = Publications(tmp_path, "parquet")
    fill = (
        "create or replace table main.costs as select {} as number, usage_date, "
        "repeat('x', 50) || range as text from range(2_000), range(date '2026-01-01', "
        "date '2026-12-31', interval 1 month) as months (usage_date)"
    )
    publications.publish(fill.format(1))
    command = [sys.executable, "-c", READER, str(live_path(publications.settings))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        for number in range(2, 11):
            assert publications.publish(fill.format(number)) == {}
        assert reader.stdout
        seen, failures = ast.literal_eval(reader.stdout.read())
    assert len(seen) > 3
    assert all(least == most and rows == 24_000 for least, most, rows in seen[1:])
    assert all("No such file or directory" in one for one in failures)
