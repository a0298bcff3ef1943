"""Weave's own books: every call and price, ways to change them, and lies to tell about them."""

import threading
import uuid
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from llm_usage_warehouse.simulator.weave._call import Call, to_us, tokens
from llm_usage_warehouse.simulator.weave._prices import DEFAULT_PRICES, Price
from llm_usage_warehouse.simulator.weave._traffic import CHATBOT, SEARCH, calls_of_hour
from llm_usage_warehouse.simulator.world import World

LIES = ("tokens", "granularity", "hidden_granularity")


class Book:
    """What is true in one simulated W&B account; `Personality.data` of this vendor.

    Attributes:
        projects: names that exist; others are answered with 404.
        prices: the price table, read anew by each request.
        max_hours_per_query: a longer window of `/calls/stats` times out with 504; None for never.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.projects = {CHATBOT, SEARCH}
        self.prices: list[Price] = list(DEFAULT_PRICES)
        self.max_hours_per_query: float | None = None
        self._calls: dict[str, list[Call]] = {CHATBOT: [], SEARCH: []}
        self._next_hour = int(world.now() // 3600) - 24 * world.days
        self._lies: list[tuple[str, int]] = []
        self._lock = threading.RLock()

    @property
    def now_us(self) -> int:
        """The vendor's clock in Unix microseconds."""
        return to_us(self.world.now())

    def window(self, project_id: str, start_us: int, end_us: int) -> list[Call]:
        """Return the visible calls that started in `[start_us, end_us)`, by start and id.

        A call with unmerged copies comes once for each, as the table's physical rows do.
        """
        with self._lock:
            self._catch_up()
            calls = self._calls.get(project_id, [])
            low = bisect_left(calls, start_us, key=lambda call: call.started_us)
            high = bisect_left(calls, end_us, key=lambda call: call.started_us)
            now = self.now_us
            return [
                call for call in calls[low:high] if call.is_visible(now) for _ in range(call.copies)
            ]

    def calls(self, project_id: str | None = None) -> Iterator[Call]:
        """Yield every visible call of one project, or of all, as `window` does."""
        for name in sorted(self.projects) if project_id is None else [project_id]:
            yield from self.window(name, 0, 2**62)

    def rows(self, project_id: str | None = None) -> list[dict[str, Any]]:
        """Return every visible call with the usage known by now, the truth beneath all answers.

        Each row holds `id, project_id, trace_id, parent_id, op_name, started_us, ended_us (None
        while running), otel, exception` and `usage` ({} while running).
        """
        now = self.now_us
        rows = []
        for call in self.calls(project_id):
            done = call.is_finished(now)
            names = ("id", "project_id", "trace_id", "parent_id", "op_name", "started_us", "otel")
            row = {name: getattr(call, name) for name in names}
            row["ended_us"] = call.ended_us if done else None
            row["exception"] = call.exception if done else None
            rows.append(row | {"usage": call.usage if done else {}})
        return rows

    def totals(
        self, project_id: str, start: str | float | datetime, end: str | float | datetime
    ) -> dict[str, dict[str, int]]:
        """Return what each model truly used in calls that started in `[start, end)`.

        Counts each request once: trace roots plus OpenTelemetry spans. By model: `count` and the
        sums `input_tokens`, `output_tokens`, `cache_read_input_tokens` and
        `cache_creation_input_tokens`.
        """
        kinds = ("input", "output", "cache_read_input", "cache_creation_input")
        totals: dict[str, dict[str, int]] = {}
        now = self.now_us
        for call in self.window(project_id, to_us(start), to_us(end)):
            if not call.is_finished(now) or (call.parent_id and not call.otel):
                continue
            for model, usage in call.usage.items():
                sums = totals.setdefault(model, {"count": 0} | {f"{k}_tokens": 0 for k in kinds})
                sums["count"] += 1
                for kind in kinds:
                    sums[f"{kind}_tokens"] += int(tokens(usage, f"{kind}_tokens") or 0)
        return totals

    def add(
        self,
        usage: dict[str, dict[str, Any]] | None = None,
        *,
        started_at: str | float | datetime | None = None,
        seconds: float | None = 1.0,
        project_id: str = CHATBOT,
        op_name: str = "chat",
        **fields: Any,
    ) -> str:
        """Add a call and return its id; a project not known yet begins to exist.

        Args:
            usage: token counts by model, in a client's own key names.
            started_at: ISO 8601, Unix seconds or a datetime; now by default.
            seconds: how long it runs; None for a call that never ends.
            project_id: entity and project.
            op_name: the operation's bare name, made a reference unless the call is an OTEL span.
            fields: any other field of `Call`.
        """
        started_us = self.now_us if started_at is None else to_us(started_at)
        ended_us = None if seconds is None else started_us + round(seconds * 1_000_000)
        ref = op_name if fields.get("otel") else f"weave:///{project_id}/op/{op_name}:v1"
        id_ = fields.pop("id", None) or (
            uuid.uuid4().hex[:16] if fields.get("otel") else str(uuid.uuid4())
        )
        fields = {"trace_id": id_, "errors": int(bool(fields.get("exception")))} | fields
        fields.setdefault("successes", 1 - min(fields["errors"], 1))
        call = Call(
            id=id_,
            project_id=project_id,
            op_name=ref,
            started_us=started_us,
            ended_us=ended_us,
            usage=usage or {},
            **fields,
        )
        with self._lock:
            self._catch_up()
            self.projects.add(project_id)
            self._insert([call])
        return id_

    def update(self, id_: str, **fields: Any) -> None:
        """Set fields of `Call` on a call, such as a late `usage` or `ended_us`."""
        call = self._find(id_)
        for name, value in fields.items():
            setattr(call, name, value)

    def delete(self, *ids: str) -> None:
        """Delete calls, which then vanish from all history."""
        with self._lock:
            self._catch_up()
            for name, calls in self._calls.items():
                self._calls[name] = [call for call in calls if call.id not in ids]

    def duplicate(self, id_: str) -> None:
        """Store a call's row once more, as a retried upload does until `merge`."""
        self._find(id_).copies += 1

    def merge(self) -> None:
        """Let the database merge duplicate rows away."""
        with self._lock:
            for calls in self._calls.values():
                for call in calls:
                    call.copies = 1

    def set_price(
        self,
        project_id: str,
        model: str,
        effective: str,
        prompt: float,
        completion: float,
        units: tuple[str, str] = ("USD", "USD"),
    ) -> None:
        """Set a project's own price of a model per token, from an ISO instant on.

        The units, of prompt and completion, may be any text; costs are computed all the same.
        """
        since = datetime.fromtimestamp(to_us(effective) / 10**6, UTC)
        self.prices.append(
            Price(project_id, model, "custom", since, prompt, completion, units=units)
        )

    def lie(self, kind: str, by: int, times: int = 1) -> None:
        """Make the next answers of `/calls/stats` untrue.

        Args:
            kind: `tokens` (the first usage bucket that has calls shows `by` more input tokens),
                `granularity` (buckets `by` times as long as asked, as the response's granularity
                tells) or `hidden_granularity` (likewise, but the response tells what was asked).
            by: see `kind`.
            times: how many answers.
        """
        if kind not in LIES:
            raise ValueError(f"unknown lie {kind!r}, known are {', '.join(LIES)}")
        self._lies += [(kind, by)] * times

    def take_lie(self) -> tuple[str, int]:
        """Return the next lie to tell and count it off; `("", 0)` for the truth."""
        with self._lock:
            return self._lies.pop(0) if self._lies else ("", 0)

    def _find(self, id_: str) -> Call:
        with self._lock:
            self._catch_up()
            known = {call.id: call for calls in self._calls.values() for call in calls}
        return known[id_]

    def _catch_up(self) -> None:
        """Write the traffic of each hour that has begun since the last look."""
        made: list[Call] = []
        while self._next_hour * 3600 <= self.world.now():
            made += calls_of_hour(self.world, self._next_hour)
            self._next_hour += 1
        if made:
            self._insert(made)

    def _insert(self, calls: list[Call]) -> None:
        for call in calls:
            self._calls.setdefault(call.project_id, []).append(call)
        for project_id in {call.project_id for call in calls}:
            self._calls[project_id].sort(key=lambda call: (call.started_us, call.id))
