"""One absurd number does not stop the house: it is named, and everything else is built."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.raw_rows import log_row, slice_row
from tests.sql_helpers import SqlWarehouse

NO_UNIT_TESTS = ("--exclude-resource-type", "unit_test")
HUGE = 9_200_000_000_000_000_000
RUPIAH = Decimal("1000000000000000.000000000001")

# Number of the call, day of November, model, and what the gateway said of it.
CALLS: list[tuple[int, int, str, dict[str, Any]]] = [
    (1, 1, "tokens", {"usage_input_tokens": HUGE, "used_amount": 1}),
    (2, 1, "tokens", {"usage_input_tokens": HUGE, "used_amount": 1}),
    (3, 1, "dear", {"used_amount": 150_000_000_000}),
    (4, 8, "dear", {"used_amount": 150_000_000_000}),
    (5, 8, "beyond", {"used_amount": 5 * 10**19}),
    (6, 1, "rupiah", {"used_amount": RUPIAH, "currency": "IDR", "usage_total_tokens": 10**9}),
    (7, 1, "rupiah", {"used_amount": RUPIAH, "currency": "IDR", "usage_total_tokens": 10**9}),
    (8, 8, "rupiah", {"used_amount": RUPIAH, "currency": "IDR", "usage_total_tokens": 10**11}),
    (9, 8, "negative", {"used_amount": Decimal("-0.5"), "usage_total_tokens": -83}),
    (10, 8, "retried", {"retry_times": 2**63 - 1, "code": 2**40, "used_amount": 1}),
]

REJECTED = [
    ("lke", "call", "total_tokens", "1e+300", "larger than 1099511627776"),
    ("lke", "call", "total_tokens", "2.7", "not a whole number"),
    ("lke", "usage_bucket", "total_tokens", "2.7", "not a whole number"),
    ("mr", "usage_bucket", "cost_reported", "-50000000000000000000", f"smaller than -{10**18}"),
    ("proxy:1", "call", "input_tokens", str(HUGE), "larger than 1099511627776"),
    ("proxy:1", "call", "total_tokens", str(HUGE), "larger than 1099511627776"),
    ("proxy:10", "call", "request_count", str(2**63), "larger than 1000000"),
    ("proxy:10", "call", "status_code", str(2**40), "larger than 1000000"),
    ("proxy:2", "call", "input_tokens", str(HUGE), "larger than 1099511627776"),
    ("proxy:2", "call", "total_tokens", str(HUGE), "larger than 1099511627776"),
    ("proxy:5", "call", "cost_reported", str(5 * 10**19), f"larger than {10**18}"),
    ("proxy:9", "call", "cost_reported", "-0.5", "negative"),
    ("proxy:9", "call", "total_tokens", "-83", "negative"),
    ("weave", "usage_bucket", "cost_reported", "-1", "negative"),
    ("weave", "usage_bucket", "input_tokens", "1e+19", "larger than 1099511627776"),
    ("weave", "usage_bucket", "total_tokens", "1e+19", "larger than 1099511627776"),
]


def load_gateway(one: SqlWarehouse) -> None:
    for number, day, model, said in CALLS:
        at = f"2026-11-{day:02} 12:00:00Z"
        unsaid = {"usage_input_tokens": None, "usage_total_tokens": None, "used_amount": None}
        one.insert("raw_aiproxy.logs", **log_row(number, at, model=model, **{**unsaid, **said}))
    for channel in (1, 2):
        one.insert(
            "raw_aiproxy.dashboard",
            **{"source_name": "proxy", "scope": "", "channel_id": channel, "model": "dear"},
            **{"bucket_start": "2026-11-01 12:00:00Z", "request_count": -(2**63)},
            **{"retry_count": HUGE, "exception_count": HUGE, "used_amount": 9 * 10**19},
        )
    one.load("1", "2026-11-01 00:00:00Z", "2026-11-10 00:00:00Z", {})
    ledger(one, "aiproxy", "proxy", "dashboard", "1", end="2026-11-10")


def load_tencent(one: SqlWarehouse) -> None:
    for number, tokens in enumerate((2.7, 1e300, 5.0)):
        one.insert(
            "raw_tencent_lke.usage_call_details",
            **{"source_name": "lke", "asked_model": "m", "id": str(number), "scope": "m"},
            **{"total_token_usage": tokens, "input_token_usage": 1.0, "row_in_window": number},
            **{"call_time": "2026-11-01 12:00:00Z", "window_start": "2026-11-01"},
            _dlt_load_id="t1",
        )
    one.insert(
        "raw_tencent_lke.token_usage",
        **{"source_name": "lke", "asked_model": "m", "total_token_usage": 2.7, "timezone": "UTC"},
        **{"window_start": "2026-11-01", "window_end": "2026-11-02", "_dlt_load_id": "t1"},
    )
    ledger(one, "tencent_lke", "lke", "usage_call_details", "t1")


def load_model_router(one: SqlWarehouse) -> None:
    # A charge, what was given back of it, and more than anybody can be given back.
    for second, (model, amount) in enumerate((("m", 10), ("m", -4), ("absurd", -5 * 10**19))):
        one.insert(
            "raw_alibaba_model_router.billing_details",
            **{"source_name": "mr", "base_url": "h", "currency": "CNY", "model_code": model},
            **{"request_time": f"2026-11-01 12:00:0{second}Z", "request_time_raw": second},
            **{"amount": amount, "total_tokens": HUGE, "_dlt_load_id": "m1"},
        )
    for hour in (12, 13):
        one.insert(
            "raw_alibaba_model_router.usage_breakdown",
            **{"source_name": "mr", "model_code": "m", "summary_time": f"2026-11-01 {hour}:00:00Z"},
            metrics='[{"key": "input_tokens", "value": 1e30}, {"key": "output_tokens", '
            f'"value": {HUGE}}}]',
        )
    ledger(one, "alibaba_model_router", "mr", "billing_details", "m1")


def load_weave(one: SqlWarehouse) -> None:
    one.insert(
        "raw_weave.usage_buckets",
        **{"source_name": "weave", "scope": "p", "model": "m", "bucket_count": 3},
        **{"bucket_start": "2026-11-01 12:00:00Z", "bucket_end": "2026-11-01 13:00:00Z"},
        **{"bucket_start_raw": "12", "sum_input_tokens": 1e19, "sum_output_tokens": 7.0},
        **{"sum_total_tokens": 0.0, "sum_total_cost": -1, "_dlt_load_id": "w1"},
    )
    ledger(one, "weave", "weave", "usage_buckets", "w1")


def ledger(
    one: SqlWarehouse,
    vendor: str,
    source: str,
    stream: str,
    load_id: str,
    end: str = "2026-11-02",
) -> None:
    told = {"read_started_at": "2026-11-20", "read_finished_at": "2026-11-20"}
    line = slice_row(source, stream, "2026-11-01", end, _dlt_load_id=load_id, **told)
    one.insert(f"raw_{vendor}.load_ledger", **line)


@dataclass
class Story:
    """A warehouse of absurd numbers after its first night, and what the second left."""

    first: SqlWarehouse
    rejected: list[tuple[Any, ...]]
    second: list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    one = SqlWarehouse()
    for load in (load_gateway, load_tencent, load_model_router, load_weave):
        load(one)
    for currency, rate in (("USD", 1), ("IDR", 16_000), ("CNY", 7)):
        for day in (1, 8):
            one.run(
                "insert into raw_rates.ecb (currency, valid_on, units_per_euro) "
                f"values ('{currency}', '2026-11-{day:02}', {rate})"
            )
    built = one.dbt("build", *NO_UNIT_TESTS, timezone="UTC")
    assert built.ok, built.said
    rejected = one.run(
        "select case when source_name = 'proxy' then row_id else source_name end, row_kind, "
        "column_name, value_sent, why from rejected_values order by all"
    )
    # A second night reads the eighth again, and the call of that day is mended.
    one.run("update rejected_values set why = 'stays' where usage_date = '2026-11-01'")
    one.run("update raw_aiproxy.logs set used_amount = 0.5 where id in (1, 5)")
    one.load("l2", "2026-11-08 00:00:00Z", "2026-11-09 00:00:00Z", {})
    again = one.dbt("build", *NO_UNIT_TESTS, timezone="UTC")
    assert again.ok, again.said
    second = one.run(
        "select row_id, column_name, why from rejected_values "
        "where source_name = 'proxy' order by all"
    )
    yield Story(one, rejected, second)


def test_what_cannot_be_summed_is_named_as_it_was_sent(story: Story) -> None:
    assert story.rejected == REJECTED


def test_its_call_stays_without_it(story: Story) -> None:
    found = story.first.run(
        "select call_id, input_tokens, cost_reported, currency, cost_kind, request_count, "
        "status_code from calls where call_id in ('proxy:2', 'proxy:9', 'proxy:10') order by all"
    )
    assert found == [
        ("proxy:10", 0, 1, "USD", "gateway_computed", None, None),
        ("proxy:2", None, 1, "USD", "gateway_computed", 1, 200),
        ("proxy:9", 0, None, None, None, 1, 200),
    ]


def test_half_a_token_is_neither_rounded_nor_summed(story: Story) -> None:
    found = story.first.run(
        "select calls, total_tokens, calls_without_tokens from daily_tokens "
        "where source_name = 'lke'"
    )
    assert found == [(3, 5, 2)]


def test_rupiah_sum_exactly_and_are_explained(story: Story) -> None:
    query = (
        "select usage_date, cost, baseline_cost, volume_effect, mix_effect + cache_effect "
        "from cost_drivers where currency = 'IDR' and usage_date = '2026-11-08'"
    )
    # Of two calls of 10 ** 9 tokens and two more became one of 10 ** 11 and three more.
    (row,) = story.first.run(query)
    assert row[:3] == (date(2026, 11, 8), RUPIAH, 2 * RUPIAH)
    at_volume = 2 * RUPIAH + row[3]
    assert at_volume + row[4] == 100 * RUPIAH
    assert story.first.run(
        "select sum(cost), round(sum(cost_in_reporting_currency), 6) from daily_costs_converted "
        "where currency = 'IDR'"
    ) == [(3 * RUPIAH, Decimal("187500000000"))]


def test_amount_of_any_size_that_can_be_is_summed(story: Story) -> None:
    assert story.first.run("select sum(cost) from daily_costs_converted where model = 'dear'") == [
        (Decimal(300_000_000_000),)
    ]


def test_refund_is_a_charge_below_zero(story: Story) -> None:
    assert story.first.run(
        "select sum(cost) from daily_costs where source_name = 'mr' and currency = 'CNY'"
    ) == [(Decimal(6),)]


def test_vendors_totals_are_compared_whatever_they_say(story: Story) -> None:
    found = story.first.run(
        "select measure, control_value from reconciliation where source_name = 'proxy' "
        "and model = 'dear' and measure in ('cost', 'calls') and usage_date = '2026-11-01' "
        "order by all"
    )
    assert found == [("calls", -2 * (2**63 + HUGE)), ("cost", 18 * 10**19)]


def test_another_night_asks_only_what_it_touched(story: Story) -> None:
    by_row: dict[str, dict[str, str]] = {}
    for row_id, column, why in story.second:
        by_row.setdefault(row_id, {})[column] = why
    assert "proxy:5" not in by_row
    said = {"input_tokens": "stays", "total_tokens": "stays"}
    assert by_row["proxy:1"] == by_row["proxy:2"] == said
    assert by_row["proxy:9"]["cost_reported"] == "negative"


@pytest.mark.slow
def test_refund_ends_no_publishing() -> None:
    """A team that is given back more than it spends lands below what it spent."""
    one = SqlWarehouse()
    for day in range(1, 16):
        one.insert(
            "raw_alibaba_model_router.billing_details",
            **{"source_name": "mr", "base_url": "h", "currency": "CNY", "model_code": "m"},
            **{"request_time": f"2026-11-{day:02} 12:00:00Z", "request_time_raw": day},
            **{"amount": -1 if day > 8 else 1, "_dlt_load_id": "m1"},
        )
    ledger(one, "alibaba_model_router", "mr", "billing_details", "m1", end="2026-11-16")
    built = one.dbt("build", *NO_UNIT_TESTS, timezone="UTC")
    assert built.ok, built.said
    landings = one.run(
        "select spent, lowest_landing, expected_landing, highest_landing from month_to_date "
        "where currency = 'CNY' and spent is not null and team = 'unassigned'"
    )
    assert landings == [(1, -14, Decimal("1.666666666666"), 16)]
