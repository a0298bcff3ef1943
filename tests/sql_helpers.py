"""A small warehouse of literal log rows, and dbt run on it in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
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


class SqlWarehouse:
    """A warehouse in `folder` that has every raw table, empty, and a copy of the models."""

    def __init__(self, folder: Path) -> None:
        self.path, self._sql, self._work = folder / "w.duckdb", folder / "sql", folder / "dbt"
        shutil.copytree(SQL, self._sql)
        settings = WarehouseSettings(path=self.path)
        create_raw_tables(settings, connectors().values())
        load_public_prices(settings)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("sql_dbt.py"))],
            env={**os.environ, "LLM_USAGE_WAREHOUSE": str(self.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.communicate()

    def dbt(self, *arguments: str, timezone: str, **variables: str | bool) -> Finished:
        """Run dbt, as `arguments` say, for the days of `timezone`, with further variables."""
        line = [
            # Writing all that dbt does into a file takes a tenth of its time.
            *("--no-use-colors", "--log-level-file", "none", *arguments),
            *("--project-dir", str(self._sql), "--profiles-dir", str(self._sql)),
            *("--target-path", str(self._work / "target"), "--log-path", str(self._work)),
            *("--vars", json.dumps({"reporting_timezone": timezone, **variables})),
        ]
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps(line), file=self._process.stdin, flush=True)
        return Finished(**json.loads(self._process.stdout.readline()))

    def empty(self) -> None:
        """Begin with a new file; what dbt knows of the models stays."""
        self.path.unlink()
        settings = WarehouseSettings(path=self.path)
        create_raw_tables(settings, connectors().values())
        load_public_prices(settings)

    def manifest(self) -> dict[str, Any]:
        """Return what dbt knows of the models since it last ran."""
        found: dict[str, Any] = json.loads((self._work / "target/manifest.json").read_text())
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
