"""A server of S3's protocol on loopback, for lakes in an object store."""

import logging
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from llm_usage_warehouse.lake import OBJECTS, load_extension

BUCKET = "usage"
KEY, SECRET, REGION = "key-example", "secret-example", "us-east-1"


@dataclass
class Store:
    """An object store, which DuckDB has the secret of, and the environment the keys.

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
    # Only the environments of `make ducklake-test` and `make spark-test` have them.
    import boto3  # noqa: PLC0415
    from moto.server import ThreadedMotoServer  # noqa: PLC0415

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    # Not 0: one that is stopped and started again is to be where it was.
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    address = f"127.0.0.1:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{address}",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        region_name=REGION,
    )
    # What it holds is the process's.
    httpx.post(f"http://{address}/moto-api/reset").raise_for_status()
    client.create_bucket(Bucket=BUCKET)
    for name, value in (
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_REGION", REGION),
        ("AWS_ENDPOINT_URL", f"http://{address}"),
        # Delta wants to be told that it is not one of the internet.
        ("AWS_ALLOW_HTTP", "true"),
    ):
        monkeypatch.setenv(name, value)
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
