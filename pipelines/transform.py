"""Runs the SQL models and the data tests: dbt in a process of its own, told in a few lines."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from llm_usage_warehouse import built_views, holding
from llm_usage_warehouse.dbt_runs import (
    HELD_SOURCES,
    OF_VIEWS,
    TARGETS,
    run_dbt,
    work_folder,
)
from llm_usage_warehouse.differences import tables
from llm_usage_warehouse.errors import RunError
from llm_usage_warehouse.findings import FailedTest, failed_test, in_words
from llm_usage_warehouse.own_seeds import dbt_project
from llm_usage_warehouse.prices import load_public_prices
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.streams import Connector
from llm_usage_warehouse.warehouse import connect, create_raw_tables

FILE = TARGETS["duckdb"]
"""The target of dbt that is the private file, whatever the engine is."""

DBT_HEADINGS = ("Runtime Error", "Database Error", "Compilation Error")

NO_UNIT_TESTS = ("--exclude-resource-type", "unit_test")
"""Those are the project's own: they say what the models do, whatever a warehouse holds, and expect
its default settings."""

NO_TESTS = (*NO_UNIT_TESTS, "--exclude-resource-type", "test")

TEST_ALL_AFTER = timedelta(days=7)
"""A night tests the days that it touched; this long after the last time, all of history again."""

TESTED = "transform_state.tested_all"


@dataclass(frozen=True)
class Outcome:
    """What dbt did.

    Attributes:
        built: how many models and seeds were built.
        tests: how many data tests passed.
        problems: a line for each node that failed: what is wrong and what to do.
        warnings: the same for each test that warns.
        seconds: how long dbt says it took.
        tested_all: whether the tests looked at all of history, not only at the touched days.
        tested_all_at: when all of history was last tested with success; None where it never was.
        failed_tests: the tests among the problems.
        held: why a source was built as it was last published; nothing where none was.
    """

    built: int
    tests: int
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    seconds: float
    tested_all: bool = False
    tested_all_at: datetime | None = None
    failed_tests: tuple[FailedTest, ...] = ()
    held: tuple[holding.Held, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether every model was built and every test passed, of all sources but those held."""
        return not self.problems

    @property
    def ok(self) -> bool:
        """Whether every model was built and every test passed, of every source."""
        return self.is_sound and not self.held


def transform(
    warehouse: WarehouseSettings, connectors: Iterable[Connector], *, tests: bool = True
) -> Outcome:
    """Build every model that new rows touch, and test the days that it touched.

    A model whose test fails keeps those that stand on it from being built. Where that is for rows
    of some sources only, all is built again with these as they were last published. Once a week the
    tests look at all of history.

    Raises:
        RunError: dbt could not run at all, or the published file cannot be read.
    """
    vendors = tuple(connectors)
    create_raw_tables(warehouse, vendors)
    load_public_prices(warehouse)
    if not tests:
        return _untested(warehouse)
    before = _tested_all_at(warehouse)
    is_due = before is None or datetime.now(UTC) - before >= TEST_ALL_AFTER
    outcome = _tested(warehouse, ["build", *NO_UNIT_TESTS], everything=is_due)
    if outcome.is_sound:
        holding.release(warehouse)
        return outcome
    return _without_broken(warehouse, vendors, outcome)


def _untested(warehouse: WarehouseSettings) -> Outcome:
    """Build the new rows of all sources; no night has tested these days, so the next tests all."""
    outcome = _dbt(warehouse, ["build", *NO_TESTS])
    holding.release(warehouse)
    forget_tested(warehouse)
    return outcome


def forget_tested(warehouse: WarehouseSettings) -> None:
    """Have the next night test all of history."""
    with connect(warehouse) as connection:
        connection.execute(f"drop table if exists {TESTED}")


def _without_broken(
    warehouse: WarehouseSettings, connectors: Sequence[Connector], outcome: Outcome
) -> Outcome:
    """Build again, with the sources held that failing rows are of, until no test fails."""
    before = holding.held_now(warehouse)
    held: tuple[holding.Held, ...] = ()
    try:
        while not outcome.is_sound:
            found = (*held, *_broken(warehouse, outcome, held))
            holding.hold(warehouse, connectors, found)
            held = found
            outcome = _tested(
                warehouse,
                ["build", *NO_UNIT_TESTS],
                everything=outcome.tested_all,
                held=sorted({one.source for one in held}),
            )
    except holding.CannotHoldError as error:
        holding.remember(warehouse, before)
        findings = (f"{one.source}: {one.finding}" for one in held)
        told = (*findings, *outcome.problems, f"no source can be held: {error}")
        return replace(outcome, problems=told)
    return replace(outcome, held=held)


def _broken(
    warehouse: WarehouseSettings, outcome: Outcome, held: tuple[holding.Held, ...]
) -> tuple[holding.Held, ...]:
    """Return which sources fail the tests of a build, besides those that it held."""
    if len(outcome.failed_tests) < len(outcome.problems):
        raise holding.CannotHoldError("not only tests failed")
    tests = outcome.failed_tests
    if warehouse.is_spark:
        tests = _failed_in_the_file(warehouse, tests, sorted({one.source for one in held}))
    found = holding.lay_to_sources(warehouse, tests)
    if again := {one.source for one in found} & {one.source for one in held}:
        raise holding.CannotHoldError(f"{', '.join(sorted(again))} fails as last published, too")
    return found


def _failed_in_the_file(
    warehouse: WarehouseSettings, tests: Sequence[FailedTest], held: Sequence[str]
) -> tuple[FailedTest, ...]:
    """Run tests that failed on Spark on the file, which shows the same tables.

    Whose rows they find is asked there, in DuckDB's SQL.

    Raises:
        CannotHoldError: one does not fail there.
    """
    told = _told(everything=True, held=held)
    _build_views(warehouse, told)
    names = [test.name for test in tests]
    run = _run(warehouse, ["test", "--select", *names], told, FILE)
    found = _read_results(run).failed_tests
    if missing := {*names} - {test.name for test in found}:
        raise holding.CannotHoldError(
            f"{', '.join(sorted(missing))} fails on Spark, and not in the private file"
        )
    return found


def check(
    warehouse: WarehouseSettings, connectors: Iterable[Connector], *, everything: bool = False
) -> Outcome:
    """Run every data test on what is there.

    Args:
        warehouse: whose.
        connectors: the vendors.
        everything: look at all of history, not only at the days that the last run touched.

    Raises:
        RunError: no model is built yet, or dbt could not run at all.
    """
    with connect(warehouse) as connection:
        if not tables(connection):
            raise RunError("no model is built yet: llm-usage transform")
    create_raw_tables(warehouse, connectors)
    load_public_prices(warehouse)
    outcome = _tested(warehouse, ["test", *NO_UNIT_TESTS], everything=everything)
    return replace(outcome, held=holding.held_now(warehouse))


def _tested(
    warehouse: WarehouseSettings,
    arguments: list[str],
    *,
    everything: bool,
    held: Sequence[str] = (),
) -> Outcome:
    outcome = _dbt(warehouse, arguments, _told(everything=everything, held=held))
    if everything and outcome.is_sound:
        with connect(warehouse) as connection:
            connection.execute(f"create or replace table {TESTED} as select now() as tested_at")
    return replace(outcome, tested_all=everything, tested_all_at=_tested_all_at(warehouse))


def _told(*, everything: bool, held: Sequence[str]) -> dict[str, str]:
    """Return what tells a run what to test and whom to hold, see sql/macros/told.sql."""
    return {"LLM_USAGE_TEST_ALL": json.dumps(everything), HELD_SOURCES: json.dumps(held)}


def _tested_all_at(warehouse: WarehouseSettings) -> datetime | None:
    with connect(warehouse) as connection:
        try:
            found = connection.execute(f"select tested_at from {TESTED}").fetchall()  # noqa: S608
        except duckdb.CatalogException:
            return None
    return found[0][0] if found else None


def _dbt(
    warehouse: WarehouseSettings, arguments: list[str], told: dict[str, str] | None = None
) -> Outcome:
    told = told or {}
    if arguments[0] != "build":
        return _read_results(_run(warehouse, arguments, told))
    known = built_views.fingerprint(warehouse, dbt_project(warehouse), told)
    if warehouse.is_spark:
        return _on_spark(warehouse, arguments, told, known)
    if built_views.stand(warehouse, known):
        told = {**told, built_views.LEFT_OUT: "true"}
        arguments = [*arguments, *built_views.SELECTION]
    run = _run(warehouse, arguments, told)
    built_views.remember(warehouse, known, run["results"])
    return _read_results(run)


def _on_spark(
    warehouse: WarehouseSettings, arguments: list[str], told: dict[str, str], known: str
) -> Outcome:
    """Build on Spark; the views, which last as long as its session there, in the file as well.

    There they are views of DuckDB's over the same tables, for who asks and for what is published.
    """
    stand = built_views.stand(warehouse, known)
    run = _run(warehouse, arguments, told)
    outcome, results = _read_results(run), run["results"]
    if not stand and outcome.is_sound:
        results = [*results, *_build_views(warehouse, told)]
    built_views.remember(warehouse, known, results)
    return outcome


def _build_views(warehouse: WarehouseSettings, told: dict[str, str]) -> list[dict[str, Any]]:
    """Make the views and the seeds in the file; return dbt's results of them."""
    arguments = ["build", *NO_TESTS, "--select", OF_VIEWS, "resource_type:seed"]
    results: list[dict[str, Any]] = _run(warehouse, arguments, told, FILE)["results"]
    return results


def _run(
    warehouse: WarehouseSettings,
    arguments: list[str],
    told: dict[str, str],
    target: str | None = None,
) -> dict[str, Any]:
    """Run dbt, and return its own results of it.

    Raises:
        RunError: it could not run at all.
    """
    work = work_folder(warehouse, target)
    results = work / "target" / "run_results.json"
    results.unlink(missing_ok=True)
    said = work / "said.log"
    # Its debug lines are thousands a night, and cost a tenth of it.
    quiet = ("--quiet", "--no-use-colors", "--log-level-file", "info")
    run_dbt(warehouse, [*quiet, *arguments], told, output=said, target=target)
    if not results.exists():
        raise RunError(f"dbt did not run: {_cause(said.read_text())}; all it said is in {said}")
    found: dict[str, Any] = json.loads(results.read_text())
    return found


def _cause(said: str) -> str:
    """Find what stopped dbt in what it said: the lines below its headings, or its last line."""
    # Each line that dbt logs begins with the time.
    lines = [re.sub(r"^\d\d:\d\d:\d\d\s+", "", line).strip() for line in said.splitlines()]
    headings = [at for at, line in enumerate(lines) if line.startswith("Encountered an error")]
    below = lines[headings[-1] + 1 :] if headings else lines[-1:]
    told = [line for line in below if line and line not in DBT_HEADINGS]
    return " ".join(told[: 1 if "Traceback" in said else 3]) or "it said nothing"


def _read_results(run: dict[str, Any]) -> Outcome:
    kinds = {"built": 0, "tests": 0}
    problems: list[str] = []
    warnings: list[str] = []
    failed_tests: list[FailedTest] = []
    target, log = Path(run["args"]["target_path"]), Path(run["args"]["log_path"]) / "dbt.log"
    manifest = json.loads((target / "manifest.json").read_text())
    for result in run["results"]:
        if result["status"] in ("success", "pass"):
            is_test = result["unique_id"].startswith(("test.", "unit_test."))
            kinds["tests" if is_test else "built"] += 1
        elif result["status"] == "warn":
            warnings.append(in_words(result, manifest, log))
        # Of an exposure there is nothing to build.
        elif result["status"] not in ("skipped", "no-op"):
            problems.append(in_words(result, manifest, log))
            if test := failed_test(result, manifest):
                failed_tests.append(test)
    return Outcome(
        kinds["built"],
        kinds["tests"],
        tuple(problems),
        tuple(warnings),
        run["elapsed_time"],
        failed_tests=tuple(failed_tests),
    )
