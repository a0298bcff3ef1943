"""Verifies TC3-HMAC-SHA256, the signature of Tencent Cloud API 3.0.

Source: "Signature v3" of Tencent Cloud API 3.0 and the signer of the published SDK.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from llm_usage_warehouse.simulator.tencent_lke._envelope import ApiError

SERVICE = "lke"
# "Timestamp and server time cannot differ by more than five minutes."
MAX_SKEW_SECONDS = 300
AUTHORIZATION = re.compile(
    r"TC3-HMAC-SHA256 Credential=(?P<id>[^/]+)/(?P<date>[^/]+)/(?P<service>[^/]+)/tc3_request, ?"
    r"SignedHeaders=(?P<signed>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


def signature(
    secret_key: str,
    service: str,
    timestamp: int,
    headers: Mapping[str, str],
    signed: list[str],
    body: bytes,
) -> str:
    """Return the hex signature of `POST /`.

    Args:
        secret_key: the account's key.
        service: the scope's service, `lke`.
        timestamp: Unix seconds; the scope's date is its UTC day, whatever the region.
        headers: as they came over the wire, by lower-case name.
        signed: the names of the signed ones, in the order of SignedHeaders.
        body: the bytes of the body as sent.
    """
    canonical_headers = "".join(f"{name}:{headers[name].strip().lower()}\n" for name in signed)
    payload = hashlib.sha256(body).hexdigest()
    canonical = f"POST\n/\n\n{canonical_headers}\n{';'.join(signed)}\n{payload}"
    date = datetime.fromtimestamp(timestamp, UTC).date().isoformat()
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"TC3-HMAC-SHA256\n{timestamp}\n{date}/{service}/tc3_request\n{digest}"
    key = f"TC3{secret_key}".encode()
    for part in (date, service, "tc3_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def verify(
    headers: Mapping[str, str],
    body: bytes,
    secret_id: str,
    secret_key: str,
    token: str,
    now: float,
) -> None:
    """Check that a request was signed by the account, within five minutes of `now`.

    Args:
        headers: by lower-case name.
        body: the bytes of the body.
        secret_id: the account's.
        secret_key: the account's.
        token: the STS token that must come with the keys; empty for permanent keys, which must
            come without one.
        now: the server's clock, in Unix seconds.

    Raises:
        ApiError: an `AuthFailure.*` or `MissingParameter`.
    """
    parts = AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if parts is None:
        raise ApiError("AuthFailure.InvalidAuthorization", "Authorization in header is invalid.")
    timestamp = _timestamp(headers)
    if abs(timestamp - now) > MAX_SKEW_SECONDS:
        raise ApiError(
            "AuthFailure.SignatureExpire",
            "Signature is expired. Timestamp and server time cannot differ by more than five "
            "minutes.",
        )
    if parts["id"] != secret_id:
        raise ApiError("AuthFailure.SecretIdNotFound", "The SecretId is not found.")
    date = datetime.fromtimestamp(timestamp, UTC).date().isoformat()
    signed = parts["signed"].split(";")
    if (
        (parts["date"], parts["service"]) != (date, SERVICE)
        or not {"content-type", "host"} <= set(signed) <= set(headers)
        or parts["signature"] != signature(secret_key, SERVICE, timestamp, headers, signed, body)
    ):
        raise ApiError(
            "AuthFailure.SignatureFailure",
            "The provided credentials could not be validated. Please check your signature is "
            "correct.",
        )
    if headers.get("x-tc-token", "") != token:
        raise ApiError("AuthFailure.TokenFailure", "The token is invalid.")


def _timestamp(headers: Mapping[str, str]) -> int:
    text = headers.get("x-tc-timestamp", "")
    if not text.isdecimal():
        raise ApiError(
            "MissingParameter", "The request is missing a required parameter `Timestamp`."
        )
    return int(text)
