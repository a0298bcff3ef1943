"""What a vendor's folder offers to the nightly run: a connector with streams.

A stream is one endpoint read into one table. A scope is what a stream is read for separately: an
account, a group, a model; each has a watermark of its own. Everything else (slices, watermarks,
the ledger, locks, resuming) is the same for every vendor and lives in `loading` and `nightly`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol, Self

import pyarrow as pa
from dlt.extract import DltSource

from pipelines.http import ApiClient
from pipelines.settings import SourceSettings
from pipelines.windows import Pace, Window


class Write(Enum):
    """How the rows of a slice meet the rows already in the table.

    MERGE: rows have a trustworthy id (`Stream.key`); a row read again replaces its older self, and
        a row that is gone at the vendor stays.
    REPLACE_WINDOW: rows have no id; what lay in the slice's window and scope is replaced by what
        was read, so that a window can also shrink.
    SNAPSHOT: the table holds the present state of a scope; all of it is replaced.
    """

    MERGE = "merge"
    REPLACE_WINDOW = "replace_window"
    SNAPSHOT = "snapshot"


@dataclass(frozen=True)
class Reading:
    """What one slice of one stream held.

    Attributes:
        tables: the rows, each table of the stream's schema.
        reported_total: the vendor's own count of these rows, or None where it gives none.
        unsettled: stretches whose rows will still change in place; read again next night.
        unknown_fields: dotted names of fields that the contract does not know.
    """

    tables: Sequence[pa.Table]
    reported_total: int | None = None
    unsettled: Sequence[Window] = ()
    unknown_fields: frozenset[str] = frozenset()

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(table.num_rows for table in self.tables)


class Progress(Protocol):
    """Told of pages as they arrive."""

    def __call__(self, done: int, total: int) -> None:
        """Report `done` of `total` pages of the slice being read."""


@dataclass(frozen=True)
class Stream:
    """One endpoint read into one table `raw_<vendor>.<name>`.

    Attributes:
        name: the table.
        schema: of the rows; the first column is `source_name`, and for REPLACE_WINDOW and SNAPSHOT
            a column `scope` follows it.
        write: how a slice meets the table.
        read: reads one scope and window. Raises `SourceError` and then leaves nothing behind.
        scopes: returns what the stream is read for, given the scopes read before; `("",)` where
            it is read as one. May ask the vendor.
        key: MERGE: columns that name a row, `source_name` among them.
        at: REPLACE_WINDOW: the timestamp column by which a row lies in a window.
        json_columns: columns that hold JSON text.
        account_of: the account that a scope belongs to, for the ledger; None for all of them.
        pace: how its windows are planned.
    """

    name: str
    schema: pa.Schema
    write: Write
    pace: Pace
    read: Callable[[str, Window, Progress], Reading]
    scopes: Callable[[Sequence[str]], Sequence[str]] = lambda _remembered: ("",)
    key: tuple[str, ...] = ()
    at: str = ""
    json_columns: tuple[str, ...] = ()
    account_of: Callable[[str], str | None] = lambda scope: scope or None


class Reader(Protocol):
    """An open connection to one source: its streams, and the traffic so far."""

    @property
    def requests(self) -> int:
        """Requests sent so far, retries included."""

    @property
    def retries(self) -> int:
        """Requests that repeated a failed one."""

    def streams(self) -> Sequence[Stream]:
        """Return the streams of this source, dimensions first."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


class ApiReader:
    """A reader with one HTTP client, its streams apart; a vendor's reader derives from it."""

    _client: ApiClient

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.close()

    @property
    def requests(self) -> int:
        """Requests sent so far, retries included."""
        return self._client.requests

    @property
    def retries(self) -> int:
        """Requests that repeated a failed one."""
        return self._client.retries


@dataclass(frozen=True)
class Connector:
    """A vendor, as its folder's `CONNECTOR` offers it.

    Attributes:
        vendor: the folder's name; the raw tables are in schema `raw_<vendor>`.
        settings: the class of its settings.
        open: opens a reader; no request is sent yet.
        source: the vendor's `@dlt.source`, named like the vendor, which wires one slice into dlt.
        tables: the schema of each raw table, so that models have a table to read before the first
            load, and where the vendor is not configured at all.
    """

    vendor: str
    settings: type[SourceSettings]
    open: Callable[[Any], Reader]
    source: Callable[..., DltSource]
    tables: Mapping[str, pa.Schema] = field(default_factory=dict)

    @property
    def dataset(self) -> str:
        """The schema of the raw tables."""
        return f"raw_{self.vendor}"
