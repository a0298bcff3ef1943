"""Reads AI Proxy's log endpoints: settings, envelope, paging.

What the server does, and what follows here (core/controller and core/model of its source):

- Bounds are inclusive on both ends at microsecond precision, while rows show whole milliseconds:
  windows share their boundary and rows merge on their id.
- A span above 7 days is cut to its last 7 days in silence: slices are at most 7 days, and a row
  outside the asked window is an error.
- Pages hold at most 100 rows. `id-desc` is the one total order in which neither retention deletes
  nor late inserts make a row slip between two pages unseen.
- `total` counts exactly, outside the page's transaction: fewer distinct ids mean another read.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import msgspec
import pendulum
import pyarrow as pa
import pyarrow.compute as pc

from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.http import ApiClient, BadResponseError, SourceError
from llm_usage_warehouse.paging import Page, read_pages
from llm_usage_warehouse.settings import SourceSettings, setting
from llm_usage_warehouse.sources.aiproxy.dashboard import check_hours, totals_document, totals_query
from llm_usage_warehouse.sources.aiproxy.envelope import TOTALS, aiproxy_judge, group_page, log_page
from llm_usage_warehouse.sources.aiproxy.schema import (
    CHANNELS_TABLE,
    DASHBOARD_TABLE,
    LOGS_TABLE,
    PRIVATE,
    logs_shape,
)
from llm_usage_warehouse.streams import ApiReader, Audit, Pull, Reading, Stream
from llm_usage_warehouse.windows import Grid, Window, merged

PAGE_SIZE = 100
ROWS_PER_TABLE = 2_500
READS = 3
LONGEST = pendulum.duration(days=7)
HOURS = Grid(pendulum.duration(hours=1))
WEEKS = Grid(LONGEST)
FIVE_WEEKS = Grid(LONGEST * 5)
FEW_GROUPS = 20
ASYNC_PENDING = 1
"""`async_usage_status` of a job whose usage and amounts are still to come."""
UNSETTLED = (
    f"fewer rows came than the server counts, {READS} times over: its pages moved while they were "
    "read; what came is loaded, and the window is read again next night"
)

log = logging.getLogger("llm_usage")


@dataclass(frozen=True)
class AiProxySettings(SourceSettings):
    """Settings of one AI Proxy instance."""

    admin_key: str = setting("the server's ADMIN_KEY", secret=True)
    groups: list[str] = setting("the groups to read; empty reads every log row", [])
    currency: str = setting("ISO 4217 code of the unit in which prices were typed in", "USD")
    channel_providers: dict[str, str] = setting(
        "provider_name by channel id, where the channel's type does not say it", {}
    )
    keep: list[str] = setting(
        f"which of the private fields to store: {', '.join(PRIVATE)}", ["metadata"]
    )


class AdminKey(httpx.Auth):
    """Sends the admin key, raw: a prefix of its own would be trimmed by the server."""

    def __init__(self, key: str) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Any:
        """Set the header."""
        request.headers["Authorization"] = self._key
        yield request


class AiProxy(ApiReader):
    """An open connection to one AI Proxy instance; its days are all the same to it.

    Raises:
        UsageError: a setting that this API cannot serve.
    """

    def __init__(self, settings: AiProxySettings, _timezone: str) -> None:
        section = f"[sources.{settings.name}]"
        if settings.slice > LONGEST:
            raise UsageError(
                f"{section} slice is more than 7 days, which the server cuts in silence"
            )
        if unknown := set(settings.keep) - set(PRIVATE):
            raise UsageError(
                f"{section} keep: {', '.join(sorted(unknown))} is none of {', '.join(PRIVATE)}"
            )
        self._settings = settings
        self._shape = logs_shape(frozenset(settings.keep))
        self._doubts: dict[str, str] = {}
        self._client = ApiClient(
            settings.name,
            settings.base_url,
            auth=AdminKey(settings.admin_key),
            limits=settings.limits,
            headers={"Accept": "application/json"},
            judge=aiproxy_judge(settings.name),
            secrets=(settings.admin_key,),
        )

    def streams(self) -> Sequence[Stream]:
        """Return `channels` (who ran a call), `logs` (the calls) and `dashboard` (their totals)."""
        cadence = self._settings.cadence()
        return (
            Stream(
                CHANNELS_TABLE,
                cadence,
                self._read_channels,
                missed="the names and providers of channels that are new",
            ),
            Stream(LOGS_TABLE, cadence, self._read_logs, lambda _: self._log_scopes()),
            Stream(
                DASHBOARD_TABLE,
                # One request has no limit of time, and a week of totals is a few thousand rows.
                self._settings.cadence(HOURS, WEEKS),
                self._read_dashboard,
                lambda _: self._counted_scopes() if self._has_dashboard else (),
                missed="the gateway's totals to check its log with",
                audit=Audit(
                    self._read_dashboard,
                    self._audited_at_once(),
                    (LOGS_TABLE.name,),
                    calls="request_count",
                ),
            ),
        )

    def _audited_at_once(self) -> Grid:
        # One request has no limit of time; many groups take longer stretches to be few requests.
        return WEEKS if len(self._scopes) <= FEW_GROUPS else FIVE_WEEKS

    @property
    def _scopes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._settings.groups)) or ("",)

    def _log_scopes(self) -> tuple[str, ...]:
        # Asked here once, and not by each of the threads that read the log.
        groups = self._settings.groups
        try:
            doubt = (
                f"the server has none; look for a slip in [sources.{self._settings.name}] groups"
            )
            self._doubts = dict.fromkeys(self._not_listed(groups), doubt)
        except SourceError as error:
            doubt = f"whether there is one could not be looked up: {error}"
            self._doubts = dict.fromkeys(groups, doubt)
        return self._scopes

    def _counted_scopes(self) -> tuple[str, ...]:
        # A path with such a group has no route, and the dashboard takes it nowhere else.
        routed = tuple(scope for scope in self._scopes if "/" not in scope)
        if left := sorted(set(self._scopes) - set(routed)):
            log.info(
                "%s: the server has no totals to check these groups with: %s",
                self._settings.name,
                ", ".join(left),
            )
        return routed

    def _not_listed(self, groups: Sequence[str]) -> frozenset[str]:
        """Return those of some groups that the server does not list."""
        left, page, read = set(groups), 0, 0
        while left:
            page += 1
            body = self._client.get("/groups/", {"page": page, "per_page": PAGE_SIZE}).content
            names, total = group_page(self._settings.name, body)
            left -= set(names)
            read += len(names)
            if not names or read >= total:
                break
        return frozenset(left)

    @cached_property
    def _has_dashboard(self) -> bool:
        hour = HOURS.floor(pendulum.now("UTC"))
        try:
            self._totals("", Window(hour, HOURS.after(hour)))
        except BadResponseError as error:
            if error.status != 404:
                raise
            log.info("%s: this release has no totals to check its log with", self._settings.name)
            return False
        return True

    def _read_channels(self, _scope: str, _window: Window, _pull: Pull) -> Reading:
        body = self._client.get("/channels/all").content
        table = CHANNELS_TABLE.rows(self._settings, [body]).table
        providers = self._settings.channel_providers
        named = [providers.get(str(number)) for number in table["id"].to_pylist()]
        hosts = [urlsplit(url or "").hostname for url in table["host"].to_pylist()]
        for column, values in (("provider_name", named), ("host", hosts)):
            at = table.schema.get_field_index(column)
            table = table.set_column(at, column, pa.array(values, pa.string()))
        return Reading([table])

    def _read_dashboard(self, scope: str, window: Window, _pull: Pull) -> Reading:
        page = totals_document(self._settings.name, self._totals(scope, window))
        parsed = DASHBOARD_TABLE.rows(self._settings, [page], scope=scope)
        check_hours(self._settings.name, parsed.table, window)
        return Reading([parsed.table], unknown_fields=parsed.unknown)

    def _totals(self, scope: str, window: Window) -> bytes:
        path = f"{TOTALS}{quote(scope, safe='')}"
        return self._client.get(path, totals_query(window)).content

    def _read_logs(self, scope: str, window: Window, pull: Pull) -> Reading:
        for _ in range(READS):
            reading = self._read_logs_once(scope, window, pull)
            if LOGS_TABLE.count(reading.tables) >= (reading.reported_total or 0):
                return replace(reading, warnings=self._warnings(scope, reading))
        # What came is merged; the difference stands in the ledger until a later night has it all.
        return replace(reading, unsettled=[window], warnings=[UNSETTLED])

    def _warnings(self, scope: str, reading: Reading) -> list[str]:
        doubt = self._doubts.get(scope)
        return [f"no call of group {scope!r}: {doubt}"] if doubt and not reading.rows else []

    def _read_logs_once(self, scope: str, window: Window, pull: Pull) -> Reading:
        ask = self._log_page(scope, window)
        rows: list[msgspec.Raw] = []
        tables: list[pa.Table] = []
        unknown = set[str]()
        total = 0
        for page in read_pages(self._settings.name, ask, PAGE_SIZE, pull):
            rows += page.rows
            # Rows that came in meanwhile push the oldest ones onto pages not yet counted.
            total = max(total, page.total)
            if len(rows) >= ROWS_PER_TABLE:
                tables.append(self._table(rows, unknown))
                rows = []
        tables.append(self._table(rows, unknown))
        self._check_bounds(tables, window)
        return Reading(tables, total, _unsettled(tables), frozenset(unknown))

    def _log_page(self, scope: str, window: Window) -> Callable[[int], Page]:
        """Return what asks for the page of a number, from 1."""
        params: dict[str, str | int] = {
            "start_timestamp": window.start_ms,
            "end_timestamp": window.end_ms,
            "per_page": PAGE_SIZE,
            "order": "id-desc",
        }
        if scope:
            # Not in the path, where a group with a slash has no route.
            params["group"] = scope
        if "request_detail" in self._settings.keep:
            # The server renamed it in v0.5.2 and ignores the name that it does not know.
            params |= {"include_detail": "true", "with_body": "true"}

        def page(number: int) -> Page:
            body = self._client.get("/logs/search", params | {"page": number}).content
            return log_page(self._settings.name, body)

        return page

    def _table(self, rows: Sequence[msgspec.Raw], unknown: set[str]) -> pa.Table:
        parsed = LOGS_TABLE.typed(self._settings, rows, self._shape)
        unknown |= parsed.unknown
        return parsed.table

    def _check_bounds(self, tables: Sequence[pa.Table], window: Window) -> None:
        for table in tables:
            if not table.num_rows:
                continue
            bounds = pc.min_max(table["created_at_raw"]).as_py()
            if bounds["min"] < window.start_ms or bounds["max"] > window.end_ms:
                raise BadResponseError(
                    self._settings.name,
                    "the server sent rows from outside the window that was asked for",
                    next_step="Is it older than v0.2.2? Those cut every window to the last 7 days: "
                    "update it, or set start within the last 7 days.",
                )


def _unsettled(tables: Sequence[pa.Table]) -> list[Window]:
    """Return the hours that hold a job whose usage is still to come."""
    found: list[Window] = []
    for table in tables:
        is_pending = pc.equal(table["async_usage_status"], ASYNC_PENDING)
        for millisecond in table["created_at_raw"].filter(is_pending).to_pylist():
            hour = HOURS.floor(pendulum.from_timestamp(millisecond / 1000))
            found.append(Window(hour, HOURS.after(hour)))
    return merged(found)
