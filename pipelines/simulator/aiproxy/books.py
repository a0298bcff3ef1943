"""The gateway's own books: what is true, ways to change it, and ways to lie about it."""

import heapq
import itertools
import threading
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any

from llm_usage_warehouse.simulator.aiproxy import catalogue, gojson, traffic
from llm_usage_warehouse.simulator.aiproxy.rows import Row, Version, detail, emit, has_detail
from llm_usage_warehouse.simulator.aiproxy.traffic import (
    HOUR_US,
    IDS_PER_HOUR,
    LATEST_HOURS,
    Rejection,
)
from llm_usage_warehouse.simulator.world import World


@dataclass(frozen=True)
class Lies:
    """What the gateway says that is not so; nothing by default.

    Attributes:
        total_off: added to every `total` of a log listing.
        missing: ids that are counted in `total` and on no page.
        retyped: dotted fields of a log row that come as another type, by `string` or `float`
            (a fraction is added, since Go writes a whole float as an integer).
        extra: unknown fields added to every log row.
        dashboard_off: tokens added to the first entry of a dashboard's answer.
    """

    total_off: int = 0
    missing: frozenset[int] = frozenset()
    retyped: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    dashboard_off: int = 0


class Books:
    """Everything one gateway has logged, made hour by hour as it is asked for.

    Safe to call from a test while the server answers. Times are Unix microseconds.

    Attributes:
        world: the clock and seed.
        lies: see `lie`.
        first_hour: the Unix hour in which history begins.
        revision: grows whenever a row or the way to show one changes.
        arriving: how many rows enter the window of a listing before each page after its first.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.lies = Lies()
        self.first_hour = int(world.now() // 3600) - world.days * 24
        self.revision = 0
        self.arriving = 0
        self._version: Version = (0, 6, 5)
        self._made: set[int] = set()
        # When, a tie-breaker, which row, and whether it enters then or changes.
        self._due: list[tuple[int, int, Row, bool]] = []
        self._order = itertools.count()
        self._ever: dict[int, Row] = {}
        self._index: list[tuple[int, ...]] = []
        self._is_unsorted = False
        self._deleted: set[int] = set()
        self._oldest = 0
        self._added = 0
        self._lock = threading.RLock()

    # What is true.

    def now(self) -> int:
        """Return the gateway's clock."""
        return int(self.world.now() * 1_000_000)

    def rows(self) -> list[dict[str, Any]]:
        """Return every visible row as the API would show it if it did not lie, by id."""
        with self._lock:
            found = sorted(self.between(0, self.now()), key=lambda row: row.id)
            return [self._show(row) for row in found]

    def between(self, low: int, high: int) -> list[Row]:
        """Return the visible rows with `low <= created_at <= high`, by `created_at` and id."""
        with self._lock:
            self.catch_up(low, high)
            start, end = bisect_left(self._index, (low,)), bisect_left(self._index, (high + 1,))
            return [self._ever[key[1]] for key in self._index[start:end]]

    def ever(self, before: int) -> list[Row]:
        """Return all rows inserted up to an instant, deleted ones too: counters keep them."""
        with self._lock:
            self.catch_up(0, self.now())
            return [row for row in self._ever.values() if row.inserted_at <= before]

    def rejections(self, first_hour: int, last_hour: int) -> list[Rejection]:
        """Return the calls that were turned away in some hours up to the last full one."""
        last = min(last_hour, self.now() // HOUR_US - 1)
        hours = range(max(first_hour, self.first_hour), last + 1)
        return [one for hour in hours for one in traffic.rejections_of_hour(self.world, hour)]

    def row(self, number: int) -> Row | None:
        """Return the visible row with an id."""
        with self._lock:
            self.catch_up(0, self.now())
            row = self._ever.get(number)
            return row if row and self._visible(row) else None

    def secrets(self) -> list[str]:
        """Return every secret that the API hands out, none of which may ever be stored."""
        tokens = [catalogue.token_key(key.id) for key in catalogue.KEYS]
        return [*tokens, *(catalogue.channel_key(one[0]) for one in catalogue.CHANNELS)]

    # Ways to change it.

    @property
    def version(self) -> str:
        """The release that the gateway plays, such as `v0.6.5`; setting it changes the shapes."""
        return "v" + ".".join(map(str, self._version))

    @version.setter
    def version(self, text: str) -> None:
        with self._lock:
            self._version = tuple(int(part) for part in text.removeprefix("v").split("."))
            self._forget()

    @property
    def version_tuple(self) -> Version:
        """The release as numbers, to compare."""
        return self._version

    def add(self, **fields: Any) -> int:
        """Insert a row and return its id.

        Args:
            fields: of `Row`, hence named as in the JSON; times in microseconds. `created_at` is
                now by default, `request_at` a second before it, `amount` follows from the rest;
                an `inserted_at` to come keeps the row unseen till then.
        """
        with self._lock:
            now = self.now()
            self._added += 1
            created = fields.get("created_at", now)
            given: dict[str, Any] = {
                "id": traffic.first_id(now // HOUR_US) + IDS_PER_HOUR // 2 + self._added,
                "inserted_at": now,
                "created_at": created,
                "request_at": created - 1_000_000,
                "model": "gpt-4o",
            }
            row = Row(**(given | fields))
            row.request_id = row.request_id or str(row.request_at)
            self._deleted.discard(row.id)
            self._expect(row, now)
            self.catch_up(now, now)
            return row.id

    def update(self, number: int, **fields: Any) -> None:
        """Overwrite fields of a row in place, as the end of an asynchronous job does.

        Raises:
            KeyError: no visible row has that id.
            ValueError: `created_at` or `id`, which never change.
        """
        if fields.keys() & {"id", "created_at"}:
            raise ValueError("a row's id and created_at never change")
        with self._lock:
            row = self.row(number)
            if row is None:
                raise KeyError(number)
            row.change(**fields)
            self.revision += 1

    def delete(self, *numbers: int) -> None:
        """Delete rows by id."""
        with self._lock:
            self.catch_up(0, self.now())
            self._deleted.update(numbers)
            self._reindex()

    def retain(self, hours: float) -> None:
        """Delete the rows created more than some hours ago, as the retention task does."""
        with self._lock:
            self._oldest = max(self._oldest, self.now() - int(hours * HOUR_US))
            self._reindex()

    def lie(self, **lies: Any) -> None:
        """Lie from now on, by the attributes of `Lies`; with none, be honest again."""
        with self._lock:
            self.lies = Lies(**lies)
            self._forget()

    # How the API reads it.

    def catch_up(self, low: int, high: int) -> int:
        """Make the hours that can hold rows of a window, let what is due happen.

        Returns:
            The revision of the books: while it stays, so does every answer about the window.
        """
        with self._lock:
            now = self.now()
            first = max(self.first_hour, low // HOUR_US)
            last = min(now, high + LATEST_HOURS * HOUR_US) // HOUR_US
            for hour in range(first, last + 1):
                if hour not in self._made:
                    self._made.add(hour)
                    for row in traffic.rows_of_hour(self.world, hour):
                        self._expect(row, now)
            while self._due and self._due[0][0] <= now:
                _, _, row, is_new = heapq.heappop(self._due)
                if is_new:
                    self._enter(row)
                else:
                    self._settle(row)
            if self._is_unsorted:
                self._index.sort()
                self._is_unsorted = False
            return self.revision

    def json(self, row: Row, *, bodies: bool) -> bytes:
        """Return a row as the API shows it, with its lies; `bodies` adds what was said."""
        with self._lock:
            if has_detail(row, self.now()):
                return gojson.dumps(self._lie_about(self._show(row, bodies=bodies))).encode()
            if row.json is None:
                row.json = gojson.dumps(self._lie_about(self._show(row))).encode()
            return row.json

    def _show(self, row: Row, *, bodies: bool = False) -> dict[str, Any]:
        shown = emit(row, self._version)
        if has_detail(row, self.now()):
            shown["request_detail"] = detail(row, bodies=bodies)
        return shown

    def _lie_about(self, shown: dict[str, Any]) -> dict[str, Any]:
        for path, kind in self.lies.retyped.items():
            *parents, name = path.split(".")
            place = shown
            for parent in parents:
                place[parent] = place = dict(place.get(parent) or {})
            if name in place:
                place[name] = str(place[name]) if kind == "string" else place[name] + 0.5
        return shown | self.lies.extra

    def _visible(self, row: Row) -> bool:
        return row.id not in self._deleted and row.created_at >= self._oldest

    def _expect(self, row: Row, now: int) -> None:
        if row.inserted_at <= now:
            self._enter(row)
        else:
            heapq.heappush(self._due, (row.inserted_at, next(self._order), row, True))

    def _enter(self, row: Row) -> None:
        self._ever[row.id] = row
        if self._visible(row):
            self._index.append((row.created_at, row.id))
            self._is_unsorted = True
        if row.outcome:
            heapq.heappush(self._due, (row.outcome.at, next(self._order), row, False))
        self.revision += 1

    def _settle(self, row: Row) -> None:
        assert row.outcome
        row.change(**row.outcome.fields)
        self.revision += 1

    def _reindex(self) -> None:
        kept = filter(self._visible, self._ever.values())
        self._index = sorted((row.created_at, row.id) for row in kept)
        self.revision += 1

    def _forget(self) -> None:
        for row in self._ever.values():
            row.json = None
        self.revision += 1
