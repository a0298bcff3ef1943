"""Reads Acme's calls, oldest first, page after page.

What the server does, and what follows here (name the page of the vendor's documentation):

- It lists the calls that ended in `[since, until)`, and has no other cursor than time: the next
  page begins at the instant of the last call, which comes again. Rows merge on their id.
- A page of calls that all ended at one instant would be followed by itself: an error.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import httpx
import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from llm_usage_warehouse.envelopes import decoded
from llm_usage_warehouse.http import ApiClient, BadResponseError
from llm_usage_warehouse.settings import SourceSettings, setting
from llm_usage_warehouse.sources.acme.schema import CALLS_TABLE
from llm_usage_warehouse.streams import ApiReader, Pull, Reading, Stream
from llm_usage_warehouse.windows import Window

PAGE_ROWS = 500
"""The most that the server puts into an answer."""


@dataclass(frozen=True)
class AcmeSettings(SourceSettings):
    """Settings of one Acme account."""

    api_key: str = setting("a key that may read usage", secret=True)


class BearerKey(httpx.Auth):
    """Sends the key with each request."""

    def __init__(self, key: str) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Set the header."""
        request.headers["Authorization"] = f"Bearer {self._key}"
        yield request


class Answer(msgspec.Struct):
    """A page: its rows as they came, and whether more calls lie behind them."""

    data: list[msgspec.Raw]
    has_more: bool


class Place(msgspec.Struct):
    """Where in time a row lies, as sent: no digit of it is lost."""

    ended_at: str


class AcmeReader(ApiReader):
    """An open connection to one Acme account; its days are all the same to it."""

    def __init__(self, settings: AcmeSettings, _timezone: str) -> None:
        self._settings = settings
        self._client = ApiClient(
            settings.name,
            settings.base_url,
            auth=BearerKey(settings.api_key),
            limits=settings.limits,
            headers={"Accept": "application/json"},
            secrets=(settings.api_key,),
        )

    def streams(self) -> Sequence[Stream]:
        """Return `calls`."""
        return (Stream(CALLS_TABLE, self._settings.cadence(), self._read_calls),)

    def _read_calls(self, _scope: str, window: Window, pull: Pull) -> Reading:
        tables: list[pa.Table] = []
        unknown = set[str]()
        since, until = (at.to_iso8601_string() for at in (window.start, window.end))
        has_more, read = True, 0
        while has_more:
            (page,) = pull.map(lambda at: self._page(at, until), [since])
            parsed = CALLS_TABLE.typed(self._settings, page.data)
            self._check_bounds(parsed.table, window)
            tables.append(parsed.table)
            unknown |= parsed.unknown
            read += len(page.data)
            pull.check_size(read)
            pull.told(len(tables), len(tables) + page.has_more)
            has_more = page.has_more
            since = self._moved_on(since, page)
        return Reading(tables, unknown_fields=frozenset(unknown))

    def _page(self, since: str, until: str) -> Answer:
        asked: dict[str, str | int] = {"since": since, "until": until, "limit": PAGE_ROWS}
        body = self._client.get("/calls", asked).content
        answer: Answer = decoded(self._settings.name, body, Answer)
        return answer

    def _moved_on(self, since: str, page: Answer) -> str:
        """Return where the next page begins."""
        if not page.has_more:
            return since
        last = msgspec.json.decode(page.data[-1], type=Place).ended_at if page.data else since
        if last == since:
            raise self._other_calls(f"more than one page of them ended at {since}")
        return last

    def _check_bounds(self, table: pa.Table, window: Window) -> None:
        if not table.num_rows:
            return
        ends = pc.min_max(table["ended_at"]).as_py()
        if ends["min"] < window.start or ends["max"] >= window.end:
            raise self._other_calls(f"some of them did not end in {window}")

    def _other_calls(self, what: str) -> BadResponseError:
        return BadResponseError(
            self._settings.name,
            f"the calls are not those that were asked for: {what}",
            next_step="Nothing of them was written. Compare with the vendor's release notes.",
        )
