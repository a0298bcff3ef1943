"""A lake holds what a DuckDB file does, whatever happens to the nights that fill it."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import duckdb
import pytest

from llm_usage_warehouse.simulator import Simulator
from tests.lake.nights import Nights, Rows, compare_two_nights, ended, four_vendors
from tests.publish.postgres_server import serving, why_not

pytestmark = pytest.mark.ducklake


WITHOUT_POSTGRES = why_not()

POSTGRES = pytest.param(
    serving, marks=pytest.mark.skipif(WITHOUT_POSTGRES is not None, reason=str(WITHOUT_POSTGRES))
)


@contextmanager
def in_a_file() -> Iterator[str]:
    """Have a lake's catalog in a file, which is where it is without another word."""
    yield ""


@pytest.fixture(scope="module")
def vendors() -> Iterator[Simulator]:
    with four_vendors() as found:
        yield found


@pytest.fixture(scope="module")
def expected(vendors: Simulator, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rows]:
    """What an undisturbed night into a DuckDB file publishes."""
    file = Nights(tmp_path_factory.mktemp("expected") / "file", vendors)
    file.run()
    return file.published()


@pytest.mark.parametrize("catalog", [in_a_file, POSTGRES])
def test_every_published_table_is_that_of_a_duckdb_file(
    tmp_path: Path, catalog: Callable[[], AbstractContextManager[str]]
) -> None:
    with four_vendors() as vendors, catalog() as address:
        file = Nights(tmp_path / "file", vendors)
        lake = Nights(tmp_path / "lake", vendors, engine="ducklake", catalog=address)
        compare_two_nights(file, lake, vendors)
    assert (lake.folder / "data/lake/raw_aiproxy/logs").is_dir()
    assert (lake.folder / "data/warehouse.ducklake").exists() == (catalog is in_a_file)
    assert not (lake.folder / "data/warehouse.duckdb").exists()


@pytest.mark.parametrize("catalog", [in_a_file, POSTGRES])
def test_a_night_that_is_killed_is_finished_by_the_next(
    tmp_path: Path,
    vendors: Simulator,
    expected: dict[str, Rows],
    catalog: Callable[[], AbstractContextManager[str]],
) -> None:
    moments = random.Random(20)
    with catalog() as address:
        lake = Nights(tmp_path / "lake", vendors, engine="ducklake", catalog=address)
        # A night takes some 30 seconds: some of the moments are of the load, some of the models.
        for _ in range(4):
            with lake.begin() as process:
                time.sleep(moments.uniform(3, 25))
                process.kill()
        lake.run()
    assert lake.published() == expected


@pytest.mark.skipif(WITHOUT_POSTGRES is not None, reason=str(WITHOUT_POSTGRES))
def test_two_machines_load_into_one_lake(
    tmp_path: Path, vendors: Simulator, expected: dict[str, Rows]
) -> None:
    with serving() as address:
        settings = {"engine": "ducklake", "catalog": address, "lake": str(tmp_path / "lake")}
        one = Nights(tmp_path / "one", vendors, **settings)
        other = Nights(tmp_path / "other", vendors, **settings)
        with one.begin("aiproxy", "weave") as left, other.begin("tencent_lke") as right:
            assert ended(left) == ended(right) == (0, "")
        one.run("alibaba_model_router")
    assert one.published() == expected


def test_a_file_of_something_else_is_not_made_a_catalog(tmp_path: Path, vendors: Simulator) -> None:
    night = Nights(tmp_path / "lake", vendors, engine="ducklake")
    catalog = night.folder / "data/warehouse.ducklake"
    catalog.parent.mkdir()
    with duckdb.connect(str(catalog)) as connection:
        connection.execute("create table theirs as select 1 as one")
    code, said = night.tried()
    assert (code, "cannot be opened" in said, "does not exist" in said) == (1, True, True)
    with duckdb.connect(str(catalog)) as connection:
        assert connection.execute("select table_name from duckdb_tables()").fetchall() == [
            ("theirs",)
        ]


def test_rows_that_are_elsewhere_are_asked_for(tmp_path: Path, vendors: Simulator) -> None:
    Nights(tmp_path / "lake", vendors, engine="ducklake").run("weave")
    (tmp_path / "lake/.dlt").rmdir()
    moved = Nights(tmp_path / "lake", vendors, engine="ducklake", lake="data/elsewhere")
    code, said = moved.tried("weave")
    assert (code, "set [warehouse] lake to where they are" in said) == (1, True)


def test_a_lake_of_another_version_is_left_as_it_is(tmp_path: Path, vendors: Simulator) -> None:
    night = Nights(tmp_path / "lake", vendors, engine="ducklake")
    night.run("weave")
    with duckdb.connect(str(night.folder / "data/warehouse.ducklake")) as catalog:
        catalog.execute("update ducklake_metadata set value = '0.2' where key = 'version'")
    code, said = night.tried("weave")
    assert (code, "run the DuckDB that wrote it" in said) == (1, True)


def test_a_catalog_that_another_program_has_open_is_waited_for_by_its_user(
    tmp_path: Path, vendors: Simulator
) -> None:
    night = Nights(tmp_path / "lake", vendors, engine="ducklake")
    night.run("weave")
    with duckdb.connect(str(night.folder / "data/warehouse.ducklake")):
        code, said = night.tried("weave")
    assert (code, "is open in another program" in said) == (1, True)
    night.run("weave")
