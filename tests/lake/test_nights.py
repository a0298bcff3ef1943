"""A lake holds what a DuckDB file does, whatever happens to the nights that fill it."""

import random
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import duckdb
import pytest

from llm_usage_warehouse.simulator import Simulator
from tests.lake.nights import Nights, deliver_late, ended, four_vendors
from tests.loads import NOW
from tests.publish.postgres_server import serving, why_not

pytestmark = pytest.mark.ducklake


@pytest.fixture(scope="module")
def vendors() -> Iterator[Simulator]:
    with four_vendors() as found:
        yield found


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    if why := why_not():
        pytest.skip(why)
    with serving() as address:
        yield address


@pytest.fixture(params=["file", "postgres"])
def lake(request: pytest.FixtureRequest, tmp_path: Path, vendors: Simulator) -> Iterator[Nights]:
    """A project whose warehouse is a lake, with either catalog."""
    is_file = request.param == "file"
    if not is_file and (why := why_not()):
        pytest.skip(why)
    with nullcontext("") if is_file else serving() as catalog:
        yield Nights(tmp_path / "lake", vendors, engine="ducklake", catalog=catalog)


def test_every_published_table_is_that_of_a_duckdb_file(
    lake: Nights, tmp_path: Path, vendors: Simulator
) -> None:
    file = Nights(tmp_path / "file", vendors)
    for one in (file, lake):
        one.run()
    assert lake.published() == file.published()
    deliver_late(vendors)
    for one in (file, lake):
        one.run(now=NOW.add(hours=1))
    assert lake.published() == file.published()
    assert (lake.folder / "data/lake/raw_aiproxy/logs").is_dir()
    assert not (lake.folder / "data/warehouse.duckdb").exists()


def test_a_night_that_is_killed_is_finished_by_the_next(
    lake: Nights, tmp_path: Path, vendors: Simulator
) -> None:
    file = Nights(tmp_path / "file", vendors)
    file.run()
    moments = random.Random(20)
    # A night takes some 30 seconds: some of the moments are of the load, some of the models.
    for _ in range(4):
        with lake.begin() as process:
            time.sleep(moments.uniform(3, 25))
            process.kill()
    lake.run()
    assert lake.published() == file.published()


def test_two_machines_load_into_one_lake(tmp_path: Path, vendors: Simulator, postgres: str) -> None:
    file = Nights(tmp_path / "file", vendors)
    file.run()
    settings = {"engine": "ducklake", "catalog": postgres, "lake": str(tmp_path / "lake")}
    one = Nights(tmp_path / "one", vendors, **settings)
    other = Nights(tmp_path / "other", vendors, **settings)
    with one.begin("aiproxy", "weave") as left, other.begin("tencent_lke") as right:
        assert ended(left) == ended(right) == (0, "")
    one.run("alibaba_model_router")
    assert one.published() == file.published()


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


def test_a_catalog_that_another_program_has_open_is_waited_for_by_its_user(
    tmp_path: Path, vendors: Simulator
) -> None:
    night = Nights(tmp_path / "lake", vendors, engine="ducklake")
    night.run("weave")
    with duckdb.connect(str(night.folder / "data/warehouse.ducklake")):
        code, said = night.tried("weave")
    assert (code, "is open in another program" in said) == (1, True)
    night.run("weave")
