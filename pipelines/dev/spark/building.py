"""All models, snapshots, seeds and data tests, built by dbt on DuckDB and on the cluster."""

import io
import json
import os
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from dbt.cli.main import dbtRunner, dbtRunnerResult

from llm_usage_warehouse.dbt_runs import macros_checksum, run_dbt, variables
from llm_usage_warehouse.errors import RunError
from llm_usage_warehouse.own_seeds import dbt_project
from llm_usage_warehouse.places import SQL_PROJECT
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.transform import NO_TESTS, NO_UNIT_TESTS

LAKE = "lake"
"""The target of sql/profiles.yml."""


def build_duckdb(warehouse: WarehouseSettings) -> None:
    """Build a DuckDB file's models as a night does, without its data tests.

    Raises:
        RunError: dbt failed.
    """
    log = warehouse.data_folder / "dbt-duckdb.log"
    arguments = ["build", *NO_TESTS, "--no-use-colors"]
    if run_dbt(warehouse, arguments, {}, output=log):
        raise RunError(f"dbt failed on DuckDB; {log} says why")


def build_lake(warehouse: WarehouseSettings, folder: Path, *, tests: bool) -> tuple[int, int]:
    """Build the lake's models, with their data tests or without, in the session of this process.

    Returns:
        How many models, snapshots and seeds were built, and how many data tests passed.

    Raises:
        RunError: one of them failed.
    """
    results = folder / "dbt-lake" / "run_results.json"
    results.unlink(missing_ok=True)
    done = _run_on_lake(warehouse, folder, "build", *(NO_UNIT_TESTS if tests else NO_TESTS))
    log = results.with_name("dbt.log")
    if not results.exists():
        raise RunError(f"dbt did not run on Spark; {log} says why")
    counts = {"built": 0, "tests": 0}
    for result in json.loads(results.read_text())["results"]:
        kind = result["unique_id"].split(".")[0]
        if result["status"] in ("error", "fail"):
            why = " ".join((result["message"] or "").split())[:300]
            raise RunError(f"dbt failed on Spark: {result['unique_id']}: {why}; {log} says more")
        if kind in ("model", "seed", "snapshot", "test"):
            counts["tests" if kind == "test" else "built"] += 1
    if not done.success:
        # dbt takes an interruption for its own end.
        raise RunError(f"dbt was stopped on Spark; {log} says more")
    return counts["built"], counts["tests"]


def compiled(warehouse: WarehouseSettings, folder: Path, text: str) -> str:
    """Return what dbt makes of a text with macros, for the lake."""
    # dbt shows it, too.
    with redirect_stdout(io.StringIO()):
        done = _run_on_lake(warehouse, folder, "compile", "--inline", text)
    found: Any = done.result
    return str(found.results[0].node.compiled_code)


def _run_on_lake(warehouse: WarehouseSettings, folder: Path, *arguments: str) -> dbtRunnerResult:
    target, project = folder / "dbt-lake", dbt_project(warehouse)
    os.environ |= {
        "LLM_USAGE_TIMEZONE": warehouse.reporting_timezone,
        "LLM_USAGE_MACROS_CHECKSUM": macros_checksum(SQL_PROJECT),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    return dbtRunner().invoke(
        [
            *("--quiet", "--no-use-colors", *arguments, "--target", LAKE),
            *("--project-dir", str(project), "--profiles-dir", str(project)),
            *("--target-path", str(target), "--log-path", str(target)),
            *("--vars", json.dumps(variables(warehouse))),
        ]
    )
