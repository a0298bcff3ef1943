"""A small warehouse of literal log rows, and dbt run on it in a process of its own."""

import atexit
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple

import duckdb
from filelock import FileLock

from llm_usage_warehouse import built_views
from llm_usage_warehouse.connectors import connectors
from llm_usage_warehouse.dbt_by_hand import PARSE
from llm_usage_warehouse.dbt_runs import variables
from llm_usage_warehouse.layout import find_by_bare_names
from llm_usage_warehouse.prices import load_public_prices
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.warehouse import create_raw_tables
from tests.raw_rows import insert, log_row, slice_row

SQL = Path(__file__).resolve().parent.parent / "sql"
WITHOUT_TESTS = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")

FILE = "warehouse.duckdb"
"""The name of every warehouse in tests: dbt knows what it read of the models by it."""

MANIFEST = "manifest.json"

PARSES = "TESTS_PARSES"
"""The environment's name for the folder of what dbt read, which all tests of a run share."""


def open_file(path: Path, *, read_only: bool = True) -> duckdb.DuckDBPyConnection:
    """Open a published file; its tables go by their bare names, as in `llm-usage query`."""
    connection = duckdb.connect(str(path), read_only=read_only)
    find_by_bare_names(connection)
    return connection


class Finished(NamedTuple):
    """Whether dbt succeeded, and what it said."""

    ok: bool
    said: str


@cache
def dbt_process() -> subprocess.Popen[str]:
    """Return the process in which dbt runs for all tests of this one."""
    process = subprocess.Popen(
        [sys.executable, "-P", str(Path(__file__).with_name("sql_dbt.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(process.communicate)
    return process


def run_dbt(
    *arguments: str,
    sql: Path,
    target: Path,
    warehouse: WarehouseSettings,
    writes: bool = False,
    **told: str,
) -> Finished:
    """Run dbt with the settings that the program gives it, and as little of it as a night does.

    Args:
        arguments: dbt's own, a command first.
        sql: the project.
        target: where dbt keeps what it read of it.
        warehouse: what it works on.
        writes: whether it writes what it knows of the models and what came of each as JSON, which
            is a fifth of its time.
        told: what to add to the environment.
    """
    known = ""
    is_whole = "--select" not in arguments
    # A part of them is built with the tests that belong to it, where it is to be tested.
    if arguments[0] == "build" and (is_whole or WITHOUT_TESTS[1] in arguments):
        known = built_views.fingerprint(warehouse, sql, told)
        if built_views.stand(warehouse, known):
            arguments = (*arguments, *built_views.SELECTION)
            told = {**told, built_views.LEFT_OUT: "true"}
    line = [
        # Writing all that dbt does into a file takes a tenth of its time.
        *("--no-use-colors", "--log-level-file", "none"),
        *("--write-json" if writes else "--no-write-json", *arguments),
        *("--project-dir", str(sql), "--profiles-dir", str(sql)),
        *("--target-path", str(target), "--log-path", str(target)),
        *("--vars", json.dumps(variables(warehouse))),
    ]
    told = {
        "LLM_USAGE_TIMEZONE": warehouse.reporting_timezone,
        **told,
        "LLM_USAGE_WAREHOUSE": f"./{warehouse.path.name}",
        "LLM_USAGE_MEMORY_LIMIT": warehouse.memory_for_duckdb,
    }
    process = dbt_process()
    assert process.stdin
    assert process.stdout
    print(json.dumps([str(warehouse.data_folder), line, told]), file=process.stdin, flush=True)
    finished = Finished(**json.loads(process.stdout.readline()))
    if is_whole and known and finished.ok:
        built_views.remember(warehouse, known, ())
    return finished


def folder_of_parse(warehouse: WarehouseSettings) -> Path:
    """Return the folder of what dbt read of the models, for itself and, as the manifest, for all.

    It reads them once for each time zone and currency of all tests.
    """
    known = [variables(warehouse), warehouse.path.name, warehouse.memory_for_duckdb]
    saved = Path(os.environ[PARSES]) / sha256(json.dumps(known).encode()).hexdigest()
    # The other processes that run tests wait for what one of them makes.
    with FileLock(f"{saved}.lock"):
        if not saved.exists():
            own = Path(mkdtemp(dir=saved.parent))
            alone = replace(warehouse, path=own / warehouse.path.name)
            read = run_dbt("parse", sql=SQL, target=own, warehouse=alone, writes=True)
            assert read.ok, read.said
            own.rename(saved)
    return saved


def give_parse(warehouse: WarehouseSettings) -> None:
    """Spare dbt reading the models for a warehouse, which takes it longer than building them.

    It knows by itself whether what it read is still so.
    """
    target = warehouse.data_folder / "dbt" / "target"
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder_of_parse(warehouse) / PARSE, target)


def give_empty(warehouse: WarehouseSettings) -> None:
    """Begin a warehouse with every raw table, empty, and every model built of them.

    It is built once for each time zone and currency of all tests: what follows finds the views
    there, and dbt has read the models.
    """
    known = json.dumps(variables(warehouse)).encode()
    saved = Path(os.environ[PARSES]) / f"{sha256(known).hexdigest()}.duckdb"
    with FileLock(f"{saved}.lock"):
        if not saved.exists():
            own = replace(warehouse, path=Path(mkdtemp(dir=saved.parent)) / FILE)
            create_raw_tables(own, connectors().values())
            load_public_prices(own)
            target = own.data_folder / "dbt" / "target"
            give_parse(own)
            built = run_dbt("build", *WITHOUT_TESTS, sql=SQL, target=target, warehouse=own)
            assert built.ok, built.said
            own.path.rename(saved)
    warehouse.data_folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(saved, warehouse.path)
    warehouse.path.chmod(0o600)
    give_parse(warehouse)


@cache
def shared_folder() -> Path:
    """Return the folder of the warehouse that tests of this process use one after the other."""
    folder = Path(mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class SqlWarehouse:
    """A warehouse that has every raw table, empty, and the models.

    Args:
        folder: where it has a copy of the models of its own, which a test may change; by default it
            shares a file with other tests, one after the other.
        timezone: of the days that it is built for at first.

    Attributes:
        path: of the file.
        writes: whether dbt writes what came of each node, for `results`.
    """

    def __init__(self, folder: Path | None = None, timezone: str = "UTC") -> None:
        self.path = (folder or shared_folder()) / FILE
        self._target = self.path.parent / "dbt" / "target"
        self.writes = False
        self._read_for = ""
        self._timezone = timezone
        if folder is None:
            self._sql = SQL
            self.empty()
        else:
            self._sql = folder / "sql"
            shutil.copytree(SQL, self._sql)
            self.empty()

    def dbt(self, *arguments: str, timezone: str, **told: str) -> Finished:
        """Run dbt, as `arguments` say, for the days of `timezone`, and tell it something more."""
        warehouse = WarehouseSettings(path=self.path, reporting_timezone=timezone)
        if timezone != self._read_for:
            give_parse(warehouse)
            shutil.copy(folder_of_parse(warehouse) / MANIFEST, self._target)
            self._read_for = timezone
        return run_dbt(
            *arguments,
            sql=self._sql,
            target=self._target,
            warehouse=warehouse,
            writes=self.writes,
            **told,
        )

    def empty(self) -> None:
        """Begin with a new file; what dbt knows of the models stays."""
        warehouse = WarehouseSettings(path=self.path, reporting_timezone=self._timezone)
        give_empty(warehouse)
        shutil.copy(folder_of_parse(warehouse) / MANIFEST, self._target)

    def manifest(self) -> dict[str, Any]:
        """Return what dbt knows of the models."""
        found: dict[str, Any] = json.loads((self._target / MANIFEST).read_text())
        return found

    def results(self) -> list[dict[str, Any]]:
        """Return what came of each node of the last run that was to write it."""
        found = json.loads((self._target / "run_results.json").read_text())
        return list(found["results"])

    def run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            return connection.execute(statement, list(values)).fetchall()

    def insert(self, table: str, **row: Any) -> None:
        with duckdb.connect(str(self.path)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            insert(connection, table, **row)

    def load(self, load_id: str, start: str, end: str, logs: dict[int, str]) -> None:
        """Load one slice of AI Proxy: ids of calls with 10 tokens and 0.5 USD, and their ends."""
        for number, finished_at in logs.items():
            self.insert("raw_aiproxy.logs", **log_row(number, finished_at, _dlt_load_id=load_id))
        told = {"row_count": len(logs), "_dlt_load_id": load_id}
        self.insert("raw_aiproxy.load_ledger", **slice_row("proxy", "logs", start, end, **told))
