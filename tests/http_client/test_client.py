"""The HTTP client against a real server on loopback: retries, signing, errors, connections."""

import json
import socket
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from llm_usage_warehouse.http import (
    ApiClient,
    AuthenticationError,
    BadResponseError,
    InvalidRequestError,
    Judge,
    Limits,
    NetworkError,
    PermissionDeniedError,
    SourceError,
    ThrottledError,
    Traffic,
    VendorFaultError,
    counting,
)
from llm_usage_warehouse.simulator.server import FaultLayer
from llm_usage_warehouse.simulator.world import Fault, World

QUICK = Limits(requests_per_second=500, attempts=3, backoff=0.001, timeout=0.5)
KEY = "example-key/of+a test=1"


async def rows(request: Request) -> Response:
    assert request.client
    return JSONResponse(
        {"port": request.client.port, "query": request.url.query}, headers={"x-request-id": "r-7"}
    )


async def refuse(request: Request) -> Response:
    """Refuse the key, and quote it as badly behaved servers do."""
    return JSONResponse({"message": f"bad {request.headers['authorization']}"}, status_code=401)


async def vendor_error(request: Request) -> Response:
    return JSONResponse({"success": False, "requestId": "v-1"})


@dataclass
class Server:
    url: str
    world: World


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    routes = [
        Route("/api/rows", rows),
        Route("/api/refuse", refuse),
        Route("/api/no", vendor_error),
    ]
    world = World()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    app = FaultLayer(Starlette(routes=routes), world)
    config = uvicorn.Config(
        app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1, ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield Server(f"http://127.0.0.1:{listener.getsockname()[1]}/api", world)
    server.should_exit = True
    thread.join()


@pytest.fixture
def server(running: Server) -> Server:
    running.world.requests.clear()
    running.world.faults.clear()
    running.world.latency = 0.0
    running.world.peak_in_flight = 0
    return running


def client(
    server: Server,
    limits: Limits = QUICK,
    auth: httpx.Auth | None = None,
    judge: Judge | None = None,
) -> ApiClient:
    return ApiClient("acme", server.url, limits=limits, auth=auth, judge=judge, secrets=[KEY])


class Counting(httpx.Auth):
    """Signs each request with a new nonce and the present state of `token`."""

    def __init__(self) -> None:
        self.nonces = 0
        self.token = "old"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        self.nonces += 1
        request.headers["x-nonce"] = f"{self.token}-{self.nonces}"
        yield request


def nonces(server: Server) -> list[str]:
    return [request.headers["x-nonce"] for request in server.world.requests]


@pytest.mark.parametrize("kind", ["status", "drop", "truncated", "empty"])
def test_a_passing_fault_costs_one_retry(server: Server, kind: str) -> None:
    server.world.faults = [Fault(kind, status=503)]
    with client(server) as api, counting(Traffic()) as traffic:
        assert api.get("/rows").json()["query"] == ""
        assert traffic == Traffic(2, 1)
    assert len(server.world.requests) == 2


def test_each_attempt_is_signed_anew(server: Server) -> None:
    server.world.faults = [Fault("status", times=2)]
    with client(server, auth=Counting()) as api:
        api.get("/rows")
    assert nonces(server) == ["old-1", "old-2", "old-3"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("status", status=500, times=9), VendorFaultError),
        (Fault("status", status=429, times=9), ThrottledError),
        (Fault("drop", times=9), NetworkError),
        (Fault("truncated", times=9), BadResponseError),
        (Fault("empty", times=9), BadResponseError),
    ],
)
def test_gives_up_after_its_attempts(
    server: Server, fault: Fault, error: type[SourceError]
) -> None:
    server.world.faults = [fault]
    with client(server) as api, pytest.raises(error, match="3 attempts") as raised:
        api.get("/rows")
    assert raised.value.attempts == len(server.world.requests) == 3


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("status", status=401, times=9), AuthenticationError),
        (Fault("status", status=403, times=9), PermissionDeniedError),
        (Fault("status", status=400, times=9), InvalidRequestError),
        (Fault("status", status=302, times=9, headers={"location": "/x"}), BadResponseError),
        (Fault("html", times=9), BadResponseError),
    ],
)
def test_what_a_retry_cannot_mend_stops_at_once(
    server: Server, fault: Fault, error: type[SourceError]
) -> None:
    server.world.faults = [fault]
    with client(server) as api, pytest.raises(error):
        api.get("/rows")
    assert len(server.world.requests) == 1


def test_a_retry_comes_no_sooner_than_the_vendor_asks(server: Server) -> None:
    server.world.faults = [Fault("status", status=429, headers={"retry-after": "0.3"})]
    with client(server) as api:
        api.get("/rows")
    first, second = (request.at for request in server.world.requests)
    assert 0.3 <= second - first < 1.0


def test_waits_double(server: Server) -> None:
    server.world.faults = [Fault("status", times=2)]
    limits = Limits(requests_per_second=500, attempts=3, backoff=0.1)
    with client(server, limits) as api:
        api.get("/rows")
    a, b, c = (request.at for request in server.world.requests)
    assert 0.1 <= b - a < 1.0
    assert 0.2 <= c - b < 1.0


def test_a_late_answer_is_a_network_error(server: Server) -> None:
    server.world.faults = [Fault("delay", seconds=0.2)]
    limits = Limits(timeout=0.1, attempts=1)
    with client(server, limits) as api, pytest.raises(NetworkError, match="too long to answer"):
        api.get("/rows")


def test_a_built_query_is_sent_byte_for_byte(server: Server) -> None:
    query = "b=%2F%7e~&a=x+y%20z&Signature=A%2Fb%3D&a=1"
    with client(server) as api:
        api.get(f"/rows?{query}")
    assert server.world.requests[0].query == query


def test_params_and_body_reach_the_server_on_each_attempt(server: Server) -> None:
    server.world.faults = [Fault("status"), Fault("status", status=405)]
    with client(server) as api, pytest.raises(InvalidRequestError):
        api.post("/rows", b'{"a":1}', params={"page": 2}, headers={"x-action": "List"})
    sent = [(r.method, r.query, r.body, r.headers["x-action"]) for r in server.world.requests]
    assert sent == [("POST", "page=2", b'{"a":1}', "List")] * 2


def test_the_vendors_reading_comes_first_and_the_generic_one_after(server: Server) -> None:
    def judge(response: httpx.Response) -> SourceError | None:
        if b'"success":false' in response.content:
            body = json.loads(response.content)
            return ThrottledError("acme", "slow down", request_id=body["requestId"])
        return None

    with client(server, judge=judge) as api:
        with pytest.raises(ThrottledError, match=r"slow down .*HTTP 200; request id v-1; 3 att"):
            api.get("/no")
        server.world.faults = [Fault("status", status=403)]
        with pytest.raises(PermissionDeniedError):
            api.get("/rows")


def clock_judge(auth: Counting, *, works: bool) -> Judge:
    def mend() -> bool:
        auth.token = "new"
        return works

    def judge(response: httpx.Response) -> SourceError | None:
        return AuthenticationError("acme", "skew", fix=mend) if response.is_error else None

    return judge


def test_a_fix_sends_the_request_again_at_once(server: Server) -> None:
    server.world.faults = [Fault("status", status=401)]
    auth = Counting()
    judge = clock_judge(auth, works=True)
    with client(server, auth=auth, judge=judge) as api, counting(Traffic()) as traffic:
        api.get("/rows")
        assert traffic == Traffic(2, 1)
    assert nonces(server) == ["old-1", "new-2"]


def test_a_fix_that_fails_leaves_a_retryable_error_its_retries(server: Server) -> None:
    server.world.faults = [Fault("status")]

    def judge(response: httpx.Response) -> SourceError | None:
        fault = VendorFaultError("acme", "no token server", fix=lambda: False)
        return fault if response.is_error else None

    with client(server, judge=judge) as api:
        assert api.get("/rows").status_code == 200


@pytest.mark.parametrize(("works", "sent"), [(True, 2), (False, 1)])
def test_a_fix_is_tried_once(server: Server, works: bool, sent: int) -> None:
    server.world.faults = [Fault("status", status=401, times=9)]
    auth = Counting()
    judge = clock_judge(auth, works=works)
    with (
        client(server, auth=auth, judge=judge) as api,
        pytest.raises(AuthenticationError) as raised,
    ):
        api.get("/rows")
    assert raised.value.attempts == len(server.world.requests) == sent


def test_an_error_names_request_status_and_id_but_no_secret(server: Server) -> None:
    server.world.faults = [
        Fault("status", status=400, body=f"no {KEY}\n!", headers={"x-request-id": "r-9"})
    ]
    with client(server) as api, pytest.raises(InvalidRequestError) as raised:
        api.get("/rows", {"page": 1, "key": "example", "user": KEY})
    assert str(raised.value).startswith(
        'acme: the vendor refused the request: "no *** !" '
        "(GET /api/rows?page=1&key=***&user=***; HTTP 400; request id r-9). Check "
    )


def test_an_echoed_signature_is_masked(server: Server) -> None:
    auth = httpx.BasicAuth("api", "example")
    with client(server, auth=auth) as api, pytest.raises(AuthenticationError) as raised:
        api.get("/refuse")
    assert '"{"message":"bad ***"}"' in str(raised.value)


@pytest.mark.parametrize("bad", ["example\nkey", "exämple", "example\r", "ключ"])
def test_a_key_that_no_header_can_hold_is_not_shown(server: Server, bad: str) -> None:
    api = ApiClient("acme", server.url, headers={"x-api": bad}, limits=QUICK, secrets=[])
    with api, pytest.raises(InvalidRequestError, match="line breaks") as raised:
        api.get("/rows")
    assert bad not in str(raised.value) + repr(raised.value.args)
    assert raised.value.__cause__ is raised.value.__context__ is None
    assert server.world.requests == []


def test_a_request_says_who_asks_and_takes_compressed_answers(server: Server) -> None:
    with client(server) as api:
        api.get("/rows")
    headers = server.world.requests[0].headers
    assert headers["user-agent"] == "llm-usage-warehouse"
    assert "gzip" in headers["accept-encoding"]


def test_retries_keep_the_pace_too(server: Server) -> None:
    server.world.faults = [Fault("status", times=2)]
    limits = Limits(requests_per_second=5, backoff=0.001, attempts=3)
    with client(server, limits) as api:
        api.get("/rows")
    assert server.world.requests[2].at - server.world.requests[0].at >= 0.35


def test_connections_are_few_and_used_again(server: Server) -> None:
    server.world.latency = 0.01
    limits = Limits(requests_per_second=500, concurrency=3)
    with client(server, limits) as api, ThreadPoolExecutor(3) as pool:
        ports = {one.json()["port"] for one in pool.map(api.get, ["/rows"] * 20)}
    assert len(ports) <= 3
    assert server.world.peak_in_flight == 3


def test_an_address_where_nothing_listens_is_a_network_error() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        api = ApiClient("acme", url, limits=QUICK)
        refused = pytest.raises(NetworkError, match=r"127.0.0.1:\d+ failed: .*refused")
        with api, counting(Traffic()) as traffic, refused:
            api.get("/rows")
    assert traffic.requests == 3


def test_speaking_tls_to_a_plain_server_is_a_network_error(server: Server) -> None:
    api = ApiClient("acme", server.url.replace("http:", "https:"), limits=QUICK)
    with api, pytest.raises(NetworkError, match="SSL"):
        api.get("/rows")
