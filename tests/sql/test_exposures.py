"""What reads models outside of dbt's graph says so in sql/models/_exposures.yml."""

from pathlib import Path
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from llm_usage_warehouse.differences import NOTED
from llm_usage_warehouse.layout import VERSIONED
from llm_usage_warehouse.publish import VIEWS
from tests.sql_helpers import SQL, SqlWarehouse

NAMES = ("publishing", "opened", "report", "analyses")
"""Of exposures, and of the folders of their statements."""

KNOWN_TO_PYTHON = {"publishing": {*VERSIONED, *NOTED, *VIEWS}}
TEMPORARY = {path.stem for path in (SQL / "publishing").glob("*.sql")} - {
    *("publications", "audits", "audit_runs", "restatements")
}
"""What publishing makes for its own statements, beside `earlier_...`."""


def named_in(folder: Path) -> set[str]:
    """Return the tables that the statements of a folder name, without their databases."""
    found: set[str] = set()
    for path in folder.glob("*.sql"):
        statement = sqlglot.parse_one(path.read_text(), read="duckdb")
        ours = {one.alias for one in statement.find_all(exp.CTE)}
        tables = statement.find_all(exp.Table)
        found |= {one.name for one in tables if one.db or one.name not in ours}
    return {name for name in found - TEMPORARY if not name.startswith("earlier_")}


@pytest.fixture(scope="module")
def exposures() -> dict[str, set[str]]:
    """The names of what each exposure depends on."""
    found: dict[str, Any] = SqlWarehouse().manifest()["exposures"]
    return {
        one["name"]: {node.rsplit(".", 1)[1] for node in one["depends_on"]["nodes"]}
        for one in found.values()
    }


@pytest.mark.parametrize("name", NAMES)
def test_an_exposure_names_what_its_statements_read(
    name: str, exposures: dict[str, set[str]]
) -> None:
    read = named_in(SQL / name) | KNOWN_TO_PYTHON.get(name, set())
    assert exposures[name] == read


def test_every_exposure_is_compared(exposures: dict[str, set[str]]) -> None:
    assert exposures.keys() == set(NAMES)
