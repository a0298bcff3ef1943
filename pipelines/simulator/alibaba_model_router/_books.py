"""The account's own books: what is true, what is seen of it, and which lies are told about it."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from llm_usage_warehouse.simulator.alibaba_model_router._acs3 import Credential
from llm_usage_warehouse.simulator.alibaba_model_router._catalogue import API_KEYS, MODELS
from llm_usage_warehouse.simulator.alibaba_model_router._control import (
    bucket_span,
    cost_rows,
    usage_rows,
)
from llm_usage_warehouse.simulator.alibaba_model_router._lies import Failure, Lies
from llm_usage_warehouse.simulator.alibaba_model_router._traffic import (
    Row,
    Usage,
    hour_of,
    iso,
    make_row,
)
from llm_usage_warehouse.simulator.world import World

Stream = Literal["log", "bill"]


@dataclass(frozen=True)
class Wanted:
    """Which rows a query asks for; None and empty sets of models, clients and so on mean all.

    `members` None means a department with its members, an empty set the department alone.
    """

    clients: frozenset[int] = frozenset()
    members: frozenset[int] | None = None
    key: int | None = None
    model: int | None = None
    codes: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    request_id: str | None = None

    def takes(self, row: Row) -> bool:
        """Return whether a row is one of them."""
        members = {0} if self.members is not None and not self.members else self.members
        return (
            (not self.clients or row.key.client.id in self.clients)
            and (members is None or row.key.member_id in members)
            and self.key in (None, row.key.id)
            and self.model in (None, row.model.id)
            and (not self.codes or row.model.code in self.codes)
            and (not self.kinds or row.model.kind in self.kinds)
            and self.request_id in (None, row.bill and row.bill["requestId"])
        )


ALL = Wanted()


@dataclass
class Books:
    """The account; a test asks it what is true and sets the attributes to change what is served.

    Attributes:
        world: the clock, seed and size of the traffic.
        credentials: the access keys that are accepted, by id.
        lies: what the API says against these books.
        end_inclusive: whether a window holds its end second.
        time_range_wins: whether `timeRange` counts, not startTime and endTime, where all are sent.
        zero_total_every: each so-many-th total of log rows that is asked for comes as 0.
        snake_case: whether billing and usage answers name their fields in snake_case.
        rows_name: the field of `data` that holds billing and usage rows, `rows` or `items`.
        json_as_text: whether metrics, usageDetail, values and dimValues come as JSON text.
        xml_errors: whether gateway errors come as XML.
    """

    world: World
    credentials: dict[str, Credential]
    lies: Lies = field(default_factory=Lies)
    end_inclusive: bool = True
    time_range_wins: bool = False
    zero_total_every: int = 5
    snake_case: bool = False
    rows_name: str = "rows"
    json_as_text: bool = True
    xml_errors: bool = False

    def __post_init__(self) -> None:
        self.nonces: set[tuple[str, str]] = set()
        self.totals_asked = 0
        self.first_hour = int(self.world.now()) // 3600 - self.world.days * 24
        self._hours: dict[int, list[Row]] = {}
        self._selected: dict[tuple[Stream, int, int, Wanted], list[Row]] = {}
        self._failures: list[Failure] = []
        self._match_rate = 0.9
        self._added = 0
        self._lock = threading.RLock()

    def rows(self) -> list[dict[str, Any]]:
        """Return every log row that can be seen now, oldest first, before any lie."""
        return [dict(row.log) for row in self._visible("log")]

    def bills(self) -> list[dict[str, Any]]:
        """Return every billing line that can be seen now, oldest first, before any lie.

        `amount` and `discount` are `Decimal`.
        """
        return [dict(row.bill) for row in self._visible("bill") if row.bill]

    def usage(self, granularity: str) -> list[dict[str, Any]]:
        """Return the usage breakdown, `hourly` or `daily`, of all that is billed by now."""
        return usage_rows(self._visible("bill"), granularity)

    def costs(self, granularity: str) -> list[dict[str, Any]]:
        """Return the cost breakdown, `hourly` or `daily`, of all that is billed by now."""
        return cost_rows(self._visible("bill"), granularity)

    @property
    def match_rate(self) -> float:
        """The share of billing lines that carry the requestId of their log row."""
        return self._match_rate

    @match_rate.setter
    def match_rate(self, rate: float) -> None:
        with self._lock:
            self._match_rate = rate
            for row in self._all():
                self._link(row)

    def add(
        self,
        at: int,
        *,
        model: str = "qwen3-max",
        key: int = 101,
        usage: Usage | None = None,
        status_code: int = 200,
        logged_at: float | None = None,
        billed_at: float | None = None,
    ) -> dict[str, Any]:
        """Add a call of the given Unix second and return its log row.

        Args:
            at: when it was asked, within the history of the account and not after now.
            model: the code of one of the account's models.
            key: the id of one of its API keys.
            usage: 100 input and 50 output tokens by default.
            status_code: other than 200 makes a failed call, which is not billed.
            logged_at: from when its log row can be seen; at once by default.
            billed_at: from when its billing line can be seen; at once by default.
        """
        with self._lock:
            self._added += 1
            row = make_row(
                Random(self._added),
                at // 3600 * 1_000_000 + 900_000 + self._added,
                at,
                next(one for one in API_KEYS if one.id == key),
                next(one for one in MODELS if one.code == model),
                usage or Usage(100, 50),
                status_code=status_code,
            )
            row.logged_at = float(at) if logged_at is None else logged_at
            row.billed_at = float(at) if billed_at is None else billed_at
            self._link(row)
            self._hour(at // 3600).append(row)
            self._hour(at // 3600).sort(key=lambda one: (one.at, one.id))
            self._selected.clear()
            return dict(row.log)

    def update(self, row_id: int, **fields: Any) -> None:
        """Change fields of a log row, by the vendor's names; gmtModified becomes now.

        The call stays in its place: windows go by the second it was made at.
        """
        with self._lock:
            row = self._find(row_id)
            row.log |= {"gmtModified": iso(self.world.now()), **fields}
            row.changed()

    def update_bill(self, row_id: int, **fields: Any) -> None:
        """Change fields of the billing line of a log row, by the vendor's names."""
        with self._lock:
            row = self._find(row_id)
            if row.bill is None:
                raise KeyError(f"call {row_id} is not billed")
            row.bill |= fields
            row.changed()

    def delete(self, row_id: int) -> None:
        """Delete a call: its log row, its billing line and its part in every control total."""
        with self._lock:
            row = self._find(row_id)
            self._hour(row.at // 3600).remove(row)
            self._selected.clear()

    def fail(
        self,
        code: str,
        *,
        status: int = 400,
        message: str = "refused on request",
        path: str = "",
        times: int = 1,
        skip: int = 0,
        retry_after_ms: int | None = None,
    ) -> None:
        """Answer the next signed requests with an error in the vendor's own words.

        Args:
            code: such as `Throttling.User`, `B.Permission.DeniedException` or
                `Server.Internal.UnknownError`.
            status: the HTTP status; 200 gives the envelope with `success` false.
            message: the error's text.
            path: substring of the paths that fail.
            times: how many requests fail.
            skip: how many matching requests pass first.
            retry_after_ms: for the header x-acs-retry-after.
        """
        self._failures.append(Failure(code, status, message, path, times, skip, retry_after_ms))

    def take_failure(self, path: str) -> Failure | None:
        """Return the failure that is due for a path, counting it off."""
        for failure in self._failures:
            if failure.times > 0 and failure.path in path:
                if failure.skip > 0:
                    failure.skip -= 1
                    continue
                failure.times -= 1
                return failure
        return None

    def select(self, stream: Stream, start: int, stop: int, wanted: Wanted = ALL) -> list[Row]:
        """Return the rows of `[start, stop)`, Unix seconds, that can be seen now, newest first."""
        with self._lock:
            key = (stream, start, stop, wanted)
            if key not in self._selected:
                rows, settled = self._scan(stream, start, stop, wanted)
                if not settled:
                    return rows
                self._selected[key] = rows
            return self._selected[key]

    def control(self, start: int, stop: int, granularity: str, wanted: Wanted) -> list[Row]:
        """Return the billing lines in the whole buckets that begin in `[start, stop)`."""
        return self.select("bill", *bucket_span(start, stop, granularity), wanted)

    def _scan(
        self, stream: Stream, start: int, stop: int, wanted: Wanted
    ) -> tuple[list[Row], bool]:
        now = self.world.now()
        settled = stop <= now
        rows: list[Row] = []
        first = max(start // 3600, self.first_hour)
        for hour in range(min((stop - 1) // 3600, int(now) // 3600), first - 1, -1):
            for row in reversed(self._hour(hour)):
                if stream == "bill" and row.bill is None:
                    continue
                if not start <= row.at < stop or not wanted.takes(row):
                    continue
                if (row.logged_at if stream == "log" else row.billed_at) <= now:
                    rows.append(row)
                else:
                    settled = False
        return rows, settled

    def _visible(self, stream: Stream) -> list[Row]:
        return self.select(stream, self.first_hour * 3600, int(self.world.now()) + 1)[::-1]

    def _all(self) -> Iterator[Row]:
        for rows in self._hours.values():
            yield from rows

    def _hour(self, hour: int) -> list[Row]:
        if hour < self.first_hour:
            raise ValueError(f"hour {hour} is before the account's first, {self.first_hour}")
        if hour not in self._hours:
            self._hours[hour] = hour_of(self.world, hour)
            for row in self._hours[hour]:
                self._link(row)
        return self._hours[hour]

    def _link(self, row: Row) -> None:
        if row.bill is not None:
            matches = row.draw < self._match_rate
            row.bill["requestId"] = row.log["requestId"] if matches else row.other_id
            row.changed()

    def _find(self, row_id: int) -> Row:
        for row in self._hour(row_id // 1_000_000):
            if row.id == row_id:
                return row
        raise KeyError(f"no call {row_id}")
