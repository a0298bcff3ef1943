"""What a lake is set by, and what is said where it cannot be."""

from pathlib import Path

import duckdb
import pytest

from llm_usage_warehouse.backup import copy_files
from llm_usage_warehouse.connectors import connectors
from llm_usage_warehouse.dbt_by_hand import copy_for_dev
from llm_usage_warehouse.errors import RunError, UsageError
from llm_usage_warehouse.lake import check_extension
from llm_usage_warehouse.settings import WarehouseSettings, load_warehouse
from llm_usage_warehouse.transform import transform
from llm_usage_warehouse.warehouse import writing

CATALOG = "postgresql://writer:pass-example@127.0.0.1:1/postgres"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    (tmp_path / ".dlt").mkdir()
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path))
    return monkeypatch


def is_installed() -> bool:
    try:
        check_extension("")
    except UsageError:
        return False
    return True


def test_a_catalog_never_lies_where_a_duckdb_file_would(project: pytest.MonkeyPatch) -> None:
    file = load_warehouse()
    project.setenv("WAREHOUSE__ENGINE", "ducklake")
    lake = load_warehouse()
    assert (file.path.name, lake.path.name) == ("warehouse.duckdb", "warehouse.ducklake")
    assert (file.is_lake, lake.is_lake) == (False, True)
    assert lake.lake == str(lake.data_folder / "lake")


def test_an_address_is_no_folder_of_the_project(project: pytest.MonkeyPatch) -> None:
    project.setenv("WAREHOUSE__LAKE", "s3://bucket/usage/")
    assert load_warehouse().lake == "s3://bucket/usage"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("ENGINE", "ducklak", "did you mean ducklake?"),
        ("ENGINE", "oracle", "there are duckdb, ducklake, spark"),
        ("CATALOG", "host=127.0.0.1 dbname=lake", "must be postgresql://user"),
    ],
)
def test_what_cannot_be_is_named(
    project: pytest.MonkeyPatch, name: str, text: str, said: str
) -> None:
    project.setenv(f"WAREHOUSE__{name}", text)
    with pytest.raises(UsageError, match=f"{name.lower()}.*{said}"):
        load_warehouse()


@pytest.mark.skipif(is_installed(), reason="DuckDB has the extension here")
def test_a_missing_extension_is_named_with_its_package(tmp_path: Path) -> None:
    lake = WarehouseSettings(path=tmp_path / "w.ducklake", engine="ducklake", lake=str(tmp_path))
    package = f"pip install duckdb-extension-ducklake=={duckdb.__version__}"
    with pytest.raises(UsageError, match=package):
        transform(lake, connectors().values())


def test_a_catalog_without_a_lake_is_asked_for_its_engine(project: pytest.MonkeyPatch) -> None:
    project.setenv("WAREHOUSE__CATALOG", CATALOG)
    with pytest.raises(UsageError, match='set engine = "ducklake", too'):
        load_warehouse()


def test_a_copy_of_a_lake_is_not_for_these_commands(tmp_path: Path) -> None:
    lake = WarehouseSettings(path=tmp_path / "w.ducklake", engine="ducklake", catalog=CATALOG)
    with pytest.raises(UsageError, match="after its catalog"):
        copy_files(lake, tmp_path / "copy")
    with pytest.raises(UsageError, match="catalog in Postgres"):
        copy_for_dev(lake)
    assert not (tmp_path / "copy").exists()


def test_a_catalog_that_cannot_be_reached_is_named_without_its_password(tmp_path: Path) -> None:
    lake = WarehouseSettings(path=tmp_path / "w.ducklake", engine="ducklake", catalog=CATALOG)
    with (
        pytest.raises(RunError, match=r"cannot be reached.*then run this again") as error,
        writing(lake),
    ):
        pass
    assert "pass-example" not in str(error.value)
