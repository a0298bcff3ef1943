"""Calls one by one: `POST /calls/stream_query`, once they have ended.

What the server does, and what follows here (trace server of the Python package `weave` 0.53.12):

- A call is in the window in which it ended: its usage comes with its end, however late that is.
- The status of a call is worked out from the columns that are asked for: without `summary` all
  calls look as if they ran.
- An answer that breaks off has the status 200. So the calls are counted first, by
  `/calls/query_stats`, and as many must come, or else the server must say that none are left behind
  the last one.
- What an operation was given, what it gave back and what it failed with is not asked for. What
  comes of it all the same (`summary` brings the exception with it) is in no contract, and so never
  in a table: the text of an exception quotes prompts, and its class is whatever a client writes.
  That a call failed is in its status.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pendulum
import pyarrow as pa
import pyarrow.compute as pc

from llm_usage_warehouse.envelopes import decoded
from llm_usage_warehouse.http import ApiClient, BadResponseError
from llm_usage_warehouse.pages import RowShape
from llm_usage_warehouse.settings import SourceSettings
from llm_usage_warehouse.sources.weave.request import spelled
from llm_usage_warehouse.sources.weave.response import COUNT, STREAM, CallKey, call_lines
from llm_usage_warehouse.streams import Pull, Reading, Table, Write
from llm_usage_warehouse.windows import Window

RUNNING_FOR = pendulum.duration(days=30)
"""How long after a call began its end is waited for. Agents and batch jobs run for days; a call
whose process was killed never ends, and without a limit its hour would be read every night. The
server finds calls by their start, and would look through all of history."""

PAGE_ROWS = 5_000
"""Calls in one answer: about 4 MB."""

COLUMNS = (
    "id",
    "project_id",
    "trace_id",
    "parent_id",
    "op_name",
    "display_name",
    "thread_id",
    "wb_user_id",
    "started_at",
    "ended_at",
    "summary",
)

CALL = RowShape(
    rows=("calls",),
    fields={
        "id": "text",
        "trace_id": "text",
        "parent_id": "text",
        "op_name": "text",
        "display_name": "text",
        "thread_id": "text",
        "wb_user_id": "text",
        "started_at": "iso",
        "ended_at": "iso",
        # The names of its members are models.
        "summary": {"usage": "json", "weave": {"status": "text", "latency_ms": "int"}},
    },
    required=("id", "trace_id", "op_name", "started_at", "ended_at"),
    # A summary holds whatever else the client put there, and every row all that was not asked for.
    complete=False,
)
# The project is named as it is in the buckets: as the settings spell it.
TABLE = Table(
    "calls",
    CALL,
    Write.MERGE,
    constants=("source_name", "project_id"),
    key=("source_name", "id"),
)


class Counted(msgspec.Struct):
    """The answer of `POST /calls/query_stats`."""

    count: int


@dataclass(frozen=True)
class Calls:
    """The calls of one project that ended in one window.

    Attributes:
        client: of the trace server.
        settings: of the source.
        project_id: `entity/project`.
        window: of the instants at which calls ended; both ends on whole seconds.
    """

    client: ApiClient
    settings: SourceSettings
    project_id: str
    window: Window

    def read(self, pull: Pull) -> Reading:
        """Read them, oldest first.

        Raises:
            TooManyRowsError: the window is to be cut first.
            SourceError: the server said no, broke off, or sent other calls than were asked for.
        """
        counted = left = self._count(None)
        pull.check_size(counted)
        tables: list[pa.Table] = []
        last: CallKey | None = None
        read = 0
        while left:
            (lines,) = pull.map(self._page, [last], counted)
            last = self._moved_on(last, lines[-1])
            tables.append(self._table(lines))
            read += len(lines)
            # Copies of a retried upload are counted until the server merges them.
            left = self._count(last) if read < counted else 0
            pull.told(len(tables), len(tables) + -(-left // PAGE_ROWS))
        return Reading(tables, reported_total=counted if read == counted else None)

    def _count(self, after: CallKey | None) -> int:
        answer = self.client.post(COUNT, msgspec.json.encode(self._asked(after))).content
        found: Counted = decoded(self.settings.name, answer, Counted)
        return found.count

    def _page(self, after: CallKey | None) -> list[bytes]:
        body = self._asked(after) | {
            "columns": COLUMNS,
            # Else a call comes once for each copy.
            "latest_only": True,
            "limit": PAGE_ROWS,
            "sort_by": [{"field": name, "direction": "asc"} for name in ("started_at", "id")],
        }
        answer = self.client.post(STREAM, msgspec.json.encode(body)).content
        return call_lines(self.settings.name, answer)

    def _asked(self, after: CallKey | None) -> dict[str, Any]:
        conditions = [*self._in_window(), *([] if after is None else [_behind(after)])]
        return {"project_id": self.project_id, "query": {"$expr": {"$and": conditions}}}

    def _in_window(self) -> Iterator[dict[str, Any]]:
        yield _compared("$gte", "started_at", spelled(self.window.start - RUNNING_FOR))
        yield _compared("$gte", "ended_at", spelled(self.window.start))
        yield _compared("$lt", "ended_at", spelled(self.window.end))

    def _moved_on(self, before: CallKey | None, line: bytes) -> CallKey:
        last = msgspec.json.decode(line, type=CallKey)
        if last == before:
            raise self._other_calls("the same calls came again")
        return last

    def _table(self, lines: list[bytes]) -> pa.Table:
        table = TABLE.typed(self.settings, lines, project_id=self.project_id).table
        ends = pc.min_max(table["ended_at"])
        if ends["min"].as_py() < self.window.start or ends["max"].as_py() >= self.window.end:
            raise self._other_calls(f"some of them did not end in {self.window}")
        return table

    def _other_calls(self, what: str) -> BadResponseError:
        return BadResponseError(
            self.settings.name,
            f"the calls are not those that were asked for: {what}",
            next_step="Nothing of this window was written. The server may be too old for "
            f"conditions on calls; else set read_calls = false in [sources.{self.settings.name}].",
        )


def _compared(operator: str, field: str, value: str) -> dict[str, Any]:
    return {operator: [{"$getField": field}, {"$literal": value}]}


def _behind(key: CallKey) -> dict[str, Any]:
    at_once = [
        _compared("$eq", "started_at", key.started_at),
        _compared("$gt", "id", key.id),
    ]
    return {"$or": [_compared("$gt", "started_at", key.started_at), {"$and": at_once}]}
