"""The way every source speaks HTTP: paced, retried, signed per attempt, with errors for people."""

from llm_usage_warehouse.http.client import ApiClient, Limits
from llm_usage_warehouse.http.connections import until_connected
from llm_usage_warehouse.http.errors import (
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
from llm_usage_warehouse.http.judge import Judge, default_judge, http_date, retry_after
from llm_usage_warehouse.http.pacing import StoppedError
from llm_usage_warehouse.http.traffic import Traffic, counting

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
