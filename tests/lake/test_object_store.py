"""A lake in an object store holds what a DuckDB file does: a real server of S3's protocol, here."""

from pathlib import Path

import pytest

from tests.lake.conftest import BUCKET, SECRET, Store
from tests.lake.nights import Nights, compare_two_nights, four_vendors

pytestmark = pytest.mark.ducklake


def test_every_published_table_is_that_of_a_duckdb_file(tmp_path: Path, store: Store) -> None:
    with four_vendors() as vendors:
        file = Nights(tmp_path / "file", vendors)
        lake = Nights(tmp_path / "lake", vendors, engine="ducklake", lake=f"s3://{BUCKET}/lake")
        compare_two_nights(file, lake, vendors)
    assert any(key.startswith("lake/raw_aiproxy/logs/") for key in store.objects())
    assert not list((lake.folder / "data").glob("**/*.parquet"))


@pytest.mark.parametrize(
    ("bucket", "is_up", "told"),
    [("other", True, "Not Found (HTTP code 404)"), (BUCKET, False, "Could not connect to server")],
)
def test_a_store_that_refuses_is_named(
    tmp_path: Path, store: Store, bucket: str, is_up: bool, told: str
) -> None:
    if not is_up:
        store.server.stop()
    with four_vendors() as vendors:
        lake = Nights(tmp_path / "lake", vendors, engine="ducklake", lake=f"s3://{bucket}/lake")
        done = lake.command("nightly", "--source", "weave")
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "ERROR weave" in line]
    assert f"{bucket}/lake/raw_weave" in line
    assert told in line
    assert "look at [warehouse] lake and at DuckDB's secret for it" in line
    assert SECRET not in done.stdout + done.stderr
