"""dbt as every command starts it: in a process that ends with it, told the settings of the program.

Its working files are in `dbt` beside the warehouse, so that two warehouses share none.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from llm_usage_warehouse.own_seeds import dbt_project
from llm_usage_warehouse.places import SQL_PROJECT
from llm_usage_warehouse.settings import WarehouseSettings

HELD_SOURCES = "LLM_USAGE_HELD_SOURCES"
"""What tells a run, by environment, which sources it builds as they were last published."""


def work_folder(warehouse: WarehouseSettings) -> Path:
    """Return the folder of what dbt writes beside the warehouse; it is made."""
    folder = warehouse.data_folder.absolute() / "dbt"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def run_dbt(
    warehouse: WarehouseSettings,
    arguments: Sequence[str],
    told: Mapping[str, str],
    output: TextIO | None = None,
) -> int:
    """Run dbt to its end, and return its exit code; it ends with this process at the latest.

    Args:
        warehouse: what it works on.
        arguments: dbt's own, a command among them; what says where the project and its files are,
            and its variables, is added, and wins.
        told: what this run is told, see sql/macros/told.sql.
        output: takes what it says; by default it says it where this process does.

    Raises:
        UsageError: a seed of the project's own is not what its name says.
    """
    work, project = work_folder(warehouse), dbt_project(warehouse)
    process = subprocess.Popen(  # noqa: S603 - our own interpreter
        [
            *(sys.executable, "-m", "llm_usage_warehouse.dbt_child", *arguments),
            *("--project-dir", str(project), "--profiles-dir", str(project)),
            *("--target-path", str(work / "target"), "--log-path", str(work / "logs")),
            *("--vars", json.dumps(variables(warehouse))),
        ],
        env={**os.environ, **_environment(warehouse), **told},
        # Never written to: that it closes tells the child that we are gone.
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
    )
    try:
        return process.wait()
    finally:
        assert process.stdin is not None  # noqa: S101 - asked for above
        process.stdin.close()
        process.wait()


def variables(warehouse: WarehouseSettings) -> dict[str, str | int | list[str]]:
    """Return the variables of every run: a run whose differ has dbt read the whole project anew."""
    return {
        "reporting_timezone": warehouse.reporting_timezone,
        "reporting_currency": warehouse.reporting_currency,
        "rate_max_age": warehouse.rate_max_age.in_days(),
        "alert_spend_factor": f"{warehouse.alerts.spend_factor:g}",
        "alert_budget_steps": warehouse.alerts.budget_steps,
        "alert_unpriced_percent": f"{warehouse.alerts.unpriced_percent:g}",
        "alerts_off": " ".join(warehouse.alerts.off),
    }


def macros_checksum(project: Path) -> str:
    """Return a hash of all macros: dbt tells models those of models and seeds, but not this one."""
    texts = [path.read_bytes() for path in sorted((project / "macros").rglob("*.sql"))]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()


def _environment(warehouse: WarehouseSettings) -> dict[str, str]:
    return {
        "LLM_USAGE_WAREHOUSE": str(warehouse.path),
        "LLM_USAGE_MEMORY_LIMIT": warehouse.memory_for_duckdb,
        "LLM_USAGE_TIMEZONE": warehouse.reporting_timezone,
        "LLM_USAGE_MACROS_CHECKSUM": macros_checksum(SQL_PROJECT),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
