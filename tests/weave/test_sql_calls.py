"""Weave call by call, from the server to the marts: each token once, and the buckets as control."""

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llm_usage_warehouse.simulator import Personality
from tests.loads import NOW, Project, frozen, vendor
from tests.sql_helpers import WITHOUT_TESTS, SqlWarehouse

CHATBOT, SEARCH = "acme/chatbot", "acme/search"
AGENT: dict[str, Any] = {"project_id": CHATBOT, "usage": {"slow-model": {"prompt_tokens": 700}}}
KINDS = ("input", "output", "cache_read_input", "cache_creation_input")
NO_UNIT_TESTS = WITHOUT_TESTS[2:]


class Nights:
    """An account read call by call, and the models built of it."""

    def __init__(self, weave: Personality, project: Project, built: SqlWarehouse) -> None:
        self.weave, self.project, self.built = weave, project, built

    def night(self, days: int, *without: str) -> None:
        now = NOW.add(days=days)
        self.weave.world.now = now.timestamp
        assert self.project.load(now, run_id=f"night-{days}").error is None
        finished = self.built.dbt("build", *(without or NO_UNIT_TESTS), timezone="UTC")
        assert finished.ok, finished.said

    def used(self, scope: str, day: date) -> dict[str, list[int]]:
        """What the rollup has of a day, by model."""
        sums = ", ".join(f"coalesce({kind}_tokens, 0)" for kind in KINDS)
        found = self.built.run(
            f"select coalesce(model, ''), calls, {sums} from daily_tokens "
            "where source_name = 'weave' and account_id = ? and usage_date = ?",
            *(scope, day),
        )
        return {model: [int(value) for value in values] for model, *values in found}

    def truth(self, scope: str, day: date) -> dict[str, list[int]]:
        start = NOW.replace(year=day.year, month=day.month, day=day.day, hour=0)
        totals = self.weave.data.totals(scope, start.timestamp(), start.add(days=1).timestamp())
        return {
            model: [t["count"], *(t[f"{kind}_tokens"] for kind in KINDS)]
            for model, t in totals.items()
        }

    def called_days(self) -> list[int]:
        found = self.built.run("select usage_date from intermediate.int_called_days order by all")
        return [day.day for (day,) in found]

    def verdicts(self) -> set[tuple[str, str]]:
        return set(
            self.built.run(
                "select verdict, measure from reconciliation "
                "where pair = 'calls_vs_usage_buckets' and verdict <> 'not_compared'"
            )
        )


@pytest.fixture
def nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nights]:
    with (
        vendor(tmp_path, monkeypatch, "weave", frozen()) as (weave, project),
    ):
        built = SqlWarehouse()
        project.set(slice="P31D", attempts=1, read_calls=True)
        project.set_warehouse(path=str(built.path))
        yield Nights(weave, project, built)


def test_the_rollup_of_a_day_is_that_of_its_calls(nights: Nights) -> None:
    began = NOW.subtract(hours=4)
    nights.weave.data.add(started_at=began.timestamp(), seconds=86400, **AGENT)
    nights.night(0)
    assert nights.called_days() == [17, 18, 19, 20]
    for scope in (CHATBOT, SEARCH):
        for day in (date(2026, 11, 18), date(2026, 11, 19)):
            assert nights.used(scope, day) == nights.truth(scope, day)
    agreed = {("agrees", f"{kind}_tokens") for kind in KINDS} | {("agrees", "calls")}
    assert nights.verdicts() == agreed
    assert "slow-model" not in nights.used(CHATBOT, began.date())
    # It is of the day in which it began, once it has ended.
    nights.night(1)
    assert nights.used(CHATBOT, began.date()) == nights.truth(CHATBOT, began.date())
    assert nights.used(CHATBOT, began.date())["slow-model"][:2] == [1, 700]
    assert nights.verdicts() == agreed


def test_a_call_says_who_and_what_and_what_it_cost(nights: Nights) -> None:
    began = NOW.subtract(hours=4).timestamp()
    usage = {"claude-sonnet-4-5-20250929": {"input_tokens": 100_000, "output_tokens": 0}}
    who = {"wb_user_id": "u-1", "thread_id": "t-1", "exception": "boom"}
    nights.weave.data.add(usage, started_at=began, id="a", project_id=CHATBOT, **who)
    nights.night(0, *WITHOUT_TESTS)
    ((call_id, attributes, *found),) = nights.built.run(
        "select calls.call_id, attributes, conversation_id, error_type, latency_ms, cost, "
        "call_costs.currency, cost_basis from calls join call_costs using (call_id) "
        "where calls.call_id like 'weave:a:%'"
    )
    assert call_id == "weave:a:claude-sonnet-4-5-20250929"
    assert found == ["t-1", "_OTHER", 1000, Decimal("0.3"), "USD", "derived"]
    assert json.loads(attributes) == {
        "user": "u-1",
        "thread": "t-1",
        "op": "weave:///acme/chatbot/op/chat:v1",
        "trace": "a",
        "status": "error",
    }


@pytest.mark.slow
def test_a_day_of_which_no_calls_were_read_is_rolled_up_from_its_buckets(nights: Nights) -> None:
    nights.night(0)
    nights.project.set(read_calls=False)
    nights.night(2)
    # The day before was read to its noon only.
    assert nights.called_days() == [17, 18, 19]
    for day in (date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 21)):
        assert nights.used(CHATBOT, day) == nights.truth(CHATBOT, day)
    nights.project.set(read_calls=True)
    nights.night(3)
    assert nights.called_days() == [17, 18, 19, 20, 21, 22, 23]
    for day in (date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 22)):
        assert nights.used(CHATBOT, day) == nights.truth(CHATBOT, day)


def test_without_calls_the_rollup_is_that_of_the_buckets(nights: Nights) -> None:
    nights.project.set(read_calls=False)
    nights.night(0, *WITHOUT_TESTS)
    assert nights.called_days() == []
    day = date(2026, 11, 19)
    assert nights.used(CHATBOT, day) == nights.truth(CHATBOT, day)
    assert nights.built.run("select count(*) from calls") == [(0,)]
    assert nights.verdicts() == set()
