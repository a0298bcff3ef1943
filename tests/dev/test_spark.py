"""What `make spark-test` compares: it finds a row, or the last decimal of a sum, that is off."""

from pathlib import Path

import duckdb
import pytest

from llm_usage_warehouse.dev.spark.comparing import Compared, compare
from llm_usage_warehouse.dev.spark.loading import load_duckdb, nights
from llm_usage_warehouse.errors import RunError
from tests.raw_rows import insert

COSTS = "create table daily_costs (usage_date date, source_name varchar, cost decimal(38, 12))"
LEDGER = "create table raw_one.load_ledger (run_id varchar, _dlt_load_id varchar)"
ROW = "(date '2026-11-01', 'proxy', {})"


def compared(folder: Path, ours: list[str], theirs: list[str]) -> Compared:
    with duckdb.connect() as connection:
        connection.execute(COSTS)
        file = folder / "daily_costs.parquet"
        file.mkdir()
        for costs in (theirs, ours):
            connection.execute("delete from daily_costs")
            connection.execute(
                "insert into daily_costs values " + ", ".join(map(ROW.format, costs))
            )
            if costs is theirs:
                connection.execute(f"copy daily_costs to '{file}/part.parquet'")
        return compare(connection, "daily_costs", file)


@pytest.mark.parametrize(
    ("theirs", "sums", "rows"),
    [
        (["2", "1"], 0, 0),
        (["1", "2.000000000001"], 2, 2),
        (["1.5", "1.5"], 0, 4),
        (["1", "2", "2"], 2, 1),
        (["3", "null"], 0, 4),
    ],
)
def test_what_differs_is_found(tmp_path: Path, theirs: list[str], sums: int, rows: int) -> None:
    found = compared(tmp_path, ["1", "2"], theirs)
    assert (found.differing_sums, found.differing_rows) == (sums, rows)
    assert found.is_equal == (rows == 0)


def test_the_first_night_has_no_row_that_the_second_brought(tmp_path: Path) -> None:
    demo, copy = tmp_path / "demo.duckdb", tmp_path / "copy.duckdb"
    with duckdb.connect(str(demo)) as connection:
        connection.execute("create schema raw_one")
        connection.execute(
            "create table raw_one.load_ledger (run_id varchar, _dlt_load_id varchar)"
        )
        connection.execute("create table raw_one.logs (id bigint, _dlt_load_id varchar)")
        for run, load in (("a", "1"), ("a", "2"), ("b", "3")):
            insert(connection, "raw_one.load_ledger", run_id=run, _dlt_load_id=load)
            insert(connection, "raw_one.logs", id=int(load), _dlt_load_id=load)
    found = []
    for night in nights(demo):
        load_duckdb(demo, night, copy)
        with duckdb.connect(str(copy)) as connection:
            found.append(connection.execute("select id from raw_one.logs order by id").fetchall())
    assert found == [[(1,), (2,)], [(1,), (2,), (3,)]]


def test_a_demo_of_one_night_is_refused(tmp_path: Path) -> None:
    demo = tmp_path / "demo.duckdb"
    with duckdb.connect(str(demo)) as connection:
        connection.execute("create schema raw_one")
        connection.execute(
            "create table raw_one.load_ledger (run_id varchar, _dlt_load_id varchar)"
        )
        insert(connection, "raw_one.load_ledger", run_id="a", _dlt_load_id="1")
    with pytest.raises(RunError, match="one night only"):
        nights(demo)
