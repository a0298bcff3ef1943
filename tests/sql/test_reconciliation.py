"""Our rows against the vendors' own totals: all agree, and each lie shows with its amount."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from rich.console import Console

from llm_usage_warehouse import report
from llm_usage_warehouse.demo import LIAR
from llm_usage_warehouse.settings import WarehouseSettings, demo_flag, load_warehouse
from llm_usage_warehouse.simulator import Simulator
from llm_usage_warehouse.simulator.tencent_lke import lie_for_demo
from tests.loads import NOW, Project, frozen
from tests.sql_helpers import FILE, WITHOUT_TESTS, SqlWarehouse

START, YESTERDAY = NOW.subtract(days=3), NOW.subtract(days=1)
SEARCH = "acme/search"
PAIRS = {
    ("aiproxy", "logs_vs_dashboard"),
    ("aiproxy", "logs_vs_reported_total"),
    ("alibaba_model_router", "billing_details_vs_cost_breakdown"),
    ("alibaba_model_router", "billing_details_vs_reported_total"),
    ("alibaba_model_router", "billing_details_vs_usage_breakdown"),
    ("alibaba_model_router", "cost_breakdown_vs_reported_total"),
    ("alibaba_model_router", "observation_logs_vs_billing_details"),
    ("alibaba_model_router", "observation_logs_vs_reported_total"),
    ("alibaba_model_router", "observation_logs_vs_usage_breakdown"),
    ("alibaba_model_router", "usage_breakdown_vs_reported_total"),
    ("tencent_lke", "usage_call_details_vs_reported_total"),
    ("tencent_lke", "usage_call_details_vs_token_usage"),
    ("weave", "usage_buckets_vs_call_buckets"),
}


@dataclass(frozen=True)
class Total:
    """One row of `reconciliation`."""

    source: str
    pair: str
    day: date
    model: str | None
    measure: str
    difference: float
    seen_in: str
    verdict: str
    reason: str


@dataclass(frozen=True)
class Night:
    """What one run of the models found, and what the report says of it."""

    totals: list[Total]
    said: str

    def differing(self, source: str, pair: str) -> list[Total]:
        return [
            one
            for one in self.totals
            if (one.source, one.pair, one.verdict) == (source, pair, "differs")
        ]


def reconciled(built: SqlWarehouse, warehouse: WarehouseSettings) -> Night:
    finished = built.dbt("build", "--select", "+reconciliation", *WITHOUT_TESTS, timezone="UTC")
    assert finished.ok, finished.said
    rows = built.run(
        "select source_name, pair, usage_date, model, measure, difference::double, seen_in, "
        "verdict, reason from reconciliation order by all"
    )
    # The report reads the published file; here it is the private one.
    return Night([Total(*row) for row in rows], told(replace(warehouse, published_path=built.path)))


def told(warehouse: WarehouseSettings) -> str:
    page = io.StringIO()
    report.reconciliation(Console(file=page, width=400), warehouse)
    return page.getvalue()


@dataclass(frozen=True)
class Story:
    honest: Night
    lying: Night


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("reconciliation")
    # History begins a day after what is read, so that the first day is empty.
    world = frozen(days=2, rows_per_day=1200)
    built = SqlWarehouse(folder)
    with pytest.MonkeyPatch.context() as patch, Simulator(world) as vendors:
        projects = []
        for name, settings in vendors.settings().items():
            projects.append(project := Project(folder, patch, name))
            project.set(**(settings | {"slice": "P7D"}))
            project.set_warehouse(path=str(folder / FILE))
            assert project.load().error is None
        warehouse = load_warehouse()
        honest = reconciled(built, warehouse)
        lie(vendors)
        demo_flag(warehouse).write_text("simulated")
        for project in projects:
            # Billing lines of the last hour are still to come.
            period = (START, NOW.subtract(hours=1))
            assert project.load(NOW, period, run_id="again").error is None
        yield Story(honest, reconciled(built, warehouse))


def lie(vendors: Simulator) -> None:
    lie_for_demo(vendors[LIAR].data, int(NOW.subtract(days=1).timestamp()))
    gateway = vendors["aiproxy"].data
    gateway.lie(dashboard_off=11, total_off=2)
    failed_at = YESTERDAY.int_timestamp * 1_000_000
    gateway.delete(
        gateway.add(model="gpt-4o", code=500, created_at=failed_at, inserted_at=failed_at)
    )
    vendors["alibaba_model_router"].data.lies.tokens_off = 13
    vendors["alibaba_model_router"].data.lies.amount_off = Decimal("0.5")
    spans = {"otel": True, "parent_id": "elsewhere", "usage": {"spanned": {"prompt_tokens": 1}}}
    for _ in range(200):
        vendors["weave"].data.add(started_at=NOW.subtract(days=1).timestamp(), **spans)
    vendors["weave"].data.add(started_at=START.add(hours=2).timestamp(), **spans)
    silent = {"started_at": START.add(hours=3).timestamp(), "project_id": SEARCH}
    vendors["weave"].data.add(**silent)


def test_honest_totals_all_agree(story: Story) -> None:
    assert [one for one in story.honest.totals if one.verdict == "differs"] == []
    agreeing = {(one.source, one.pair) for one in story.honest.totals if one.verdict == "agrees"}
    assert agreeing == PAIRS


def test_honest_totals_are_mostly_equal_to_the_last_digit(story: Story) -> None:
    equal = [one for one in story.honest.totals if one.reason == "equal"]
    assert len(equal) > len(story.honest.totals) / 2
    assert {one.difference for one in equal} == {0}


def test_refusals_that_the_log_lacks_are_allowed_for(story: Story) -> None:
    reason = "control includes calls refused with 429"
    allowed = [one for one in story.honest.totals if one.reason == reason]
    assert {(one.pair, one.measure) for one in allowed} == {("logs_vs_dashboard", "calls")}
    assert all(one.difference < 0 for one in allowed)


def test_a_wrong_total_of_one_model_on_one_day_is_one_row(story: Story) -> None:
    (found,) = story.lying.differing("tencent_lke", "usage_call_details_vs_token_usage")
    assert (found.day, found.model, found.measure) == (date(2026, 11, 18), "cs-normal-70b", "calls")
    assert (found.difference, found.reason) == (-7, "unexplained")


def test_wrong_tokens_of_the_dashboard_differ_by_their_amount(story: Story) -> None:
    found = story.lying.differing("aiproxy", "logs_vs_dashboard")
    assert {(one.measure, one.difference) for one in found} == {
        ("input_tokens", -11),
        ("total_tokens", -11),
        ("failed_calls", -1),
    }


def test_failed_calls_that_the_log_lost_do_not_hide_behind_refusals(story: Story) -> None:
    (found,) = (
        one
        for one in story.lying.totals
        if (one.source, one.model, one.measure, one.day)
        == ("aiproxy", "gpt-4o", "calls", YESTERDAY.date())
    )
    assert found.reason == "control includes calls refused with 429"
    (lost,) = (
        one
        for one in story.lying.differing("aiproxy", "logs_vs_dashboard")
        if one.measure == "failed_calls"
    )
    assert (lost.day, lost.model, lost.difference) == (YESTERDAY.date(), "gpt-4o", -1)


def test_rows_fewer_than_the_total_says_differ(story: Story) -> None:
    found = story.lying.differing("aiproxy", "logs_vs_reported_total")
    assert {one.difference for one in found} == {-2}
    assert story.lying.differing("tencent_lke", "usage_call_details_vs_reported_total") == []


def test_wrong_usage_differs_from_logs_and_from_bills(story: Story) -> None:
    source = "alibaba_model_router"
    for pair in ("observation_logs_vs_usage_breakdown", "billing_details_vs_usage_breakdown"):
        found = story.lying.differing(source, pair)
        assert {(one.measure, one.difference) for one in found} == {("input_tokens", -13)}
    assert story.lying.differing(source, "observation_logs_vs_billing_details") == []


def test_wrong_money_differs_by_its_amount(story: Story) -> None:
    found = story.lying.differing("alibaba_model_router", "billing_details_vs_cost_breakdown")
    assert {(one.measure, one.difference) for one in found} == {("cost", -0.5)}


def test_more_spans_than_calls_say_nothing(story: Story) -> None:
    (found,) = (one for one in story.lying.totals if one.model == "spanned" and one.difference > 1)
    assert found.verdict == "not_comparable"
    assert found.reason == "usage counts OpenTelemetry spans that begin no trace"


def test_usage_on_a_day_without_any_call_differs(story: Story) -> None:
    (found,) = story.lying.differing("weave", "usage_buckets_vs_call_buckets")
    assert (found.day, found.seen_in, found.difference) == (date(2026, 11, 17), "detail_only", 1)


def test_calls_on_a_day_without_any_usage_are_told(story: Story) -> None:
    (found,) = (one for one in story.lying.totals if "any usage" in one.reason)
    assert (found.source, found.day, found.model) == ("weave", date(2026, 11, 17), None)
    assert (found.seen_in, found.difference, found.verdict) == (
        "control_only",
        -1,
        "not_comparable",
    )


def test_the_report_is_green_when_all_agree(story: Story) -> None:
    compared = sum(one.verdict == "agrees" for one in story.honest.totals)
    assert story.honest.said == f"reconciliation: {compared} totals compared, all agree\n"


def test_the_report_names_each_difference_and_the_demo_its_lie(story: Story) -> None:
    lines = story.lying.said.splitlines()
    differing = [one for one in story.lying.totals if one.verdict == "differs"]
    assert lines[0].endswith(f" agree, {len(differing)} not")
    assert len(lines) == 1 + len(differing)
    (line,) = (line for line in lines if "on purpose" in line)
    assert "tencent_lke 2026-11-18 cs-normal-70b: calls" in line
    assert "(-7; usage_call_details_vs_token_usage; unexplained; the simulator lied here" in line


def test_the_report_counts_what_one_side_lacks(tmp_path: Path) -> None:
    path = tmp_path / "published.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "create table reconciliation as from (values "
            "('s', 'p', date '2026-11-01', 'm', 'calls', 5, 5, 0, 'agrees', 'equal'), "
            "('s', 'p', date '2026-11-01', 'n', 'calls', 5, null, 5, 'not_comparable', "
            "'not loaded on both sides'), "
            "('s', 'p', date '2026-11-02', 'n', 'calls', 5, null, 5, 'not_comparable', "
            "'not loaded on both sides')) t(source_name, pair, usage_date, model, measure, "
            "detail_value, control_value, difference, verdict, reason)"
        )
    said = told(WarehouseSettings(path=path, published_path=path))
    assert said.splitlines() == [
        "reconciliation: 1 totals compared, all agree",
        "  1 more could not be compared: they are not loaded on both sides",
    ]
