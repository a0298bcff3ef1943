"""Alibaba Cloud's signature: equal to the vendor's own clients, and sent as it was signed."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from llm_usage_warehouse.simulator import Personality, Simulator
from llm_usage_warehouse.simulator.alibaba_model_router import STS_SETTINGS
from llm_usage_warehouse.sources.alibaba_model_router.signing import (
    Acs3,
    authorization,
    spelled_query,
    string_to_sign,
)

ACS3 = json.loads((Path(__file__).with_name("acs3.json")).read_text())
VECTORS = pytest.mark.parametrize("vector", ACS3["vectors"], ids=lambda vector: vector["name"])


@pytest.fixture(scope="module")
def router() -> Iterator[Personality]:
    with Simulator(names=["alibaba_model_router"]) as simulator:
        yield simulator["alibaba_model_router"]


def ask(router: Personality, query: str = "pageSize=1", **keys: str) -> httpx.Response:
    keys = {**router.settings, **keys}
    auth = Acs3(keys["access_key_id"], keys["access_key_secret"], keys.get("security_token", ""))
    url = f"{router.url}/api/v1/modelRouter/open/models?{query}"
    with httpx.Client(auth=auth) as http:
        return http.get(url, headers={"x-acs-action": "ModelRouterQueryModelList"})


@VECTORS
def test_a_query_is_spelled_as_the_official_client_signs_it(vector: dict[str, Any]) -> None:
    assert spelled_query(vector["query"]) == vector["canonical_query"]


@VECTORS
@pytest.mark.parametrize("minimal", [False, True])
def test_signatures_equal_the_official_clients(vector: dict[str, Any], minimal: bool) -> None:
    prefix = "minimal_" if minimal else ""
    names = vector["minimal_headers"] if minimal else vector["headers"]
    headers = {name: vector["headers"][name] for name in names}
    text = string_to_sign(vector["method"], vector["path"], vector["canonical_query"], headers)
    assert text == vector[f"{prefix}string_to_sign"]
    header = authorization(ACS3["access_key_id"], ACS3["access_key_secret"], headers, text)
    assert header == vector[f"{prefix}authorization"]


def test_the_documented_example_comes_out() -> None:
    known = ACS3["documentation"]
    query = spelled_query(known["query"])
    text = string_to_sign(known["method"], known["path"], query, known["headers"])
    assert text == known["string_to_sign"]
    key = known["access_key_id"], known["access_key_secret"]
    assert authorization(*key, known["headers"], text) == known["authorization"]


@pytest.mark.parametrize("value", ["通义 千问+max*~a/b=c&d'(e)!é", "100%", '"<>', ""])
def test_what_is_sent_is_what_was_signed(router: Personality, value: str) -> None:
    response = ask(router, spelled_query({"keyword": value, "pageSize": 1}))
    assert response.status_code == 200, response.text
    assert router.world.requests[-1].query == spelled_query({"pageSize": 1, "keyword": value})


def test_temporary_credentials_are_signed_with_their_token(router: Personality) -> None:
    assert ask(router, **STS_SETTINGS).status_code == 200
    assert ask(router, **{**STS_SETTINGS, "security_token": "test-stale"}).status_code == 400


def test_only_host_and_the_vendors_own_headers_are_signed(router: Personality) -> None:
    ask(router)
    sent = router.world.requests[-1].headers
    signed = sent["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    assert signed == sorted(signed)
    assert set(signed) == {"host", *(name for name in sent if name.startswith("x-acs-"))}


def test_every_attempt_has_a_nonce_of_its_own(router: Personality) -> None:
    first = len(router.world.requests)
    for _ in range(3):
        ask(router)
    nonces = {one.headers["x-acs-signature-nonce"] for one in router.world.requests[first:]}
    assert len(nonces) == 3


@pytest.mark.parametrize("zone", [" GMT", ""])
def test_the_clock_follows_a_date_header(zone: str) -> None:
    request = httpx.Request(
        "GET", "https://x.example/", headers={"x-acs-date": "2025-09-28T15:49:59Z"}
    )
    headers = {"date": f"Sun, 28 Sep 2025 15:59:59{zone}"}
    ahead = Acs3("test-id", "test-key").follow_clock(
        httpx.Response(200, headers=headers, request=request)
    )
    assert ahead == timedelta(minutes=10)
