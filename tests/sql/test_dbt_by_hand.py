"""`llm-usage dbt`: as a night runs it, under its lock, and never on the night's file with --dev."""

import os
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import duckdb
import pytest

from llm_usage_warehouse.connectors import connectors
from llm_usage_warehouse.dbt_by_hand import copy_for_dev, dev_warehouse, run_by_hand
from llm_usage_warehouse.errors import RunError
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.transform import TESTED
from llm_usage_warehouse.warehouse import locked
from tests.sql_helpers import FILE, WITHOUT_TESTS, SqlWarehouse, give_parse


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> WarehouseSettings:
    """A warehouse of one call and its daily tokens, tested as a whole."""
    one = SqlWarehouse()
    one.load("1", "2026-10-29", "2026-11-01", {1: "2026-10-30"})
    done = one.dbt("build", "--select", "+daily_tokens", *WITHOUT_TESTS, timezone="UTC")
    assert done.ok, done.said
    one.run(f"create table {TESTED} as select now() as tested_at")
    found = WarehouseSettings(path=tmp_path_factory.mktemp("built") / FILE)
    one.path.rename(found.path)
    give_parse(found)
    one.empty()
    return found


@pytest.fixture
def warehouse(built: WarehouseSettings, tmp_path: Path) -> WarehouseSettings:
    """A copy of `built` that a test may change."""
    (tmp_path / FILE).write_bytes(built.path.read_bytes())
    found = replace(built, path=tmp_path / FILE)
    give_parse(found)
    return found


def command(warehouse: WarehouseSettings, *arguments: str) -> subprocess.CompletedProcess[str]:
    (warehouse.data_folder / ".dlt").mkdir(exist_ok=True)
    told = {"DLT_PROJECT_DIR": str(warehouse.data_folder), "WAREHOUSE__PATH": str(warehouse.path)}
    return subprocess.run(
        [sys.executable, "-c", "from llm_usage_warehouse.cli import app; app()", *arguments],
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        check=False,
    )


def value(warehouse: WarehouseSettings, sql: str) -> object:
    with duckdb.connect(str(warehouse.path), read_only=True) as connection:
        ((found,),) = connection.execute(sql).fetchall()
    return found


def spoil(warehouse: WarehouseSettings) -> None:
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("update daily_tokens set calls = 70")


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def spoilt(warehouse: WarehouseSettings) -> WarehouseSettings:
    spoil(warehouse)
    return warehouse


def test_what_dbt_says_and_its_exit_code_come_through(warehouse: WarehouseSettings) -> None:
    listed = command(warehouse, "dbt", "--quiet", "ls", "--select", "daily_totals", "--output=name")
    assert listed.returncode == 0, listed.stderr
    assert "daily_totals" in listed.stdout.splitlines()
    wrong = command(warehouse, "dbt", "ls", "--no-such-option")
    assert (wrong.returncode, "--no-such-option" in wrong.stderr) == (2, True)


def test_it_builds_the_nights_file_and_the_next_night_tests_all(spoilt: WarehouseSettings) -> None:
    arguments = ["run", "--full-refresh", "--select", "daily_tokens"]
    assert run_by_hand(spoilt, connectors().values(), arguments) == 0
    assert value(spoilt, "select sum(calls) from daily_tokens") == 1
    assert (
        value(spoilt, "select count(*) from duckdb_tables() where table_name = 'tested_all'") == 0
    )


@pytest.mark.slow
def test_dev_works_on_a_copy_and_leaves_the_nights_file(spoilt: WarehouseSettings) -> None:
    before, dev = digest(spoilt.path), dev_warehouse(spoilt)
    assert copy_for_dev(spoilt)
    arguments = ["run", "--full-refresh", "--select", "daily_tokens"]
    assert run_by_hand(dev, connectors().values(), arguments) == 0
    assert value(dev, "select sum(calls) from daily_tokens") == 1
    assert digest(spoilt.path) == before


def test_the_copy_stays_until_the_warehouse_changes(warehouse: WarehouseSettings) -> None:
    dev = dev_warehouse(warehouse)
    assert copy_for_dev(warehouse)
    spoil(dev)
    assert not copy_for_dev(warehouse)
    assert value(dev, "select sum(calls) from daily_tokens") == 70
    spoil(warehouse)
    assert copy_for_dev(warehouse)


def test_another_writer_is_waited_for_in_words(warehouse: WarehouseSettings) -> None:
    with locked(warehouse):
        for command_of_dbt in ("build", "test", "ls"):
            with pytest.raises(RunError, match="another run is writing"):
                run_by_hand(warehouse, connectors().values(), [command_of_dbt])
        with pytest.raises(RunError, match="another run is writing"):
            copy_for_dev(warehouse)


def test_nothing_is_made_where_nothing_is_loaded(tmp_path: Path) -> None:
    empty = WarehouseSettings(path=tmp_path / "data" / FILE)
    with pytest.raises(RunError, match="nothing is loaded yet"):
        run_by_hand(empty, connectors().values(), ["build"])
    with pytest.raises(RunError, match="nothing is loaded yet"):
        copy_for_dev(empty)
    assert not empty.path.exists()


def test_a_copy_is_never_published(warehouse: WarehouseSettings) -> None:
    refused = command(warehouse, "publish", "--dev")
    assert (refused.returncode, refused.stderr) == (
        2,
        "--dev is for --dry-run: a copy is never published\n",
    )
