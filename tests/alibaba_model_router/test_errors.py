"""What ModelRouter's errors become: typed, retried where that helps, told in a person's words."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pendulum
import pytest

from llm_usage_warehouse.http import (
    AuthenticationError,
    BadResponseError,
    InvalidRequestError,
    PermissionDeniedError,
    SourceError,
    ThrottledError,
    Traffic,
    VendorFaultError,
    counting,
)
from llm_usage_warehouse.simulator import Fault, Personality, Simulator, World
from llm_usage_warehouse.simulator.alibaba_model_router import STS_SETTINGS, create
from llm_usage_warehouse.sources.alibaba_model_router.reader import ModelRouter, ModelRouterSettings
from llm_usage_warehouse.streams import Reading
from llm_usage_warehouse.windows import Window
from tests.loads import pulled


@pytest.fixture(scope="module")
def served() -> Iterator[Personality]:
    with Simulator(World(days=1, rows_per_day=240), ["alibaba_model_router"]) as simulator:
        yield simulator["alibaba_model_router"]


@pytest.fixture
def router(served: Personality) -> Personality:
    """One server for all tests, with new books for each."""
    served.world.now = time.time
    served.world.faults.clear()
    vars(served.data).update(vars(create(served.world).data))
    return served


def open_router(router: Personality, **changes: Any) -> ModelRouter:
    settings = {**router.settings, "attempts": 2, "requests_per_second": 500.0, **changes}
    return ModelRouter(ModelRouterSettings(name="router", **settings), "UTC")


def read(reader: ModelRouter, table: str = "models") -> Reading:
    now = pendulum.now("UTC").start_of("second")
    (stream,) = (one for one in reader.streams() if one.name == table)
    window = Window(now.subtract(hours=2), now)
    return pulled(lambda pull: stream.read("", window, pull))


def error_of(router: Personality, **changes: Any) -> SourceError:
    with open_router(router, **changes) as reader, pytest.raises(SourceError) as caught:
        read(reader)
    return caught.value


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "InvalidAccessKeyId.Inactive", AuthenticationError),
        (400, "IncompleteSignature", AuthenticationError),
        (403, "B.Permission.DeniedException", PermissionDeniedError),
        (403, "Forbidden.RAM", PermissionDeniedError),
        (400, "NoPermission", PermissionDeniedError),
        (404, "InvalidApi.NotFound", InvalidRequestError),
        (400, "MissingEndTime", InvalidRequestError),
        (200, "B.Permission.DeniedException", PermissionDeniedError),
    ],
)
def test_an_error_that_lasts_is_not_retried(
    router: Personality, status: int, code: str, kind: type[SourceError]
) -> None:
    router.data.fail(code, status=status)
    error = error_of(router)
    assert (type(error), error.attempts, code in str(error)) == (kind, 1, True)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "Throttling.User", ThrottledError),
        (400, "Rejected.Throttling", ThrottledError),
        (503, "ServiceUnavailable", VendorFaultError),
        (500, "Server.Internal.UnknownError", VendorFaultError),
        (400, "InternalFailure", VendorFaultError),
        (400, "SignatureNonceUsed", VendorFaultError),
        (200, "SYSTEM_BUSY", VendorFaultError),
    ],
)
def test_an_error_that_passes_is_worth_a_retry(
    router: Personality, status: int, code: str, kind: type[SourceError]
) -> None:
    router.data.fail(code, status=status)
    error = error_of(router, attempts=1)
    assert (type(error), error.retryable, code in str(error)) == (kind, True, True)


def test_an_error_in_xml_is_read_too(router: Personality) -> None:
    router.data.xml_errors = True
    router.data.fail("Throttling.User", message="slower & slower")
    error = error_of(router, attempts=1)
    assert isinstance(error, ThrottledError)
    assert error.quote == "Throttling.User: slower & slower"
    assert error.request_id


def test_a_throttled_request_waits_as_long_as_the_vendor_says(router: Personality) -> None:
    router.data.fail("Anything", retry_after_ms=1500)
    first = len(router.world.requests)
    with open_router(router) as reader:
        read(reader)
    times = [request.at for request in router.world.requests[first:]]
    assert times[1] - times[0] >= 1.5


def test_a_wait_is_at_most_two_minutes(router: Personality) -> None:
    router.data.fail("Throttling.Api", retry_after_ms=3_600_000)
    assert error_of(router, attempts=1).retry_after == 120


def test_a_missing_right_is_named(router: Personality) -> None:
    router.data.fail("B.Permission.DeniedException", status=403, message="鉴权失败或权限不足")
    text = str(error_of(router))
    assert "aicontent:ModelRouterQueryModelList" in text
    assert "鉴权失败或权限不足" in text


def test_a_wrong_key_is_told_without_being_shown(router: Personality) -> None:
    text = str(error_of(router, access_key_secret="test-wrong-secret-example"))
    assert "refused the access key" in text
    assert "[sources.router] access_key_id and access_key_secret" in text
    assert "example" not in text


def test_a_stale_token_asks_for_new_credentials(router: Personality) -> None:
    stale = {**STS_SETTINGS, "security_token": "test-stale-example"}
    error = error_of(router, **stale)
    assert isinstance(error, AuthenticationError)
    assert "new set of temporary credentials" in str(error)
    assert "example" not in str(error)


@pytest.mark.parametrize("seconds", [-4000, 4000])
def test_a_wrong_clock_is_corrected_once(router: Personality, seconds: int) -> None:
    router.world.now = lambda: time.time() + seconds
    with open_router(router) as reader, counting(Traffic()) as traffic:
        read(reader)
        assert traffic == Traffic(2, 1)
        read(reader)
        assert traffic == Traffic(3, 1)


def test_a_clock_that_the_vendor_still_rejects_is_told(router: Personality) -> None:
    router.data.fail("InvalidTimeStamp.Expired", times=2)
    assert "Set the clock" in str(error_of(router))


def test_threads_that_meet_a_wrong_clock_together_all_go_on(router: Personality) -> None:
    reader = open_router(router)
    with reader:
        router.world.now = lambda: time.time() + 4000
        with ThreadPoolExecutor(4) as pool:
            assert len(list(pool.map(lambda _: read(reader), range(4)))) == 4


@pytest.mark.parametrize("kind", ["truncated", "empty", "drop", "status"])
def test_a_broken_answer_is_asked_for_again(router: Personality, kind: str) -> None:
    router.world.faults.append(Fault(kind))
    with open_router(router) as reader, counting(Traffic()) as traffic:
        assert (read(reader).rows, traffic.retries) == (8, 1)


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        '{"data": {"list": []}}',
        '{"success": true}',
        '{"success": true, "data": {"records": [{"id": 1}], "total": 0}}',
    ],
)
def test_json_of_something_else_is_refused(router: Personality, body: str) -> None:
    headers = {"content-type": "application/json"}
    router.world.faults.append(Fault("status", status=200, headers=headers, body=body))
    assert isinstance(error_of(router), BadResponseError)


def test_a_web_page_points_to_the_address(router: Personality) -> None:
    router.world.faults.append(Fault("html"))
    assert "base_url" in str(error_of(router))
