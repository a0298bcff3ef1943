"""One client per source: every request of a source goes through its `ApiClient.send`."""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from pipelines.http.errors import InvalidRequestError, SourceError
from pipelines.http.judge import Judge, default_judge, transport_error
from pipelines.http.pacing import Pacer, map_in_order
from pipelines.http.traffic import count

T = TypeVar("T")
R = TypeVar("R")

REQUEST_ID_HEADERS = ("x-request-id", "x-acs-request-id")


@dataclass(frozen=True)
class Limits:
    """How hard a source may press its vendor.

    Attributes:
        requests_per_second: the pace of attempts, all threads together.
        burst: attempts that may go at once after a rest.
        concurrency: threads of `map`, and connections.
        timeout: seconds without a byte of an answer.
        connect_timeout: seconds until a connection stands.
        attempts: requests sent before giving up on a retryable error.
        backoff: seconds before the second attempt, doubled for each one after; up to as
            much as this is added at random.
        backoff_max: seconds that the doubling stops at.
    """

    requests_per_second: float = 5.0
    burst: int = 5
    concurrency: int = 4
    timeout: float = 60.0
    connect_timeout: float = 10.0
    attempts: int = 5
    backoff: float = 0.5
    backoff_max: float = 60.0


DEFAULT_LIMITS = Limits()


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

    Attributes:
        requests: attempts sent so far.
        retries: those of them beyond the first of their request.

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
    ) -> None:
        self.source = source
        self.requests = 0
        self.retries = 0
        self._base = checked_base_url(source, base_url)
        self._limits = limits
        self._headers = dict(headers or {})
        self._judges = [judge, default_judge(source)] if judge else [default_judge(source)]
        self._secrets = frozenset(secrets)
        self._pacer = Pacer(limits.requests_per_second, limits.burst)
        self._count_lock = threading.Lock()
        self._http = httpx.Client(
            auth=auth,
            # A thread may wait for a connection as long as the other threads need theirs.
            timeout=httpx.Timeout(limits.timeout, connect=limits.connect_timeout, pool=None),
            limits=httpx.Limits(
                max_connections=limits.concurrency, max_keepalive_connections=limits.concurrency
            ),
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
        """Close the connections."""
        self._http.close()

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

    def map(self, fn: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Yield `fn(item)` in order, `limits.concurrency` at once; see `map_in_order`."""
        return map_in_order(fn, items, self._limits.concurrency)

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
        build = partial(
            self._http.build_request,
            method,
            self._base + url,
            params=params or None,
            content=content,
            headers={**self._headers, **(headers or {})},
        )
        attempt = partial(self._attempt, build, f"{method} {url}")
        try:
            return self._retry(attempt, lambda error: error.retryable and error.fix is None)
        except SourceError as error:
            if error.fix is None or not (error.fix() or error.retryable):
                raise
            sent = error.attempts
        self._count(retries=1)
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
            before_sleep=lambda _: self._count(retries=1),
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
        self._pacer.wait()
        self._count(requests=1)
        outcome = self._exchange(build, line)
        # Raised here, where no other exception is being handled whose text or traceback could
        # show a key.
        if isinstance(outcome, SourceError):
            raise outcome
        return outcome

    def _exchange(
        self, build: Callable[[], httpx.Request], line: str
    ) -> httpx.Response | SourceError:
        request: httpx.Request | None = None
        response: httpx.Response | None = None
        try:
            request = build()
            response = self._http.send(request)
            error = self._judge(response)
            if error is None:
                return response
        except SourceError as raised:
            error = raised
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeEncodeError) as raised:
            host = httpx.URL(self._base).netloc.decode()
            error = transport_error(self.source, host, raised)
        return self._told(error, request, response, line)

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
        if not error.request:
            target = request.url.raw_path.decode("ascii") if request else ""
            error.request = f"{request.method} {target}" if request else line
        if response is not None:
            error.status = error.status or response.status_code
            ids = (response.headers.get(name) for name in REQUEST_ID_HEADERS)
            error.request_id = error.request_id or next((one for one in ids if one), None)
        error.redact({*self._secrets, *_credentials(request)})
        return error

    def _count(self, *, requests: int = 0, retries: int = 0) -> None:
        with self._count_lock:
            self.requests += requests
            self.retries += retries
        count(requests=requests, retries=retries)


def _credentials(request: httpx.Request | None) -> set[str]:
    """Return what a signed request proves itself with: some servers echo it."""
    value = request.headers.get("authorization", "") if request else ""
    return {value, value.partition(" ")[2]}


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
