"""A lake in an object store, built on Spark: a real server of S3's protocol, here.

Spark runs in the nights' own processes: to a cluster it is one more folder.
"""

import json
import time
from pathlib import Path

import pytest

from llm_usage_warehouse.delta import FORMAT, MARK
from tests.lake.conftest import BUCKET, SECRET, Store
from tests.lake.nights import Nights, deliver_late, ended, four_vendors
from tests.lake.on_spark import ZONE, on_spark, published
from tests.lake.test_delta_loads import Loads
from tests.loads import NOW

pytestmark = pytest.mark.spark

MASTER = "local[2]"


def test_every_published_table_is_that_of_a_duckdb_file(tmp_path: Path, store: Store) -> None:
    with four_vendors() as vendors:
        file = Nights(tmp_path / "file", vendors, **ZONE)
        lake = on_spark(tmp_path / "lake", vendors, MASTER, lake=f"s3://{BUCKET}/lake")
        file.run()
        # One that is killed as it loads, and one as it builds.
        for table, commits in (("raw_", 8), ("main/", 3)):
            with lake.begin() as process:
                while _commits(store, table) < commits and process.poll() is None:
                    time.sleep(0.1)
                process.kill()
                process.communicate()
            assert process.returncode == -9, "it was done before it could be killed"
        lake.run()
        assert published(lake) == published(file)
        deliver_late(vendors)
        for one in (file, lake):
            one.run(now=NOW.add(hours=1))
        assert published(lake) == published(file)
    assert "lake/main/calls/_delta_log/00000000000000000000.json" in store.objects()
    assert not (lake.folder / "data/lake").exists()


def _commits(store: Store, tables: str) -> int:
    """Return how many versions the tables have whose place begins so, all together."""
    names = [name for name in store.objects() if name.startswith(f"lake/{tables}")]
    return sum("/_delta_log/" in name for name in names)


@pytest.mark.parametrize(
    ("bucket", "is_up", "told"),
    [("other", True, "The specified bucket does not exist"), (BUCKET, False, "Could not connect")],
)
def test_a_store_that_refuses_is_named(
    tmp_path: Path, store: Store, bucket: str, is_up: bool, told: str
) -> None:
    if not is_up:
        store.server.stop()
    with four_vendors() as vendors:
        lake = on_spark(tmp_path / "lake", vendors, MASTER, lake=f"s3://{bucket}/lake")
        done = lake.command("nightly", "--source", "weave")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"the lake s3://{bucket}/lake cannot be used" in line
    assert told in line
    assert "look at [warehouse] lake and at AWS's variables in the environment" in line
    assert SECRET not in done.stdout + done.stderr


def test_a_store_that_goes_away_is_named_and_nothing_is_lost(tmp_path: Path, store: Store) -> None:
    with four_vendors() as vendors:
        lake = Loads(tmp_path / "lake", vendors, engine="spark", lake=f"s3://{BUCKET}/lake")
        with lake.begin("aiproxy") as process:
            while _commits(store, "raw_aiproxy/logs") < 1 and process.poll() is None:
                time.sleep(0.02)
            store.server.stop()
            code, said = ended(process)
        assert code == 1
        assert "Nothing of this package was written" in said
        assert "look at [warehouse] lake" in said
        assert SECRET not in said
        store.server.start()
        file = Loads(tmp_path / "file", vendors)
        for one in (file, lake):
            one.run("aiproxy")
    assert lake.raw() == file.raw()


def test_without_a_region_its_variable_is_named(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_REGION")
    with four_vendors() as vendors:
        lake = on_spark(tmp_path / "lake", vendors, MASTER, lake=f"s3://{BUCKET}/lake")
        done = lake.command("nightly", "--source", "weave")
    assert done.returncode == 1
    assert "set AWS_REGION in the environment" in done.stderr
    assert not store.objects()


def test_the_lake_of_another_file_is_left_alone(tmp_path: Path, store: Store) -> None:
    mark = json.dumps({"format": FORMAT, "lake_id": "of another file"})
    store.client.put_object(Bucket=BUCKET, Key=f"lake/{MARK}", Body=mark)
    with four_vendors() as vendors:
        lake = on_spark(tmp_path / "lake", vendors, MASTER, lake=f"s3://{BUCKET}/lake")
        done = lake.command("nightly", "--source", "weave")
    assert done.returncode == 2
    assert "is written with another private file than" in done.stderr
    assert store.objects() == [f"lake/{MARK}"]
