"""Reads ListUsageCallDetail: the call rows of one model and window, page by page.

- There is no cursor: pages are offsets into a list that is newest first, so a row that comes in
  meanwhile pushes others onto the next page. Total is asked for again after the last page, and a
  window whose Total moved is read again.
- StatStartTime and StatEndTime are whole seconds and both inside; `[a, b)` is asked for as
  `a .. b - 1`. The deprecated StartTime and EndTime go with them, as in the vendor's own example.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.http import BadResponseError
from pipelines.sources.tencent_lke.client import CloudApi
from pipelines.sources.tencent_lke.envelope import ResponseTooLargeError
from pipelines.sources.tencent_lke.schema import CALL_DETAILS_TABLE
from pipelines.streams import Pull, Reading
from pipelines.windows import Window

LARGEST_PAGE = 1000
PAGES_PER_TABLE = 50
READS = 3


@dataclass(frozen=True)
class Page:
    """One answer: its body, the vendor's Total, and the rows that it holds."""

    body: bytes
    total: int
    rows: int


@dataclass(frozen=True)
class Attempt:
    """One reading of a window.

    Attributes:
        reading: its rows.
        moved: whether Total changed while the pages were read.
        gap: whether a page lacked rows that Total promises on it.
    """

    reading: Reading
    moved: bool
    gap: bool

    @property
    def agrees(self) -> bool:
        """Whether the rows are as many as the vendor counts."""
        return not self.moved and self.reading.rows == self.reading.reported_total


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
        night; rows that are more or fewer than a steady Total are for the ledger to show.

        Raises:
            SourceError: the vendor could not be read, or contradicts itself in every reading.
        """
        while True:
            ask = partial(self._page, self._parameters(model, window))
            try:
                return self._read(ask, model, window, pull)
            except ResponseTooLargeError:
                if self._page_size == 1:
                    raise
                self._page_size //= 2

    def _read(self, ask: Callable[[int], Page], model: str, window: Window, pull: Pull) -> Reading:
        for _ in range(READS):
            attempt = self._attempt(ask, model, window, pull)
            if attempt.agrees:
                break
        reading = attempt.reading
        if attempt.moved:
            return Reading(reading.tables, reading.reported_total, [window], reading.unknown_fields)
        if attempt.gap:
            # Written, it would take away rows that an earlier reading has brought.
            raise BadResponseError(
                self._api.source,
                f"pages came without the rows that they should hold: {reading.rows} rows of "
                f"{reading.reported_total}, {READS} times over",
                next_step="Nothing of this window was changed. Run again later; if it lasts, ask "
                "the vendor's support.",
            )
        return reading

    def _attempt(
        self, ask: Callable[[int], Page], model: str, window: Window, pull: Pull
    ) -> Attempt:
        first = ask(1)
        size, total = self._page_size, first.total
        pull.check_size(total)
        last = max(1, -(-total // size))
        bodies, tables, unknown = [first.body], [], set[str]()
        moved, gap = False, _lacks_rows(first, 1, size, total)
        pull.told(1, last)
        for number, page in enumerate(pull.map(ask, range(2, last + 1), total), start=2):
            moved |= page.total != total
            gap |= _lacks_rows(page, number, size, total)
            bodies.append(page.body)
            if len(bodies) == PAGES_PER_TABLE:
                tables.append(self._table(bodies, model, window, unknown))
                bodies = []
            pull.told(number, last)
        if bodies:
            tables.append(self._table(bodies, model, window, unknown))
        if last > 1:
            now = ask(1).total
            moved |= now != total
            total = now
        return Attempt(Reading(tables, total, (), frozenset(unknown)), moved, gap)

    def _parameters(self, model: str, window: Window) -> dict[str, object]:
        start, end = window.start.int_timestamp, window.end.int_timestamp - 1
        parameters: dict[str, object] = {
            "ModelName": model,
            "PageSize": self._page_size,
            "StatStartTime": start,
            "StatEndTime": end,
            "StartTime": str(start),
            "EndTime": str(end),
        }
        return parameters | ({"AppBizIds": list(self._app_ids)} if self._app_ids else {})

    def _page(self, parameters: dict[str, object], number: int) -> Page:
        body = self._api.call("ListUsageCallDetail", parameters | {"PageNumber": number})
        answer = orjson.loads(body)["Response"]
        total, rows = answer.get("Total"), answer.get("List")
        if not isinstance(total, int) or not isinstance(rows, list | None):
            raise BadResponseError(
                self._api.source,
                "an answer of ListUsageCallDetail has no Total or no List",
                request_id=answer.get("RequestId"),
            )
        return Page(body, total, len(rows or ()))

    def _table(
        self, bodies: Sequence[bytes], model: str, window: Window, unknown: set[str]
    ) -> pa.Table:
        parsed = CALL_DETAILS_TABLE.rows(self._settings, bodies, scope=model, asked_model=model)
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


def _lacks_rows(page: Page, number: int, size: int, total: int) -> bool:
    """Say whether rows are missing from within the list, and not only a few at its very end."""
    promised = min(size, total - (number - 1) * size)
    return page.rows < promised and (promised == size or page.rows == 0)
