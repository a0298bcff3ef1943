"""TC3-HMAC-SHA256: what the vendor's SDK and its documentation sign, we sign alike."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from llm_usage_warehouse.sources.tencent_lke.signing import (
    Tc3Auth,
    canonical_request,
    string_to_sign,
)

FILE = json.loads((Path(__file__).with_name("tc3.json")).read_text())
KNOWN = FILE["documentation"]
VECTORS = [
    {key: FILE[key] for key in ("secret_id", "secret_key", "service")} | vector
    for vector in FILE["vectors"]
]
EVERY = [*VECTORS, {"name": "documentation"} | KNOWN]


def request_of(vector: dict[str, Any]) -> httpx.Request:
    headers = {"Content-Type": vector["content_type"]}
    url = f"https://{vector['host']}/"
    return httpx.Request("POST", url, headers=headers, content=vector["body"].encode())


def signed(vector: dict[str, Any], **changes: Any) -> httpx.Headers:
    about = vector | changes
    keys = (about["secret_id"], about["secret_key"], about["service"], about.get("token", ""))
    auth = Tc3Auth(*keys, clock=lambda: about["timestamp"] + 0.9)
    return next(auth.sync_auth_flow(request_of(about))).headers


@pytest.mark.parametrize("vector", EVERY, ids=lambda vector: vector["name"])
def test_canonical_request_and_string_to_sign(vector: dict[str, Any]) -> None:
    canonical = canonical_request(request_of(vector))
    assert canonical == vector["canonical_request"]
    scope = vector["string_to_sign"].splitlines()[2]
    text = string_to_sign(canonical, vector["timestamp"], scope)
    assert text == vector["string_to_sign"]


@pytest.mark.parametrize("vector", EVERY, ids=lambda vector: vector["name"])
def test_authorization(vector: dict[str, Any]) -> None:
    headers = signed(vector)
    assert headers["Authorization"] == vector["authorization"]
    assert headers["X-TC-Timestamp"] == str(vector["timestamp"])
    assert "X-TC-Token" not in headers


def test_the_token_of_temporary_keys_is_sent_beside_the_signature() -> None:
    headers = signed(VECTORS[0], token="test-token-example")
    assert headers["X-TC-Token"] == "test-token-example"
    assert headers["Authorization"] == VECTORS[0]["authorization"]


@pytest.mark.parametrize(
    ("timestamp", "day"),
    [(1759075200, "2025-09-28"), (1759103999, "2025-09-28"), (1759104000, "2025-09-29")],
    ids=["midnight in China", "last second of the UTC day", "first of the next"],
)
def test_the_scope_names_the_utc_day(timestamp: int, day: str) -> None:
    headers = signed(VECTORS[0], timestamp=timestamp)
    assert f"/{day}/lke/tc3_request, " in headers["Authorization"]


@pytest.mark.parametrize(
    ("date", "offset"),
    [
        ("Sun, 28 Sep 2025 15:59:59 GMT", 1099.0),
        ("Sun, 28 Sep 2025 15:59:59", 1099.0),
        ("soon", None),
        ("", None),
    ],
)
def test_the_clock_follows_a_date_header(date: str, offset: float | None) -> None:
    auth = Tc3Auth("test-id-example", "test-key-example", "lke", clock=lambda: 1759074100.0)
    assert auth.follow_clock_of(httpx.Response(200, headers={"Date": date})) == offset
    headers = next(auth.sync_auth_flow(request_of(VECTORS[0]))).headers
    assert headers["X-TC-Timestamp"] == str(1759074100 + int(offset or 0))
