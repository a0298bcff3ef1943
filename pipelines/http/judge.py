"""Reads a complete response, or the failure to get one, as an error of the hierarchy."""

import math
import re
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from llm_usage_warehouse.http.errors import (
    AuthenticationError,
    BadResponseError,
    InvalidRequestError,
    NetworkError,
    PermissionDeniedError,
    SourceError,
    ThrottledError,
    VendorFaultError,
)

Judge = Callable[[httpx.Response], SourceError | None]
"""A reading of a complete response: an error, or None where there is nothing to complain about."""

RETRY_AFTER_MAX = 120.0
"""Seconds: a longer wait is left to the next run."""

_CLOSING = {b"{": b"}", b"[": b"]"}


def default_judge(source: str) -> Judge:
    """Return the reading of a response that holds for any HTTP API that answers in JSON."""

    def judge(response: httpx.Response) -> SourceError | None:
        if response.is_success:
            return _judge_body(source, response)
        return _judge_status(source, response)

    return judge


def _judge_status(source: str, response: httpx.Response) -> SourceError:
    status = response.status_code
    quote = readable(response)
    if status == 401:
        return AuthenticationError(source, "the vendor refused the key", quote=quote)
    if status == 403:
        return PermissionDeniedError(source, "the vendor denied access", quote=quote)
    if status in {408, 425, 429}:
        return ThrottledError(
            source, "too many requests", quote=quote, retry_after=retry_after(response)
        )
    if status >= 500:
        return VendorFaultError(
            source, "the vendor's server failed", quote=quote, retry_after=retry_after(response)
        )
    if status >= 400:
        return InvalidRequestError(source, "the vendor refused the request", quote=quote)
    target = response.headers.get("location", "").partition("?")[0]
    # Not followed: the key would travel with the request to wherever the redirect points.
    return BadResponseError(
        source,
        f"an unexpected redirect to {target}" if target else "an unexpected status",
        next_step="Set base_url in .dlt/config.toml to the final address of the API.",
    )


def _judge_body(source: str, response: httpx.Response) -> SourceError | None:
    kind = response.headers.get("content-type", "").lower()
    body = response.content
    if "html" in kind:
        return BadResponseError(
            source,
            "a web page came instead of data",
            quote=readable(response),
            next_step="Check base_url in .dlt/config.toml: its path is probably wrong.",
        )
    if not body.strip() and response.status_code == 200:
        return BadResponseError(source, "the response is empty", retryable=True)
    closing = _CLOSING.get(body[:64].lstrip()[:1])
    if "json" in kind and closing and not body[-64:].rstrip().endswith(closing):
        return BadResponseError(source, "the response breaks off", retryable=True)
    return None


def retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that a response asks to wait, at most 120; None where it does not say.

    Reads `retry-after-ms`, then `Retry-After` in seconds or as a date, which counts from the
    response's own `Date`, so that a wrong local clock changes nothing.
    """
    milliseconds = _number(response.headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    value = response.headers.get("retry-after", "")
    seconds = _number(value)
    if seconds is not None:
        return _bounded(seconds)
    until = http_date(value)
    if until is None:
        return None
    now = http_date(response.headers.get("date", "")) or datetime.now(UTC)
    return _bounded((until - now).total_seconds())


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def http_date(text: str) -> datetime | None:
    """Return the instant that a header such as `Date` tells; None where it tells none.

    HTTP has its dates in GMT, so one that names no zone, or an unknown one (`-0000`), is in it.
    """
    try:
        value = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), RETRY_AFTER_MAX)


def readable(response: httpx.Response) -> str:
    """Return what a body says to a person: its text, without tags where it is a web page."""
    text = response.text
    if "html" in response.headers.get("content-type", "").lower():
        return re.sub(r"<[^>]*>", " ", text)
    return text


def transport_error(source: str, host: str, error: Exception) -> SourceError:
    """Return what it means that `error` came in place of a response from `host`."""
    match error:
        case httpx.LocalProtocolError() | UnicodeEncodeError():
            # The text of these two holds the very header that is at fault, key and all.
            return InvalidRequestError(
                source,
                "the request cannot be sent: a header holds characters that HTTP does not allow",
                next_step="Check the key in .dlt/secrets.toml for line breaks and stray letters.",
            )
        case httpx.InvalidURL():
            return InvalidRequestError(source, f"the address is not valid: {error}")
        case httpx.DecodingError():
            return BadResponseError(source, f"the body is damaged: {error}", retryable=True)
        case httpx.TimeoutException():
            late = "accept a connection" if isinstance(error, httpx.ConnectTimeout) else "answer"
            return NetworkError(source, f"{host} took too long to {late}")
        case _ if _is_untrusted(error):
            return NetworkError(
                source,
                f"the certificate of {host} is not trusted: {error}",
                retryable=False,
                next_step="Add the certificate's authority to SSL_CERT_FILE, or correct base_url.",
            )
        case _:
            return NetworkError(source, f"the exchange with {host} failed: {error}")


def _is_untrusted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
