"""Reads ModelRouter's dimensions, log rows, billing lines and control totals.

What the vendor does, and what follows here:

- Whether a window holds its last second is not documented: log windows share their boundary and
  rows merge on their id; of the others, what comes from outside `[start, end)` is left to the
  neighbouring window.
- A billing line follows its call by minutes and has no id of its own: its window is replaced.
- A control total covers a whole hour: its windows lie on the hour.
- `memberUserIds` is never sent: present and empty, it would drop the rows of all members.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pendulum
import pyarrow as pa
import pyarrow.compute as pc

from llm_usage_warehouse.http import ApiClient, BadResponseError
from llm_usage_warehouse.pages import RowShape
from llm_usage_warehouse.paging import MissingRowsError
from llm_usage_warehouse.settings import SourceSettings, setting
from llm_usage_warehouse.sources.alibaba_model_router.endpoints import (
    ROOT,
    Endpoint,
    Query,
    endpoints,
)
from llm_usage_warehouse.sources.alibaba_model_router.errors import model_router_judge
from llm_usage_warehouse.sources.alibaba_model_router.listing import READS, Listing, read_list
from llm_usage_warehouse.sources.alibaba_model_router.response import Page, read_page
from llm_usage_warehouse.sources.alibaba_model_router.schema import (
    BILLING_DETAILS,
    LOGS,
    logs_shape,
)
from llm_usage_warehouse.sources.alibaba_model_router.signing import Acs3, spelled_query
from llm_usage_warehouse.streams import ApiReader, Audit, Pull, Reading, Stream, Write
from llm_usage_warehouse.windows import Grid, Window

ROWS_PER_TABLE = 20_000
HOURS = Grid(pendulum.duration(hours=1))
WEEKS = Grid(pendulum.duration(days=7))
A_DAY = 24
LOGGED_LATER = pendulum.duration(hours=1)
"""How far outside the asked window a log row's request may lie: which of its instants the bounds
mean is documented nowhere, and a row may be made some minutes after its request."""


@dataclass(frozen=True)
class ModelRouterSettings(SourceSettings):
    """Settings of one ModelRouter tenant."""

    base_url: str = setting(
        "address of the region's OpenAPI host", "https://aicontent.aliyuncs.com"
    )
    access_key_id: str = setting("the id of a RAM user's access key", secret=True)
    access_key_secret: str = setting("the secret of that key", secret=True)
    security_token: str = setting("the token of temporary (STS) credentials", "", secret=True)
    currency: str = setting("ISO 4217 code of the prices in the tenant's billing rules", "CNY")
    keep_bodies: bool = setting("whether to store prompts and answers", False)
    requests_per_second: float = setting("the pace, never exceeded", 5.0)


class ModelRouter(ApiReader):
    """An open connection to one ModelRouter tenant; its days are all the same to it."""

    def __init__(self, settings: ModelRouterSettings, _timezone: str) -> None:
        self._settings = settings
        self._logs = logs_shape(keep_bodies=settings.keep_bodies)
        self._base_url = settings.base_url.strip().rstrip("/")
        auth = Acs3(settings.access_key_id, settings.access_key_secret, settings.security_token)
        self._client = ApiClient(
            settings.name,
            self._base_url,
            auth=auth,
            limits=settings.limits,
            headers={"Accept": "application/json"},
            judge=model_router_judge(settings.name, auth),
            action_header="x-acs-action",
            secrets=(settings.access_key_id, settings.access_key_secret, settings.security_token),
        )

    def streams(self) -> Sequence[Stream]:
        """Return a stream for each endpoint: dimensions, logs, billing lines, control totals."""
        hourly = self._settings.cadence(HOURS, self._bucket_slices())
        return [
            Stream(
                endpoint.table,
                hourly if endpoint.bucket > 1 else self._settings.cadence(),
                partial(self._read, endpoint),
                missed=endpoint.missed,
                audit=self._audit(endpoint),
            )
            for endpoint in endpoints()
        ]

    def _audit(self, endpoint: Endpoint) -> Audit | None:
        if endpoint.bucket == 1:
            return None
        checks = (LOGS.name, BILLING_DETAILS.name)
        return Audit(partial(self._read, endpoint), WEEKS, checks, calls=endpoint.calls)

    def _bucket_slices(self) -> Grid:
        """Return whole hours: a slice that ended within a bucket would replace half of it."""
        hours = int(self._settings.slice.total_hours())
        return Grid(pendulum.duration(hours=max(hours, A_DAY)))

    def _read(self, endpoint: Endpoint, _scope: str, window: Window, pull: Pull) -> Reading:
        listing = read_list(
            self._settings.name,
            partial(self._page, endpoint, endpoint.query(window)),
            pull,
            endpoint.page_size,
        )
        tables, unknown = self._tables(endpoint, listing)
        total = listing.reported_total
        if endpoint.table is LOGS:
            self._check_instants(endpoint, window, tables)
        if endpoint.table.write is Write.REPLACE_WINDOW:
            if len(listing.rows) < listing.total:
                # Written, it would take away rows that an earlier reading has brought.
                raise MissingRowsError(
                    self._settings.name,
                    f"{len(listing.rows)} rows of {endpoint.action} came of the {listing.total} "
                    f"that are stated, {READS} times over",
                )
            inside = [self._inside(endpoint, window, table) for table in tables]
            outside = sum(t.num_rows for t in tables) - sum(t.num_rows for t in inside)
            tables, total = inside, None if total is None else total - outside
        return Reading(tables, total, unknown_fields=unknown)

    def _shape(self, endpoint: Endpoint) -> RowShape:
        return self._logs if endpoint.table is LOGS else endpoint.table.shape

    def _page(self, endpoint: Endpoint, query: Query, number: int) -> Page:
        paging = dict.fromkeys(endpoint.page_names, number) | {"pageSize": endpoint.page_size}
        answer = self._client.send(
            "GET",
            f"{ROOT}{endpoint.path}?{spelled_query({**query, **paging})}",
            headers={"x-acs-action": endpoint.action},
        )
        shape = self._shape(endpoint)
        return read_page(self._settings.name, answer.content, shape, endpoint.key)

    def _tables(
        self, endpoint: Endpoint, listing: Listing
    ) -> tuple[list[pa.Table], frozenset[str]]:
        rows = list(listing.rows.values())
        parsed = [
            endpoint.table.typed(
                self._settings,
                rows[first : first + ROWS_PER_TABLE],
                self._shape(endpoint),
                base_url=self._base_url,
            )
            for first in range(0, max(len(rows), 1), ROWS_PER_TABLE)
        ]
        unknown = frozenset[str]().union(*(one.unknown for one in parsed))
        return [one.table for one in parsed], unknown

    def _check_instants(
        self, endpoint: Endpoint, window: Window, tables: Sequence[pa.Table]
    ) -> None:
        for table in tables:
            bounds = pc.min_max(table["request_time"]).as_py()
            if bounds["min"] is not None and not (
                window.start - LOGGED_LATER <= bounds["min"]
                and bounds["max"] <= window.end + LOGGED_LATER
            ):
                raise self._outside(endpoint)

    def _outside(self, endpoint: Endpoint) -> BadResponseError:
        return BadResponseError(
            self._settings.name,
            f"{endpoint.action} sent rows from outside the window that was asked for",
            next_step="Nothing was written. The API has changed what startTime and endTime mean.",
        )

    def _inside(self, endpoint: Endpoint, window: Window, table: pa.Table) -> pa.Table:
        at = table[f"{endpoint.table.at}_raw"]
        start, end = (round(edge.timestamp()) for edge in (window.start, window.end))
        asked = pc.and_(
            pc.greater_equal(at, start - endpoint.bucket), pc.less_equal(at, end + endpoint.bucket)
        )
        if not pc.all(asked, min_count=0).as_py():
            raise self._outside(endpoint)
        return table.filter(pc.and_(pc.greater_equal(at, start), pc.less(at, end)))
