"""The envelope of every answer: HTTP 200 and a `Response`, whether it went well or not."""

import json
import uuid
from collections.abc import Iterable
from typing import Any


class ApiError(Exception):
    """A refusal, carried inside an HTTP 200.

    Attributes:
        code: such as `AuthFailure.SignatureFailure`.
        message: for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def encode(value: Any) -> bytes:
    """Return the JSON of a value as raw UTF-8, as the vendor sends it."""
    return json.dumps(value, ensure_ascii=False).encode()


def refusal(error: ApiError) -> bytes:
    """Return the body of a refused request."""
    detail = {"Code": error.code, "Message": error.message}
    return encode({"Response": {"Error": detail, "RequestId": str(uuid.uuid4())}})


def answer(fields: dict[str, Any], rows: Iterable[bytes] | None, warning: str) -> bytes:
    """Return the body of a served request.

    Args:
        fields: the members of `Response`.
        rows: JSON texts that become `Response.List`; None for an answer without a list.
        warning: the vendor's notice that the action will go away; empty for none.
    """
    notice = {"DeprecatedWarning": warning} if warning else {}
    rest = encode(fields | notice | {"RequestId": str(uuid.uuid4())})
    if rows is None:
        return b'{"Response":' + rest + b"}"
    return b'{"Response":{"List":[' + b",".join(rows) + b"]," + rest[1:] + b"}"
