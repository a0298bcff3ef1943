"""ACS3-HMAC-SHA256, Alibaba Cloud's signature of one request.

Rules: "V3 request structure and signature" of the vendor's OpenAPI documentation. The date and the
region play no part in the key. What is signed must be, byte for byte, what is sent: the query is
spelled once, by `spelled_query`, and travels as part of the URL.
"""

import hashlib
import hmac
from collections.abc import Generator, Mapping
from datetime import datetime, timedelta
from urllib.parse import quote
from uuid import uuid4

import httpx
import pendulum

from llm_usage_warehouse.http import http_date

ALGORITHM = "ACS3-HMAC-SHA256"
API_VERSION = "20240611"
DATE_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def spelled_query(parameters: Mapping[str, str | int]) -> str:
    """Return a query string as it is signed and sent: sorted by name, RFC 3986 encoding.

    A space is `%20`; an HTTP library left to itself would send `+`.
    """
    pairs = ((_encoded(name), _encoded(value)) for name, value in sorted(parameters.items()))
    return "&".join(f"{name}={value}" for name, value in pairs)


def string_to_sign(method: str, path: str, query: str, headers: Mapping[str, str]) -> str:
    """Return the text that the signature is made over.

    Args:
        method: the HTTP method.
        path: percent-encoded once, as it is sent.
        query: from `spelled_query`, as it is sent.
        headers: those to sign, by lower-case name; `x-acs-content-sha256` among them.
    """
    names = sorted(headers)
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    canonical = "\n".join(
        (method, path, query, lines, ";".join(names), headers["x-acs-content-sha256"])
    )
    return f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"


def authorization(key_id: str, key_secret: str, headers: Mapping[str, str], text: str) -> str:
    """Return the Authorization header for `text`, the `string_to_sign` over `headers`."""
    signature = hmac.new(key_secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    signed = ";".join(sorted(headers))
    return f"{ALGORITHM} Credential={key_id},SignedHeaders={signed},Signature={signature}"


class Acs3(httpx.Auth):
    """Signs each attempt anew: the vendor takes a nonce once, so a repeat needs another.

    Only host and the `x-acs-*` headers are signed, which the documentation asks for: a proxy may
    change the others on the way.

    Args:
        key_id: the access key's id.
        key_secret: the access key's secret.
        security_token: of temporary credentials; empty for an ordinary key.
    """

    requires_request_body = True

    def __init__(self, key_id: str, key_secret: str, security_token: str = "") -> None:
        self._key_id = key_id
        self._key_secret = key_secret
        self._security_token = security_token
        self._offset = timedelta()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Date, number and sign the request; its `x-acs-action` is set already."""
        now = pendulum.now("UTC") + self._offset
        request.headers["x-acs-version"] = API_VERSION
        request.headers["x-acs-date"] = now.strftime(DATE_FORMAT)
        request.headers["x-acs-signature-nonce"] = uuid4().hex
        request.headers["x-acs-content-sha256"] = hashlib.sha256(request.content).hexdigest()
        if self._security_token:
            request.headers["x-acs-security-token"] = self._security_token
        signed = {
            name: value
            for name, value in request.headers.items()
            if name == "host" or name.startswith("x-acs-")
        }
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        text = string_to_sign(request.method, path, query, signed)
        request.headers["Authorization"] = authorization(
            self._key_id, self._key_secret, signed, text
        )
        yield request

    def follow_clock(self, response: httpx.Response) -> timedelta:
        """Sign from now on by the clock of the server that sent `response`.

        Returns:
            How far the server's clock was ahead of the date that the request was signed with; zero
            where the response does not say.
        """
        there = http_date(response.headers.get("date", ""))
        if there is None:
            return timedelta()
        signed = datetime.fromisoformat(response.request.headers["x-acs-date"])
        # Threads may have signed with the old offset: each asks about its own request.
        self._offset = there - pendulum.now("UTC")
        return there - signed


def _encoded(value: str | int) -> str:
    return quote(str(value), safe="~")
