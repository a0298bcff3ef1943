"""Lists that are read page by page: they end, and nothing is missing without a word."""

from collections.abc import Callable

import msgspec
import pytest

from llm_usage_warehouse.paging import MissingRowsError, Page, read_pages
from llm_usage_warehouse.read_ahead import ReadAhead
from llm_usage_warehouse.streams import TooManyRowsError
from tests.loads import pulled


def listed(total: int, cap: int, stated: Callable[[int], int] | None = None) -> list[int]:
    """Read a list of `total` rows from a vendor whose pages hold `cap`; 10 are asked for."""

    def ask(number: int) -> Page:
        rows = max(0, min(cap, total - (number - 1) * cap))
        return Page([msgspec.Raw(b"{}")] * rows, stated(number) if stated else total)

    return pulled(lambda pull: [len(page.rows) for page in read_pages("s", ask, 10, pull)])


@pytest.mark.parametrize("total", [0, 1, 9, 10, 11, 99, 100])
def test_every_row_comes(total: int) -> None:
    assert sum(listed(total, cap=10)) == total


@pytest.mark.parametrize("cap", [1, 3, 7])
def test_a_vendor_may_cap_its_pages(cap: int) -> None:
    assert sum(listed(25, cap)) == 25


def test_rows_that_come_in_meanwhile_are_read() -> None:
    assert sum(listed(25, 10, lambda number: 20 if number == 1 else 25)) == 25


def test_a_list_that_shrinks_ends() -> None:
    assert sum(listed(15, 10, lambda number: 30 if number == 1 else 15)) == 15


def test_an_empty_page_before_the_total_is_an_error() -> None:
    with pytest.raises(MissingRowsError, match="page 3 is empty, and only 20 of the 35 rows"):
        listed(20, 10, lambda _: 35)


def test_a_last_page_that_is_short_ends_the_list() -> None:
    assert sum(listed(18, 10, lambda _: 20)) == 18


def test_an_empty_first_page_with_a_total_is_an_error() -> None:
    with pytest.raises(MissingRowsError, match="page 1 is empty"):
        listed(0, 10, lambda _: 5)


def test_a_list_whose_total_runs_away_is_an_error() -> None:
    with pytest.raises(MissingRowsError, match="does not end"):
        listed(10**6, 10, lambda number: number * 10 + 1)


def test_a_large_window_is_to_be_cut_first() -> None:
    def ask(_number: int) -> Page:
        return Page([msgspec.Raw(b"{}")] * 10, 10**6)

    with pytest.raises(TooManyRowsError):
        pulled(lambda pull: list(read_pages("s", ask, 10, pull)), limit=1000)


def test_threads_end_when_the_reading_is_stopped() -> None:
    ahead: ReadAhead[int] = ReadAhead(2, 100, "test")
    job = ahead.submit(lambda _threads: 1)
    assert job.outcome.result(5) == 1
    ahead.stop()
    late = ahead.submit(lambda _threads: 2)
    assert not ahead.wait(late, 0.1)
