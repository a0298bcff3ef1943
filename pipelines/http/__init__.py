"""The way every source speaks HTTP: paced, retried, signed per attempt, with errors for people."""

from pipelines.http.client import ApiClient, Limits
from pipelines.http.connections import until_connected
from pipelines.http.errors import (
    AuthenticationError,
    BadResponseError,
    InvalidRequestError,
    NetworkError,
    PermissionDeniedError,
    SourceError,
    ThrottledError,
    VendorFaultError,
    redact,
)
from pipelines.http.judge import Judge, default_judge, http_date, retry_after
from pipelines.http.pacing import StoppedError
from pipelines.http.traffic import Traffic, counting

__all__ = [
    "ApiClient",
    "AuthenticationError",
    "BadResponseError",
    "InvalidRequestError",
    "Judge",
    "Limits",
    "NetworkError",
    "PermissionDeniedError",
    "SourceError",
    "StoppedError",
    "ThrottledError",
    "Traffic",
    "VendorFaultError",
    "counting",
    "default_judge",
    "http_date",
    "redact",
    "retry_after",
    "until_connected",
]
