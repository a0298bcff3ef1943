"""What a vendor's folder offers: its tables, stated once, and the streams that fill them.

A table is what a vendor's rows become. A stream is one endpoint read into one table. A scope is
what a stream is read for separately: an account, a group, a model; each has a watermark of its own.
Everything else (windows, watermarks, the ledger, read-ahead, load packages) is the same for every
vendor and lives in `packages`, `read_ahead` and `one_source`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, Protocol, Self, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pendulum import Duration

from llm_usage_warehouse.http import ApiClient
from llm_usage_warehouse.pages import UTC_MICROS, Parsed, RowShape, rows_to_table, to_table
from llm_usage_warehouse.settings import SourceSettings
from llm_usage_warehouse.windows import Cadence, Grid, Window

T = TypeVar("T")
R = TypeVar("R")


class Write(Enum):
    """How the rows of a slice meet the rows already in the table.

    MERGE: rows have a trustworthy id (`Table.key`); a row read again replaces its older self, and
        a row that is gone at the vendor stays.
    REPLACE_WINDOW: rows have no id; what lay in the slice's window and scope is replaced by what
        was read, so that a window can also shrink.
    SNAPSHOT: the table holds the present state of a scope; all of it is replaced.
    """

    MERGE = "merge"
    REPLACE_WINDOW = "replace_window"
    SNAPSHOT = "snapshot"


WINDOW_COLUMNS = pa.schema(
    [
        ("window_start", UTC_MICROS),
        ("window_end", UTC_MICROS),
        ("row_in_window", pa.int64()),
    ]
)
"""Which slice brought a row that has no id of its own, and its place in it: together its key."""


@dataclass(frozen=True)
class Table:
    """A raw table `raw_<vendor>.<name>`.

    Attributes:
        name: the table.
        shape: of a vendor's row.
        write: how a slice meets the table.
        constants: text columns that have one value in all rows of a page, put first: `source_name`,
            and `scope` for tables that are not merged; the others are settings of the source.
        key: MERGE: columns that name a row, `source_name` among them.
        identity: MERGE: columns that a row keeps for good. A row that differs in all of them from
            the stored one of its key is another row, whose id was given out again.
        at: REPLACE_WINDOW: the timestamp column by which a row lies in a window.
        derived: columns that the reader adds after those of its shape.
    """

    name: str
    shape: RowShape
    write: Write
    constants: tuple[str, ...] = ("source_name", "scope", "base_url")
    key: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()
    at: str = ""
    derived: tuple[pa.Field, ...] = ()

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns that a reader fills."""
        return pa.schema([*self.shape.schema(self.constants), *self.derived])

    @cached_property
    def stored_schema(self) -> pa.Schema:
        """The columns of the stored table, but for dlt's own."""
        window = [] if self.write is Write.MERGE else WINDOW_COLUMNS
        return pa.schema([*self.schema, *window])

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The columns that tell the stored rows apart."""
        return self.key or ("source_name", "scope", "window_start", "row_in_window")

    @property
    def id_column(self) -> str:
        """MERGE: the one column of the key that is not the same in all rows of a source."""
        (name,) = (name for name in self.key if name not in self.constants)
        return name

    def count(self, tables: Sequence[pa.Table]) -> int:
        """Return how many rows `tables` bring; of a merged table, a row that comes twice once."""
        if self.write is not Write.MERGE:
            return sum(table.num_rows for table in tables)
        chunks = [chunk for table in tables for chunk in table[self.id_column].chunks]
        if not chunks:
            return 0
        ids = pa.concat_arrays(chunks)
        return len(ids) if is_ordered(ids) else int(pc.count_distinct(ids, mode="all").as_py())

    def rows(
        self,
        settings: SourceSettings,
        pages: Sequence[bytes],
        shape: RowShape | None = None,
        **given: str | None,
    ) -> Parsed:
        """Type the rows of `pages`.

        Args:
            settings: of the source; constants that `given` lacks are its settings of that name.
            pages: whole response bodies.
            shape: the table's own, or the same with other private fields withheld.
            given: values of constants, such as the scope.

        Raises:
            BadResponseError: the rows are not of the shape.
        """
        constants = self.constant_values(settings, **given)
        return to_table(settings.name, pages, shape or self.shape, constants)

    def typed(
        self,
        settings: SourceSettings,
        rows: Sequence[bytes | msgspec.Raw],
        shape: RowShape | None = None,
        **given: str | None,
    ) -> Parsed:
        """Type rows that lie apart, each the bytes of a JSON object; see `rows`."""
        constants = self.constant_values(settings, **given)
        return rows_to_table(settings.name, rows, shape or self.shape, constants)

    def constant_values(
        self, settings: SourceSettings, **given: str | None
    ) -> dict[str, str | None]:
        """Return the value of each constant column."""
        known: dict[str, Any] = {"source_name": settings.name, "scope": "", **given}
        return {
            name: known[name] if name in known else getattr(settings, name, None)
            for name in self.constants
        }


@dataclass(frozen=True)
class Reading:
    """What one slice of one stream held.

    Attributes:
        tables: the rows, each table of the stream's schema.
        reported_total: the vendor's own count of these rows, or None where it gives none.
        unsettled: stretches whose rows will still change in place; read again next night.
        unknown_fields: dotted names of fields that the shape does not know.
        warnings: what a person should know of it, each a sentence; the night says them.
    """

    tables: Sequence[pa.Table]
    reported_total: int | None = None
    unsettled: Sequence[Window] = ()
    unknown_fields: frozenset[str] = frozenset()
    warnings: Sequence[str] = ()

    @property
    def rows(self) -> int:
        """The number of rows that came; see `Table.count` for how many those are."""
        return sum(table.num_rows for table in self.tables)


def is_ordered(values: pa.Array) -> bool:
    """Say whether each value lies above the one before it, or each below.

    Then none of them comes twice, which costs far less to see than to count.
    """
    one, next_one = values.slice(0, max(len(values) - 1, 0)), values.slice(1)
    return any(
        pc.all(compare(one, next_one), min_count=0).as_py() for compare in (pc.greater, pc.less)
    )


class TooManyRowsError(Exception):
    """A window holds more rows than one slice should; it is cut and read in pieces.

    Attributes:
        rows: how many the vendor says there are.
    """

    def __init__(self, rows: int) -> None:
        super().__init__(f"{rows} rows in one window")
        self.rows = rows


class Pull(Protocol):
    """How a stream's `read` asks for pages: through the threads that all slices share."""

    def map(self, fn: Callable[[T], R], items: Iterable[T], rows: int = 0) -> Iterator[R]:
        """Yield `fn(item)` for each item, in order, several at once.

        Args:
            fn: asks for one page.
            items: what to ask for.
            rows: about how many rows will come; waits until there is room for them.
        """

    def told(self, done: int, total: int) -> None:
        """Report `done` of `total` pages of the slice being read."""

    def check_size(self, rows: int) -> None:
        """Say how many rows the window holds, as soon as that is known.

        Raises:
            TooManyRowsError: the window is to be cut first.
        """


@dataclass(frozen=True)
class Audit:
    """How a stream of the vendor's own totals is asked again for time that was loaded long ago.

    A total that is no longer what is stored tells that the rows which it counts have changed: its
    stretch is read again, of the stream itself and of those that it checks.

    Attributes:
        read: reads the totals of one scope and window; they are compared and not loaded.
        slices: the stretches of one reading.
        checks: names of the streams whose rows the totals count.
        calls: how many calls a row counts, in SQL. A vendor that counts fewer than it did has
            deleted some, which is no reason to lose them here.
        where: condition, in SQL, on the stored rows that `read` brings again.
        ignored: columns that may differ without a reason to read the rows again.
    """

    read: Callable[[str, Window, Pull], Reading]
    slices: Grid
    checks: tuple[str, ...] = ()
    calls: str = "1"
    where: str = "true"
    ignored: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Stream:
    """One endpoint, read into one table.

    Attributes:
        table: which.
        cadence: how its windows are planned.
        read: reads one scope and window. Raises `SourceError` and then leaves nothing behind.
        scopes: returns what the stream is read for, given the scopes read before; `("",)` where
            it is read as one. May ask the vendor.
        account_of: the account that a scope belongs to, for the ledger; None for all of them.
        unsettled_for: how long after an unsettled stretch began it is still read again; None for
            ever.
        missed: what is missed where the vendor refuses it, in words: names, or a control. The rest
            of the source is read all the same. Empty where the source is nothing without it.
        audit: how its old rows are held against the vendor's; None where they are no totals.
    """

    table: Table
    cadence: Cadence
    read: Callable[[str, Window, Pull], Reading]
    scopes: Callable[[Sequence[str]], Sequence[str]] = lambda _remembered: ("",)
    account_of: Callable[[str], str | None] = lambda scope: scope or None
    unsettled_for: Duration | None = None
    missed: str = ""
    audit: Audit | None = None

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.name


class Reader(Protocol):
    """An open connection to one source."""

    def streams(self) -> Sequence[Stream]:
        """Return the streams of this source, dimensions first. Sends nothing."""

    def close(self) -> None:
        """End every request under way, and close the connections. Any thread may call it."""


class ApiReader:
    """A reader with one HTTP client; a vendor's reader derives from it."""

    _client: ApiClient

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End every request under way, and close the connections."""
        self._client.close()


@dataclass(frozen=True)
class Connector:
    """A vendor, as its folder's `CONNECTOR` offers it.

    Attributes:
        vendor: the folder's name; the raw tables are in schema `raw_<vendor>`.
        settings: the class of its settings.
        open: opens a reader, given settings and the reporting time zone; sends nothing. Raises
            `UsageError` for settings that this API cannot serve.
        tables: all of them, each stated once.
    """

    vendor: str
    settings: type[SourceSettings]
    open: Callable[[Any, str], Reader]
    tables: Sequence[Table]

    @property
    def dataset(self) -> str:
        """The schema of the raw tables."""
        return f"raw_{self.vendor}"
