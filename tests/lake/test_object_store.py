"""A lake in an object store holds what a DuckDB file does: a real server of S3's protocol, here."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from llm_usage_warehouse.lake import OBJECTS, load_extension
from tests.lake.nights import Nights, compare_two_nights, four_vendors

pytestmark = pytest.mark.ducklake

BUCKET = "usage"
KEY, SECRET, REGION = "key-example", "secret-example", "us-east-1"


@dataclass
class Store:
    """An object store, which DuckDB has the secret of.

    Attributes:
        server: the store.
        client: one of Amazon's own library.
    """

    server: Any
    client: Any

    def objects(self) -> list[str]:
        """Return the names of all objects."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return [one["Key"] for page in pages for one in page.get("Contents", ())]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    # Only the environment of `make ducklake-test` has them.
    import boto3  # noqa: PLC0415
    from moto.server import ThreadedMotoServer  # noqa: PLC0415

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = ":".join(map(str, server.get_host_and_port()))
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{address}",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        region_name=REGION,
    )
    client.create_bucket(Bucket=BUCKET)
    # DuckDB keeps secrets in the home of who runs it.
    monkeypatch.setenv("HOME", str(tmp_path))
    with duckdb.connect() as connection:
        load_extension(connection, OBJECTS)
        connection.execute(
            f"create persistent secret store (type s3, key_id '{KEY}', secret '{SECRET}', "
            f"region '{REGION}', endpoint '{address}', url_style 'path', use_ssl false)"
        )
    yield Store(server, client)
    server.stop()


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
