"""Reads ListUsageCallDetail: the call rows of one model and window, page by page.

- There is no cursor: pages are offsets into a list that is newest first, so a row that comes in
  meanwhile pushes others onto the next page. Total is asked for again after the last page, and a
  window whose Total moved is read again.
- StatStartTime and StatEndTime are whole seconds and both inside; `[a, b)` is asked for as
  `a .. b - 1`. The deprecated StartTime and EndTime go with them, as in the vendor's own example.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from llm_usage_warehouse.envelopes import decoded
from llm_usage_warehouse.http import BadResponseError
from llm_usage_warehouse.paging import MissingRowsError, Page, read_pages
from llm_usage_warehouse.sources.tencent_lke.client import CloudApi
from llm_usage_warehouse.sources.tencent_lke.envelope import ResponseTooLargeError, read_answer
from llm_usage_warehouse.sources.tencent_lke.schema import CALL_DETAILS_TABLE
from llm_usage_warehouse.streams import Pull, Reading
from llm_usage_warehouse.windows import Window

LARGEST_PAGE = 1000
ROWS_PER_TABLE = 5_000
READS = 3


class CallDetails:
    """Reads windows of call rows.

    Args:
        api: LKE.
        settings: of the source: the applications to read, and what its rows say of it.
    """

    def __init__(self, api: CloudApi, settings: Any) -> None:
        self._api = api
        self._settings = settings
        self._app_ids = settings.apps
        self._page_size = LARGEST_PAGE

    def read(self, model: str, window: Window, pull: Pull) -> Reading:
        """Return the rows of `model` in `window`.

        A Total that moves in every reading leaves the window unsettled, to be read again next
        night; rows that are more than a steady Total are for the ledger to show.

        Raises:
            SourceError: the vendor could not be read, or contradicts itself in every reading.
        """
        while True:
            size = self._page_size
            ask = partial(self._page, self._parameters(model, window, size))
            try:
                return self._read(ask, model, window, size, pull)
            except ResponseTooLargeError:
                if size == 1:
                    raise
                # Other windows, read meanwhile, may have found out the same.
                self._page_size = min(self._page_size, size // 2)

    def _read(
        self, ask: Callable[[int], Page], model: str, window: Window, size: int, pull: Pull
    ) -> Reading:
        for left in reversed(range(READS)):
            try:
                reading, moved = self._read_once(ask, model, window, size, pull)
            except MissingRowsError:
                if not left:
                    raise
                continue
            stated = reading.reported_total or 0
            if not moved and reading.rows >= stated:
                return reading
        if moved:
            return replace(reading, unsettled=[window])
        # Written, it would take away rows that an earlier reading has brought.
        raise MissingRowsError(
            self._api.source,
            f"{reading.rows} rows came of the {stated} that are stated, {READS} times over",
        )

    def _read_once(
        self, ask: Callable[[int], Page], model: str, window: Window, size: int, pull: Pull
    ) -> tuple[Reading, bool]:
        """Return the rows of a window, and whether Total moved while they were read."""
        rows: list[msgspec.Raw] = []
        tables: list[pa.Table] = []
        unknown = set[str]()
        totals: list[int] = []
        for page in read_pages(self._api.source, ask, size, pull):
            totals.append(page.total)
            rows += page.rows
            if len(rows) >= ROWS_PER_TABLE:
                tables.append(self._table(rows, model, window, unknown))
                rows = []
        tables.append(self._table(rows, model, window, unknown))
        if len(totals) > 1:
            totals.append(ask(1).total)
        reading = Reading(tables, totals[-1], (), frozenset(unknown))
        return reading, len(set(totals)) > 1

    def _parameters(self, model: str, window: Window, size: int) -> dict[str, object]:
        start, end = window.start.int_timestamp, window.end.int_timestamp - 1
        parameters: dict[str, object] = {
            "ModelName": model,
            "PageSize": size,
            "StatStartTime": start,
            "StatEndTime": end,
            "StartTime": str(start),
            "EndTime": str(end),
        }
        return parameters | ({"AppBizIds": list(self._app_ids)} if self._app_ids else {})

    def _page(self, parameters: dict[str, object], number: int) -> Page:
        body = self._api.call("ListUsageCallDetail", parameters | {"PageNumber": number})
        answer = read_answer(self._api.source, body)
        rows = decoded(self._api.source, answer.rows, list[msgspec.Raw] | None)
        if not isinstance(answer.total, int):
            raise BadResponseError(
                self._api.source,
                "an answer of ListUsageCallDetail has no Total",
                request_id=answer.request_id,
            )
        return Page(rows or [], answer.total)

    def _table(
        self, rows: Sequence[msgspec.Raw], model: str, window: Window, unknown: set[str]
    ) -> pa.Table:
        parsed = CALL_DETAILS_TABLE.typed(self._settings, rows, scope=model, asked_model=model)
        unknown |= parsed.unknown
        if parsed.table.num_rows:
            times = pc.min_max(parsed.table["call_time"]).as_py()
            if not (window.start <= times["min"] and times["max"] < window.end):
                raise BadResponseError(
                    self._api.source,
                    "the vendor sent rows from outside the window that was asked for",
                    next_step="StatStartTime and StatEndTime may have been renamed: compare with "
                    "the vendor's page of ListUsageCallDetail.",
                )
        return parsed.table
