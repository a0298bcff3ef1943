"""ModelRouter in the marts, day by day: calls and tokens of its logs, money of its lines."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from llm_usage_warehouse.connectors import connectors
from llm_usage_warehouse.settings import load_warehouse
from llm_usage_warehouse.simulator.alibaba_model_router import Usage
from llm_usage_warehouse.transform import transform
from tests.loads import NOW, Project, frozen, vendor
from tests.sql_helpers import give_empty

NAME = "alibaba_model_router"
KOLKATA = "Asia/Kolkata"
START = NOW.subtract(hours=36)


@dataclass
class Built:
    """A built warehouse, and the vendor's rows of the time that it covers."""

    project: Project
    logs: list[dict[str, Any]]
    bills: list[dict[str, Any]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp(NAME)
        with vendor(folder, monkeypatch, NAME, frozen(rows_per_day=480)) as (router, project):
            project.set(start=START.to_iso8601_string())
            project.set_warehouse(reporting_timezone=KOLKATA)
            # One of a model without a billing rule, whose id matches.
            router.data.add(
                round(START.timestamp()) + 60, model="acme-support-tuned-v2", usage=Usage(70, 7)
            )
            give_empty(load_warehouse())
            assert project.load().error is None
            outcome = transform(load_warehouse(), connectors().values(), tests=False)
            assert outcome.ok, outcome.problems
            first, last = round(START.timestamp()), round(NOW.timestamp()) - 120
            logs = [row for row in router.data.rows() if first <= seconds(row) <= last]
            bills = [bill for bill in router.data.bills() if first <= bill["requestTime"] < last]
            yield Built(project, logs, bills)


def seconds(row: dict[str, Any]) -> int:
    return round(datetime.fromisoformat(row["requestTime"]).timestamp())


def day(at: int) -> date:
    return datetime.fromtimestamp(at, ZoneInfo(KOLKATA)).date()


def test_calls_and_tokens_are_the_logs_day_by_day(built: Built) -> None:
    expected = defaultdict[date, list[int]](lambda: [0, 0, 0, 0])
    for row in built.logs:
        counts = 1, row["promptTokens"], row["completionTokens"], row["totalTokens"]
        sums = expected[day(seconds(row))]
        sums[:] = map(sum, zip(sums, counts, strict=True))
    assert len(expected) == 2
    found = built.project.query(
        "select usage_date, sum(calls), sum(input_tokens), sum(output_tokens), "
        "sum(total_tokens) from daily_tokens group by all"
    )
    assert {usage_date: list(sums) for usage_date, *sums in found} == expected


def test_reported_money_is_the_billing_lines_day_by_day(built: Built) -> None:
    expected = defaultdict[date, Decimal](Decimal)
    for bill in built.bills:
        expected[day(bill["requestTime"])] += bill["amount"]
    found = built.project.query(
        "select usage_date, sum(cost) from daily_costs "
        "where cost_basis = 'reported' and currency = 'CNY' group by all"
    )
    assert dict(found) == expected


def test_unmatched_money_stands_beside_the_calls_and_is_not_priced_again(built: Built) -> None:
    logged = {row["requestId"] for row in built.logs}
    unmatched = [bill for bill in built.bills if bill["requestId"] not in logged]
    assert len(unmatched) > 5
    rate = (
        "select sum(billing_lines), sum(billing_lines - matched_lines), sum(unmatched_amount), "
        f"sum(unmatched_tokens) from staging.stg_{NAME}__match_rate"
    )
    assert built.project.query(rate) == [
        (
            len(built.bills),
            len(unmatched),
            sum(bill["amount"] for bill in unmatched),
            sum(bill["totalTokens"] for bill in unmatched),
        )
    ]
    beside = "select sum(calls), sum(total_tokens), sum(cost_reported) from usage_buckets"
    assert built.project.query(beside) == [(0, None, sum(bill["amount"] for bill in unmatched))]


def test_matched_calls_have_the_tokens_that_only_lines_know(built: Built) -> None:
    logged = {row["requestId"] for row in built.logs}
    matched = [bill for bill in built.bills if bill["requestId"] in logged]
    names = "cachedTokens", "cacheCreationTokens", "reasoningTokens"
    found = built.project.query(
        "select count(cache_read_input_tokens), sum(cache_read_input_tokens), "
        "sum(cache_creation_input_tokens), sum(reasoning_output_tokens) from calls"
    )
    assert found == [(len(matched), *(sum(bill[name] for bill in matched) for name in names))]


def test_the_tenants_rules_say_what_its_lines_say(built: Built) -> None:
    found = built.project.query(
        "select costs.variance_reason, count(*) from call_costs as costs "
        "where costs.cost_reported is not null and costs.catalogue = 'tenant' group by all"
    )
    reasons = dict(found)
    assert set(reasons) <= {"none", "rounding", "discount"}
    assert sum(reasons.values()) > 200


def test_a_model_without_a_billing_rule_is_unpriced_not_free(built: Built) -> None:
    found = built.project.query(
        "select distinct cost_reported, currency, cost_kind from calls "
        "where model = 'acme-support-tuned-v2'"
    )
    assert found == [(None, None, None)]


def test_control_totals_are_those_of_whole_hours(built: Built) -> None:
    last = round(NOW.subtract(hours=1).timestamp())
    bills = [bill for bill in built.bills if bill["requestTime"] < last]
    found = built.project.query(
        "select sum(calls), sum(output_tokens), sum(cache_read_input_tokens), sum(cost) "
        f"from staging.stg_{NAME}__control_totals"
    )
    names = "outputTokens", "cachedTokens", "amount"
    assert found == [(len(bills), *(sum(bill[name] for bill in bills) for name in names))]
