"""Checks ACS3-HMAC-SHA256 signatures as the gateway does.

Rule: Alibaba Cloud, "V3 request structure and signature".
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote

VERSION = "20240611"
MAX_SKEW_SECONDS = 15 * 60
REQUIRED = {
    "x-acs-action": "MissingAction",
    "x-acs-version": "MissingVersion",
    "x-acs-date": "MissingTimestamp",
    "x-acs-signature-nonce": "MissingSignatureNonce",
    "x-acs-content-sha256": "MissingContentSha256",
}
AUTHORIZATION = re.compile(
    r"ACS3-HMAC-SHA256 Credential=([^,]+),SignedHeaders=([^,]+),Signature=([0-9a-f]{64})"
)


class GatewayError(Exception):
    """An answer that is not the product's: HTTP status, code, message, extra headers."""

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


@dataclass(frozen=True)
class Credential:
    """The secret of an access key id and, for temporary credentials, their security token."""

    secret: str
    token: str | None = None


@dataclass(frozen=True)
class Request:
    """One request as it arrived: the path and query still percent-encoded, header names lower."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


def check(
    request: Request,
    credentials: Mapping[str, Credential],
    nonces: set[tuple[str, str]],
    now: float,
) -> None:
    """Raise what the gateway would answer unless a request is signed, fresh and new.

    Args:
        request: the request.
        credentials: the account's access keys by id.
        nonces: access key ids and nonces that have passed; this one is added.
        now: the vendor's clock, in Unix seconds.

    Raises:
        GatewayError: the request does not pass.
    """
    match = AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if not match:
        raise GatewayError(
            400, "IncompleteSignature", "The request signature does not conform to standards."
        )
    for name, code in REQUIRED.items():
        if not request.headers.get(name):
            raise GatewayError(400, code, f"{name} is mandatory for this action.")
    key_id, signed, signature = match.groups()
    _check_date(request.headers["x-acs-date"], now)
    credential = credentials.get(key_id)
    if credential is None:
        raise GatewayError(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
    _check_signature(request, signed.split(";"), signature, credential.secret)
    if request.headers.get("x-acs-security-token") != credential.token:
        code = "InvalidSecurityToken.MismatchWithAccessKey"
        raise GatewayError(400, code, "Specified SecurityToken mismatch with the AccessKey.")
    nonce = (key_id, request.headers["x-acs-signature-nonce"])
    if nonce in nonces:
        raise GatewayError(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
    nonces.add(nonce)
    if request.headers["x-acs-version"] != VERSION:
        raise GatewayError(400, "InvalidVersion", "Specified parameter Version is not valid.")


def _check_date(text: str, now: float) -> None:
    try:
        sent = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise GatewayError(
            400, "InvalidTimeStamp.Format", "Specified time stamp or date value is not valid."
        ) from None
    if abs(sent.timestamp() - now) > MAX_SKEW_SECONDS:
        raise GatewayError(
            400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."
        )


def _check_signature(request: Request, signed: list[str], signature: str, secret: str) -> None:
    must = {"host", *(name for name in request.headers if name.startswith("x-acs-"))}
    if not must <= set(signed) or not set(signed) <= set(request.headers):
        raise GatewayError(
            400, "IncompleteSignature", "host and every x-acs- header must be signed."
        )
    to_sign = _string_to_sign(request, signed)
    ours = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(ours, signature):
        raise GatewayError(
            400,
            "SignatureDoesNotMatch",
            f"Specified signature does not match our calculation. server StringToSign: {to_sign}",
        )


def _string_to_sign(request: Request, signed: list[str]) -> str:
    # The gateway decodes the query before it signs, so "+" and "%20" on the wire are the same.
    pairs = sorted(parse_qsl(request.query, keep_blank_values=True))
    query = "&".join(f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in pairs)
    headers = "".join(f"{name}:{request.headers[name].strip()}\n" for name in sorted(signed))
    payload = hashlib.sha256(request.body).hexdigest()
    canonical = "\n".join(
        [request.method, request.path, query, headers, ";".join(sorted(signed)), payload]
    )
    return "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
