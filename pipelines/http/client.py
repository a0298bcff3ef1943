"""One client per source: every request of a source goes through its `ApiClient.send`."""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from llm_usage_warehouse.http.connections import Connections, checked_base_url
from llm_usage_warehouse.http.errors import SourceError, ThrottledError
from llm_usage_warehouse.http.judge import Judge, default_judge, transport_error
from llm_usage_warehouse.http.pacing import Brake, Pacer, StoppedError, brake_of
from llm_usage_warehouse.http.traffic import count

STOP_CHECK = 0.25
"""Seconds after which a thread that waits for another one sees that all were told to stop."""

REQUEST_ID_HEADERS = ("x-request-id", "x-acs-request-id")


@dataclass(frozen=True)
class Limits:
    """How hard a source may press its vendor.

    Attributes:
        requests_per_second: the pace of attempts, all threads together.
        concurrency: requests under way at once.
        timeout: seconds without a byte of an answer.
        connect_timeout: seconds until a connection stands.
        attempts: requests sent before giving up on a retryable error.
        backoff: seconds before the second attempt, doubled for each one after; up to as
            much as this is added at random.
        backoff_max: seconds that the doubling stops at.
    """

    requests_per_second: float = 5.0
    concurrency: int = 4
    timeout: float = 60.0
    connect_timeout: float = 10.0
    attempts: int = 5
    backoff: float = 0.5
    backoff_max: float = 60.0


DEFAULT_LIMITS = Limits()

DEFAULT_HEADERS = {
    "Accept": "*/*",
    # Pages of usage rows shrink to a tenth.
    "Accept-Encoding": "gzip, deflate",
    "Connection": "keep-alive",
    # Some gateways refuse a client without a name.
    "User-Agent": "llm-usage-warehouse",
}


class ApiClient:
    """Sends a source's requests: paced, retried, signed anew per attempt. Threads may share it.

    Args:
        source: name of the source, which every error carries.
        base_url: what each `url` is appended to; a trailing slash is ignored.
        auth: the vendor's way to sign; its flow runs for each attempt.
        limits: pace, concurrency, time-outs, retries.
        headers: sent with each request.
        judge: the vendor's own reading of a complete response, asked first. Where it says None,
            `default_judge` decides.
        secrets: strings that no error may show.
        action_header: the header that names what is asked for, where the vendor counts the
            requests of each action for itself.

    Raises:
        InvalidRequestError: `base_url` is no address of an API.
    """

    def __init__(
        self,
        source: str,
        base_url: str,
        *,
        auth: httpx.Auth | None = None,
        limits: Limits = DEFAULT_LIMITS,
        headers: Mapping[str, str] | None = None,
        judge: Judge | None = None,
        secrets: Collection[str] = (),
        action_header: str = "",
    ) -> None:
        self.source = source
        self._base = checked_base_url(source, base_url)
        self._limits = limits
        self._headers = {**DEFAULT_HEADERS, **(headers or {})}
        self._judges = [judge, default_judge(source)] if judge else [default_judge(source)]
        self._secrets = frozenset(secrets)
        self._action_header = action_header
        self._pacer = Pacer(limits.requests_per_second, self._sleep)
        self._slots = threading.BoundedSemaphore(limits.concurrency)
        self._connections = Connections(
            is_safe=self._base.startswith("https:"),
            auth=auth,
            timeout=httpx.Timeout(limits.timeout, connect=limits.connect_timeout),
            # A request waits unsigned and without a connection, so that neither goes stale; but
            # making a connection takes its own time, so only at the wire can the pace be kept.
            before_sending=Pacer(limits.requests_per_second, self._sleep).wait,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every wait and every exchange, which raise `StoppedError`; any thread may call it.

        Only a thread that is looking up a name or making a connection goes on, until that is done
        or `connect_timeout` is over.
        """
        self._connections.close()

    def _sleep(self, seconds: float) -> None:
        self._connections.sleep(seconds)

    def get(self, url: str, params: Mapping[str, str | int] | None = None) -> httpx.Response:
        """Send a GET; see `send`."""
        return self.send("GET", url, params=params)

    def post(
        self,
        url: str,
        content: bytes | None = None,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a POST; see `send`."""
        return self.send("POST", url, params=params, content=content, headers=headers)

    def send(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str | int] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Return a good response, its body read to the end.

        A request may be sent more than once, so it must be one that only reads.

        Args:
            method: HTTP method.
            url: path under the base URL; a query string in it is sent as it is.
            params: query parameters, which replace any in `url`.
            content: the body.
            headers: for this request only, over those of the client.

        Raises:
            SourceError: the vendor or the network said no, after every retry that was due. An
                error with a `fix` has it called, once per request; if that helps, the attempts
                begin anew.
        """
        own = {**self._headers, **(headers or {})}
        build = partial(
            httpx.Request,
            method,
            self._base + url,
            params=params or None,
            content=content,
            headers=own,
        )
        attempt = partial(self._attempt, build, f"{method} {url}")
        try:
            return self._retry(attempt, lambda error: error.retryable and error.fix is None)
        except SourceError as error:
            if error.fix is None or not (error.fix() or error.retryable):
                raise
            sent = error.attempts
        count(retries=1)
        return self._retry(attempt, lambda error: error.retryable, sent)

    def _retry(
        self,
        attempt: Callable[[], httpx.Response],
        worth_it: Callable[[SourceError], bool],
        sent: int = 0,
    ) -> httpx.Response:
        retrying = Retrying(
            stop=stop_after_attempt(self._limits.attempts),
            retry=retry_if_exception(lambda e: isinstance(e, SourceError) and worth_it(e)),
            wait=self._pause,
            before_sleep=lambda _: count(retries=1),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(attempt)
        except SourceError as error:
            error.attempts = sent + retrying.statistics["attempt_number"]
            raise

    def _pause(self, state: RetryCallState) -> float:
        limits = self._limits
        backoff = wait_exponential(limits.backoff, limits.backoff_max)(state)
        jitter = wait_random(0, limits.backoff)(state)
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, SourceError) else None
        return max(backoff, asked or 0.0) + jitter

    def _attempt(self, build: Callable[[], httpx.Request], line: str) -> httpx.Response:
        outcome = self._exchange(build, line)
        # Raised here, where no other exception is being handled whose text or traceback could
        # show a key.
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _exchange(
        self, build: Callable[[], httpx.Request], line: str
    ) -> httpx.Response | SourceError | StoppedError:
        request: httpx.Request | None = None
        response: httpx.Response | None = None
        try:
            request = build()
            response = self._paced(request)
            error = self._judge(response)
            if error is None:
                return response
        except SourceError as raised:
            error = raised
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeEncodeError) as raised:
            host = httpx.URL(self._base).netloc.decode()
            error = transport_error(self.source, host, raised)
        if self._connections.closed:
            # What failed, failed because of that.
            return StoppedError()
        return self._told(error, request, response, line)

    def _paced(self, request: httpx.Request) -> httpx.Response:
        """Send a request when its time has come: it is signed after that."""
        while not self._slots.acquire(timeout=STOP_CHECK):
            self._sleep(0)
        try:
            self._pacer.wait()
            # Last, since it may be pressed while others wait for their turn.
            self._brake(request).wait(self._limits.requests_per_second, self._sleep)
            count(requests=1)
            return self._connections.send(request)
        finally:
            self._slots.release()

    def _brake(self, request: httpx.Request) -> Brake:
        action = request.headers.get(self._action_header, "") if self._action_header else ""
        return brake_of(request.url.netloc.decode("ascii"), action)

    def _judge(self, response: httpx.Response) -> SourceError | None:
        verdicts = (judge(response) for judge in self._judges)
        return next((verdict for verdict in verdicts if verdict is not None), None)

    def _told(
        self,
        error: SourceError,
        request: httpx.Request | None,
        response: httpx.Response | None,
        line: str,
    ) -> SourceError:
        """Return `error` with what the exchange tells about itself, and without its secrets."""
        if isinstance(error, ThrottledError) and error.retryable and request and response:
            # One that is throttled waits by itself; the others shall not run into the same wall.
            sent_at = time.monotonic() - response.elapsed.total_seconds()
            self._brake(request).press(error.retry_after or self._limits.backoff, sent_at)
        if not error.request:
            target = request.url.raw_path.decode("ascii") if request else ""
            error.request = f"{request.method} {target}" if request else line
        if response is not None:
            error.status = error.status or response.status_code
            ids = (response.headers.get(name) for name in REQUEST_ID_HEADERS)
            error.request_id = error.request_id or next((one for one in ids if one), None)
        error.redact({*self._secrets, *_credentials(request)})
        return error


def _credentials(request: httpx.Request | None) -> set[str]:
    """Return what a signed request proves itself with: some servers echo it."""
    value = request.headers.get("authorization", "") if request else ""
    return {value, value.partition(" ")[2]}
