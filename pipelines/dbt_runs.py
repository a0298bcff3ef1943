"""dbt as every command starts it: in a process that ends with it, told the settings of the program.

Its working files are in `dbt` beside the warehouse, so that two warehouses share none.
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from llm_usage_warehouse import delta, spark
from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.lake import catalog_of, extension_folder
from llm_usage_warehouse.own_seeds import dbt_project
from llm_usage_warehouse.places import SQL_PROJECT
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.warehouse import connect

ON_SPARK = "lake"

TARGETS = {"duckdb": "warehouse", "ducklake": "ducklake", "spark": ON_SPARK}
"""The target of sql/profiles.yml for each engine."""

OF_VIEWS = "config.materialized:view"
"""What has dbt select the views."""

OPENS_NOTHING = ("parse", "list", "ls", "deps")
"""Commands of dbt that open no warehouse."""

CHANGES_NOTHING = ("compile", "show", "docs", "test", "source", "debug")
"""Those that open a warehouse, and leave its models as they are."""

BUILDS = ("build", "run", "seed", "snapshot", "retry", "clone")
"""Those that make tables."""

COMMANDS = (*OPENS_NOTHING, *CHANGES_NOTHING, *BUILDS, "run-operation")

PARTS = ("--select", "-s", "--exclude", "--selector")
"""What has dbt make some of them."""

HELD_SOURCES = "LLM_USAGE_HELD_SOURCES"
"""What tells a run, by environment, which sources it builds as they were last published."""


def work_folder(warehouse: WarehouseSettings, target: str | None = None) -> Path:
    """Return the folder of what dbt writes beside the warehouse; it is made.

    Args:
        warehouse: whose.
        target: of sql/profiles.yml; by default that of the warehouse's engine.
    """
    folder = warehouse.data_folder.absolute() / "dbt"
    if (target or TARGETS[warehouse.engine]) == ON_SPARK:
        # dbt reads the project anew where it finds what it read of it for another adapter.
        folder /= ON_SPARK
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class _Child:
    """A process that has dbt imported, or is importing it; it runs one command."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "llm_usage_warehouse.dbt_child"],
            # That it closes tells the child that we are gone.
            stdin=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        output: Path | None,
        session: Mapping[str, Any] | None,
    ) -> int:
        told = {
            "arguments": arguments,
            "environment": environment,
            "output": output and str(output.absolute()),
            "spark": session,
        }
        assert self._process.stdin is not None  # noqa: S101 - asked for above
        try:
            # Where it has ended already, its exit code says so.
            with suppress(BrokenPipeError):
                print(json.dumps(told), file=self._process.stdin, flush=True)
            return self._process.wait()
        finally:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.wait()

    def end(self) -> None:
        """End one that had nothing to run."""
        with self._process as process:
            process.kill()


_waiting: list[_Child] = []


@contextmanager
def imported_ahead() -> Iterator[None]:
    """Have dbt imported beside what the block does first; the first run in it has no need to wait.

    The import takes two seconds of processor time, which a load on two cores leaves over.
    """
    _waiting.append(_Child())
    try:
        yield
    finally:
        while _waiting:
            _waiting.pop().end()


def command_of(arguments: Sequence[str]) -> str:
    """Return which command of dbt some arguments are of; one that opens nothing where none is."""
    return next((one for one in arguments if one in COMMANDS), OPENS_NOTHING[0])


def refuse_parts(warehouse: WarehouseSettings, arguments: Sequence[str]) -> None:
    """Make sure that a command of dbt builds all models, or none, where they are built on Spark.

    Raises:
        UsageError: it would build some of them.
    """
    command = command_of(arguments)
    is_part = command != "build" or bool({*PARTS} & {*arguments})
    if warehouse.is_spark and command in BUILDS and is_part:
        raise UsageError(
            "on Spark, models are built all together: llm-usage transform. What only reads them, "
            "such as test, show and compile, takes --select"
        )


def run_dbt(
    warehouse: WarehouseSettings,
    arguments: Sequence[str],
    told: Mapping[str, str],
    output: Path | None = None,
    target: str | None = None,
) -> int:
    """Run dbt to its end, and return its exit code; it ends with this process at the latest.

    Args:
        warehouse: what it works on.
        arguments: dbt's own, a command among them; what says where the project and its files are,
            and its variables, is added, and wins.
        told: what this run is told, see sql/macros/told.sql.
        output: the file for what it says; by default it says it where this process does.
        target: of sql/profiles.yml; by default that of the warehouse's engine.

    Raises:
        UsageError: a seed of the project's own is not what its name says.
        RunError: there is no Spark, where the models run on it.
    """
    target = target or TARGETS[warehouse.engine]
    work, project = work_folder(warehouse, target), dbt_project(warehouse)
    ours = [
        *("--project-dir", str(project), "--profiles-dir", str(project)),
        *("--target", target),
        *("--target-path", str(work / "target"), "--log-path", str(work / "logs")),
        *("--vars", json.dumps(variables(warehouse))),
    ]
    arguments, environment = [*arguments, *ours], {**_environment(warehouse), **told}
    if target == ON_SPARK and command_of(arguments) not in OPENS_NOTHING:
        return _run_on_spark(warehouse, arguments, ours, environment, output)
    child = _waiting.pop() if _waiting else _Child()
    return child.run(arguments, environment, output, None)


def _run_on_spark(
    warehouse: WarehouseSettings,
    arguments: Sequence[str],
    ours: Sequence[str],
    environment: Mapping[str, str],
    output: Path | None,
) -> int:
    """Run dbt in a session of Spark, between what the lake is given and what is taken from it."""
    delta.check_package("pyspark")
    java = spark.check(warehouse.master)
    builds = command_of(arguments) in BUILDS
    if builds:
        delta.remove_what_is_made_anew(warehouse)
    with connect(warehouse) as connection:
        delta.give_state(connection, warehouse)
        tables = delta.tables_to_build_on(connection, warehouse)
    work = warehouse.data_folder.absolute() / "spark"
    work.mkdir(parents=True, exist_ok=True)
    session = {
        "master": warehouse.master,
        "lake": warehouse.lake,
        "tables": tables,
        "work": str(work),
        # Views last as long as a session.
        "first": None if builds else ["--quiet", "run", "--select", OF_VIEWS, *ours],
    }
    child = _waiting.pop() if _waiting else _Child()
    code = child.run(arguments, {**environment, "JAVA_HOME": str(java)}, output, session)
    with connect(warehouse) as connection:
        delta.take_state(connection, warehouse)
        delta.show_built(connection, warehouse)
    return code


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
        "LLM_USAGE_CATALOG": catalog_of(warehouse),
        "LLM_USAGE_LAKE": warehouse.lake,
        "LLM_USAGE_EXTENSIONS": (
            extension_folder(work_folder(warehouse))
            if warehouse.is_lake or warehouse.is_in_a_store
            else ""
        ),
        "LLM_USAGE_MEMORY_LIMIT": warehouse.memory_for_duckdb,
        "LLM_USAGE_TIMEZONE": warehouse.reporting_timezone,
        "LLM_USAGE_MACROS_CHECKSUM": macros_checksum(SQL_PROJECT),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
