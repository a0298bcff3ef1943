"""The vendor's own books: what is true, what it says, and how to change either."""

import threading
from bisect import insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

from llm_usage_warehouse.simulator.tencent_lke._catalogue import (
    APPS,
    KINDS,
    MODELS,
    RETIRED,
    UINS,
    App,
)
from llm_usage_warehouse.simulator.tencent_lke._traffic import (
    HOUR,
    Call,
    call_fields,
    calls_of_hour,
)
from llm_usage_warehouse.simulator.world import World

Row = dict[str, Any]


@dataclass
class Account:
    """The keys that sign requests, and how the vendor treats them.

    Attributes:
        secret_id: of the keys.
        secret_key: of the keys.
        token: the STS token that goes with them; empty for permanent keys.
        requests_per_second: how many requests of one action a second admits; None for no limit.
        largest_page: rows of a page above which it is refused as too large; None for no limit.
        deprecated_warning: what every answer carries as `DeprecatedWarning`; empty for none.
        listed: the models that ListModel tells of.
    """

    secret_id: str
    secret_key: str
    token: str = ""
    requests_per_second: int | None = 20
    largest_page: int | None = None
    deprecated_warning: str = ""
    listed: set[str] = field(default_factory=lambda: set(MODELS) - {RETIRED})


@dataclass(frozen=True)
class Lies:
    """How far the API's answers stray from the books.

    Attributes:
        usage_calls: added to DescribeTokenUsage's ApiCallStats.
        usage_tokens: added to its TotalTokenUsage and InputTokenUsage.
        usage_model: the one model that it misstates; all of them when None.
        usage_at: a Unix second: only windows that hold it are misstated; all of them when None.
        absent: its fields that are left out.
        total: added to ListUsageCallDetail's Total.
        missing_page: a PageNumber that is answered with an empty List.
        page_cap: the most rows that a page holds, whatever PageSize says; no bound when None.
    """

    usage_calls: int = 0
    usage_tokens: int = 0
    usage_model: str | None = None
    usage_at: int | None = None
    absent: tuple[str, ...] = ()
    total: int = 0
    missing_page: int = 0
    page_cap: int | None = None

    def about_usage(self, model: str | None, start: int | None, end: int | None) -> "Lies":
        """Return what is misstated of the usage of one model in one window, its end included."""
        tells = self.usage_model in (None, model) and (
            self.usage_at is None or (start or 0) <= self.usage_at <= (inf if end is None else end)
        )
        return self if tells else replace(self, usage_calls=0, usage_tokens=0)


@dataclass(frozen=True)
class Query:
    """Which calls a request asks for; None or an empty set filters nothing out.

    Attributes:
        start: the first CallTime, in Unix seconds.
        end: the last CallTime, itself included.
    """

    model: str | None = None
    start: int | None = None
    end: int | None = None
    uins: frozenset[str] = frozenset()
    app_ids: frozenset[str] = frozenset()
    app_type: str | None = None
    call_type: str | None = None
    sub_scenes: frozenset[str] = frozenset()
    sub_biz_type: str | None = None
    billing_tag: str | None = None

    def matches(self, call: Call) -> bool:
        """Tell whether a call is asked for."""
        kind, fields = KINDS[call.kind], call.fields
        return (
            (self.start is None or call.at >= self.start)
            and (self.end is None or call.at <= self.end)
            and (self.model is None or call.model == self.model)
            and (not self.uins or fields["UinAccount"] in self.uins)
            and (not self.app_ids or call.app.biz_id in self.app_ids)
            and (self.app_type is None or call.app.app_type == self.app_type)
            and (self.call_type is None or self.call_type in (kind.shown.zh, kind.shown.en))
            and (not self.sub_scenes or fields["SubScene"] in self.sub_scenes)
            and (
                self.sub_biz_type is None or kind.sub_biz_type.lower() == self.sub_biz_type.lower()
            )
            and (self.billing_tag is None or fields["BillingTag"] == self.billing_tag)
        )


@dataclass
class _Failure:
    code: str
    action: str
    times: int
    skip: int


@dataclass(frozen=True)
class _Selection:
    """The calls of a query, newest first, as they stand from `since` up to `until`."""

    calls: list[Call]
    since: float
    until: float


class Books:
    """Every call of the account, from `world.days` before now on.

    Attributes:
        account: keys, limits and listed models, all of them open to change.
        lies: what the API misstates; set it with `lie`.
    """

    def __init__(self, world: World, account: Account) -> None:
        self.world = world
        self.account = account
        self.lies = Lies()
        self._first_hour = int(world.now()) // HOUR - 24 * world.days
        self._hours: dict[int, list[Call]] = {}
        self._selections: dict[Query, _Selection] = {}
        self._failures: list[_Failure] = []
        self._after_page: deque[Callable[[], object]] = deque()
        self._lock = threading.RLock()

    def rows(
        self,
        model: str | None = None,
        start: int | None = None,
        end: int | None = None,
        language: str = "zh-CN",
    ) -> list[Row]:
        """Return the visible rows, newest first, as ListUsageCallDetail would emit them.

        Args:
            model: the identifier to ask for; all of them when None.
            start: the first CallTime, in Unix seconds.
            end: the last CallTime, itself included.
            language: `zh-CN` or `en-US`.
        """
        return [call.row(language) for call in self.select(Query(model, start, end))]

    def add(
        self,
        model: str = "cs-normal-70b",
        at: int | None = None,
        visible_at: int | None = None,
        kind: str = "dialogue_shared",
        app: App = APPS[0],
        tokens: tuple[int, int] = (168, 15),
        **fields: Any,
    ) -> Row:
        """Add a call and return its row.

        Args:
            model: the identifier that finds it.
            at: CallTime in Unix seconds; now when None.
            visible_at: from when on the API knows of it; at once when None.
            kind: a key of `KINDS`, such as `rewrite` or `parse`.
            app: where it was made.
            tokens: input and output.
            **fields: CallDetail's fields to overwrite, CallTime aside.
        """
        moment = int(self.world.now()) if at is None else at
        row = call_fields(moment, "Add_20260101_000000_000_example0", UINS[0], app, kind, tokens)
        visible = moment if visible_at is None else visible_at
        call = Call(moment, visible, model, kind, app, row | fields)
        with self._lock:
            insort(self._hour(moment // HOUR), call, key=lambda other: other.at)
            self._selections.clear()
        return call.row("zh-CN")

    def update(self, where: Callable[[Row], bool], **fields: Any) -> int:
        """Overwrite fields, CallTime aside, of the visible rows that `where` picks; count them."""
        with self._lock:
            picked = [call for call in self.select(Query()) if where(call.row("zh-CN"))]
            for call in picked:
                call.amend(fields)
            self._selections.clear()
        return len(picked)

    def delete(self, where: Callable[[Row], bool]) -> int:
        """Make the visible rows that `where` picks vanish, so that windows shrink; count them."""
        with self._lock:
            picked = [call for call in self.select(Query()) if where(call.row("zh-CN"))]
            for call in picked:
                self._hours[call.at // HOUR].remove(call)
            self._selections.clear()
        return len(picked)

    def lie(self, **changes: Any) -> None:
        """Misstate what `Lies` names; `lie()` returns to the truth."""
        self.lies = replace(Lies(), **changes)

    def fail(self, code: str, action: str = "", times: int = 1, skip: int = 0) -> None:
        """Refuse the next requests, properly signed, with an error inside the HTTP 200.

        Args:
            code: such as `InternalError`.
            action: the action to refuse; any when empty.
            times: how many requests.
            skip: how many pass first.
        """
        with self._lock:
            self._failures.append(_Failure(code, action, times, skip))

    def after_page(self, change: Callable[[], object]) -> None:
        """Have `change` run once, after the next page of ListUsageCallDetail was made.

        A change that adds or deletes a row is a window that grows or shrinks while it is paged;
        several changes run one page each.
        """
        self._after_page.append(change)

    def totals(
        self,
        model: str | None = None,
        start: int | None = None,
        end: int | None = None,
        sub_biz_type: str | None = None,
    ) -> dict[str, int]:
        """Return the true `calls`, `input_tokens`, `output_tokens` and `total_tokens`."""
        calls = self.select(Query(model, start, end, sub_biz_type=sub_biz_type))
        names = {
            "input_tokens": "InputTokenUsage",
            "output_tokens": "OutputTokenUsage",
            "total_tokens": "TotalTokenUsage",
        }
        sums = {
            ours: int(sum(call.fields[theirs] for call in calls)) for ours, theirs in names.items()
        }
        return {"calls": len(calls), **sums}

    def select(self, query: Query) -> list[Call]:
        """Return the visible calls of a query, newest first."""
        with self._lock:
            now = self.world.now()
            kept = self._selections.get(query)
            if kept is None or not kept.since <= now < kept.until:
                if len(self._selections) > 100:
                    self._selections.clear()
                kept = self._selections[query] = self._search(query, now)
            return kept.calls

    def take_failure(self, action: str) -> str | None:
        """Return the code that a request must be refused with, counting it off."""
        with self._lock:
            for failure in self._failures:
                if failure.times > 0 and failure.action in ("", action):
                    if failure.skip > 0:
                        failure.skip -= 1
                        continue
                    failure.times -= 1
                    return failure.code
        return None

    def page_made(self) -> None:
        """Run the change that waits for a page."""
        if self._after_page:
            self._after_page.popleft()()

    def _search(self, query: Query, now: float) -> _Selection:
        this_hour = int(now) // HOUR
        low = 0 if query.start is None else query.start // HOUR
        high = this_hour if query.end is None else query.end // HOUR
        # A call that the clock has yet to reveal, or an hour yet to come, ends what we know.
        until = inf if query.end is not None and high <= this_hour else (this_hour + 1.0) * HOUR
        for hour in range(max(self._first_hour, low), min(high, this_hour) + 1):
            self._hour(hour)
        found: list[Call] = []
        for hour in sorted(hour for hour in self._hours if low <= hour <= high):
            for call in self._hours[hour]:
                if query.matches(call):
                    if call.visible_at <= now:
                        found.append(call)
                    else:
                        until = min(until, float(call.visible_at))
        found.reverse()
        return _Selection(found, now, until)

    def _hour(self, hour: int) -> list[Call]:
        if hour not in self._hours:
            known = hour >= self._first_hour
            self._hours[hour] = calls_of_hour(self.world, hour) if known else []
        return self._hours[hour]
