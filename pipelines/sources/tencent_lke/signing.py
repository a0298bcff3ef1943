"""TC3-HMAC-SHA256, the signature of Tencent Cloud API 3.0, for any product of it.

Rule: https://www.tencentcloud.com/document/product/845/32209 (Signature v3). Signed are the method,
the path `/`, Content-Type, Host and the very bytes of the body; the time comes in by the string to
sign, so that every attempt is signed anew.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime

import httpx

from llm_usage_warehouse.http import http_date

ALGORITHM = "TC3-HMAC-SHA256"
SIGNED_HEADERS = "content-type;host"


class Tc3Auth(httpx.Auth):
    """Signs one request, its body as it goes onto the wire.

    Args:
        secret_id: names the key.
        secret_key: the key.
        service: the product as its host names it, such as `lke`.
        token: the STS token that temporary keys come with; empty for permanent keys.
        clock: the local clock, in Unix seconds.
    """

    requires_request_body = True

    def __init__(
        self,
        secret_id: str,
        secret_key: str,
        service: str,
        token: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secret_id = secret_id
        self._secret_key = secret_key
        self._service = service
        self._token = token
        self._clock = clock
        self._offset = 0.0

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Set X-TC-Timestamp, X-TC-Token and Authorization."""
        timestamp = int(self._clock() + self._offset)
        scope = f"{_utc_day(timestamp)}/{self._service}/tc3_request"
        text = string_to_sign(canonical_request(request), timestamp, scope)
        signature = _sign(self._secret_key, scope, text)
        request.headers["X-TC-Timestamp"] = str(timestamp)
        if self._token:
            request.headers["X-TC-Token"] = self._token
        request.headers["Authorization"] = (
            f"{ALGORITHM} Credential={self._secret_id}/{scope}, "
            f"SignedHeaders={SIGNED_HEADERS}, Signature={signature}"
        )
        yield request

    def follow_clock_of(self, response: httpx.Response) -> float | None:
        """Sign by the vendor's clock from now on, as its Date header tells it.

        Returns:
            How many seconds it is ahead of the local clock; None where the header does not say.
        """
        theirs = http_date(response.headers.get("Date", ""))
        if theirs is None:
            return None
        self._offset = theirs.timestamp() - self._clock()
        return self._offset


def canonical_request(request: httpx.Request) -> str:
    """Return what of a POST is signed."""
    return (
        f"{request.method}\n/\n\n"
        f"content-type:{request.headers['Content-Type']}\nhost:{request.headers['Host']}\n\n"
        f"{SIGNED_HEADERS}\n{hashlib.sha256(request.content).hexdigest()}"
    )


def string_to_sign(canonical: str, timestamp: int, scope: str) -> str:
    """Bind a canonical request to its second and its scope."""
    return f"{ALGORITHM}\n{timestamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"


def _sign(secret_key: str, scope: str, text: str) -> str:
    key = f"TC3{secret_key}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()


def _utc_day(timestamp: int) -> str:
    # In UTC wherever the account is: a day in China begins eight hours earlier.
    return datetime.fromtimestamp(timestamp, UTC).date().isoformat()
