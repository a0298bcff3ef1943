"""Reads a whole list, page by page, from an API whose order and total are not promised.

Pages are asked for until one is short, each row counts once, and the vendor's total is a hint: it
says how many pages may be asked for at once, and where fewer rows came than it says, the list is
read again.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from llm_usage_warehouse.paging import EXTRA_PAGES, MissingRowsError
from llm_usage_warehouse.sources.alibaba_model_router.response import Page
from llm_usage_warehouse.streams import Pull

READS = 3

Fetch = Callable[[int], Page]
"""Reads the page of a number, from 1."""


@dataclass
class Listing:
    """The rows of a list by what tells them apart, and the vendor's largest total."""

    rows: dict[tuple[bytes, int], bytes] = field(default_factory=dict)
    total: int = 0

    @property
    def reported_total(self) -> int | None:
        """The vendor's count of the rows; None where it gave none."""
        return None if self.rows and not self.total else self.total


def read_list(source: str, fetch: Fetch, pull: Pull, page_size: int) -> Listing:
    """Return every row of a list once.

    Where rows are still missing after the last read, the difference stays in `reported_total`.

    Args:
        source: name for error messages.
        fetch: reads one page.
        pull: reads several at once; told of pages as they arrive.
        page_size: how many rows a page was asked to hold.

    Raises:
        TooManyRowsError: the window is to be cut first.
        MissingRowsError: the list does not end.
    """
    for _ in range(READS):
        listing = _read_once(source, fetch, pull, page_size)
        if len(listing.rows) >= listing.total:
            break
    return listing


def _read_once(source: str, fetch: Fetch, pull: Pull, page_size: int) -> Listing:
    listing = Listing()
    done, last, held = 0, 1, page_size
    most: int | None = None
    while True:
        known = 0
        page = Page([], 0)
        for page in pull.map(fetch, range(done + 1, last + 1), listing.total):
            done += 1
            known = len(listing.rows)
            _add(listing, page)
            pull.told(done, last)
            if done == 1:
                # The vendor may give less than it was asked for.
                held = len(page.rows) or page_size
            if most is None and listing.total:
                # An answer may state no total though the next one does.
                pull.check_size(listing.total)
                most = -(-listing.total // held) + EXTRA_PAGES
        expected = -(-listing.total // held)
        is_last = len(page.rows) < page_size and 0 < listing.total <= len(listing.rows)
        if done >= expected and (is_last or len(listing.rows) == known):
            return listing
        last = max(expected, done + 1)
        if most is not None and last > most:
            raise MissingRowsError(
                source,
                f"the list does not end: {len(listing.rows)} rows came on {done} pages, and by now "
                f"it is said to hold {listing.total}",
            )


def _add(listing: Listing, page: Page) -> None:
    """Count the rows of a page, each once.

    A page that shifted while the list was read shows a row again; two that are the same on one page
    are two: the vendor counts them so.
    """
    listing.total = max(listing.total, page.total)
    seen = Counter[bytes]()
    for key, row in page.rows:
        listing.rows[key, seen[key]] = row
        seen[key] += 1
