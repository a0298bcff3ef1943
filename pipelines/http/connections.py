"""A connection for each thread, all of which one call ends."""

import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakSet

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from llm_usage_warehouse.http.errors import InvalidRequestError
from llm_usage_warehouse.http.pacing import StoppedError

ATTEMPTS_TO_CONNECT = 3


def until_connected() -> Retrying:
    """Return what calls a function again, a second later, where no connection could be made.

    For single requests. A transport of httpx that tries again does not look at the proxies that the
    environment names.
    """
    return Retrying(
        retry=retry_if_exception_type(httpx.ConnectError),
        stop=stop_after_attempt(ATTEMPTS_TO_CONNECT),
        wait=wait_fixed(1),
        reraise=True,
    )


class Connections:
    """Exchanges requests for responses; threads may share it.

    Args:
        is_safe: whether the addresses begin with `https:`.
        auth: the vendor's way to sign.
        timeout: of one exchange.
        before_sending: called when a request is about to go out on a connection that stands;
            it may block.
    """

    def __init__(
        self,
        *,
        is_safe: bool,
        auth: httpx.Auth | None,
        timeout: httpx.Timeout,
        before_sending: Callable[[], None],
    ) -> None:
        # Made once, since it reads every known authority; plain HTTP needs none of them.
        self._tls = (
            httpx.create_ssl_context() if is_safe else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )
        self._auth = auth
        self._timeout = timeout
        self._before_sending = before_sending
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._own = threading.local()
        self._clients: set[httpx.Client] = set()
        self._busy: set[httpx.Client] = set()
        self._sockets: WeakSet[socket.socket] = WeakSet()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._stopped.is_set()

    def sleep(self, seconds: float) -> None:
        """Wait.

        Raises:
            StoppedError: at once, when `close` is called or was called before.
        """
        if self._stopped.wait(seconds) if seconds > 0 else self._stopped.is_set():
            raise StoppedError

    def send(self, request: httpx.Request) -> httpx.Response:
        """Return the response, its body read to the end.

        Raises:
            StoppedError: `close` was called.
            httpx.HTTPError: no complete response came, perhaps since `close` was called.
        """
        client = self._client
        request.extensions["trace"] = self._on_event
        with self._lock:
            if self._stopped.is_set():
                raise StoppedError
            self._busy.add(client)
        try:
            return client.send(request)
        finally:
            with self._lock:
                self._busy.discard(client)
            if self._stopped.is_set():
                client.close()

    def close(self) -> None:
        """End every `sleep` and every `send`; any thread may call it.

        Only a thread that is looking up a name or making a connection goes on, until that is done
        or its time is up.
        """
        with self._lock:
            self._stopped.set()
            idle, sockets = self._clients - self._busy, list(self._sockets)
        for one in sockets:
            # Closing it would not wake a thread that reads from it, and its number might go to
            # another file under the eyes of that thread, which closes it itself.
            with suppress(OSError):
                # Not an SSLSocket's own way, which drops what that thread works with.
                socket.socket.shutdown(one, socket.SHUT_RDWR)
        for client in idle:
            client.close()

    @property
    def _client(self) -> httpx.Client:
        """The thread's own client: threads that share one wait for its pool's lock instead."""
        client: httpx.Client | None = getattr(self._own, "client", None)
        if client is None:
            client = self._own.client = httpx.Client(
                auth=self._auth,
                verify=self._tls,
                timeout=self._timeout,
                limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
            )
            with self._lock:
                self._clients.add(client)
        return client

    def _on_event(self, name: str, info: Mapping[str, Any]) -> None:
        """Take part in an exchange, by httpx's `trace` extension.

        Raises:
            StoppedError: before anything begins that `close` could not end.
        """
        if name == "http11.send_request_headers.started":
            # Not the CONNECT to a proxy, which the vendor does not see.
            if info["request"].method != b"CONNECT":
                self._before_sending()
            self.sleep(0)
        elif name.endswith(".connect_tcp.started"):
            self.sleep(0)
        elif name.endswith((".connect_tcp.complete", ".start_tls.complete")):
            with self._lock:
                self._sockets.add(info["return_value"].get_extra_info("socket"))
            self.sleep(0)


def checked_base_url(source: str, base_url: str) -> str:
    """Return `base_url` without its trailing slash.

    Raises:
        InvalidRequestError: it is not `http(s)://host[:port][/path]`.
    """
    try:
        url = httpx.URL(base_url.strip())
    except httpx.InvalidURL:
        url = httpx.URL()
    if (
        url.scheme in {"http", "https"}
        and url.host
        and not (url.userinfo or url.query or url.fragment)
    ):
        return base_url.strip().rstrip("/")
    # The value is not shown: people have pasted keys into it.
    raise InvalidRequestError(
        source,
        "base_url is not an address of the form https://host/path",
        next_step=f"Set sources.{source}.base_url in .dlt/config.toml.",
    )
