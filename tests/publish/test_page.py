"""The page: its figures, names that are only text in it, and how a real browser shows it.

Two weeks of literal calls are published once; what a test needs otherwise it changes in a copy.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from llm_usage_warehouse.errors import RunError
from llm_usage_warehouse.own_seeds import OF_DEMO
from llm_usage_warehouse.page import page_path, write_after_publishing, write_page
from llm_usage_warehouse.page.queries import QUERIES, ask
from llm_usage_warehouse.page.wording import count, money, short_count
from llm_usage_warehouse.publish import publish
from llm_usage_warehouse.settings import WarehouseSettings
from tests.publish.browser import CHROMIUM, Browser, browser
from tests.raw_rows import log_row, slice_row
from tests.sql_helpers import WITHOUT_TESTS, SqlWarehouse, open_file

HOSTILE = "</script><img src=x onerror=alert(1)>[red]'\"&amp;\u202e"
NAMED = ("team", "source_name", "account_id", "app_name", "api_key_name", "model", "reason")

needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here: apt-get install chromium"
)

Change = Callable[..., WarehouseSettings]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> WarehouseSettings:
    """From 8 to 21 November two calls a day, for 1.25 and 0.5 USD, and one without a price; the
    priced ones are twice as dear on the last day, a Saturday."""
    folder = tmp_path_factory.mktemp("page")
    one = SqlWarehouse(folder)
    for seed in OF_DEMO.iterdir():
        shutil.copy(seed, folder / "sql" / "seeds")
    for number in range(14):
        at = datetime(2026, 11, 8, 12, tzinfo=UTC) + timedelta(days=number)
        dearer = 2 if number == 13 else 1
        log(one, 10 * number, at, "gpt-5", "prod", 1.25 * dearer)
        log(one, 10 * number + 1, at, "gpt-4o-mini", "ci", 0.5 * dearer)
        log(one, 10 * number + 2, at, "house-model", "prod", None)
    start, end = "2026-11-08 00:00:00Z", "2026-11-22 06:00:00Z"
    line = slice_row("aiproxy", "logs", start, end, row_count=42)
    one.insert("raw_aiproxy.load_ledger", **line)
    built = one.dbt("build", *WITHOUT_TESTS, timezone="UTC")
    assert built.ok, built.said
    warehouse = WarehouseSettings(path=one.path, published_path=folder / "llm_usage.duckdb")
    publish(warehouse)
    return replace(warehouse, path=folder / "gone.duckdb")


def log(
    one: SqlWarehouse, number: int, at: datetime, model: str, key: str, cost: float | None
) -> None:
    told = {
        **{"source_name": "aiproxy", "model": model, "request_at": at - timedelta(seconds=3)},
        **{"group_id": "team-platform", "token_name": key, "used_amount": cost},
        **{"usage_input_tokens": 1000, "usage_total_tokens": 1000, "usage_cached_tokens": 100},
    }
    one.insert("raw_aiproxy.logs", **log_row(number, at, **told))


@pytest.fixture
def changed(published: WarehouseSettings, tmp_path: Path) -> Change:
    """Return what copies the published file, and runs statements on the copy."""

    def change(*statements: str) -> WarehouseSettings:
        copy = replace(published, published_path=tmp_path / "llm_usage.duckdb")
        shutil.copyfile(published.published_path, copy.published_path)
        copy.published_path.chmod(0o600)
        with open_file(copy.published_path, read_only=False) as connection:
            for statement in statements:
                connection.execute(statement)
        return copy

    return change


def text_of(warehouse: WarehouseSettings) -> str:
    """Return what a reader of the page sees without its charts, on one line."""
    page = write_page(warehouse).read_text(encoding="utf-8")
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def test_money_comes_first_and_is_the_calls(published: WarehouseSettings) -> None:
    text = text_of(published)
    assert "Last complete day, Sat 21 Nov 3.50 USD +1.75 against Sat 14 Nov" in text
    assert "3.50 USD reported 3 calls, 3.0K tokens 1 call unpriced" in text
    assert "November to date 26.25 USD through Sat 21 Nov 2026" in text
    assert "November lands at 42.88 USD between 42.00 and 43.75 9 days to go" in text
    assert "Closest to its budget" in text
    assert "platform USD 18.75 500.00 4%" in text


def test_the_strip_says_how_far_the_figures_can_be_trusted(changed: Change) -> None:
    trusted = text_of(changed())
    assert "Complete through Sat 21 Nov 2026" in trusted
    assert "Unpriced 14 calls" in trusted
    doubted = text_of(
        changed(
            "update publications set sources_behind = 'proxy to 2026-11-20'",
            "insert into held_sources values ('aiproxy', now(), 'a_test', 3, 'three rows are odd')",
        )
    )
    assert "behind: proxy to 2026-11-20" in doubted
    assert re.search(r"held since 20\S+ \S+: three rows are odd", doubted)


MISSING = {
    "update month_to_date set budget = null, budget_share = null": "No budget is set",
    "update cost_drivers set baseline_date = null, volume_effect = null": "No comparison yet",
    "delete from daily_costs": "Nothing in the last seven complete days has a price",
    "update daily_tokens set cache_known_input_tokens = 0, calls = 0": "No source says how much",
    "update detail.calls set latency_ms = null": "No call of the last seven complete days says",
    "delete from unpriced_usage": "Every call has a price",
}


def test_what_is_missing_is_said_in_a_sentence(changed: Change) -> None:
    text = text_of(changed(*MISSING))
    assert [sentence for sentence in MISSING.values() if sentence not in text] == []
    assert "No source says which calls failed" in text


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("delete from daily_costs_converted", "No complete day with usage"),
        ("update publications set last_complete_date = null", "No day is complete yet"),
        ("update publications set counts_in_totals = false", "No day is complete yet"),
        ("delete from month_to_date", "Nothing of this month has a price yet"),
    ],
)
def test_a_page_without_money_says_what_to_do(
    changed: Change, statement: str, sentence: str
) -> None:
    assert sentence in text_of(changed(statement))


def test_costs_without_a_rate_are_counted_not_guessed(changed: Change) -> None:
    without_rate = (
        "update daily_costs_converted set currency = 'CNY', exchange_rate = null, "
        "cost_in_reporting_currency = null, unconverted_calls = calls where cost is not null",
        "update daily_exchange_rates set currency = 'CNY', exchange_rate = null",
        "update cost_drivers set currency = 'CNY'",
        "update month_to_date set currency = 'CNY' where currency is not null",
    )
    text = text_of(changed(*without_rate))
    assert "Unconverted 28 calls no rate to USD" in text
    assert "3.50 CNY reported" in text
    assert "A currency has no rate to USD" in text


def test_a_list_is_cut_after_ten_rows_and_says_so(changed: Change) -> None:
    text = text_of(
        changed(
            "insert into unpriced_usage by name select 'proxy' as source_name, "
            "'m' || range as model, 'model_not_listed' as reason, 1 as calls from range(30)"
        )
    )
    assert "and 21 more" in text
    assert (QUERIES / "unpriced.sql").read_text().splitlines()[0].removeprefix("-- ") in text


def test_it_is_readable_for_those_who_may_read_the_published_file(
    published: WarehouseSettings,
) -> None:
    for mode, wanted in (("0644", 0o444), ("0640", 0o440)):
        path = write_page(replace(published, published_mode=mode))
        assert path.stat().st_mode & 0o777 == wanted
    assert [one.name for one in path.parent.glob(".report*")] == []


def test_a_page_of_somebody_else_is_left_alone(changed: Change) -> None:
    warehouse = changed()
    page_path(warehouse).write_text("<html>my own")
    with pytest.raises(RunError, match="was not written by llm-usage; move it"):
        write_page(warehouse)
    assert page_path(warehouse).read_text() == "<html>my own"


def test_a_page_that_cannot_be_written_is_a_warning(changed: Change) -> None:
    warehouse = changed("drop table cost_drivers")
    (warning,) = write_after_publishing(warehouse)
    assert warning.startswith("the page could not be written: ")
    assert "lacks what the page shows" in warning
    assert "cost_drivers" in warning
    assert not page_path(warehouse).exists()


def test_without_a_published_file_there_is_no_page(tmp_path: Path) -> None:
    empty = WarehouseSettings(path=tmp_path / "w.duckdb", published_path=tmp_path / "p.duckdb")
    with pytest.raises(RunError, match="nothing is loaded yet"):
        write_page(empty)
    assert list(tmp_path.iterdir()) == []


def test_nothing_in_it_is_loaded_from_elsewhere(published: WarehouseSettings) -> None:
    page = write_page(published).read_text(encoding="utf-8")
    markup = re.sub(r"(?<=<script>).*?(?=</script>)", "", page, flags=re.DOTALL)
    assert re.findall(r'(?:src|href|action|data)="(?!data:,)[^"]*"', markup) == []
    assert not re.search(r"url\(|@import", markup)
    assert "default-src 'none'; script-src 'sha256-" in page.replace("&#39;", "'")
    assert page.count("</script>") == page.count("<script")


def test_no_call_of_its_own_is_on_it(published: WarehouseSettings) -> None:
    page = write_page(published).read_text(encoding="utf-8")
    with open_file(published.published_path) as connection:
        ids = connection.execute("select call_id from calls").fetchall()
    assert ids
    assert not [one for (one,) in ids if f'"{one}"' in page or f">{one}<" in page]


def test_the_days_sum_to_what_the_marts_say(published: WarehouseSettings) -> None:
    with open_file(published.published_path) as connection:
        rows = ask(connection, "days")
        cost = connection.execute("select sum(cost) from daily_costs").fetchone()
    for dimension in ("team", "model", "source", "key"):
        own = [row for row in rows if row["dimension"] == dimension]
        (whole,) = (row for row in own if row["place"] is None)
        of_days = [row["cost"] or 0 for row in own if row["usage_date"]]
        assert (whole["cost"], sum(of_days)) == (cost and cost[0], whole["cost"])
        assert (whole["unpriced_calls"], whole["unconverted_calls"]) == (14, 0)


def test_more_than_eight_names_become_others(changed: Change) -> None:
    warehouse = changed("update daily_costs_converted set model = 'm' || (hash(rowid) % 11)")
    with open_file(warehouse.published_path) as connection:
        rows = [row for row in ask(connection, "days") if row["dimension"] == "model"]
    names = {row["place"]: row["name"] for row in rows if row["place"]}
    assert sorted(names) == list(range(1, 10))
    assert names[9] == "3 others"


def test_the_steps_lead_from_one_day_to_the_other(published: WarehouseSettings) -> None:
    with open_file(published.published_path) as connection:
        first, *steps, last = ask(connection, "drivers")
    assert (first["amount"], last["amount"]) == (Decimal("1.75"), Decimal("3.5"))
    assert [step["label"] for step in steps] == ["volume", "mix", "price", "cache"]
    assert first["amount"] + sum(step["amount"] for step in steps) == last["amount"]
    assert [step["begins_at"] for step in steps[1:]] == [step["ends_at"] for step in steps[:-1]]


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        (money(Decimal("1234.565")), "1,234.57"),
        (money(Decimal("0.004")), "<0.01"),
        (money(Decimal("-0.004")), ">\u22120.01"),
        (money(Decimal(-2), sign="+"), "\u22122.00"),
        (money(Decimal(0), sign="+"), "0.00"),
        (money(None), "\u2013"),
        (count(Decimal("291.000000000000")), "291"),
        (count(1200), "1,200"),
        (short_count(13_995_695), "14.0M"),
        (short_count(999), "999"),
    ],
)
def test_figures_read_as_people_write_them(written: str, wanted: str) -> None:
    assert written == wanted


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


MARKS = (
    "[...document.querySelectorAll('.chart')].map(chart => chart.querySelectorAll('path').length)"
)


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_draws_every_chart_at_any_width_and_asks_nobody(
    published: WarehouseSettings, chromium: Browser, width: int, dark: bool
) -> None:
    page = write_page(published)
    chromium.open(page, width, dark=dark)
    assert chromium.complaints == []
    assert chromium.requests == [page.as_uri()]
    assert min(chromium.ask(MARKS)) > 0
    assert chromium.ask("document.documentElement.scrollWidth") == width
    ground = chromium.ask("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(14, 15, 18)") == dark


@needs_browser
def test_a_day_without_usage_has_its_place(changed: Change, chromium: Browser) -> None:
    gap = "delete from daily_costs_converted where usage_date = '2026-11-12'"
    chromium.open(write_page(changed(gap)))
    labels = "document.querySelector('[data-chart=days] .role-axis-label').textContent"
    assert "12 Nov" in chromium.ask(labels)


@needs_browser
def test_the_switch_changes_what_is_stacked_and_measured(
    published: WarehouseSettings, chromium: Browser
) -> None:
    chromium.open(write_page(published))
    legend = "document.getElementById('days-names').innerText.replace(/\\s+/g, ' ').trim()"
    assert chromium.ask(legend) == "platform 18.75 71% quality 7.50 29%"
    chromium.ask("document.querySelector('input[value=model]').click()")
    assert chromium.ask(legend).startswith("gpt-5 18.75 71%")
    assert "house-model not priced" in chromium.ask(legend)
    chromium.ask("document.querySelector('input[value=tokens]').click()")
    assert chromium.ask("document.getElementById('days-sum').innerText") == "42.0K tokens"
    assert chromium.complaints == []


@needs_browser
def test_names_are_only_text(changed: Change, chromium: Browser) -> None:
    with duckdb.connect(str(changed().published_path)) as connection:
        columns = connection.execute(
            "select schema_name || '.' || table_name, column_name from duckdb_columns() "
            # What a view says comes from the tables.
            "semi join duckdb_tables() using (schema_name, table_name) "
            "where list_contains(?, column_name)",
            [NAMED],
        ).fetchall()
    quoted = HOSTILE.replace("'", "''")
    warehouse = changed(
        *(f"update {table} set {name} = '{quoted}' || {name}" for table, name in columns)
    )
    page = write_page(warehouse)
    assert "\u202e" not in page.read_text(encoding="utf-8")
    chromium.open(page)
    for switch in ("model", "source", "key"):
        chromium.ask(f"document.querySelector('input[value={switch}]').click()")
    hover(chromium)
    assert "</script><img" in chromium.ask("document.getElementById('tip').innerText")
    assert "</script><img" in chromium.ask("document.getElementById('days-names').innerText")
    assert chromium.ask("document.querySelectorAll('img').length") == 0
    assert chromium.complaints == []
    assert len(chromium.requests) == 1


def hover(chromium: Browser) -> None:
    """Point at the largest part of the days' bars."""
    x, y = chromium.ask(
        "(() => { const days = document.querySelector('[data-chart=days]');"
        "const marks = [...days.querySelectorAll('.mark-rect path')];"
        "const boxes = marks.map(mark => mark.getBoundingClientRect());"
        "const box = boxes.reduce((most, one) => one.height > most.height ? one : most);"
        "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
    )
    chromium.do("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)


@needs_browser
def test_a_source_gets_old_while_the_page_lies_there(
    published: WarehouseSettings, chromium: Browser
) -> None:
    page = write_page(published)
    at = datetime(2026, 11, 22, 9, 30, tzinfo=UTC).timestamp() * 1000
    source = "document.querySelector('.sources li:nth-child(2)')"
    told = []
    for hours in (0, 48):
        clock = f"Date.now = () => {at + hours * 3_600_000}"
        found = chromium.do("Page.addScriptToEvaluateOnNewDocument", source=clock)
        chromium.open(page)
        told += [chromium.ask(f"{source}.innerText"), chromium.ask(f"{source}.className")]
        chromium.do("Page.removeScriptToEvaluateOnNewDocument", **found)
    assert told == ["aiproxy 3.5 hours ago", "good", "aiproxy 2 days ago: stale", "bad stale"]


@needs_browser
def test_a_query_is_copied_or_else_selected(
    published: WarehouseSettings, chromium: Browser
) -> None:
    chromium.open(write_page(published))
    chromium.ask("document.querySelector('.copy').click()")
    chromium.ask("new Promise(done => setTimeout(done, 100))")
    assert chromium.ask("document.querySelector('.copy').textContent") in (
        *("Copied", "Selected: press Ctrl-C"),
    )


@needs_browser
def test_without_scripts_the_figures_are_there(
    published: WarehouseSettings, chromium: Browser
) -> None:
    page = write_page(published)
    chromium.do("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open(page)
        text = visible(chromium.do("DOMSnapshot.captureSnapshot", computedStyles=["display"]))
    finally:
        chromium.do("Emulation.setScriptExecutionDisabled", value=False)
    assert {"3.50 ", "Charts need JavaScript, which is switched off; all else is here."} <= text
    assert "Team" not in text


def visible(snapshot: dict[str, Any]) -> set[str]:
    """Return the texts that are laid out."""
    (document, *_) = snapshot["documents"]
    return {snapshot["strings"][text] for text in document["layout"]["text"] if text >= 0}
