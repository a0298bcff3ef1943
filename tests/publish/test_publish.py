"""The published file: whole, readable while it is swapped, and never half a day."""

import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from llm_usage_warehouse.errors import RunError
from llm_usage_warehouse.publish import publish
from llm_usage_warehouse.settings import WarehouseSettings

READER = """
import sys, time, duckdb
seen = set()
end = time.monotonic() + 3
while time.monotonic() < end:
    with duckdb.connect(sys.argv[1], read_only=True) as connection:
        found = connection.execute("select count(*), min(day), max(day) from detail.daily")
        seen.add(found.fetchone())
print(sorted(seen))
"""


@pytest.fixture
def warehouse(tmp_path: Path) -> WarehouseSettings:
    found = WarehouseSettings(
        path=tmp_path / "w.duckdb", published_path=tmp_path / "out" / "p.duckdb"
    )
    write(found, 1)
    return found


def write(warehouse: WarehouseSettings, day: int) -> None:
    """Fill the warehouse with 1000 rows that all say `day`."""
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute(
            f"create or replace table daily as select {day} as day, 0.1::decimal(38, 12) as cost "
            "from range(1000)"
        )
        connection.execute("create or replace view not_a_table as from daily")
        connection.execute(
            "create schema if not exists transform_state; create table if not exists "
            "transform_state.unpublished_days (usage_date date)"
        )
        connection.execute(
            "create schema if not exists raw; create or replace table raw.t as from daily"
        )


def read(path: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_only_the_marts_are_published(warehouse: WarehouseSettings) -> None:
    assert publish(warehouse).rows == {"daily": 1000}
    assert read(
        warehouse.published_path, "select schema || '.' || name from (show all tables)"
    ) == [
        ("detail.daily",),
        ("ops.publishing_changes",),
        ("ops.publishing_order",),
        ("ops.publishing_stamp",),
    ]
    assert read(warehouse.published_path, "describe detail.daily")[1][1] == "DECIMAL(38,12)"


def test_the_file_before_is_kept(warehouse: WarehouseSettings) -> None:
    publish(warehouse)
    write(warehouse, 2)
    publish(warehouse)
    previous = warehouse.published_path.with_name("p.previous.duckdb")
    day = "select distinct day from detail.daily"
    assert (read(warehouse.published_path, day), read(previous, day)) == ([(2,)], [(1,)])


def test_readers_never_see_half_a_day(warehouse: WarehouseSettings) -> None:
    publish(warehouse)
    path = str(warehouse.published_path)
    command = [sys.executable, "-c", READER, path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        time.sleep(0.8)
        for day in range(2, 8):
            write(warehouse, day)
            publish(warehouse)
        out, _ = reader.communicate(timeout=20)
    seen = eval(out)
    assert len(seen) > 1
    assert all(count == 1000 and low == high for count, low, high in seen)


def test_a_stale_write_ahead_log_is_not_replayed(warehouse: WarehouseSettings) -> None:
    publish(warehouse)
    Path(f"{warehouse.published_path}.wal").write_bytes(b"stale")
    publish(warehouse)
    assert read(warehouse.published_path, "select count(*) from detail.daily") == [(1000,)]


def test_an_empty_warehouse_publishes_nothing(tmp_path: Path) -> None:
    empty = WarehouseSettings(path=tmp_path / "w.duckdb", published_path=tmp_path / "p.duckdb")
    with pytest.raises(RunError, match="nothing to publish"):
        publish(empty)
    assert not empty.published_path.exists()


def test_a_file_that_somebody_else_writes_is_named(warehouse: WarehouseSettings) -> None:
    hold = (
        "import sys, duckdb; held = duckdb.connect(sys.argv[1]); "
        "print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(warehouse.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        with pytest.raises(RunError, match=r"is open in another program .*close it there"):
            publish(warehouse)
        assert holder.stdin
        holder.stdin.close()
