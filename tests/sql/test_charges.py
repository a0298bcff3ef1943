"""What calls and money cost by token kind: literal rows of vendors in, hand-checked charges out."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.sql.test_costs import price_rows, write_seed
from tests.sql_helpers import WITHOUT_TESTS, SqlWarehouse

DAY = "2026-10-15"
NOON = f"{DAY} 12:00:00+00"
BOT = "机器人"

# Model, kind, price per million tokens; all in USD but those of qwen-x.
PRICES: list[tuple[str, str, str, dict[str, Any]]] = [
    ("plain", "input", "3", {}),
    ("plain", "output", "15", {}),
    ("plain", "cache_read", "0.3", {}),
    ("qwen-x", "input", "2", {"provider": "alibaba", "region": "cn", "currency": "CNY"}),
    ("qwen-x", "output", "6", {"provider": "alibaba", "region": "cn", "currency": "CNY"}),
]

# Of the gateway's log: what each row has beside its id and time; the token kinds of its charge.
LOGS: dict[str, tuple[dict[str, Any], dict[str, tuple[str, int | None, str | None]]]] = {
    "its own split": (
        {
            **{"model": "plain", "usage_input_tokens": 100, "usage_output_tokens": 50},
            **{"usage_cached_tokens": 40, "usage_total_tokens": 150, "used_amount": "0.0007"},
            **{"amount_input_amount": "0.00015", "amount_output_amount": "0.0005"},
            **{"amount_cached_amount": "0.00005", "price_input_price": "0.0025"},
        },
        {
            "input": ("reported", 60, "0.00015"),
            "output": ("reported", 50, "0.0005"),
            "cache_read": ("reported", 40, "0.00005"),
        },
    ),
    # The gateway's floats do not add up to the last digit.
    "a split with a rest": (
        {
            **{"model": "unknown", "usage_input_tokens": 3, "usage_output_tokens": 1},
            **{"usage_total_tokens": 4, "used_amount": "0.000300000002", "token_name": BOT},
            **{"amount_input_amount": "0.0001", "amount_output_amount": "0.0002"},
        },
        {"input": ("reported", 3, "0.0001"), "output": ("reported", 1, "0.000200000002")},
    ),
    "a price per request": (
        {
            **{"model": "plain", "usage_input_tokens": 100, "usage_total_tokens": 100},
            **{"used_amount": "0.5", "price_per_request_price": "0.5"},
        },
        {"request": ("reported", 1, "0.5")},
    ),
    "one sum": (
        {
            **{"model": "plain", "usage_input_tokens": 100, "usage_output_tokens": 7},
            **{"usage_total_tokens": 107, "used_amount": "0.0001"},
        },
        {
            "input": ("estimated", 100, "0.000074074074"),
            "output": ("estimated", 7, "0.000025925926"),
        },
    ),
    "one sum of one kind": (
        {
            **{"model": "plain", "usage_input_tokens": 100, "usage_total_tokens": 100},
            **{"used_amount": "0.0001"},
        },
        {"input": ("reported", 100, "0.0001")},
    ),
    "one sum without a price": (
        {
            **{"model": "unknown", "usage_input_tokens": 90, "usage_output_tokens": 10},
            **{"usage_total_tokens": 100, "used_amount": "0.0001"},
        },
        {"unsplit": ("reported", 100, "0.0001")},
    ),
    "derived": (
        {
            **{"model": "plain", "usage_input_tokens": 1000, "usage_output_tokens": 10},
            **{"usage_cached_tokens": 400, "usage_total_tokens": 1010},
        },
        {
            "input": ("derived", 600, "0.0018"),
            "output": ("derived", 10, "0.00015"),
            "cache_read": ("derived", 400, "0.00012"),
        },
    ),
    "unpriced": (
        {
            **{"model": "unknown", "usage_input_tokens": 9, "usage_output_tokens": 1},
            **{"usage_total_tokens": 10, "token_name": BOT},
        },
        {"input": ("none", 9, None), "output": ("none", 1, None)},
    ),
    "failed": ({"model": "plain", "code": 500}, {}),
}


def fill(warehouse: SqlWarehouse) -> None:
    """Load the rows above, a call of ModelRouter with its billing line, and a line without one."""
    write_seed(warehouse.path.parent / "sql" / "seeds" / "own_prices.csv", price_rows(PRICES))
    warehouse.insert("raw_aiproxy.channels", source_name="proxy", id=1, type=1)
    for number, (row, _) in enumerate(LOGS.values()):
        known = {"code": 200, "currency": "USD", "channel": 1, "_dlt_load_id": "1"}
        at = {"request_at": NOON, "created_at": NOON}
        warehouse.insert(
            "raw_aiproxy.logs", **{"source_name": "proxy", "id": number, **known, **at, **row}
        )
    warehouse.load("1", DAY, "2026-10-16", {})
    schema = "raw_alibaba_model_router"
    common = {"source_name": "router", "base_url": "h", "model_code": "qwen-x", "client_id": 7}
    at = {"request_time": NOON, "_dlt_load_id": "2"}
    counts = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    warehouse.insert(
        f"{schema}.observation_logs",
        **{**common, **at, **counts, "id": 1, "request_id": "r", "status_code": 200},
    )
    for place, (request, amount) in enumerate({"r": "0.00221", "nobody's": "-0.25"}.items()):
        warehouse.insert(
            f"{schema}.billing_details",
            **{**common, **at, "scope": "", "row_in_window": place, "request_id": request},
            **{"window_start": DAY, "window_end": "2026-10-16", "request_time_raw": "1"},
            **{"amount": amount, "discount": "0.85", "currency": "CNY"},
        )
    for stream in ("observation_logs", "billing_details"):
        warehouse.insert(
            f"{schema}.load_ledger",
            **{"slice_id": stream, "source_name": "router", "stream": stream, "scope": ""},
            **{"window_start": DAY, "window_end": "2026-10-16", "row_count": 1},
            **{"read_started_at": NOON, "read_finished_at": NOON, "_dlt_load_id": "2"},
        )


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlWarehouse]:
    warehouse = SqlWarehouse(tmp_path_factory.mktemp("charges"))
    fill(warehouse)
    built = warehouse.dbt("build", *WITHOUT_TESTS, timezone="UTC")
    assert built.ok, built.said
    yield warehouse


def charges_of(warehouse: SqlWarehouse, call_id: str) -> dict[str, tuple[Any, ...]]:
    found = warehouse.run(
        "select token_kind, coalesce(split, 'none'), quantity, cost from call_charges "
        "where call_id = ?",
        call_id,
    )
    return {kind: tuple(charge) for kind, *charge in found}


@pytest.mark.parametrize("name", LOGS)
def test_a_call_is_told_apart(warehouse: SqlWarehouse, name: str) -> None:
    _, expected = LOGS[name]
    assert charges_of(warehouse, f"proxy:{list(LOGS).index(name)}") == {
        kind: (split, quantity, None if cost is None else Decimal(cost))
        for kind, (split, quantity, cost) in expected.items()
    }


def test_a_charge_back_is_shared_by_list_prices(warehouse: SqlWarehouse) -> None:
    assert charges_of(warehouse, "router:h:1") == {
        "input": ("estimated", 1000, Decimal("0.0017")),
        "output": ("estimated", 100, Decimal("0.00051")),
    }


def test_money_without_a_call_is_a_charge_without_a_quantity(warehouse: SqlWarehouse) -> None:
    assert warehouse.run(
        "select source_name, account_id, quantity, cost, currency, split, calls from daily_charges "
        "where token_kind = 'unitless'"
    ) == [("router", "7", None, Decimal("-0.25"), "CNY", "reported", 0)]


def test_the_kinds_of_a_call_add_up_to_its_cost(warehouse: SqlWarehouse) -> None:
    assert not warehouse.run(
        "select call_id, call_costs.cost from call_costs join call_charges using (call_id) "
        "group by all having call_costs.cost <> sum(call_charges.cost)"
    )


def test_days_have_the_prices_that_list_costs_follow_from(warehouse: SqlWarehouse) -> None:
    found = warehouse.run(
        "select token_kind, quantity, cost, calls, unit_price, unit_size from daily_charges "
        "where split = 'derived' order by token_kind"
    )
    assert found == [
        ("cache_read", 400, Decimal("0.00012"), 1, Decimal("0.3"), 1_000_000),
        ("input", 600, Decimal("0.0018"), 1, Decimal(3), 1_000_000),
        ("output", 10, Decimal("0.00015"), 1, Decimal(15), 1_000_000),
    ]


CHARGES = ("test", "--select", "daily_charges", "focus_charges", "source_parties")


def test_the_data_tests_find_what_was_changed(warehouse: SqlWarehouse) -> None:
    sound = warehouse.dbt(*CHARGES, timezone="UTC")
    assert sound.ok, sound.said
    warehouse.run("create table before as from daily_charges")
    warehouse.run(
        "update daily_charges set cost = cost + 1 where token_kind = 'input' and split = 'derived'"
    )
    broken = warehouse.dbt(*CHARGES, timezone="UTC")
    for name in (
        "daily_charges_sum_the_daily_costs",
        "daily_charges_derived_costs_are_quantity_by_price",
        "focus_charges_sum_what_counts",
    ):
        assert f" {name} " in broken.said.split("FAIL", 1)[1], broken.said
    warehouse.run("delete from daily_charges")
    warehouse.run("insert into daily_charges from before")
    warehouse.run("drop table before")
