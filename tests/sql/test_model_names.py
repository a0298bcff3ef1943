"""Names of models as gateways and clouds write them, each priced as what it is or not at all."""

import csv
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
from genai_prices import Usage, calc_price
from genai_prices.data import providers

from tests.sql_helpers import SQL, WITHOUT_TESTS, SqlWarehouse

NAMES = Path(__file__).with_name("model_names.csv")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PACKAGED = {provider.id for provider in providers}
READ = 1000


class Name(NamedTuple):
    """What a call says, and under whose and which name it must be priced, if at all.

    Attributes:
        called_at_provider: who ran the model, empty where the gateway does not know.
        name: of the model, as sent.
        price_provider: whose price list it stands in, empty where nobody's.
        listed_name: how it stands there.
    """

    called_at_provider: str
    name: str
    price_provider: str
    listed_name: str


with NAMES.open() as file:
    SENT = [Name(**row) for row in csv.DictReader(file)]
with (SQL / "seeds" / "aiproxy_channel_types.csv").open() as file:
    CHANNELS = {row["provider_name"]: int(row["channel_type"]) for row in csv.DictReader(file)}
with (SQL / "seeds" / "list_prices.csv").open() as file:
    LISTED = list(csv.DictReader(file))


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Any]]]:
    """Yield what each name was found to be, and what a thousand tokens of it cost."""
    warehouse = SqlWarehouse(tmp_path_factory.mktemp("names"))
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.executemany(
            "insert into raw_aiproxy.channels (source_name, id, type) values ('proxy', ?, ?)",
            [[number, number] for number in CHANNELS.values()],
        )
        connection.executemany(
            "insert into raw_aiproxy.logs (source_name, id, model, channel, code, created_at, "
            "request_at, usage_input_tokens, usage_total_tokens, _dlt_load_id) "
            f"values ('proxy', ?, ?, ?, 200, ?, ?, {READ}, {READ}, '1')",
            [
                [number, sent.name, CHANNELS.get(sent.called_at_provider), NOON, NOON]
                for number, sent in enumerate(SENT)
            ],
        )
    warehouse.load("1", "2026-11-20 00:00:00+00", "2026-11-21 00:00:00+00", {})
    built = warehouse.dbt("build", *WITHOUT_TESTS, timezone="UTC")
    assert built.ok, built.said
    with duckdb.connect(str(warehouse.path)) as connection:
        yield (
            connection.execute(
                "select calls.request_model as name, names.price_provider, names.listed_name, "
                "costs.cost_derived, costs.reason_unpriced from call_costs as costs "
                "inner join calls using (call_id) inner join intermediate.int_model_names as names "
                "on calls.provider_name = names.provider_name and calls.model = names.model "
                "order by cast(split_part(call_id, ':', 2) as integer)"
            )
            .to_arrow_table()
            .to_pylist()
        )


def listed_cost(sent: Name) -> Decimal | None:
    """What the tokens cost by the price list itself, found under the name that stands there."""
    if sent.price_provider in PACKAGED:
        usage = Usage(input_tokens=READ)
        found = calc_price(
            usage,
            sent.listed_name,
            provider_id=sent.price_provider,
            genai_request_timestamp=NOON,
        )
        return found.total_price
    (price,) = (
        row["unit_price"]
        for row in LISTED
        if (row["provider_name"], row["region"]) == (sent.price_provider, "cn")
        and row["model_pattern"].lower() == sent.listed_name
        and row["token_kind"] in ("input", "embedding")
        and (row["service_tier"], row["tier_min_input_tokens"]) == ("standard", "0")
        and row["valid_from"] <= f"{NOON:%Y-%m-%d}" < (row["valid_to"] or "9999")
    )
    return Decimal(price) * READ / 1_000_000


def test_the_list_is_long_enough_to_tell() -> None:
    assert len(SENT) >= 80
    assert len(set(SENT)) == len(SENT)


def test_a_name_stays_in_calls_as_it_was_sent(costs: list[dict[str, Any]]) -> None:
    assert [row["name"] for row in costs] == [sent.name for sent in SENT]


def test_no_name_is_priced_as_another(costs: list[dict[str, Any]]) -> None:
    wrong = [
        f"{sent} is {row}"
        for sent, row in zip(SENT, costs, strict=True)
        if (row["price_provider"] if row["listed_name"] else "") != sent.price_provider
        or (row["listed_name"] or "") != sent.listed_name
        or row["cost_derived"] != (listed_cost(sent) if sent.listed_name else None)
    ]
    reasons = Counter(row["reason_unpriced"] or "priced" for row in costs)
    print(f"{len(costs)} names: " + ", ".join(f"{n} {why}" for why, n in reasons.most_common()))
    assert not wrong, "\n".join(wrong)
