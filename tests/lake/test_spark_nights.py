"""Nights on Spark publish what nights on DuckDB do, whatever happens to them.

`make spark-test` runs them: the nights' master and two workers are processes of this machine.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable

from llm_usage_warehouse import delta
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.simulator import Simulator
from llm_usage_warehouse.warehouse import connect
from tests.lake.nights import Nights, deliver_late, four_vendors
from tests.lake.on_spark import ZONE, on_spark, published
from tests.loads import NOW

pytestmark = pytest.mark.spark

LATE = NOW.subtract(days=2).int_timestamp * 1000
"""When the first of the late calls was made, in ms."""


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    # Only the environment of `make spark-test` has it.
    import pyspark  # noqa: PLC0415

    from llm_usage_warehouse.dev.spark.cluster import cluster  # noqa: PLC0415

    with cluster(Path(pyspark.__file__).parent, tmp_path_factory.mktemp("cluster")) as address:
        yield address


@pytest.fixture(scope="module")
def vendors() -> Iterator[Simulator]:
    with four_vendors() as found:
        yield found


def change_in_file(nights: Nights, **values: str) -> None:
    """Set columns of the first late call, each to an expression of SQL."""
    changes = ", ".join(f"{name} = {value}" for name, value in values.items())
    with duckdb.connect(str(nights.folder / "data/warehouse.duckdb")) as file:
        file.execute(f"update raw_aiproxy.logs set {changes} where created_at_raw = {LATE}")


def change_in_lake(nights: Nights, **values: str) -> None:
    """Do the same, and have the private file show it."""
    data = nights.folder / "data"
    lake = WarehouseSettings(path=data / "warehouse.spark", lake=str(data / "lake"), engine="spark")
    logs = DeltaTable(str(data / "lake/raw_aiproxy/logs"))
    logs.update(updates=values, predicate=f"created_at_raw = {LATE}")
    with connect(lake) as connection:
        delta.show_loaded(connection, lake, "raw_aiproxy")


def test_every_published_table_is_that_of_a_duckdb_file(tmp_path: Path, master: str) -> None:
    with four_vendors() as vendors:
        file = Nights(tmp_path / "file", vendors, **ZONE)
        lake = on_spark(tmp_path / "lake", vendors, master)
        for one in (file, lake):
            one.run()
        assert published(lake) == published(file)
        deliver_late(vendors)
        for one, change in ((file, change_in_file), (lake, change_in_lake)):
            one.load(now=NOW.add(hours=1))
            # Without its currency, the cost of one call breaks an invariant.
            change(one, currency="null", used_amount="7")
            one.build()
        assert published(lake) == published(file)
        assert {row[0] for row in published(lake)["ops.held_sources"]} == {"aiproxy"}
        for one, change in ((file, change_in_file), (lake, change_in_lake)):
            change(one, currency="'USD'", used_amount="null")
            one.run(now=NOW.add(hours=2))
        assert published(lake) == published(file)
        assert published(lake)["ops.held_sources"] == []
    assert lake.command("query", "select sum(calls)::bigint as calls from daily_tokens").stdout
    assert lake.command("check").returncode == 0
    part = lake.command("dbt", "run", "--select", "calls")
    assert (part.returncode, "models are built all together" in part.stderr) == (2, True)
    assert (lake.folder / "data/lake/main/calls/_delta_log").is_dir()
    assert not (lake.folder / "data/warehouse.duckdb").exists()


def test_a_night_that_is_killed_is_finished_by_the_next(
    tmp_path: Path, vendors: Simulator, master: str
) -> None:
    file = Nights(tmp_path / "file", vendors, **ZONE)
    file.run()
    lake = on_spark(tmp_path / "lake", vendors, master)
    # The first is killed as it loads, the second as it builds.
    for table, commits in (("raw_*/*", 8), ("main/*", 3)):
        with lake.begin() as process:
            while _commits(lake, table) < commits and process.poll() is None:
                time.sleep(0.01)
            process.kill()
            process.communicate()
        assert process.returncode == -9, "it was done before it could be killed"
        assert not (lake.folder / "data/llm_usage.duckdb").exists()
    # As a table lies there that Spark had begun to write.
    (lake.folder / "data/lake/intermediate/int_model_names/_temporary/0").mkdir(parents=True)
    lake.run()
    assert published(lake) == published(file)


def _commits(lake: Nights, tables: str) -> int:
    return len(list(lake.folder.glob(f"data/lake/{tables}/_delta_log/*.json")))
