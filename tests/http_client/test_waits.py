"""What requests wait for: the pace as the vendor sees it, a brake for all; and how waiting ends."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from llm_usage_warehouse.http import ApiClient, Limits, StoppedError, ThrottledError
from llm_usage_warehouse.http.pacing import brake_of

FAST = Limits(requests_per_second=200, attempts=3, backoff=0.2)


class Vendor(ThreadingHTTPServer):
    """Answers `{}`, unless told to throttle; `/never` is not answered while the test runs."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.seen: list[tuple[float, str]] = []
        self.refusals: list[dict[str, str]] = []
        self.over = threading.Event()

    def handle_error(self, *args: Any) -> None:
        """Keep quiet about clients that went away."""

    def arrivals(self, action: str = "") -> list[float]:
        return sorted(at for at, asked in self.seen if asked == action)


class Handler(BaseHTTPRequestHandler):
    """Notes when a request came, and for which action."""

    protocol_version = "HTTP/1.1"
    server: Vendor

    def do_GET(self) -> None:
        self.server.seen.append((time.monotonic(), self.headers.get("x-action", "")))
        if self.path == "/never":
            self.server.over.wait(20)
        refusal = self.server.refusals.pop(0) if self.server.refusals else None
        self.send_response(200 if refusal is None else 429)
        for name, value in {"content-length": "2", **(refusal or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Vendor() as vendor:
        threading.Thread(target=vendor.serve_forever, args=[0.01], daemon=True).start()
        yield vendor
        vendor.over.set()
        vendor.shutdown()


def client(vendor: Vendor, limits: Limits = FAST) -> ApiClient:
    return ApiClient("acme", vendor.url, limits=limits, action_header="x-action")


def ask(api: ApiClient, action: str = "") -> None:
    api.send("GET", "/", headers={"x-action": action} if action else None)


def most_in_a_second(arrivals: list[float]) -> int:
    # A busy machine may hold one up on its way.
    return max(sum(at <= other < at + 0.9 for other in arrivals) for at in arrivals)


@pytest.mark.parametrize(("pace", "seconds"), [(5, 2), (20, 3)])
def test_no_second_has_more_than_the_pace_and_each_nearly_as_many(
    vendor: Vendor, pace: int, seconds: int
) -> None:
    count = pace * seconds + 1
    limits = Limits(requests_per_second=pace, concurrency=8)
    tries = []
    # A busy machine may hold several up and let them go at once; not three times in a row.
    for _ in range(3):
        vendor.seen.clear()
        with client(vendor, limits) as api, ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: ask(api), range(count)))
        arrivals = vendor.arrivals()
        assert len(arrivals) == count
        most, took = most_in_a_second(arrivals), arrivals[-1] - arrivals[0]
        tries.append((most, took))
        if most <= pace and took <= seconds / 0.92:
            return
    pytest.fail(f"requests in a second, and the seconds of all: {tries}")


def test_requests_on_connections_that_took_their_time_keep_the_pace(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = socket.create_connection

    def late(*args: Any, **options: Any) -> socket.socket:
        time.sleep(0.5)
        return connect(*args, **options)

    monkeypatch.setattr(socket, "create_connection", late)
    limits = Limits(requests_per_second=5, concurrency=4)
    with client(vendor, limits) as api, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: ask(api), range(11)))
    assert most_in_a_second(vendor.arrivals()) <= 5


def test_what_one_client_is_told_holds_for_another(vendor: Vendor) -> None:
    vendor.refusals = [{"retry-after": "0.7"}]
    with client(vendor) as one, client(vendor) as other, ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, one)
        time.sleep(0.2)
        ask(other)
        first.result(5)
    throttled, *later = vendor.arrivals()
    assert all(at - throttled >= 0.7 for at in later)


def test_another_action_is_not_slowed(vendor: Vendor) -> None:
    vendor.refusals = [{"retry-after": "0.7"}]
    with client(vendor) as api, ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, api, "List")
        time.sleep(0.2)
        ask(api, "Describe")
        assert not first.done()
        first.result(5)
    assert vendor.arrivals("Describe")[0] < vendor.arrivals("List")[1]


def test_a_throttled_pace_is_halved(vendor: Vendor) -> None:
    vendor.refusals = [{"retry-after": "0"}]
    limits = Limits(requests_per_second=20, attempts=3, backoff=0.05)
    with client(vendor, limits) as api, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: ask(api), range(10)))
    # Those under way when the brake was pressed do not count.
    later = vendor.arrivals()[-6:]
    assert later[-1] - later[0] >= 5 / 20 * 1.5


def test_without_retry_after_the_back_off_counts_and_giving_up_holds_the_others(
    vendor: Vendor,
) -> None:
    vendor.refusals = [{}]
    with client(vendor, Limits(attempts=1, backoff=0.4)) as api, client(vendor) as other:
        with pytest.raises(ThrottledError):
            ask(api)
        ask(other)
    throttled, next_one = vendor.arrivals()
    assert next_one - throttled >= 0.4


def retrying(vendor: Vendor, api: ApiClient) -> None:
    vendor.refusals = [{"retry-after": "60"}]
    ask(api)


def braked(vendor: Vendor, api: ApiClient) -> None:
    brake_of(vendor.url.removeprefix("http://"), "").press(60, time.monotonic())
    ask(api)


def paced(_: Vendor, api: ApiClient) -> None:
    ask(api)
    ask(api)


def reading(_: Vendor, api: ApiClient) -> None:
    api.get("/never")


@pytest.mark.parametrize("waiting", [paced, braked, retrying, reading])
def test_closing_ends_every_wait(
    vendor: Vendor, waiting: Callable[[Vendor, ApiClient], None]
) -> None:
    api = client(vendor, Limits(requests_per_second=0.05, concurrency=1))
    with ThreadPoolExecutor(3) as pool:
        # One of them waits for that, the others for it.
        threads = [pool.submit(waiting, vendor, api) for _ in range(3)]
        time.sleep(0.3)
        assert not any(thread.done() for thread in threads)
        began = time.monotonic()
        api.close()
        for thread in threads:
            with pytest.raises(StoppedError):
                thread.result(5)
    assert time.monotonic() - began < 1
    with pytest.raises(StoppedError):
        ask(api)


def test_closing_wakes_all_threads_that_read(vendor: Vendor) -> None:
    api = client(vendor, Limits(requests_per_second=200, concurrency=8))
    with ThreadPoolExecutor(8) as pool:
        threads = [pool.submit(api.get, "/never") for _ in range(8)]
        while len(vendor.seen) < 8:
            time.sleep(0.01)
        began = time.monotonic()
        api.close()
        for thread in threads:
            with pytest.raises(StoppedError):
                thread.result(5)
    assert time.monotonic() - began < 1
