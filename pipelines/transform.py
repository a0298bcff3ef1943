"""Runs the SQL models and the data tests: dbt in a process of its own, told in a few lines."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import RunError
from pipelines.findings import in_words
from pipelines.prices import load_public_prices
from pipelines.settings import WarehouseSettings
from pipelines.streams import Connector
from pipelines.warehouse import create_raw_tables

SQL_PROJECT = Path(__file__).resolve().parent.parent / "sql"

MODELS_ONLY = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")


@dataclass(frozen=True)
class Outcome:
    """What dbt did.

    Attributes:
        built: how many models and seeds were built.
        tests: how many data and unit tests passed.
        problems: a line for each node that failed: what is wrong and what to do.
        warnings: the same for each test that warns.
        seconds: how long dbt says it took.
    """

    built: int
    tests: int
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every model was built and every test passed."""
        return not self.problems


def transform(
    warehouse: WarehouseSettings, connectors: Iterable[Connector], *, tests: bool = True
) -> Outcome:
    """Build every model that new rows touch, and test it.

    A model whose test fails keeps those that stand on it from being built.

    Raises:
        RunError: dbt could not run at all.
    """
    create_raw_tables(warehouse, connectors)
    load_public_prices(warehouse)
    return _dbt(warehouse, ["build", *(() if tests else MODELS_ONLY)])


def check(warehouse: WarehouseSettings, connectors: Iterable[Connector]) -> Outcome:
    """Run every data and unit test on what is there.

    Raises:
        RunError: dbt could not run at all.
    """
    create_raw_tables(warehouse, connectors)
    load_public_prices(warehouse)
    return _dbt(warehouse, ["test"])


def _dbt(warehouse: WarehouseSettings, arguments: list[str]) -> Outcome:
    work = warehouse.data_folder / "dbt"
    results = work / "target" / "run_results.json"
    results.unlink(missing_ok=True)
    finished = subprocess.run(  # noqa: S603 - our own interpreter and our own arguments
        [
            *(sys.executable, "-m", "dbt.cli.main", "--quiet", *arguments),
            *("--project-dir", str(SQL_PROJECT), "--profiles-dir", str(SQL_PROJECT)),
            *("--target-path", str(work / "target"), "--log-path", str(work / "logs")),
            *("--vars", json.dumps(_variables(warehouse))),
        ],
        env={
            **os.environ,
            "LLM_USAGE_WAREHOUSE": str(warehouse.path),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if not results.exists():
        said = (finished.stdout + finished.stderr).strip().splitlines()
        # dbt says what stopped it somewhere between its warnings.
        (work / "failed.log").write_text("\n".join(said))
        cause = next((line for line in said if "error" in line.lower()), "it said nothing")
        raise RunError(f"dbt did not run: {cause.strip()}; all it said is in {work / 'failed.log'}")
    return _read_results(json.loads(results.read_text()))


def _variables(warehouse: WarehouseSettings) -> dict[str, str | int]:
    return {
        "reporting_timezone": warehouse.reporting_timezone,
        "reporting_currency": warehouse.reporting_currency,
        "rate_max_age": warehouse.rate_max_age.in_days(),
    }


def _read_results(run: dict[str, Any]) -> Outcome:
    kinds = {"built": 0, "tests": 0}
    problems: list[str] = []
    warnings: list[str] = []
    target, log = Path(run["args"]["target_path"]), Path(run["args"]["log_path"]) / "dbt.log"
    manifest = json.loads((target / "manifest.json").read_text())
    for result in run["results"]:
        if result["status"] in ("success", "pass"):
            is_test = result["unique_id"].startswith(("test.", "unit_test."))
            kinds["tests" if is_test else "built"] += 1
        elif result["status"] == "warn":
            warnings.append(in_words(result, manifest, log))
        elif result["status"] != "skipped":
            problems.append(in_words(result, manifest, log))
    return Outcome(
        kinds["built"], kinds["tests"], tuple(problems), tuple(warnings), run["elapsed_time"]
    )
