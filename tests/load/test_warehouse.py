"""The private file: tables of an earlier program, and who may have it open during a load."""

import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from llm_usage_warehouse.connectors import connectors
from llm_usage_warehouse.errors import RunError
from llm_usage_warehouse.places import READABLE_FROM
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.warehouse import HeldFile, connect, create_raw_tables

OPEN = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"


def test_tables_of_an_earlier_version_get_the_columns_that_came_later(tmp_path: Path) -> None:
    warehouse = WarehouseSettings(path=tmp_path / "w.duckdb")
    create_raw_tables(warehouse, connectors().values())
    later = ("usage_buckets", "cost_unit"), ("load_ledger", "planned_scopes")
    with duckdb.connect(str(warehouse.path)) as connection:
        expected = [connection.execute(f"describe raw_weave.{one}").fetchall() for one, _ in later]
        for table, column in later:
            connection.execute(f"alter table raw_weave.{table} drop column {column}")
    create_raw_tables(warehouse, connectors().values())
    with duckdb.connect(str(warehouse.path)) as connection:
        found = [connection.execute(f"describe raw_weave.{one}").fetchall() for one, _ in later]
    assert [sorted(one) for one in found] == [sorted(one) for one in expected]


def test_a_new_file_is_made_in_the_format_that_is_quick_to_write(tmp_path: Path) -> None:
    warehouse = WarehouseSettings(path=tmp_path / "w.duckdb")
    for _ in range(2):
        with connect(warehouse) as connection:
            found = connection.execute(
                "select tags['storage_version'] from duckdb_databases() where database_name = 'w'"
            ).fetchone()
        assert found == (f"{READABLE_FROM}+",)


def opened_elsewhere(path: Path) -> subprocess.Popen[str]:
    """Return a process that has opened the file, or failed to, and waits for its input's end."""
    command = [sys.executable, "-c", OPEN, str(path)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    process.stdout.readline()
    return process


def test_turns_are_taken_one_after_the_other(tmp_path: Path) -> None:
    found: list[int] = []
    with closing(HeldFile(WarehouseSettings(path=tmp_path / "w.duckdb"))) as file:
        with file.turn() as connection:
            connection.execute("create table counted (number bigint)")

        def count() -> None:
            for _ in range(20):
                with file.turn() as connection:
                    ((known,),) = connection.execute("select count(*) from counted").fetchall()
                    connection.execute("insert into counted values (?)", [known])
                    found.append(known)
                file.give_memory_back()

        threads = [threading.Thread(target=count) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == list(range(60))


def test_a_load_holds_the_file_but_for_what_it_gives_back(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with closing(HeldFile(WarehouseSettings(path=path))) as file:
        _, said = opened_elsewhere(path).communicate()
        assert "Could not set lock" in said
        file.give_memory_back()
        other = opened_elsewhere(path)
        with pytest.raises(RunError, match="is open in another program"), file.turn():
            pass
        other.communicate()
        with file.turn() as connection:
            assert connection.execute("select 1").fetchall() == [(1,)]
