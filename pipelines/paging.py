"""Reads a list page by page, where pages have numbers and the vendor states a total.

Progress is counted in rows that came, never in pages of the size that was asked for: a vendor may
cap its pages, and says so nowhere.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from llm_usage_warehouse.http import BadResponseError
from llm_usage_warehouse.streams import Pull

EXTRA_PAGES = 10
"""Pages beyond those that the first total needs: rows may come in while a list is read."""


@dataclass(frozen=True)
class Page:
    """One answer: its rows, and the vendor's total of the whole list."""

    rows: Sequence[msgspec.Raw]
    total: int


class MissingRowsError(BadResponseError):
    """The list ended before the vendor's own total, or does not end."""

    next_step = (
        "Nothing of this window was changed. Run again later; if it lasts, ask the vendor's "
        "support."
    )


def read_pages(source: str, ask: Callable[[int], Page], size: int, pull: Pull) -> Iterator[Page]:
    """Yield the pages of a list, in order, until as many rows came as the vendor states.

    Fewer may come where the last page is short: whether that matters is for the caller to say.

    Args:
        source: name for error messages.
        ask: asks for the page of a number, from 1.
        size: how many rows a page was asked to hold.
        pull: asks for several at once; told of pages as they arrive.

    Raises:
        TooManyRowsError: the window is to be cut first.
        MissingRowsError: a page is empty before the stated total, or there are far more pages than
            the total needs.
        SourceError: the vendor could not be read.
    """
    first = ask(1)
    pull.check_size(first.total)
    held = len(first.rows) if 0 < len(first.rows) < min(size, first.total) else size
    most = -(-first.total // held) + EXTRA_PAGES
    done, read, total = 1, len(first.rows), first.total
    if not first.rows and total:
        raise _ended(source, 1, 0, total)
    counted = -(-total // size)
    pull.told(done, -(-total // held) or 1)
    yield first
    while read < total:
        last = done + -(-(total - read) // held)
        if last > most:
            raise MissingRowsError(
                source,
                f"the list does not end: {read} rows came on {done} pages, which {first.total} "
                f"rows would have filled at first, and by now it is said to hold {total}",
            )
        for page in pull.map(ask, range(done + 1, last + 1), total):
            done += 1
            read += len(page.rows)
            total = page.total
            if not page.rows and read < total:
                if done <= counted:
                    raise _ended(source, done, read, total)
                # It was asked for in case the vendor caps its pages; it does not.
                return
            pull.told(done, max(last, done))
            yield page


def _ended(source: str, number: int, read: int, total: int) -> MissingRowsError:
    return MissingRowsError(
        source, f"page {number} is empty, and only {read} of the {total} rows that are stated came"
    )
