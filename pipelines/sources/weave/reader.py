"""Reads W&B Weave's usage statistics: settings, and one request per window, project and table.

What the server does, and what follows here (trace server of the Python package `weave` 0.53.12):

- A call belongs to the bucket in which it began, and its usage comes when it ends: hours with calls
  that still run are read again every night.
- Usage does not tell of calls that still run, nor of usage that is on no root, so that its stream
  asks for all calls itself, and first.
- Usage and calls are counted by two queries of the server, each asked for only where its metrics
  are listed: the two tables are two streams, and neither waits for the other.
- A time-out of the server (60 seconds) and a full memory look like any other bad gateway. After
  the usual attempts the window is halved, and stays so for the rest of the run.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock

import httpx
import pendulum
import pyarrow as pa
from pendulum import Duration

from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.http import ApiClient, BadResponseError, SourceError, VendorFaultError
from llm_usage_warehouse.pages import Parsed
from llm_usage_warehouse.settings import SourceSettings, setting
from llm_usage_warehouse.sources.weave.calls import RUNNING_FOR, Calls
from llm_usage_warehouse.sources.weave.calls import TABLE as CALLS_TABLE
from llm_usage_warehouse.sources.weave.prices import cost_units, prices_body, with_cost_unit
from llm_usage_warehouse.sources.weave.request import (
    HOUR,
    LONGEST,
    MAX_BUCKETS,
    PROJECT_ID,
    bucket_count,
    granularity_for,
    stats_body,
)
from llm_usage_warehouse.sources.weave.response import (
    PRICES,
    STATS,
    TOO_MUCH,
    read_answer,
    running_buckets,
    running_hours,
    weave_judge,
)
from llm_usage_warehouse.sources.weave.schema import (
    CALLS,
    COSTS,
    OF_ALL_CALLS,
    OF_ROOTS,
    USAGE,
    Buckets,
)
from llm_usage_warehouse.sources.weave.unrooted import models_of, surely_missing, tokens_used, told
from llm_usage_warehouse.streams import ApiReader, Audit, Pull, Reading, Stream
from llm_usage_warehouse.windows import Grid, Window

UNKNOWN_UNITS = (
    "project {}: its own prices were not read, which costs the currency of what they price; all "
    "costs are taken for US dollars"
)


@dataclass(frozen=True)
class Units:
    """What costs are in, by model; None and a warning where that could not be read."""

    of: dict[str, str] | None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class WeaveSettings(SourceSettings):
    """Settings of one W&B account."""

    base_url: str = setting(
        "address of the trace server; that of an instance of your own ends in /traces",
        "https://trace.wandb.ai",
    )
    project_id: list[str] = setting("the projects to read, each as entity/project")
    api_key: str = setting("a W&B API key", secret=True)
    granularity: int | None = setting(
        "seconds per bucket; by default 3600, or 900 where the reporting time zone is not whole "
        "hours from UTC",
        None,
    )
    look_back: Duration = setting(
        "how far before the watermark every nightly run reads again, for calls sent late",
        pendulum.duration(days=1),
    )
    slice: Duration = setting(
        "the length of one slice; many of them are loaded together", pendulum.duration(days=7)
    )
    timeout: Duration = setting(
        # The server gives up after 60 seconds, and says so.
        "how long one request may take",
        pendulum.duration(seconds=90),
    )
    attempts: int = setting("how often one request is tried before its window is halved", 3)
    read_calls: bool = setting(
        "whether to read calls one by one as well, without inputs and outputs", False
    )


class Weave(ApiReader):
    """An open connection to one trace server.

    Args:
        settings: the account's.
        timezone: whose days the buckets must add up to.

    Raises:
        UsageError: a setting that this API cannot serve.
    """

    def __init__(self, settings: WeaveSettings, timezone: str) -> None:
        self._settings = settings
        self._granularity = _checked_granularity(settings, timezone)
        self._projects = _checked_projects(settings)
        widest = min(MAX_BUCKETS, int(LONGEST.total_seconds()) // self._granularity)
        self._buckets_at_once = dict.fromkeys(self._projects, widest)
        self._units: dict[str, Units] = {}
        self._asking = {project_id: Lock() for project_id in self._projects}
        self._client = ApiClient(
            settings.name,
            settings.base_url,
            auth=httpx.BasicAuth("api", settings.api_key),
            limits=settings.limits,
            headers={"Accept": "application/json", "Content-Type": "application/json"},
            judge=weave_judge(settings.name),
            secrets=(settings.api_key,),
        )

    def streams(self) -> Sequence[Stream]:
        """Return `usage_buckets` (by model), `call_buckets` (of all models together), and `calls`.

        The last one only where it is asked for.
        """
        buckets = self._buckets()
        if not self._settings.read_calls:
            return buckets
        cadence = self._settings.cadence()
        return [*buckets, Stream(CALLS_TABLE, cadence, self._read_each, lambda _: self._projects)]

    def _buckets(self) -> list[Stream]:
        cadence = self._settings.cadence(Grid(pendulum.duration(seconds=HOUR)))
        return [
            Stream(
                buckets.table(),
                cadence,
                read,
                lambda _: self._projects,
                unsettled_for=RUNNING_FOR,
                # The buckets are the server's own sums: what they say now is what there is.
                audit=Audit(
                    partial(self._read_sums, buckets),
                    Grid(LONGEST),
                    calls="bucket_count",
                    # The server reckons them anew at each answer, at the prices of that moment.
                    ignored=frozenset(f"sum_{name}" for name in COSTS),
                ),
            )
            for buckets, read in ((USAGE, self._read_usage), (CALLS, self._read_calls))
        ]

    def _read_each(self, project_id: str, window: Window, pull: Pull) -> Reading:
        return Calls(self._client, self._settings, project_id, window).read(pull)

    def _read_sums(self, buckets: Buckets, project_id: str, window: Window, pull: Pull) -> Reading:
        (sums,) = self._parsed((buckets,), project_id, window, pull)
        return _reading(sums)

    def _read_calls(self, project_id: str, window: Window, pull: Pull) -> Reading:
        (calls,) = self._parsed((CALLS,), project_id, window, pull)
        return replace(_reading(calls), unsettled=running_hours(_tables(calls)))

    def _read_usage(self, project_id: str, window: Window, pull: Pull) -> Reading:
        # First: what ends between two answers is in the later one, and is read once more.
        running, of_all = self._parsed(OF_ALL_CALLS, project_id, window, pull)
        units = self._units_of(project_id)
        (usage,) = self._parsed((USAGE,), project_id, window, pull)
        reading = _reading(usage)
        return replace(
            reading,
            tables=[with_cost_unit(table, units.of) for table in reading.tables],
            unsettled=running_hours(_tables(running)),
            warnings=units.warnings + self._unrooted(project_id, window, of_all, usage, pull),
        )

    def _units_of(self, project_id: str) -> Units:
        """Ask what a project's costs are in, once."""
        with self._asking[project_id]:
            if project_id not in self._units:
                self._units[project_id] = self._asked_units(project_id)
        return self._units[project_id]

    def _asked_units(self, project_id: str) -> Units:
        try:
            body = self._client.post(PRICES, prices_body(project_id)).content
            return Units(cost_units(self._settings.name, body))
        except SourceError as error:
            if not (error.is_refusal or isinstance(error, BadResponseError)):
                raise
            return Units(None, [f"{UNKNOWN_UNITS.format(project_id)}: {error}"])

    def _unrooted(
        self,
        project_id: str,
        window: Window,
        of_all: list[Parsed],
        of_roots: list[Parsed],
        pull: Pull,
    ) -> list[str]:
        """Say which tokens no root carries, also none that began before the window."""
        used = tokens_used(_tables(of_all))
        if models_of(used) <= models_of(tokens_used(_tables(of_roots))):
            return []
        around = Window(min(window.start, window.end - LONGEST), window.end)
        running, usage = self._parsed(OF_ROOTS, project_id, around, pull)
        missing = surely_missing(
            used,
            models_of(tokens_used(_tables(usage))),
            running_buckets(_tables(running)),
            self._settings.look_back,
        )
        return [told(project_id, missing)] if missing else []

    def _parsed(
        self, buckets: Sequence[Buckets], project_id: str, window: Window, pull: Pull
    ) -> list[list[Parsed]]:
        """Return what of `buckets` the server gives, each in as many pieces as it took."""
        found: list[list[Parsed]] = [[] for _ in buckets]
        total = bucket_count(window, self._granularity)
        done = 0
        while done < total:
            count = min(self._buckets_at_once[project_id], total - done)
            piece = self._piece(window, done, count)
            try:
                answer = self._ask(buckets, project_id, piece)
            except VendorFaultError as error:
                if error.status not in TOO_MUCH or count == 1:
                    raise
                half = min(self._buckets_at_once[project_id], (count + 1) // 2)
                self._buckets_at_once[project_id] = half
                continue
            for one, parsed in zip(buckets, found, strict=True):
                parsed.append(
                    read_answer(self._settings, answer, one, piece, self._granularity, project_id)
                )
            done += count
            pull.told(done, total)
        return found

    def _piece(self, window: Window, first: int, count: int) -> Window:
        start = window.start.add(seconds=first * self._granularity)
        return Window(start, start.add(seconds=count * self._granularity))

    def _ask(self, buckets: Sequence[Buckets], project_id: str, window: Window) -> bytes:
        body = stats_body(self._settings.name, project_id, window, self._granularity, *buckets)
        return self._client.post(STATS, body).content


def _tables(parts: Sequence[Parsed]) -> list[pa.Table]:
    return [one.table for one in parts]


def _reading(parts: Sequence[Parsed]) -> Reading:
    unknown = frozenset[str]().union(*(one.unknown for one in parts))
    return Reading(_tables(parts), unknown_fields=unknown)


def _checked_granularity(settings: WeaveSettings, timezone: str) -> int:
    section = f"[sources.{settings.name}]"
    longest = granularity_for(timezone)
    granularity = longest if settings.granularity is None else settings.granularity
    if granularity <= 0 or longest % granularity:
        raise UsageError(
            f"{section} granularity: the days of {timezone} are not made of buckets of "
            f"{granularity} seconds; leave it out, or set a divisor of {longest}"
        )
    if settings.slice.total_seconds() % HOUR:
        raise UsageError(f"{section} slice must be whole hours, such as PT6H or P7D")
    return granularity


def _checked_projects(settings: WeaveSettings) -> tuple[str, ...]:
    section = f"[sources.{settings.name}]"
    if not settings.project_id:
        raise UsageError(f"{section} project_id is empty; list at least one entity/project")
    if wrong := [one for one in settings.project_id if not PROJECT_ID.fullmatch(one)]:
        raise UsageError(f"{section} project_id: {wrong[0]!r} is not of the form entity/project")
    return tuple(dict.fromkeys(settings.project_id))
