"""What an answer of AI Proxy says before its data: is this the API, and did it work."""

from collections.abc import Callable

import httpx
import orjson

from pipelines.http import AuthenticationError, BadResponseError, SourceError, VendorFaultError

TOTALS = "/dashboardv2/"
"""In the path of the totals, whose `data` is absent where there are none."""


def aiproxy_judge(name: str) -> Callable[[httpx.Response], SourceError | None]:
    """Return what tells a good answer from a bad one, for the source `name`."""

    def judge(response: httpx.Response) -> SourceError | None:
        if response.status_code == 401:
            return AuthenticationError(
                name,
                "the admin key was refused",
                next_step=f"Put the server's ADMIN_KEY into .dlt/secrets.toml as "
                f"[sources.{name}] admin_key; a key that itself begins with sk- needs sk- twice.",
            )
        is_page = "html" in response.headers.get("content-type", "")
        if response.status_code == 404 or (response.status_code == 200 and is_page):
            return BadResponseError(
                name,
                "this is not the API: the address was answered with a web page or 404",
                next_step=f"[sources.{name}] base_url must be the server's address followed by "
                "/api, such as https://aiproxy.example.com/api.",
            )
        if response.status_code != 200:
            return None
        return _judge_envelope(name, response)

    return judge


def _judge_envelope(name: str, response: httpx.Response) -> SourceError | None:
    """Read `{"data": ..., "success": true}`; an error has `message` and no `data`."""
    try:
        envelope = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return BadResponseError(
            name,
            "the answer is not complete JSON",
            next_step="If it stays so, look at what stands between here and the server.",
            retryable=True,
        )
    if not isinstance(envelope, dict) or envelope.get("success") is not True:
        message = envelope.get("message") if isinstance(envelope, dict) else None
        return VendorFaultError(
            name,
            "the server reports failure",
            quote=str(message or ""),
            next_step="Look at the server's log.",
        )
    data = envelope.get("data")
    if isinstance(data, list) or (isinstance(data, dict) and isinstance(data.get("total"), int)):
        return None
    if TOTALS in response.request.url.path and (data is None or "time_series" in data):
        return None
    return BadResponseError(
        name,
        "the answer has no data.total",
        next_step="Does base_url lead to an AI Proxy of v0.2.0 or later?",
    )
