"""A small warehouse of literal log rows, and dbt run on it in a process of its own."""

import atexit
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple, Self

import duckdb

from pipelines.connectors import connectors
from pipelines.prices import load_public_prices
from pipelines.settings import WarehouseSettings
from pipelines.warehouse import create_raw_tables

SQL = Path(__file__).resolve().parent.parent / "sql"
WITHOUT_TESTS = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")


class Finished(NamedTuple):
    """Whether dbt succeeded, and what it said."""

    ok: bool
    said: str


class Project:
    """A copy of the models in `folder`, and dbt in a process that lasts for many runs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.sql, self.work = folder, folder / "sql", folder / "dbt"
        self.path = folder / "w.duckdb"
        shutil.copytree(SQL, self.sql)
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("sql_dbt.py"))],
            env={**os.environ, "LLM_USAGE_WAREHOUSE": str(self.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def end(self) -> None:
        self.process.communicate()


@cache
def shared_project() -> Project:
    """Return the project of all tests of this process, for which dbt reads the models once."""
    folder = Path(mkdtemp())
    project = Project(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(project.end)
    return project


class SqlWarehouse:
    """A warehouse that has every raw table, empty, and the models.

    Args:
        folder: where it has a copy of the models of its own, which a test may change; by default it
            shares them with other tests, one after the other.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._is_shared = folder is None
        self._project = Project(folder) if folder else shared_project()
        self.path = self._project.path
        if self._is_shared:
            self.empty()
        else:
            self._create_tables()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if not self._is_shared:
            self._project.end()

    def dbt(self, *arguments: str, timezone: str, **variables: str | bool) -> Finished:
        """Run dbt, as `arguments` say, for the days of `timezone`, with further variables."""
        line = [
            # Writing all that dbt does into a file takes a tenth of its time.
            *("--no-use-colors", "--log-level-file", "none", *arguments),
            *("--project-dir", str(self._project.sql), "--profiles-dir", str(self._project.sql)),
            *("--target-path", str(self._project.work / "target")),
            *("--log-path", str(self._project.work)),
            *("--vars", json.dumps({"reporting_timezone": timezone, **variables})),
        ]
        process = self._project.process
        assert process.stdin
        assert process.stdout
        print(json.dumps(line), file=process.stdin, flush=True)
        return Finished(**json.loads(process.stdout.readline()))

    def empty(self) -> None:
        """Begin with a new file; what dbt knows of the models stays."""
        self.path.unlink(missing_ok=True)
        self._create_tables()

    def _create_tables(self) -> None:
        settings = WarehouseSettings(path=self.path)
        create_raw_tables(settings, connectors().values())
        load_public_prices(settings)

    def manifest(self) -> dict[str, Any]:
        """Return what dbt knows of the models since it last ran."""
        found: dict[str, Any] = json.loads(
            (self._project.work / "target/manifest.json").read_text()
        )
        return found

    def run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            return connection.execute(statement, list(values)).fetchall()

    def insert(self, table: str, **row: Any) -> None:
        columns, marks = ", ".join(row), ", ".join("?" * len(row))
        self.run(f"insert into {table} ({columns}) values ({marks})", *row.values())

    def load(self, load_id: str, start: str, end: str, logs: dict[int, str]) -> None:
        """Load one slice of AI Proxy: ids of calls with 10 tokens and 0.5 USD, and their ends."""
        for number, finished_at in logs.items():
            self.insert(
                "raw_aiproxy.logs",
                **{"source_name": "proxy", "id": number, "model": "gpt-4o", "currency": "USD"},
                **{"code": 200, "created_at": finished_at, "request_at": finished_at},
                **{"usage_input_tokens": 10, "usage_total_tokens": 10, "used_amount": 0.5},
                _dlt_load_id=load_id,
            )
        self.insert(
            "raw_aiproxy.load_ledger",
            **{"slice_id": f"proxy/logs/{start}/{end}", "source_name": "proxy", "stream": "logs"},
            **{"scope": "", "window_start": start, "window_end": end, "row_count": len(logs)},
            **{"read_finished_at": end, "read_started_at": end, "_dlt_load_id": load_id},
        )
