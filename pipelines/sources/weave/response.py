"""What the trace server answers: errors in words for people, and the rows of a good answer."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
import pendulum
import pyarrow as pa
import pyarrow.compute as pc

from llm_usage_warehouse.envelopes import decoded, members
from llm_usage_warehouse.http import (
    AuthenticationError,
    BadResponseError,
    InvalidRequestError,
    Judge,
    PermissionDeniedError,
    SourceError,
    VendorFaultError,
)
from llm_usage_warehouse.pages import Parsed, mended
from llm_usage_warehouse.settings import SourceSettings
from llm_usage_warehouse.sources.weave.schema import Buckets
from llm_usage_warehouse.windows import Grid, Window, merged

HOURS = Grid(pendulum.duration(hours=1))
ENVELOPE = frozenset({"start", "end", "granularity", "timezone", "usage_buckets", "call_buckets"})
STATS, PRICES = "/calls/stats", "/cost/query"
STREAM, COUNT = "/calls/stream_query", "/calls/query_stats"
MEMBERS = {
    STATS: ENVELOPE,
    PRICES: frozenset({"results"}),
    COUNT: frozenset({"count"}),
}
TOO_MUCH = frozenset({502, 504})
"""Statuses of a query that took too long or too much memory: a shorter window may do."""


def read_answer(
    settings: SourceSettings,
    body: bytes,
    buckets: Buckets,
    window: Window,
    granularity: int,
    project_id: str,
) -> Parsed:
    """Type the buckets of an answer in which something was called.

    Empty buckets are left out: the server fills in zeros for each model of the whole window, so
    that the same hour would have other rows in another window.

    Raises:
        BadResponseError: the answer has other buckets than were asked for, or a field has another
            type than the contract says.
    """
    source = settings.name
    envelope = members(source, body)
    came = decoded(source, envelope["granularity"], int)
    if came != granularity:
        raise _other_buckets(source, f"buckets of {came} seconds came instead of {granularity}")
    parsed = buckets.table().rows(settings, [body], scope=project_id)
    table = parsed.table
    if table.num_rows or buckets.always:
        _check_grid(source, table, window, granularity)
    length = pa.scalar(timedelta(seconds=granularity), pa.duration("us"))
    table = table.append_column("bucket_end", pc.add(table["bucket_start"], length))
    table = table.filter(pc.greater(table["bucket_count"], 0))
    return Parsed(table, parsed.unknown | frozenset(envelope.keys() - ENVELOPE))


class CallKey(msgspec.Struct, frozen=True):
    """What calls are put in order by, as the server spells it."""

    started_at: str
    id: str


_call_key = msgspec.json.Decoder(CallKey)


def call_lines(source: str, body: bytes) -> list[bytes]:
    """Return the calls of a stream, each as mended JSON.

    Raises:
        BadResponseError: a line is no call, or none to its end. The status is 200 all the same, and
            another try may bring the whole.
    """
    try:
        lines = [line for line in mended(body).split(b"\n") if line.strip()]
    except ValueError:
        raise _broken(source, "is no text") from None
    for number, line in enumerate(lines, 1):
        try:
            _call_key.decode(line)
        except (msgspec.DecodeError, RecursionError):
            # The line itself is not quoted: it may be a call, and hold what is private.
            raise _broken(source, f"breaks off at line {number} of {len(lines)}", line) from None
    return lines


def _broken(source: str, what: str, line: bytes = b"") -> BadResponseError:
    return BadResponseError(
        source,
        f"the stream of calls {what}",
        quote=_reason_in(line),
        next_step="Nothing of this window was written. Run again later; if it lasts, set a shorter "
        f"slice in [sources.{source}].",
        retryable=True,
    )


def running_buckets(tables: Sequence[pa.Table]) -> list[datetime]:
    """Return the starts of buckets whose calls still run in part: those have no latency yet."""
    found: list[datetime] = []
    for table in tables:
        is_running = pc.less(table["count_latency_ms"], table["sum_call_count"])
        found += table.filter(is_running)["bucket_start"].to_pylist()
    return found


def running_hours(tables: Sequence[pa.Table]) -> list[Window]:
    """Return the hours in which calls began that still run."""
    hours = {HOURS.floor(pendulum.instance(start)) for start in running_buckets(tables)}
    return merged(Window(hour, HOURS.after(hour)) for hour in hours)


def _check_grid(source: str, table: pa.Table, window: Window, granularity: int) -> None:
    found = set(pc.unique(table["bucket_start"]).to_pylist())
    asked = set[datetime]()
    at: datetime = window.start
    while at < window.end:
        asked.add(at)
        at += timedelta(seconds=granularity)
    if odd := found ^ asked:
        what = "missing" if min(odd) in asked else "outside the window or between two buckets"
        raise _other_buckets(source, f"the bucket of {min(odd).isoformat()} is {what}")


def _other_buckets(source: str, what: str) -> BadResponseError:
    return BadResponseError(
        source,
        f"the server's buckets are not those that were asked for: {what}",
        next_step=f"Nothing was written. A shorter slice in [sources.{source}] may help; if not, "
        "the API has changed.",
    )


def weave_judge(source: str) -> Judge:
    """Return the reading of the trace server's answers; what it passes on is as in any JSON API."""

    def judge(response: httpx.Response) -> SourceError | None:
        if "html" in response.headers.get("content-type", ""):
            return None
        if response.status_code == 200:
            return _judge_envelope(source, response)
        return _judge_status(source, response)

    return judge


def _judge_envelope(source: str, response: httpx.Response) -> SourceError | None:
    path = response.request.url.path
    if path.endswith(STREAM):
        call_lines(source, response.content)
        return None
    expected = next(of for name, of in MEMBERS.items() if path.endswith(name))
    if members(source, response.content).keys() >= expected:
        return None
    return BadResponseError(source, f"the answer is not one of {path}")


def _judge_status(source: str, response: httpx.Response) -> SourceError | None:
    status, quote = response.status_code, _reason(response)
    if status in TOO_MUCH:
        return VendorFaultError(
            source,
            "the trace server could not finish the query",
            quote=quote,
            next_step=f"Run again later; if it lasts, set a shorter slice in [sources.{source}].",
        )
    if status in {401, 403, 404}:
        return _judge_access(source, status, quote)
    if any(str(one.get("input", "")).startswith("cache_") for one in _details(response)):
        return InvalidRequestError(
            source,
            "the server does not know the metrics of cached tokens",
            quote=quote,
            next_step="It is older than Weave 0.52.38: update the self-managed instance.",
        )
    if 400 <= status < 500 and status not in {408, 425, 429}:
        return InvalidRequestError(source, "W&B refused the request", quote=quote)
    return None


def _judge_access(source: str, status: int, quote: str) -> SourceError:
    section = f"[sources.{source}]"
    if status == 401:
        return AuthenticationError(
            source,
            "W&B refused the API key",
            quote=quote,
            next_step="Put a key from https://wandb.ai/authorize into .dlt/secrets.toml as "
            f"{section} api_key.",
        )
    if status == 403:
        return PermissionDeniedError(
            source,
            "W&B denied access to the project",
            quote=quote,
            next_step="Ask the project's owner to let the key's user read it, or take it out of "
            f"{section} project_id.",
        )
    if quote:
        return InvalidRequestError(
            source,
            "W&B does not know the project",
            quote=quote,
            next_step=f"{section} project_id must be entity/project, spelled as in the address of "
            "the project's page.",
        )
    return BadResponseError(
        source,
        "this is not a Weave trace server",
        next_step=f"{section} base_url must be https://trace.wandb.ai, or the address of an "
        "instance of your own followed by /traces.",
    )


def _reason(response: httpx.Response) -> str:
    """Return the server's own words: `{"reason": ...}`, or those of `{"detail": [{"msg"}]}`."""
    if details := _details(response):
        return "; ".join(str(one.get("msg", "")) for one in details)
    return _reason_in(response.content)


def _reason_in(json: bytes) -> str:
    body = _decoded(json)
    return str(body.get("reason") or "") if isinstance(body, dict) else ""


def _details(response: httpx.Response) -> list[dict[str, Any]]:
    """Return what validation found wrong: `msg`, and `input`, the value that it refused."""
    body = _decoded(response.content)
    found = body.get("detail") if isinstance(body, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _decoded(json: bytes) -> Any:
    try:
        return msgspec.json.decode(json)
    except (msgspec.DecodeError, RecursionError):
        return None
