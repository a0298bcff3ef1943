"""The dashboard's files: what they name is in the published file; Superset's folder, and its start.

`tests/publish/test_superset_served.py` runs Superset itself.
"""

import socket
import stat
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from llm_usage_warehouse.errors import RunError
from llm_usage_warehouse.layout import OPENED
from llm_usage_warehouse.superset.serving import HERE, Superset, refuse_taken

CHECKOUT = Path(__file__).resolve().parents[2]
SOURCES = CHECKOUT / "sql" / "models" / "marts" / "_opened__sources.yml"


def read(folder: str) -> dict[str, dict[str, Any]]:
    paths = (HERE / "dashboard" / folder).rglob("*.yaml")
    return {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(paths)}


DATASETS, CHARTS = read("datasets"), read("charts")
BY_ID = {dataset["uuid"]: dataset for dataset in DATASETS.values()}

ADDED = {"costs": {"days_ago"}, "tokens": {"days_ago"}, "calls": {"days_ago"}}
ADDED["budgets"] = {"is_newest_month"}
"""What the SQL of a dataset adds to the view of its name."""


def opened_columns() -> dict[str, set[str]]:
    """Return the columns of the six views, which other tests hold against the file itself."""
    [source] = yaml.safe_load(SOURCES.read_text(encoding="utf-8"))["sources"]
    return {
        table["name"]: {column["name"] for column in table["columns"]} for table in source["tables"]
    }


@pytest.fixture
def opened() -> duckdb.DuckDBPyConnection:
    """A database with the six as empty tables, of the columns that they have."""
    connection = duckdb.connect()
    for table, columns in opened_columns().items():
        types = {column["column_name"]: column["type"] for column in DATASETS[table]["columns"]}
        listed = ", ".join(f"{name} {types.get(name, 'VARCHAR')}" for name in sorted(columns))
        connection.execute(f"create table {table} ({listed})")
    return connection


def test_the_six_views_and_no_other_table_are_datasets() -> None:
    assert DATASETS.keys() == set(OPENED)
    assert {name: dataset["table_name"] for name, dataset in DATASETS.items()} == {
        name: name for name in OPENED
    }


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_has_the_columns_of_its_view(
    name: str, opened: duckdb.DuckDBPyConnection
) -> None:
    listed = [column["column_name"] for column in DATASETS[name]["columns"]]
    assert set(listed) == opened_columns()[name] | ADDED.get(name, set())
    found = opened.sql(DATASETS[name].get("sql", f"from {name}"))
    assert sorted(found.columns) == sorted(listed)


@pytest.mark.parametrize("name", DATASETS)
def test_a_metric_can_be_asked(name: str, opened: duckdb.DuckDBPyConnection) -> None:
    sql = DATASETS[name].get("sql", f"from {name}")
    for metric in DATASETS[name]["metrics"]:
        opened.sql(f"select {metric['expression']} from ({sql})").fetchall()


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_names_what_its_dataset_has(name: str) -> None:
    dataset, asked = BY_ID[CHARTS[name]["dataset_uuid"]], CHARTS[name]["params"]
    metrics = {metric["metric_name"] for metric in dataset["metrics"]}
    columns = {column["column_name"] for column in dataset["columns"]}
    named = {*asked.get("metrics", ()), *asked.get("metrics_b", ())}
    named |= {asked[key] for key in ("metric", "timeseries_limit_metric") if key in asked}
    assert named <= metrics
    filters = asked["adhoc_filters"] + asked.get("adhoc_filters_b", [])
    grouped = {*asked.get("groupby", ()), *asked.get("groupby_b", ())}
    grouped |= {*asked.get("all_columns", ()), *(one["subject"] for one in filters)}
    grouped |= {asked["x_axis"]} if "x_axis" in asked else set()
    grouped |= {yaml.safe_load(one)[0] for one in asked.get("order_by_cols", ())}
    assert grouped <= columns
    assert named | grouped
    assert set(asked.get("column_config", ())) <= columns | metrics


def test_the_dashboard_shows_every_chart_once_in_rows_of_twelve() -> None:
    position = read("dashboards")["llm_usage"]["position"]
    boxes = {name: box for name, box in position.items() if isinstance(box, dict)}
    shown = [box["meta"] for box in boxes.values() if box["type"] == "CHART"]
    assert sorted((one["uuid"], one["sliceName"]) for one in shown) == sorted(
        (chart["uuid"], chart["slice_name"]) for chart in CHARTS.values()
    )
    rows = [box["children"] for box in boxes.values() if box["type"] == "ROW"]
    assert {sum(boxes[name]["meta"]["width"] for name in row) for row in rows} == {12}


@pytest.fixture
def superset(tmp_path: Path) -> Superset:
    """A published file, and in the place of Superset what notes its commands."""
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "superset"
    program.write_text('#!/bin/sh\ncd "$SUPERSET_HOME"; touch superset.db; echo "$@" >> commands\n')
    program.chmod(0o700)
    published = tmp_path / "some people's" / "llm_usage.duckdb"
    published.parent.mkdir()
    published.touch()
    return Superset(programs, tmp_path / "superset", published)


def commands(superset: Superset) -> list[str]:
    return (superset.home / "commands").read_text().splitlines()


def test_it_is_prepared_once_and_anew_where_the_file_moved(superset: Superset) -> None:
    said: list[str] = []
    superset.prepare(said.append)
    superset.prepare(said.append)
    assert [line.split()[0] for line in commands(superset)] == [
        *("db", "fab", "init", "import-directory")
    ]
    moved = superset.published.rename(superset.published.with_name("moved.duckdb"))
    Superset(superset.programs, superset.home, moved).prepare(said.append)
    assert len(commands(superset)) == 8
    assert len(said) == 2
    folder = superset.home / "dashboard" / "databases"
    address = yaml.safe_load((folder / "llm_usage.yaml").read_text())["sqlalchemy_uri"]
    assert address == f"duckdb:///{moved}?access_mode=read_only&enable_external_access=false"


def test_it_is_prepared_anew_where_its_memory_was_deleted(superset: Superset) -> None:
    superset.prepare(lambda _: None)
    (superset.home / "superset.db").unlink()
    superset.prepare(lambda _: None)
    assert len(commands(superset)) == 8


def test_its_secrets_are_its_owners_and_in_no_command(superset: Superset) -> None:
    superset.prepare(lambda _: None)
    assert stat.S_IMODE(superset.home.stat().st_mode) == 0o700
    secrets = [superset.home / "secret_key", superset.password]
    assert [stat.S_IMODE(path.stat().st_mode) for path in secrets] == [0o600] * 2
    one, other = (path.read_text() for path in secrets)
    assert one != other
    assert not any(one in line or other in line for line in commands(superset))


def test_a_command_that_fails_is_told_and_tried_again(superset: Superset) -> None:
    program = superset.programs / "superset"
    works = program.read_text()
    program.write_text("#!/bin/sh\necho no room; exit 3\n")
    with pytest.raises(RunError, match="`superset db` ended with 3"):
        superset.prepare(lambda _: None)
    assert (superset.home / "prepare.log").read_text() == "no room\n"
    program.write_text(works)
    superset.prepare(lambda _: None)
    assert len(commands(superset)) == 4


def test_without_a_published_file_it_says_what_to_run(superset: Superset) -> None:
    superset.published.unlink()
    with pytest.raises(RunError, match="is not there yet; run `make demo`"):
        superset.prepare(lambda _: None)
    assert not superset.home.exists()


def test_a_port_that_is_taken_is_refused() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        with pytest.raises(RunError, match="make superset PORT="):
            refuse_taken(one.getsockname()[1])
