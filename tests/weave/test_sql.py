"""Weave's odd numbers, from the server to the marts: totals, and costs that are none."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from llm_usage_warehouse.simulator.weave import Book
from tests.loads import NOW, frozen, vendor
from tests.sql_helpers import WITHOUT_TESTS, SqlWarehouse

NAME = "acme/odd"
OWN_UNITS = {"yuan": ("CNY", "CNY"), "credits": ("credits", "credits"), "both": ("CNY", "USD")}
CLAUDE = "claude-sonnet-4-5-20250929"


def add(book: Book, hours: int, model: str, **usage: int) -> None:
    """Add a call that began hours before the night."""
    started = NOW.subtract(hours=hours).timestamp()
    book.add({model: usage}, started_at=started, project_id=NAME)


def fill(book: Book) -> None:
    add(book, 3, "twice", prompt_tokens=100, input_tokens=100, output_tokens=10, total_tokens=110)
    add(book, 3, "no-total", input_tokens=100, output_tokens=10)
    add(book, 3, "some-total", input_tokens=100, output_tokens=10)
    add(book, 3, "some-total", prompt_tokens=7, total_tokens=7)
    # Input as it was logged once, without the cached tokens.
    add(book, 3, CLAUDE, input_tokens=10, output_tokens=1, cache_read_input_tokens=500)
    add(book, 4, CLAUDE, input_tokens=10, output_tokens=500, cache_read_input_tokens=500)
    add(book, 5, CLAUDE, input_tokens=510, output_tokens=1, cache_read_input_tokens=500)
    for model, units in OWN_UNITS.items():
        add(book, 3, model, input_tokens=100, output_tokens=0, total_tokens=100)
        book.set_price(NAME, model, "2026-01-01", 0.02, 0.02, units)
    # Statistics are priced at the newest price, whenever it was set.
    book.set_price(NAME, "yuan", "2025-01-01", 0.01, 0.01, ("USD", "USD"))


@dataclass(frozen=True)
class Story:
    """What the marts hold, and what dbt said."""

    rows: dict[tuple[int, str], dict[str, Any]]
    rejected: list[tuple[Any, ...]]
    said: str


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("weave")
    with (
        pytest.MonkeyPatch.context() as patch,
        vendor(folder, patch, "weave", frozen()) as (weave, project),
    ):
        built = SqlWarehouse()
        project.set(project_id=[NAME], slice="P7D")
        project.set_warehouse(path=str(built.path))
        fill(weave.data)
        assert project.load().error is None
        yield told(built)


def told(built: SqlWarehouse) -> Story:
    finished = built.dbt("build", *WITHOUT_TESTS[2:], timezone="UTC")
    assert finished.ok, finished.said
    columns = ("total_tokens", "cost_reported", "currency")
    rows = built.run(f"select bucket_start, request_model, {', '.join(columns)} from usage_buckets")
    return Story(
        {
            (round((NOW - start).total_seconds() / 3600), model): dict(
                zip(columns, values, strict=True)
            )
            for start, model, *values in rows
        },
        built.run("select row_id, value_sent, why from rejected_values order by all"),
        finished.said,
    )


@pytest.mark.parametrize(
    ("model", "total"), [("twice", 110), ("no-total", 110), ("some-total", 117)]
)
def test_a_total_is_as_logged_or_else_made_of_its_parts(
    story: Story, model: str, total: int
) -> None:
    assert story.rows[3, model]["total_tokens"] == total


def test_input_that_the_server_counts_twice_is_told(story: Story) -> None:
    assert "Warning in test weave_total_tokens_hold_their_parts" in story.said


def test_a_negative_cost_is_none(story: Story) -> None:
    for hours in (3, 4):
        found = story.rows[hours, CLAUDE]
        assert (found["cost_reported"], found["currency"]) == (None, None)
    assert story.rows[5, CLAUDE]["cost_reported"] > 0
    sent = {
        row_id.split(":", 2)[2]: (round(Decimal(value), 8), why)
        for row_id, value, why in story.rejected
        if CLAUDE in row_id
    }
    # The whole of one hour; of the other only the input, which its output makes up for.
    assert sent == {
        f"2026-11-20T08:00:00:{CLAUDE}": (Decimal("-0.00147"), "negative"),
        f"2026-11-20T09:00:00:{CLAUDE}": (Decimal("-0.001305"), "negative"),
    }


def test_a_cost_is_in_the_unit_of_the_price_that_made_it(story: Story) -> None:
    costs = {
        model: (found["cost_reported"], found["currency"])
        for (_, model), found in story.rows.items()
        if model in OWN_UNITS
    }
    assert costs.pop("yuan") == (pytest.approx(Decimal(2)), "CNY")
    assert costs == {"credits": (None, None), "both": (None, None)}
    assert story.rows[5, CLAUDE]["currency"] == "USD"


def test_a_cost_without_a_currency_is_told(story: Story) -> None:
    told = [row for row in story.rejected if row[2] == "in no currency that has a code"]
    assert [(row_id.rsplit(":", 1)[1], round(Decimal(value), 6)) for row_id, value, _ in told] == [
        ("both", Decimal(2)),
        ("credits", Decimal(2)),
    ]
