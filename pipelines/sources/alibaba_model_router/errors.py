"""ModelRouter's errors, in words for people.

An answer of the product is `{success, errCode, errMessage, httpStatusCode, data}`; `errCode` may
stand beside `success: true` and then means nothing. An answer of the gateway before it has
`{Code, Message}`, in JSON or XML, in either case of letters.
"""

import logging
import re
from contextlib import suppress
from dataclasses import dataclass
from html import unescape
from typing import Any

import httpx
import msgspec

from llm_usage_warehouse.envelopes import decoded, members
from llm_usage_warehouse.http import (
    AuthenticationError,
    BadResponseError,
    InvalidRequestError,
    Judge,
    PermissionDeniedError,
    SourceError,
    ThrottledError,
    VendorFaultError,
    retry_after,
)
from llm_usage_warehouse.sources.alibaba_model_router.response import (
    ROW_NAMES,
    Envelope,
    whole_number,
)
from llm_usage_warehouse.sources.alibaba_model_router.signing import Acs3

RETRY_AFTER = "x-acs-retry-after"
"""The header by which the vendor's own clients know that they are throttled: milliseconds."""

RETRY_AFTER_MAX = 120.0
CLOCK_ERROR = 60.0
"""Seconds: a smaller difference cannot be why the vendor, who allows 15 minutes, complains."""

KEY_CODES = (
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "InvalidAccessKey",
    "InvalidSecurityToken",
    "MissingSecurityToken",
)
PERMISSION_CODES = ("B.Permission.", "Forbidden", "NoPermission")
FAULT_CODES = ("ServiceUnavailable", "InternalError", "InternalFailure", "Server.Internal.")

log = logging.getLogger("llm_usage")


@dataclass(frozen=True)
class Refusal:
    """What an error says of itself; an empty code or status 0 where it does not."""

    code: str
    message: str
    status: int
    request_id: str | None

    @property
    def quote(self) -> str:
        """The vendor's own words."""
        return f"{self.code}: {self.message}".strip(": ")


def model_router_judge(source: str, auth: Acs3) -> Judge:
    """Return the reading of answers; a clock that the vendor rejects is set through `auth`."""

    def judge(response: httpx.Response) -> SourceError | None:
        if response.is_success:
            found = _read_envelope(source, response)
        else:
            found = _read_gateway_error(response)
        if not isinstance(found, Refusal):
            return found
        error = (
            _passing_error(source, found, response, auth)
            or _lasting_error(source, found, response.request.headers.get("x-acs-action", ""))
            or _unnamed_error(source, found, response)
        )
        error.request_id, error.status = found.request_id, found.status
        return error

    return judge


def _read_envelope(source: str, response: httpx.Response) -> Refusal | SourceError | None:
    if "html" in response.headers.get("content-type", "") or not response.content.strip():
        return None
    envelope = decoded(source, response.content, Envelope)
    if envelope.success is msgspec.UNSET:
        return BadResponseError(source, "the answer is not one of the ModelRouter API")
    if envelope.success is not True:
        return Refusal(
            str(envelope.err_code or ""),
            str(envelope.err_message or ""),
            whole_number(envelope.http_status_code),
            _text(envelope.request_id),
        )
    # An empty list may come as null; one that is not there at all may have another name by now.
    if bytes(envelope.data).startswith(b"{") and members(source, envelope.data).keys() & {
        *ROW_NAMES
    }:
        return None
    return BadResponseError(source, "the answer reports success and holds no rows")


def _read_gateway_error(response: httpx.Response) -> Refusal | None:
    body: Any = {}
    if "xml" in response.headers.get("content-type", ""):
        found = re.findall(r"<(Code|Message|RequestId)>(.*?)</\1>", response.text, re.DOTALL)
        body = {name: unescape(value) for name, value in found}
    else:
        with suppress(ValueError, RecursionError):
            body = msgspec.json.decode(response.content)
    known = {name.lower(): value for name, value in body.items()} if isinstance(body, dict) else {}
    code = known.get("code") or known.get("errcode")
    if not code and RETRY_AFTER not in response.headers:
        return None
    message = known.get("message") or known.get("errmessage")
    return Refusal(
        str(code or ""), str(message or ""), response.status_code, _text(known.get("requestid"))
    )


def _passing_error(
    source: str, refusal: Refusal, response: httpx.Response, auth: Acs3
) -> SourceError | None:
    """Return what a code says that means: not now."""
    code, quote = refusal.code, refusal.quote
    if "Throttling" in code or RETRY_AFTER in response.headers:
        return _throttled(source, quote, response)
    if code.startswith("InvalidTimeStamp"):
        return _clock_error(source, quote, response, auth)
    if code == "SignatureNonceUsed":
        return VendorFaultError(source, "a request was taken for a repeated one", quote=quote)
    if any(known in code for known in FAULT_CODES):
        return VendorFaultError(source, "ModelRouter failed", quote=quote)
    return None


def _lasting_error(source: str, refusal: Refusal, action: str) -> SourceError | None:
    """Return what a code says that means: not until a person has done something."""
    code, quote = refusal.code, refusal.quote
    if code.startswith(KEY_CODES):
        return _key_error(source, code, quote)
    if code.startswith(PERMISSION_CODES):
        return PermissionDeniedError(
            source,
            f"the access key may not call {action}",
            quote=quote,
            next_step=f"Grant its RAM user the action aicontent:{action}. Where it has it, the "
            "key belongs to another tenant or department than the data.",
        )
    if code.startswith(("InvalidApi", "InvalidAction", "InvalidVersion")):
        return InvalidRequestError(
            source,
            "this host does not serve the ModelRouter API",
            quote=quote,
            next_step=f"[sources.{source}] base_url must be https://aicontent.aliyuncs.com or the "
            "host of another region; if it is, the API has changed.",
        )
    return None


def _unnamed_error(source: str, refusal: Refusal, response: httpx.Response) -> SourceError:
    """Return what the status says, where no document knows the code."""
    status, quote = refusal.status, refusal.quote
    if status == 429:
        return _throttled(source, quote, response)
    if status == 401:
        return _key_error(source, refusal.code, quote)
    if status == 403:
        return PermissionDeniedError(source, "Alibaba Cloud denied access", quote=quote)
    if 400 <= status < 500:
        return InvalidRequestError(source, "ModelRouter refused the request", quote=quote)
    return VendorFaultError(source, "ModelRouter reports failure", quote=quote)


def _throttled(source: str, quote: str, response: httpx.Response) -> SourceError:
    return ThrottledError(
        source, "too many requests", quote=quote, retry_after=_retry_after(response)
    )


def _clock_error(source: str, quote: str, response: httpx.Response, auth: Acs3) -> SourceError:
    def fix() -> bool:
        ahead = auth.follow_clock(response).total_seconds()
        if abs(ahead) < CLOCK_ERROR:
            return False
        log.warning(
            "%s: this machine's clock is %.0f seconds off; signing by the vendor's", source, ahead
        )
        return True

    return InvalidRequestError(
        source,
        "this machine's clock is more than 15 minutes off",
        quote=quote,
        next_step="Set the clock (NTP), then run again.",
        fix=fix,
    )


def _key_error(source: str, code: str, quote: str) -> SourceError:
    section = f".dlt/secrets.toml as [sources.{source}]"
    if "SecurityToken" in code:
        next_step = f"Put a new set of temporary credentials into {section} access_key_id, "
        next_step += "access_key_secret and security_token; leave the token out for a lasting key."
    else:
        next_step = f"Check {section} access_key_id and access_key_secret; the key may also be "
        next_step += "disabled in the RAM console."
    return AuthenticationError(
        source, "Alibaba Cloud refused the access key", quote=quote, next_step=next_step
    )


def _retry_after(response: httpx.Response) -> float | None:
    try:
        milliseconds = float(response.headers[RETRY_AFTER])
    except (KeyError, ValueError):
        return retry_after(response)
    return min(max(0.0, milliseconds / 1000), RETRY_AFTER_MAX)


def _text(value: Any) -> str | None:
    return str(value) if value else None
