"""Whole nights with an audit: a day that heals, a lie that stays, and what is said of both."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import pendulum
import pytest

from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.simulator import Personality, Simulator, World
from tests.cli.shell import Shell
from tests.receiver import receiving
from tests.sql_helpers import FILE, give_empty, open_file

HOUR_US = 3_600_000_000
LATE, LOST = 4, 3  # days ago


class Nights(NamedTuple):
    """What the first two of three nights said.

    Before the second one, five calls turn up that were made four days ago, and one is lost the day
    after: the gateway counts it, and has it in its log no more. Both days are older at any hour
    than what a night reads again by itself.
    """

    shell: Shell
    proxy: Personality
    second: str
    messages: list[str]

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        path = self.shell.folder / "data/llm_usage.duckdb"
        with open_file(path) as connection:
            return connection.execute(query).fetchall()


def noon(proxy: Personality, days_ago: int) -> int:
    midnight = int(proxy.world.now()) // 86_400 * 86_400
    return (midnight - days_ago * 86_400 + 43_200) * 1_000_000


def add(proxy: Personality, days_ago: int, number: int) -> int:
    at = noon(proxy, days_ago) + number
    used = {"usage": {"input_tokens": 1000, "total_tokens": 1000}, "price": {"input_price": 0.0025}}
    return int(proxy.data.add(created_at=at, inserted_at=at + HOUR_US, **used))


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nights]:
    shell = Shell(tmp_path_factory.mktemp("audits") / "project")
    simulated = Simulator(World(days=5, rows_per_day=100), ["aiproxy"])
    with receiving() as webhook, simulated as simulator:
        shell.set(NOTIFY__WEBHOOK=webhook.address)
        proxy = simulator["aiproxy"]
        shell.set(
            SOURCES__AIPROXY__BASE_URL=proxy.settings["base_url"],
            SOURCES__AIPROXY__ADMIN_KEY=proxy.settings["admin_key"],
            SOURCES__AIPROXY__START="P5D",
            SOURCES__AIPROXY__REQUESTS_PER_SECOND="100",
        )
        give_empty(WarehouseSettings(path=shell.folder / "data" / FILE))
        first = shell("nightly")
        assert first.returncode == 0, first.stderr
        for number in range(5):
            add(proxy, LATE, number)
        proxy.data.delete(add(proxy, LOST, 0))
        second = shell("nightly")
        assert second.returncode == 0, second.stderr
        yield Nights(shell, proxy, second.stdout, webhook.texts())


class Third(NamedTuple):
    """What the third night said, and asked its vendor."""

    code: int
    said: str
    message: str
    asked: list[str]
    is_of_a_sunday: bool


@pytest.fixture(scope="module")
def third(nights: Nights) -> Iterator[Third]:
    nights.proxy.world.requests.clear()
    with receiving() as webhook:
        told = {"NOTIFY__WEBHOOK": webhook.address, "WAREHOUSE__FAIL_ON_DIFFERENCES": "true"}
        nights.shell.set(**told)
        is_sunday = pendulum.now("UTC").day_of_week == pendulum.SUNDAY
        done = nights.shell("nightly")
        searches = [one for one in nights.proxy.world.requests if one.path.endswith("/logs/search")]
        (message,) = webhook.texts()
        asked = [one.query for one in searches]
        yield Third(done.returncode, done.stdout, message, asked, is_sunday)


def line_of(said: str) -> str:
    (line,) = [line for line in said.splitlines() if line.startswith("audit: ")]
    return line


def test_a_second_night_is_incremental(nights: Nights) -> None:
    assert "first load of" not in nights.second
    assert "tests: the touched days; all of history was last tested today" in nights.second


def test_a_day_that_grew_long_ago_is_healed_the_next_night(nights: Nights) -> None:
    assert "; 1 day healed (+5 calls, +0.0125 USD)" in line_of(nights.second)
    healed = nights.ask(
        "select measure, ours_after - ours_before, vendors = ours_after from audits "
        "where verdict = 'healed' and measure in ('calls', 'input_tokens') order by 1"
    )
    assert healed == [("calls", 5, True), ("input_tokens", 5000, True)]
    cost = (
        "select ours_after - ours_before from audits where verdict = 'healed' and measure = 'cost'"
    )
    assert nights.ask(cost) == [(Decimal("0.0125"),)]


def test_its_restatement_says_why(nights: Nights) -> None:
    found = nights.ask("select cause, difference from restatements where measure = 'calls'")
    assert found == [("audit", 5)]


def test_what_stays_lost_is_said_and_is_an_alert(nights: Nights) -> None:
    assert line_of(nights.second).endswith(", 1 day still differing")
    first, second = nights.messages
    ((message, query),) = nights.ask("select message, query from alerts where rule = 'differs'")
    differing = len(nights.ask(query))
    assert message.startswith(f"aiproxy does not meet {differing} totals of its vendor on 20")
    assert f"alert (differs): {message}\n  {query}" in second
    assert "alert" not in first


def test_runs_say_how_many_days_and_requests(nights: Nights) -> None:
    ((days, requests, healed, differing), *_) = nights.ask(
        "select days, requests, healed_days, differing_days from audit_runs order by recorded_at"
    )
    assert (healed, differing, 4 <= days <= 6, 1 <= requests <= 3) == (1, 1, True, True)


@pytest.mark.slow
def test_what_stays_lost_is_said_each_night_and_looked_into_on_sundays(
    nights: Nights, third: Third
) -> None:
    assert line_of(third.said).endswith("; 0 days healed, 1 day still differing")
    found = nights.ask(
        "select vendors - ours_after from audits "
        "where verdict = 'still_differs' and measure = 'calls'"
    )
    assert found == [(1,)]
    asked = [parse_qs(query) for query in third.asked]
    lost_at = noon(nights.proxy, LOST) // 1000
    windows = [(int(one["start_timestamp"][0]), int(one["end_timestamp"][0])) for one in asked]
    assert windows
    again = [one for one in windows if one[0] <= lost_at <= one[1]]
    assert bool(again) == third.is_of_a_sunday, "what is known is looked into on Sundays"


@pytest.mark.slow
def test_what_stays_lost_is_an_alert_of_one_night(nights: Nights, third: Third) -> None:
    ((message, _),) = nights.ask("select message, query from alerts where rule = 'differs'")
    assert "alert (" not in third.message
    assert "1 alert told before still holds" in third.message
    assert f"alert (differs) {message}" in third.said


@pytest.mark.slow
def test_a_setting_makes_it_an_exit_code(nights: Nights, third: Third) -> None:
    assert third.code == 1
    assert "of the vendors, read again and still not met" in nights.shell("status").stdout
