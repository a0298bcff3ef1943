"""What an answer of AI Proxy says before its data: is this the API, and did it work."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import msgspec

from llm_usage_warehouse.envelopes import NOTHING, decoded
from llm_usage_warehouse.http import (
    AuthenticationError,
    BadResponseError,
    SourceError,
    VendorFaultError,
)
from llm_usage_warehouse.paging import Page

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


class Envelope(msgspec.Struct):
    """An answer: `{"data": ..., "success": true}`; an error has `message` and no `data`."""

    data: msgspec.Raw = NOTHING
    success: Any = None
    message: Any = None


class LogPage(msgspec.Struct):
    """The `data` of a log page; `logs` stays as it came, and `total` counts all pages' rows."""

    total: int | None = None
    logs: list[msgspec.Raw] | None = None


class LogAnswer(msgspec.Struct):
    """An `Envelope` whose `data` is a log page: opened in one go, since most answers are such."""

    data: LogPage | None = None
    success: Any = None


class Group(msgspec.Struct):
    """What an API key belongs to."""

    id: str


class GroupPage(msgspec.Struct):
    """The `data` of a page of groups; `total` counts all pages'."""

    total: int
    groups: list[Group] | None = None


class Totals(msgspec.Struct):
    """The `data` of the dashboard in newer releases; older ones have the points alone."""

    time_series: list["Point"] | None


class Point(msgspec.Struct):
    """What was counted in one hour, an entry for each channel or API key and model."""

    timestamp: int
    summary: list[msgspec.Raw] | None = None


def log_page(source: str, body: bytes) -> Page:
    """Return the rows of a log page, and the total.

    Raises:
        BadResponseError: it is none.
    """
    found: LogPage | None = decoded(source, body, LogAnswer).data
    if found is None or found.total is None:
        raise _no_total(source)
    return Page(found.logs or [], found.total)


def group_page(source: str, body: bytes) -> tuple[list[str], int]:
    """Return the ids of a page of groups, and how many groups there are.

    Raises:
        BadResponseError: it is none.
    """
    found: GroupPage = decoded(source, decoded(source, body, Envelope).data, GroupPage)
    return [group.id for group in found.groups or []], found.total


def dashboard_points(source: str, body: bytes) -> list[Point]:
    """Return the points of a dashboard's answer, whatever the release.

    Raises:
        BadResponseError: it is none.
    """
    found = decoded(source, decoded(source, body, Envelope).data, Totals | list[Point] | None)
    return (found.time_series if isinstance(found, Totals) else found) or []


def _judge_envelope(name: str, response: httpx.Response) -> SourceError | None:
    if response.request.url.path.endswith("/search"):
        with suppress(BadResponseError):
            answer: LogAnswer = decoded(name, response.content, LogAnswer)
            if answer.success is True and answer.data and answer.data.total is not None:
                return None
    envelope = decoded(name, response.content, Envelope)
    if envelope.success is not True:
        return VendorFaultError(
            name,
            "the server reports failure",
            quote=str(envelope.message or ""),
            next_step="Look at the server's log.",
        )
    data = bytes(envelope.data)
    if data.startswith(b"["):
        return None
    if TOTALS in response.request.url.path and (data == b"null" or b'"time_series"' in data):
        return None
    if data.startswith(b"{") and decoded(name, envelope.data, LogPage).total is not None:
        return None
    return _no_total(name)


def _no_total(name: str) -> BadResponseError:
    return BadResponseError(
        name,
        "the answer has no data.total",
        next_step="Does base_url lead to an AI Proxy of v0.2.0 or later?",
    )
