"""What a test may ask the API to get wrong."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass
class Lies:
    """What the API says against its own books.

    Attributes:
        tokens_off: added to the first input token metric of every page of the usage breakdown.
        amount_off: added, in CNY, to the first amount of every page of the cost breakdown and to
            the total of the bill summary.
        details_missing: how many of the newest billing lines of each window are left out, though
            `total` counts them.
        total_zero: whether every total is 0.
        repeat_page: this page of log rows or billing lines holds the rows of the page before.
        missing_page: this page of log rows or billing lines is empty.
    """

    tokens_off: int = 0
    amount_off: Decimal = Decimal(0)
    details_missing: int = 0
    total_zero: bool = False
    repeat_page: int = 0
    missing_page: int = 0


@dataclass
class Failure:
    """An error that the vendor gives in its own words, see `Books.fail`."""

    code: str
    status: int
    message: str
    path: str
    times: int
    skip: int
    retry_after_ms: int | None
