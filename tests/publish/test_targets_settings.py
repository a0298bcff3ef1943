"""`[warehouse] publish`: what may be named, and what each target needs, before anything starts."""

from pathlib import Path

import dlt
import duckdb
import pytest

from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.settings import WarehouseSettings, load_warehouse
from llm_usage_warehouse.targets import check_targets
from llm_usage_warehouse.targets.postgres import postgres_address
from tests.cli.shell import Shell
from tests.publish.test_targets_ducklake import why_not

POSTGRES = WarehouseSettings(publish=["duckdb", "postgres"])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".dlt").mkdir()
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path))
    return tmp_path


def secrets(project: Path, text: str) -> None:
    (project / ".dlt/secrets.toml").write_text(text)
    dlt.current.run_context().reload()


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("duckdb, parket", "names parket; did you mean parquet?"),
        ("duckdb, snowflake", "there are duckdb, parquet, postgres, ducklake"),
        ("parquet", "must name duckdb: the others are written from that file"),
    ],
)
def test_a_target_that_is_none(
    project: Path, monkeypatch: pytest.MonkeyPatch, written: str, words: str
) -> None:
    monkeypatch.setenv("WAREHOUSE__PUBLISH", written)
    with pytest.raises(UsageError, match=r"\[warehouse\] publish: ") as caught:
        load_warehouse()
    assert words in str(caught.value)


def test_all_that_is_missing_is_told_before_a_night_starts(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "project")
    shell.set(WAREHOUSE__PUBLISH='["duckdb", "postgres"]', SOURCES__AIPROXY__ADMIN_KEY="example")
    done = shell("nightly")
    assert done.returncode == 2
    assert "[destination.postgres] credentials is missing in .dlt/secrets.toml" in done.stderr
    assert "or as DESTINATION__POSTGRES__CREDENTIALS" in done.stderr
    assert "[sources.aiproxy] base_url is missing" in done.stderr
    assert not (shell.folder / "data").exists()


def test_the_address_is_where_dlts_users_have_it(project: Path) -> None:
    address = "postgresql://someone:pass-example@db:5433/usage?sslmode=require"
    secrets(project, f'[destination.postgres]\ncredentials = "{address}"\n')
    assert postgres_address() == address
    secrets(
        project,
        '[destination.postgres.credentials]\nhost = "db"\nport = 5433\ndatabase = "usage"\n'
        'username = "someone"\npassword = "example"\n',
    )
    assert sorted(postgres_address().split()) == [
        "dbname=usage",
        "host=db",
        "password=example",
        "port=5433",
        "user=someone",
    ]


def test_an_address_that_cannot_be_read_is_not_shown(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", "postgres:pass-example@db")
    with pytest.raises(UsageError, match="cannot be read; write postgresql://") as caught:
        check_targets(POSTGRES)
    assert "pass-example" not in str(caught.value)


@pytest.mark.skipif(why_not() is None, reason="DuckLake is installed")
def test_an_extension_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError) as caught:
        check_targets(WarehouseSettings(publish=["duckdb", "ducklake"]))
    assert f"pip install duckdb-extension-ducklake=={duckdb.__version__}" in str(caught.value)
