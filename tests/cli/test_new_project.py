"""A project of one's own: made by `llm-usage init`, with seeds that the models are built with."""

import os
import tomllib
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner, Result

from llm_usage_warehouse.cli import app
from llm_usage_warehouse.connectors import connectors
from llm_usage_warehouse.own_seeds import OWN, dbt_project
from llm_usage_warehouse.places import SQL_PROJECT
from llm_usage_warehouse.settings import WarehouseSettings, demo_flag
from llm_usage_warehouse.transform import transform
from tests.sql_helpers import give_parse


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path / "mine"))
    return tmp_path / "mine"


def llm_usage(*arguments: str, said: str = "") -> Result:
    return CliRunner().invoke(app, arguments, input=said)


def test_a_new_project_has_all_settings_and_empty_seeds(folder: Path) -> None:
    made = llm_usage("init", str(folder))
    assert made.exit_code == 0
    assert f"cd {folder}" in made.stdout
    assert tomllib.loads((folder / ".dlt" / "config.toml").read_text())["warehouse"]
    assert (folder / ".dlt" / "secrets.toml").stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in (folder / "seeds").iterdir()) == sorted(OWN)
    for name in ("owners.csv", "budgets.csv", "own_prices.csv"):
        assert (folder / "seeds" / name).read_text().count("\n") == 1
    assert "secrets.toml" in (folder / ".gitignore").read_text()


def test_what_is_there_stays_as_it_is(folder: Path) -> None:
    llm_usage("init", str(folder))
    for name in (".dlt/config.toml", "seeds/owners.csv"):
        (folder / name).write_text("mine")
    (folder / "seeds" / "budgets.csv").unlink()
    again = llm_usage("init", str(folder), "--ask")
    assert again.stdout.splitlines()[0].endswith("budgets.csv")
    assert (folder / ".dlt" / "config.toml").read_text() == "mine"
    assert (folder / "seeds" / "owners.csv").read_text() == "mine"
    assert llm_usage("init", str(folder)).stdout.startswith("nothing is missing")


def test_answers_become_settings_and_secrets(folder: Path) -> None:
    # The time zone is misspelt at first, and of the vendors only one is read.
    typed = ["Asia/Shangai", "Asia/Shanghai", "CNY"]
    for vendor in sorted(connectors()):
        is_read = vendor == "aiproxy"
        typed += ["y", "https://gate.example/api", 'a "key" \\1'] if is_read else ["n"]
    made = llm_usage("init", str(folder), "--ask", said="\n".join([*typed, ""]))
    assert made.exit_code == 0, made.output
    settings = tomllib.loads((folder / ".dlt" / "config.toml").read_text())
    assert settings["warehouse"]["reporting_timezone"] == "Asia/Shanghai"
    assert settings["warehouse"]["reporting_currency"] == "CNY"
    assert settings["sources"]["aiproxy"] == {"base_url": "https://gate.example/api"}
    secrets = tomllib.loads((folder / ".dlt" / "secrets.toml").read_text())
    assert secrets["sources"]["aiproxy"] == {"admin_key": 'a "key" \\1'}
    assert 'a "key"' not in made.output
    assert "is not an IANA time zone" in made.output


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    made = llm_usage("init", str(tmp_path / "file" / "mine"))
    assert made.exit_code == 2
    assert "name another folder" in made.stderr


def warehouse_of(folder: Path) -> WarehouseSettings:
    return WarehouseSettings(path=folder / "data" / "warehouse.duckdb", seeds=folder / "seeds")


@pytest.mark.slow
def test_models_are_built_with_the_seeds_of_the_project(folder: Path) -> None:
    llm_usage("init", str(folder))
    (folder / "seeds" / "budgets.csv").write_text(
        "team,month,amount,currency\nmine,2026-11-01,12.50,EUR\n"
    )
    (folder / "seeds" / "source_roles.csv").unlink()
    warehouse = warehouse_of(folder)
    warehouse.data_folder.mkdir()
    give_parse(warehouse)
    assert transform(warehouse, connectors().values(), tests=False).ok
    with duckdb.connect(str(warehouse.path)) as connection:
        budgets = connection.execute("select team, amount, currency from seeds.budgets").fetchall()
        roles = connection.execute("select count(*) from seeds.source_roles").fetchall()
    assert [(team, str(amount), currency) for team, amount, currency in budgets] == [
        ("mine", "12.50", "EUR")
    ]
    assert roles == [(len(connectors()),)]


def test_without_seeds_of_its_own_a_project_has_those_that_are_shipped(folder: Path) -> None:
    assert dbt_project(warehouse_of(folder)) == SQL_PROJECT


def test_the_demo_has_its_own_teams_whatever_the_project_has(folder: Path) -> None:
    llm_usage("init", str(folder))
    warehouse = warehouse_of(folder)
    warehouse.data_folder.mkdir()
    demo_flag(warehouse).touch()
    assert "customer service" in (dbt_project(warehouse) / "seeds" / "budgets.csv").read_text()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("ownrs.csv", b"", "did you mean owners.csv?"),
        ("prices_of_mine.csv", b"", "none of the seeds that a project has of its own"),
        ("budgets.csv", b"team,month\n", "it must be team,month,amount,currency"),
        ("budgets.csv", b"", "its first line is empty"),
        ("budgets.csv", b"team,month,amount,currency\na,,1,EUR,\n", "line 2 has 5 fields"),
        ("budgets.csv", "team,month,amount,currency\n客,,1,EUR".encode("gbk"), "is not UTF-8"),
        ("budgets.csv", b'team,month,amount,currency\n"a"b,,1,EUR\n', "line 2 is no CSV"),
    ],
)
def test_a_wrong_seed_is_told_before_anything_starts(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, told: str
) -> None:
    llm_usage("init", str(folder))
    (folder / "seeds" / name).write_bytes(content)
    for variable in [one for one in os.environ if one.upper().startswith("SOURCES__")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("SOURCES__AIPROXY__BASE_URL", "http://127.0.0.1:1/api")
    monkeypatch.setenv("SOURCES__AIPROXY__ADMIN_KEY", "test-example")
    night = llm_usage("nightly")
    assert night.exit_code == 2
    assert name in night.stderr
    assert told in night.stderr
    assert not (folder / "data").exists()
