"""The views and seeds that a run leaves out, because they stand as it would make them.

They are more than half of what dbt builds, none of them holds anything new, and it takes dbt a
tenth of a second and more to make one again.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb

from llm_usage_warehouse.dbt_runs import HELD_SOURCES, variables
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.warehouse import connect

LEFT_OUT = "LLM_USAGE_LEFT_OUT_VIEWS"
"""What tells a run, by environment, that they stand: see sql/macros/told.sql."""

SELECTION = (
    *("--exclude", "config.materialized:view", "resource_type:seed"),
    # Their tests are run all the same.
    *("--indirect-selection", "empty"),
)
"""What has dbt build all but them."""

MADE_OF = ("dbt_project.yml", "macros", "models", "seeds")
MADE_BY = ("dbt-core", "dbt-duckdb", "duckdb")


def fingerprint(warehouse: WarehouseSettings, project: Path, told: Mapping[str, str]) -> str:
    """Return a hash of all that views and seeds follow from, whatever rows there are.

    Args:
        warehouse: whose raw tables they are views of.
        project: the dbt project.
        told: what the run is told.
    """
    found = hashlib.sha256()
    for path in sorted(file for part in MADE_OF for file in _files(project / part)):
        found.update(f"\0{path.relative_to(project)}\0".encode())
        found.update(path.read_bytes())
    with connect(warehouse) as connection:
        columns = connection.execute(
            "select schema_name, table_name, column_name, data_type from duckdb_columns() "
            "where starts_with(schema_name, 'raw_') order by all"
        ).fetchall()
    versions = [version(name) for name in MADE_BY]
    told_of_rows = told.get(HELD_SOURCES, "[]")
    found.update(json.dumps([variables(warehouse), told_of_rows, columns, versions]).encode())
    return found.hexdigest()


def stand(warehouse: WarehouseSettings, known: str) -> bool:
    """Return whether the last run made them, and of the same; any run of dbt forgets it first."""
    with connect(warehouse) as connection:
        try:
            found = connection.execute("from transform_state.built_views").fetchall()
        except duckdb.CatalogException:
            return False
    return found == [(known,)]


def remember(
    warehouse: WarehouseSettings, known: str, results: Iterable[Mapping[str, Any]]
) -> None:
    """Note after a run what they were made of, where none of its models and seeds failed."""
    built = [one for one in results if one["unique_id"].startswith(("model.", "seed."))]
    if all(one["status"] == "success" for one in built):
        with connect(warehouse) as connection:
            connection.execute("insert into transform_state.built_views values (?)", [known])


def _files(path: Path) -> Iterable[Path]:
    return (file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
