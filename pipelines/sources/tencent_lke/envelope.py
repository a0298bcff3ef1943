"""What an answer of Tencent Cloud API 3.0 means, for any product of it.

Errors come as HTTP 200 with `{"Response": {"Error": {"Code", "Message"}, "RequestId"}}`. Codes:
https://www.tencentcloud.com/document/product/1254/70440 and the common ones of its section
"Error Codes".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from llm_usage_warehouse.envelopes import NOTHING, decoded
from llm_usage_warehouse.http import (
    AuthenticationError,
    BadResponseError,
    InvalidRequestError,
    PermissionDeniedError,
    SourceError,
    ThrottledError,
    VendorFaultError,
)

CLOCK_IS_OFF = "AuthFailure.SignatureExpire"


class ResponseTooLargeError(InvalidRequestError):
    """The answer would be larger than the vendor sends: ask for less at once."""


@dataclass(frozen=True)
class Meaning:
    """What a code means and what a person should do; `{name}` and `{action}` are filled in."""

    error: type[SourceError]
    summary: str
    next_step: str | None = None
    retryable: bool | None = None


_KEYS = "Check [sources.{name}] secret_id and secret_key in .dlt/secrets.toml: "
_FAULT = Meaning(VendorFaultError, "the vendor failed")
_REQUEST = Meaning(InvalidRequestError, "the vendor refused the request")
_RIGHTS = Meaning(
    PermissionDeniedError,
    "this key may not call {action}",
    "Grant its CAM user or role the right to lke:{action}.",
)
_ADDRESS = Meaning(
    PermissionDeniedError,
    "calls from this IP address are not allowed",
    "Let the key's owner allow this machine's address.",
)
_GONE = Meaning(
    InvalidRequestError,
    "the vendor does not offer {action} here",
    "Look into the vendor's announcements: the API may have been retired or replaced.",
)

MEANINGS: Mapping[str, Meaning] = {
    "RequestLimitExceeded": Meaning(ThrottledError, "too many requests"),
    "LimitExceeded": Meaning(
        ThrottledError,
        "a quota of the account is used up",
        "Look at the account's quotas in the console.",
        retryable=False,
    ),
    "InternalError": _FAULT,
    "ServiceUnavailable": _FAULT,
    "ResourceUnavailable": _FAULT,
    # LKE answers so to nearly everything that goes wrong on its side.
    "FailedOperation": _FAULT,
    CLOCK_IS_OFF: Meaning(
        AuthenticationError,
        "the clocks differ by more than five minutes",
        "Set this machine's clock.",
    ),
    "AuthFailure.TokenFailure": Meaning(
        AuthenticationError,
        "the temporary token was refused",
        "Put a fresh secret_id, secret_key and token into [sources.{name}] of .dlt/secrets.toml; "
        "with permanent keys leave token out.",
    ),
    "AuthFailure.SecretIdNotFound": Meaning(
        AuthenticationError, "the secret_id is unknown", _KEYS + "the key is deleted or mistyped."
    ),
    "AuthFailure.InvalidSecretId": Meaning(
        AuthenticationError, "the secret_id is not one", _KEYS + "a cloud API key is needed."
    ),
    "AuthFailure.SignatureFailure": Meaning(
        AuthenticationError,
        "the signature was refused",
        _KEYS + "the secret_key does not belong to the secret_id.",
    ),
    "AuthFailure.UnauthorizedOperation": _RIGHTS,
    "AuthFailure.MFAFailure": _RIGHTS,
    "AuthFailure": Meaning(AuthenticationError, "the vendor refused the key", _KEYS + "see above."),
    "UnauthorizedOperation": _RIGHTS,
    "IpInBlacklist": _ADDRESS,
    "IpNotInWhitelist": _ADDRESS,
    "InvalidParameter": _REQUEST,
    "InvalidParameterValue": _REQUEST,
    "MissingParameter": _REQUEST,
    "UnknownParameter": _REQUEST,
    "RequestSizeLimitExceeded": _REQUEST,
    "InvalidAction": _GONE,
    "ActionOffline": _GONE,
    "NoSuchVersion": _GONE,
    "NoSuchProduct": _GONE,
    "UnsupportedRegion": Meaning(
        InvalidRequestError,
        "the vendor does not offer {action} in this region",
        "Correct [sources.{name}] region in .dlt/config.toml.",
    ),
    "ResponseSizeLimitExceeded": Meaning(
        ResponseTooLargeError, "the answer would be too large", "Shorten [sources.{name}] slice."
    ),
}
"""By the whole code, else by what stands before its first dot."""

_UNKNOWN = Meaning(
    VendorFaultError, "the vendor answered with a code that is not documented", retryable=False
)


class _Envelope(msgspec.Struct):
    Response: msgspec.Raw = NOTHING


class Answer(msgspec.Struct, rename="pascal"):
    """What stands in `Response` beside an action's own fields, and the list of those that have one.

    Attributes:
        total: of the rows of all pages; a number in text where the vendor documents it so.
        rows: those of this page, as they came.
    """

    error: Any = None
    request_id: Any = None
    deprecated_warning: Any = None
    total: Any = None
    rows: msgspec.Raw = msgspec.field(name="List", default=NOTHING)


def read_response(source: str, body: bytes) -> msgspec.Raw:
    """Return what `Response` holds, as it came.

    Raises:
        BadResponseError: the answer is no JSON object.
    """
    found: msgspec.Raw = decoded(source, body, _Envelope).Response
    return found


def read_answer(source: str, body: bytes) -> Answer:
    """Return what an answer says; its list stays as it came.

    Raises:
        BadResponseError: the answer has no `Response`.
    """
    answer: Answer = decoded(source, read_response(source, body), Answer)
    return answer


def read_envelope(source: str, response: httpx.Response) -> Answer | SourceError:
    """Return what an answer says, or the error that it is."""
    inner = read_response(source, response.content)
    if not bytes(inner).startswith(b"{"):
        return BadResponseError(
            source,
            "the answer has no Response",
            next_step=f"[sources.{source}] base_url must be the API's host, such as "
            "https://lke.intl.tencentcloudapi.com.",
        )
    answer: Answer = decoded(source, inner, Answer)
    if answer.error is None:
        return answer
    known = answer.error if isinstance(answer.error, dict) else {"Message": str(answer.error)}
    action = response.request.headers.get("X-TC-Action", "")
    return _error(source, action, known, answer.request_id)


def _error(source: str, action: str, error: Mapping[str, Any], request_id: object) -> SourceError:
    code = str(error.get("Code", ""))
    meaning = MEANINGS.get(code) or MEANINGS.get(code.partition(".")[0], _UNKNOWN)
    step = meaning.next_step
    return meaning.error(
        source,
        meaning.summary.format(action=action),
        quote=f"{code}: {error.get('Message', '')}",
        request=f"{action} POST /",
        request_id=str(request_id) if request_id else None,
        next_step=step and step.format(name=source, action=action),
        retryable=meaning.retryable,
    )
