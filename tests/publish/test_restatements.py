"""What the published file remembers: versions, restated days and their causes, the past asked."""

import shutil
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any

import duckdb
import pytest
from rich.console import Console

from llm_usage_warehouse import report
from llm_usage_warehouse.asking import ask
from llm_usage_warehouse.errors import RunError, UsageError
from llm_usage_warehouse.history import Restatement
from llm_usage_warehouse.layout import HISTORY, LOGS, SCHEMAS, VERSIONED, places
from llm_usage_warehouse.places import DISTRIBUTION
from llm_usage_warehouse.publish import Published, publish, try_publishing
from llm_usage_warehouse.settings import WarehouseSettings
from tests.sql_helpers import open_file

D1, D2 = date(2026, 10, 30), date(2026, 10, 31)

TABLES = """
create schema intermediate; create schema transform_state;
create table daily_tokens (usage_date date, source_name text, provider_name text, account_id text,
    app_name text, api_key_name text, model text, calls bigint, errors bigint,
    input_tokens bigint, output_tokens bigint, total_tokens bigint,
    cache_read_input_tokens bigint, cache_creation_input_tokens bigint,
    reasoning_output_tokens bigint, calls_without_tokens bigint, cache_known_input_tokens bigint,
    reasoning_known_output_tokens bigint, counts_in_totals boolean);
create table daily_costs_converted (usage_date date, source_name text, provider_name text,
    account_id text, app_name text, api_key_name text, model text, team text, currency text,
    cost decimal(38, 12), cost_basis text, priced_tokens bigint, unpriced_tokens bigint,
    calls bigint, unconverted_calls bigint, reporting_currency text,
    cost_in_reporting_currency decimal(38, 12), counts_in_totals boolean);
create table daily_costs as from daily_costs_converted;
create table daily_totals as from daily_costs_converted;
create table team_costs as from daily_costs_converted;
create table calls (call_id text);
create table reconciliation (source_name text, pair text, usage_date date, model text,
    measure text, detail_value decimal(38, 12), control_value decimal(38, 12), verdict text,
    reason text);
create schema seeds;
create table seeds.reconciliation_pairs (pair text, detail_stream text, control_stream text);
create table intermediate.int_source_roles as
    select 'proxy' as source_name, 'calls' as rollup_from, true as counts_in_totals;
create table intermediate.int_load_ledger (source_name text, load_id text,
    window_start timestamptz, window_end timestamptz);
create view intermediate.int_complete_days as
    select source_name, cast(min(window_start) as date) as first_day,
        cast(max(window_end) as date) - 1 as last_day
    from intermediate.int_load_ledger group by source_name;
create table transform_state.unpublished_days (usage_date date);
create table transform_state.settings as
    select 'reporting_timezone' as name, 'UTC' as value;
"""

Row = tuple[Any, ...]


class Book:
    """A warehouse of hand-written daily tables, and the file that is published of it."""

    def __init__(self, folder: Path) -> None:
        self.settings = WarehouseSettings(
            path=folder / "w.duckdb", published_path=folder / "llm_usage.duckdb"
        )

    def run(self, *statements: str) -> None:
        with duckdb.connect(str(self.settings.path)) as connection:
            connection.execute("set TimeZone = 'UTC'; begin")
            connection.execute("; ".join(statements))
            connection.commit()

    def day(self, day: date, model: str = "m", **changes: Any) -> None:
        """Write what a model used on a day: 2 calls, 10 tokens, 5 USD by the price list."""
        row = {
            **{"usage_date": day, "source_name": "proxy", "model": model, "calls": 2},
            **{"total_tokens": 10, "cost": 5, "currency": "USD", "cost_basis": "derived"},
            **{"reporting_currency": "USD", "cost_in_reporting_currency": 5},
            **{"unpriced_tokens": 0, "counts_in_totals": True, "team": "red"},
            **changes,
        }
        with duckdb.connect(str(self.settings.path)) as connection:
            connection.begin()
            for table in ("daily_tokens", "daily_costs_converted", "daily_costs"):
                known = [one[0] for one in connection.execute(f"describe {table}").fetchall()]
                told = {name: value for name, value in row.items() if name in known}
                connection.execute(
                    f"delete from {table} where usage_date = ? and model = ?", [day, model]
                )
                connection.execute(
                    f"insert into {table} ({', '.join(told)}) "
                    f"values ({', '.join('?' * len(told))})",
                    list(told.values()),
                )
            connection.commit()

    def load(self, number: int, start: str, end: str) -> None:
        self.run(
            "insert into intermediate.int_load_ledger "
            f"values ('proxy', '{number}', '{start}', '{end}')"
        )

    def publish(self) -> Published:
        return publish(self.settings)

    def ask(self, sql: str) -> list[Row]:
        with open_file(self.settings.published_path) as connection:
            connection.execute("set TimeZone = 'UTC'")
            return connection.execute(sql).fetchall()

    def restated(self) -> set[Row]:
        """Return day, measure, currency, old, new and cause of all that was restated."""
        return {
            (day, measure, currency, old, new, cause)
            for day, measure, currency, old, new, cause in self.ask(
                "select usage_date, measure, currency, cast(old_value as decimal(9, 2)), "
                "cast(new_value as decimal(9, 2)), cause from restatements"
            )
        }

    def published_at(self) -> list[datetime]:
        found = self.ask("select distinct recorded_at from publications order by 1")
        return [at for (at,) in found]


@pytest.fixture(scope="module")
def published_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days, of which only the first was loaded to its end; published once."""
    book = Book(tmp_path_factory.mktemp("once"))
    book.run(TABLES)
    book.load(1, "2026-10-30T00:00:00Z", "2026-10-31T12:00:00Z")
    book.day(D1)
    book.day(D2)
    book.publish()
    return book.settings.path.parent


@pytest.fixture
def book(published_once: Path, tmp_path: Path) -> Book:
    """A copy of `published_once` that a test may change."""
    return Book(shutil.copytree(published_once, tmp_path / "book"))


USD = [("cost", "USD"), ("cost_in_reporting_currency", "USD")]


def test_publishing_again_adds_nothing(book: Book) -> None:
    before = book.ask("from daily_tokens_history order by all")
    assert book.publish().restated == {}
    assert book.ask("from daily_tokens_history order by all") == before
    assert (len(before), book.restated(), len(book.published_at())) == (2, set(), 2)


def test_an_open_day_grows_without_a_restatement(book: Book) -> None:
    book.load(2, "2026-10-31T12:00:00Z", "2026-10-31T23:00:00Z")
    book.day(D2, calls=3, total_tokens=15)
    assert book.publish().restated == {}
    assert book.ask("select count(*), count(recorded_to) from daily_tokens_history") == [(3, 1)]


def test_days_backfilled_before_the_first_are_no_restatement(book: Book) -> None:
    book.load(2, "2026-10-29T00:00:00Z", "2026-10-30T00:00:00Z")
    book.day(date(2026, 10, 29))
    assert book.publish().restated == {}


def test_a_day_stays_closed(book: Book) -> None:
    book.run("update intermediate.int_load_ledger set window_start = '2026-10-31T00:00:00Z'")
    book.publish()
    book.day(D1, cost=4)
    assert book.publish().restated == {"price": 1}


def test_calls_that_come_late(book: Book) -> None:
    book.load(2, "2026-10-30T22:00:00Z", "2026-11-01T02:00:00Z")
    book.day(D1, calls=3, total_tokens=15, cost=7, cost_in_reporting_currency=7)
    book.day(D2, calls=3)
    assert book.publish().restated == {"late rows": 1}
    assert book.restated() == {
        (D1, "calls", None, 2, 3, "late rows"),
        (D1, "total_tokens", None, 10, 15, "late rows"),
        *((D1, *measure, 5, 7, "late rows") for measure in USD),
    }


AUDITS = "select usage_date, measure, ours_before::int, vendors::int, ours_after::int, verdict "
AUDITS += "from audits order by all"


def audited(book: Book, finding: str) -> None:
    """Write down that the buckets of both days were audited, and what was found on the first."""
    window = "'2026-10-30 00:00:00+00', '2026-10-30 01:00:00+00'"
    days = "'2026-10-30 00:00:00+00', '2026-11-01 00:00:00+00'"
    book.run(
        f"insert into transform_state.audit_reads values ('r', 'proxy', 'sums', {days}, now())",
        "insert into transform_state.audit_requests values ('r', 'proxy', 2, now())",
        "insert into transform_state.audit_findings values "
        f"('r', 'proxy', 'sums', '', {window}, {finding}, now())",
    )


def test_sums_of_the_vendors_own_that_were_read_again_are_healed_once(book: Book) -> None:
    audited(book, "'another one', null, null")
    book.load(2, "2026-10-30T00:00:00Z", "2026-10-30T01:00:00Z")
    book.day(D1, calls=3)
    assert book.publish().restated == {"audit": 1}
    assert book.ask(AUDITS) == [(D1, "calls", 2, 3, 3, "healed")]
    runs = "select days, healed_days, differing_days, requests from audit_runs"
    assert book.ask(runs) == [(2, 1, 0, 2)]
    assert book.publish().restated == {}
    assert len(book.ask(AUDITS)) == len(book.ask(runs)) == 1


def test_calls_that_a_vendor_has_deleted_are_told_and_stay(book: Book) -> None:
    audited(book, "'fewer', 7, 5")
    assert book.publish().restated == {}
    assert book.ask(AUDITS) == [(D1, "calls", 7, 5, 7, "not_comparable")]


def test_other_tokens_of_the_same_calls(book: Book) -> None:
    book.load(2, "2026-10-30T22:00:00Z", "2026-11-01T02:00:00Z")
    book.day(D1, total_tokens=11)
    book.publish()
    assert book.restated() == {(D1, "total_tokens", None, 10, 11, "vendor change")}


def test_a_cost_that_the_vendor_reports_only_now(book: Book) -> None:
    book.load(2, "2026-10-30T22:00:00Z", "2026-11-01T02:00:00Z")
    book.day(D1, cost=6, cost_in_reporting_currency=6, cost_basis="reported")
    book.publish()
    assert book.restated() == {(D1, *measure, 5, 6, "vendor change") for measure in USD}


def test_usage_that_no_load_changed_was_changed_by_us(book: Book) -> None:
    book.load(2, "2026-10-31T12:00:00Z", "2026-11-01T02:00:00Z")
    book.day(D1, total_tokens=11)
    assert book.publish().restated == {"settings": 1}


def test_another_price(book: Book) -> None:
    book.load(2, "2026-10-30T22:00:00Z", "2026-11-01T02:00:00Z")
    book.day(D1, cost="4.5", cost_in_reporting_currency="4.5")
    assert book.publish().restated == {"price": 1}
    assert book.restated() == {(D1, *measure, 5, Decimal("4.5"), "price") for measure in USD}


def test_a_first_price_and_a_last_one(book: Book) -> None:
    book.load(2, "2026-10-31T12:00:00Z", "2026-11-01T02:00:00Z")
    book.day(D1, cost=None, currency=None, cost_basis="unpriced", cost_in_reporting_currency=None)
    book.publish()
    book.day(D1)
    book.publish()
    told = book.ask(
        "select old_value, new_value, difference from restatements where measure = 'cost' "
        "order by recorded_at"
    )
    assert told == [(5, None, -5), (None, 5, 5)]


def test_another_rate(book: Book) -> None:
    book.day(D1, cost_in_reporting_currency=6)
    book.publish()
    assert book.restated() == {(D1, "cost_in_reporting_currency", "USD", 5, 6, "rate")}


def test_another_reporting_currency(book: Book) -> None:
    for day in (D1, D2):
        book.day(day, cost_in_reporting_currency=4, reporting_currency="EUR")
    book.publish()
    converted = (D1, "cost_in_reporting_currency")
    assert book.restated() == {
        (*converted, "USD", 5, None, "settings"),
        (*converted, "EUR", None, 4, "settings"),
    }


def test_another_time_zone(book: Book) -> None:
    book.load(2, "2026-10-30T00:00:00Z", "2026-11-01T02:00:00Z")
    book.run("update transform_state.settings set value = 'Asia/Shanghai'")
    book.day(D1, calls=1)
    assert book.publish().restated == {"settings": 1}


def test_another_role(book: Book) -> None:
    book.run("update intermediate.int_source_roles set counts_in_totals = false")
    book.publish()
    assert book.restated() == {(D1, "counts_in_totals", None, 1, 0, "settings")}


def test_each_cause_of_a_day_has_its_part(book: Book) -> None:
    book.load(2, "2026-10-30T22:00:00Z", "2026-11-01T02:00:00Z")
    book.day(D1, cost=4, cost_in_reporting_currency=4)
    book.day(D1, "other", cost=3, cost_in_reporting_currency=3)
    assert book.publish().restated == {"late rows": 1, "price": 1}
    assert book.ask(
        "select old_value, new_value, difference, cause from restatements "
        "where measure = 'cost' order by cause"
    ) == [(5, 7, 3, "late rows"), (5, 7, -1, "price")]


def test_calls_that_moved_within_their_day(book: Book) -> None:
    book.load(2, "2026-10-30T22:00:00Z", "2026-11-01T02:00:00Z")
    book.run("update daily_tokens set api_key_name = 'renamed' where usage_date = '2026-10-30'")
    book.publish()
    assert book.ask("select measure, difference, cause from restatements order by 1") == [
        ("calls", 0, "vendor change"),
        ("total_tokens", 0, "vendor change"),
    ]


def test_a_day_that_went(book: Book) -> None:
    book.load(2, "2026-10-30T00:00:00Z", "2026-11-01T02:00:00Z")
    book.run(*(f"delete from {table} where usage_date = '2026-10-30'" for table in VERSIONED))
    book.publish()
    assert (D1, "calls", None, 2, None, "vanished rows") in book.restated()


def test_calls_that_a_vendor_has_no_more_are_not_late(book: Book) -> None:
    book.load(2, "2026-10-30T22:00:00Z", "2026-11-01T02:00:00Z")
    book.day(D1, calls=1, total_tokens=5, cost=2, cost_in_reporting_currency=2)
    book.day(D1, "other", calls=3)
    assert book.publish().restated == {"late rows": 1, "vanished rows": 1}
    assert book.ask(
        "select old_value, new_value, difference, cause from restatements "
        "where measure = 'calls' order by cause"
    ) == [(2, 4, 3, "late rows"), (2, 4, -1, "vanished rows")]


def test_an_older_warehouse_put_back(book: Book) -> None:
    before = shutil.copy(book.settings.path, book.settings.path.with_name("older"))
    book.load(2, "2026-10-31T12:00:00Z", "2026-11-01T02:00:00Z")
    book.day(D1, calls=3)
    book.publish()
    shutil.copy(before, book.settings.path)
    book.load(3, "2026-10-30T22:00:00Z", "2026-11-01T02:00:00Z")
    assert book.publish().restated == {"restored": 1}
    assert book.restated() >= {(D1, "calls", None, 3, 2, "restored")}


TEAM_COSTS = (
    "select team, currency, old_value, new_value, difference, cause from restatements "
    "where measure = 'team_cost' order by team"
)


def test_another_owner(book: Book) -> None:
    book.day(D1, "other", cost=3)
    book.publish()
    book.day(D1, team="blue")
    assert book.publish().restated == {"owner": 1}
    assert book.ask(TEAM_COSTS) == [
        ("blue", "USD", None, 5, 5, "owner"),
        ("red", "USD", 8, 3, -5, "owner"),
    ]


def test_another_owner_and_another_price(book: Book) -> None:
    book.day(D1, team="blue", cost=4)
    assert book.publish().restated == {"owner": 1, "price": 1}
    assert book.ask(TEAM_COSTS) == [
        ("blue", "USD", None, 4, 5, "owner"),
        ("red", "USD", 5, None, -5, "owner"),
    ]


def test_a_night_that_is_not_published_is_not_remembered(book: Book) -> None:
    book.day(D1, cost=4, cost_in_reporting_currency=4)
    book.day(D1)
    book.publish()
    assert book.restated() == set()


def test_a_report_of_the_past_is_the_same_to_the_byte(
    book: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = "from daily_costs select * order by all"
    ask(book.settings, sql)
    then = capsys.readouterr().out
    book.day(D1, cost=4)
    book.publish()
    ask(book.settings, sql)
    assert capsys.readouterr().out != then
    ask(book.settings, sql, as_of=book.published_at()[0])
    assert capsys.readouterr().out == then


def test_now_and_then_in_one_query(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    first = book.published_at()[0]
    book.day(D1, cost=4)
    book.publish()
    sql = (
        "select (select sum(cost) from daily_costs) as was, (select count(*) from restatements), "
        "(select sum(cost) from llm_usage.detail.daily_costs) as is_now"
    )
    ask(book.settings, sql, exact=True, as_of=first)
    row = capsys.readouterr().out.strip().splitlines()[-3]
    assert [cell.strip() for cell in row.split("│")[1:-1]] == ["10", "0", "9"]


@pytest.mark.parametrize(
    ("sql", "days", "words"),
    [
        ("select 1", -1, "nothing was published yet at"),
        ("select 1", 1, "lies in the future"),
        ("from calls", 0, r"calls keeps no history.*llm_usage\.main\.calls is the one of now"),
        ("from detail.calls as c", 0, "calls keeps no history"),
        ("from nowhere", 0, "nowhere does not exist"),
    ],
)
def test_a_past_that_cannot_be_told_is_refused(book: Book, sql: str, days: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ask(book.settings, sql, as_of=datetime.now(UTC) + timedelta(days=days))


def test_a_private_warehouse_built_anew_keeps_the_past(book: Book) -> None:
    book.settings.path.unlink()
    anew = Book(book.settings.path.parent)
    anew.run(TABLES)
    anew.load(2, "2026-10-30T00:00:00Z", "2026-10-31T12:00:00Z")
    anew.day(D1, cost=4)
    anew.day(D2)
    assert anew.publish().restated == {"price": 1}


def test_a_published_file_that_is_gone_is_remembered_by_the_one_before(book: Book) -> None:
    book.publish()
    book.settings.published_path.unlink()
    book.publish()
    assert len(book.published_at()) == 2


def test_a_memory_that_cannot_be_read_is_not_overwritten(book: Book) -> None:
    book.settings.published_path.unlink()
    book.settings.published_path.write_bytes(b"broken")
    with pytest.raises(RunError, match=r"is damaged.*llm-usage repair"):
        book.publish()
    assert book.settings.published_path.read_bytes() == b"broken"


def lay_all_in_main(path: Path) -> None:
    """Make of a published file one of a version that had every table in `main`, and no view."""
    path.chmod(0o600)
    with duckdb.connect(str(path)) as connection:
        views = "select view_name from duckdb_views() where not internal"
        for (name,) in connection.execute(views).fetchall():
            connection.execute(f"drop view {name}")
        for name, place in places(connection, "llm_usage").items():
            connection.execute(f"create table main.{name} as from {place}")
        connection.execute("create schema publishing")
        connection.execute("create table publishing.stamp as from main.publishing_stamp")
        connection.execute("drop table main.publishing_stamp")
        for schema in SCHEMAS:
            connection.execute(f"drop schema {schema} cascade")


def test_a_file_whose_tables_were_all_in_main_is_taken_over_to_the_last_row(book: Book) -> None:
    audited(book, "'fewer', 7, 5")
    book.day(D1, cost=4)
    book.publish()
    before = {name: book.ask(f"from {name} order by all") for name in HISTORY}
    assert all(before[name] for name in (*LOGS, "daily_tokens_history", "daily_costs_history"))
    lay_all_in_main(book.settings.published_path)
    assert book.ask("from main.restatements order by all") == before["restatements"]
    assert (book.publish().whole, book.publish().whole) == (True, False)
    after = {name: book.ask(f"from history.{name} order by all") for name in HISTORY}
    published = after.pop("publications")
    assert published[: len(published) - 2] == before.pop("publications")
    assert after == before
    assert book.ask("select count(*) from duckdb_tables() where schema_name = 'main'") == [(0,)]
    book.day(D1, cost=3)
    assert book.publish().restated == {"price": 1}


def test_a_memory_is_not_lost_with_a_table(book: Book) -> None:
    book.run("drop table team_costs")
    with pytest.raises(RunError, match="team_costs is not in the warehouse"):
        book.publish()
    assert len(book.published_at()) == 1


def test_a_column_may_come_and_go(book: Book) -> None:
    book.run("alter table daily_tokens add column images bigint")
    book.publish()
    book.run("alter table daily_tokens drop column images")
    assert book.publish().restated == {}
    assert book.ask("select count(*) from daily_tokens_history") == [(2,)]


def test_a_publication_has_the_version_of_the_program(book: Book) -> None:
    path = book.settings.published_path
    path.chmod(0o644)
    with duckdb.connect(str(path)) as connection:
        connection.execute("alter table history.publications drop column program_version")
    book.publish()
    versions = "select program_version from publications order by recorded_at"
    assert book.ask(versions) == [(None,), (version(DISTRIBUTION),)]


def test_a_clock_that_was_set_back(book: Book) -> None:
    path = book.settings.published_path
    path.chmod(0o644)
    with duckdb.connect(str(path)) as connection:
        connection.execute("update history.publications set recorded_at = '2126-01-01T00:00:00Z'")
    book.publish()
    assert book.published_at()[1] - book.published_at()[0] == timedelta(microseconds=1)


def test_a_dry_run_says_what_would_be_restated_and_writes_nothing(book: Book) -> None:
    files = [book.settings.path, book.settings.published_path]
    book.day(D1, calls=3, cost=6, cost_in_reporting_currency=6)
    before = [path.read_bytes() for path in files]
    found = try_publishing(book.settings)
    assert [path.read_bytes() for path in files] == before
    assert not list(book.settings.data_folder.glob(".*"))
    assert {(one.day, one.measure, one.before, one.after) for one in found} >= {
        (D1, "calls", 2, 3),
        (D1, "cost", 5, 6),
    }
    book.publish()
    assert {
        (one.day, one.measure, one.currency, one.before, one.after, one.cause) for one in found
    } == (book.restated())


def test_a_dry_run_of_what_is_published_restates_nothing(book: Book) -> None:
    # A day that was not complete when it was published may change.
    book.day(D2, calls=3)
    assert try_publishing(book.settings) == []


def test_a_dry_run_shows_a_line_for_each_figure_up_to_a_limit(book: Book) -> None:
    said = StringIO()
    one = Restatement(D1, "proxy", None, "cost", "USD", "price", Decimal(5), Decimal("6.50"))
    report.dry_run(Console(width=100, file=said), [one] * 50)
    first, second, *_, more, last = said.getvalue().splitlines()
    assert first == "restated: 1 closed day (price)"
    assert second == "  2026-10-30 proxy cost USD: 5 -> 6.5 (price)"
    assert more == "  and 10 figures more"
    assert last.startswith("nothing was written")
