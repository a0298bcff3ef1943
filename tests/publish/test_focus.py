"""A month for finance: what `llm-usage focus` writes of a published file, and what it refuses."""

import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from llm_usage_warehouse.publish import publish
from llm_usage_warehouse.settings import WarehouseSettings
from tests.cli.shell import Shell
from tests.sql.test_charges import BOT, fill
from tests.sql_helpers import WITHOUT_TESTS, SqlWarehouse, open_file

# https://focus.finops.org/focus-specification/v1-2/, section 2
COLUMNS = set(
    re.findall(
        r"\w+",
        """
    AvailabilityZone BilledCost BillingAccountId BillingAccountName BillingAccountType
    BillingCurrency BillingPeriodEnd BillingPeriodStart CapacityReservationId
    CapacityReservationStatus ChargeCategory ChargeClass ChargeDescription ChargeFrequency
    ChargePeriodEnd ChargePeriodStart CommitmentDiscountCategory CommitmentDiscountId
    CommitmentDiscountName CommitmentDiscountQuantity CommitmentDiscountStatus
    CommitmentDiscountType CommitmentDiscountUnit ConsumedQuantity ConsumedUnit ContractedCost
    ContractedUnitPrice EffectiveCost InvoiceId InvoiceIssuerName ListCost ListUnitPrice
    PricingCategory PricingCurrency PricingCurrencyContractedUnitPrice
    PricingCurrencyEffectiveCost PricingCurrencyListUnitPrice PricingQuantity PricingUnit
    ProviderName PublisherName RegionId RegionName ResourceId ResourceName ResourceType
    ServiceCategory ServiceName ServiceSubcategory SkuId SkuMeter SkuPriceDetails SkuPriceId
    SubAccountId SubAccountName SubAccountType Tags
    ServiceProviderName HostProviderName
""",
    )
)
ZONE = "Asia/Kolkata"
Row = dict[str, str]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A project whose published file has the charges of a day in October 2026."""
    folder = tmp_path_factory.mktemp("focus")
    warehouse = SqlWarehouse(folder, ZONE)
    fill(warehouse)
    built = warehouse.dbt("build", *WITHOUT_TESTS, timezone=ZONE)
    assert built.ok, built.said
    published = folder / "llm_usage.duckdb"
    publish(WarehouseSettings(path=warehouse.path, published_path=published))
    shell = Shell(folder / "project")
    shell.set(
        WAREHOUSE__PATH=str(warehouse.path),
        WAREHOUSE__PUBLISHED_PATH=str(published),
        WAREHOUSE__REPORTING_TIMEZONE=ZONE,
    )
    yield shell


@pytest.fixture(scope="module")
def written(shell: Shell) -> Path:
    folder = shell.folder / "for finance"
    done = shell("focus", "--month", "2026-10", "--out", str(folder))
    assert done.returncode == 0, done.stderr
    return folder


def rows_of(path: Path) -> list[Row]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def mart(shell: Shell, query: str) -> list[tuple[Any, ...]]:
    path = shell.env["WAREHOUSE__PUBLISHED_PATH"]
    with open_file(Path(path)) as connection:
        return connection.execute(query).fetchall()


def test_every_column_of_focus_is_there(written: Path) -> None:
    (first, *_) = rows_of(written / "focus_2026-10.csv")
    assert set(first) >= COLUMNS
    assert all(name in COLUMNS or name.startswith("x_") for name in first)


def test_costs_are_those_of_the_mart_to_the_last_decimal(shell: Shell, written: Path) -> None:
    costs: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows_of(written / "focus_2026-10.csv"):
        costs[row["BillingCurrency"]] += Decimal(row["BilledCost"])
    marts = mart(
        shell,
        "select currency, sum(cost) from daily_costs where counts_in_totals and currency is not "
        "null group by all",
    )
    assert dict(costs) == dict(marts)
    assert len(costs) == 2


def test_figures_are_plain_and_instants_in_utc(written: Path) -> None:
    rows = rows_of(written / "focus_2026-10.csv")
    for row in rows:
        assert row["BillingPeriodStart"] == "2026-09-30T18:30:00Z"
        assert row["BillingPeriodEnd"] == "2026-10-31T18:30:00Z"
        assert row["ChargePeriodStart"] == "2026-10-14T18:30:00Z"
        assert re.fullmatch(r"-?[0-9]+[.][0-9]*[0-9]", row["BilledCost"])
    money = [row for row in rows if row["x_TokenKind"] == "unitless"]
    assert [(row["BilledCost"], row["ConsumedQuantity"], row["PricingUnit"]) for row in money] == [
        ("-0.25", "", "")
    ]


def test_a_derived_charge_names_its_price(written: Path) -> None:
    (row,) = (
        row
        for row in rows_of(written / "focus_2026-10.csv")
        if (row["x_Split"], row["x_TokenKind"]) == ("derived", "input")
    )
    assert row["SkuId"] == "openai:plain:input"
    assert row["SkuPriceId"].startswith("openai:plain:input@own:openai:global:plain:input:")
    assert (row["PricingQuantity"], row["PricingUnit"]) == ("0.0006", "1000000 Tokens")
    assert (row["ListUnitPrice"], row["ContractedUnitPrice"]) == ("3.0", "3.0")
    assert (row["ListCost"], row["ChargeDescription"]) == ("0.0018", "plain input tokens")
    assert (row["ProviderName"], row["BillingAccountId"]) == ("OpenAI", "unassigned")


def test_what_a_discount_took_off_is_in_the_list_cost(written: Path) -> None:
    (row,) = (
        row
        for row in rows_of(written / "focus_2026-10.csv")
        if (row["x_SourceName"], row["x_TokenKind"]) == ("router", "input")
    )
    assert (row["BilledCost"], row["ListCost"], row["ContractedUnitPrice"]) == (
        "0.0017",
        "0.002",
        "",
    )


def test_usage_without_a_price_stands_beside_it(shell: Shell, written: Path) -> None:
    rows = rows_of(written / "focus_2026-10_unpriced.csv")
    assert [(row["x_TokenKind"], row["ConsumedQuantity"]) for row in rows] == [
        ("input", "9.0"),
        ("output", "1.0"),
    ]
    assert "BilledCost" not in rows[0]
    assert {row["x_ReasonUnpriced"] for row in rows} == {"model_not_listed"}
    # FOCUS wants its own columns in ASCII.
    assert (rows[0]["x_ApiKeyName"], rows[0]["SubAccountId"]) == (
        BOT,
        "%E6%9C%BA%E5%99%A8%E4%BA%BA",
    )


def test_parquet_has_the_types(shell: Shell, tmp_path: Path) -> None:
    done = shell("focus", "--month", "2026-10", "--format", "parquet", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "focus_2026-10.parquet",
        "focus_2026-10_unpriced.parquet",
    ]
    described = duckdb.sql(f"describe from '{tmp_path}/focus_2026-10.parquet'").fetchall()
    types = {name: kind for name, kind, *_ in described}
    assert types["BilledCost"] == "DECIMAL(38,12)"
    assert types["ChargePeriodStart"] == "TIMESTAMP WITH TIME ZONE"
    assert (types["InvoiceId"], types["CommitmentDiscountQuantity"]) == (
        "VARCHAR",
        "DECIMAL(38,12)",
    )


def test_it_says_what_it_wrote_and_what_is_not_complete(shell: Shell, tmp_path: Path) -> None:
    done = shell("focus", "--month", "2026-10", "--out", str(tmp_path))
    charges, unpriced, preliminary = done.stdout.splitlines()
    assert charges.endswith("focus_2026-10.csv: 15 charges, -0.24779 CNY + 0.503370000002 USD")
    assert unpriced.endswith("_unpriced.csv: 2 rows of usage without a known cost, 10 tokens")
    assert re.fullmatch("preliminary: not complete yet: proxy to .*, router to .*", preliminary)


@pytest.mark.parametrize(
    ("month", "said"),
    [
        ("2026-13", "--month '2026-13' is not a month; write one like 2026-10"),
        ("2098-01", "--month 2098-01 has not begun in Asia/Kolkata"),
        ("2026-09", "--month 2026-09 holds nothing; the published file knows 2026-10 to 2026-10"),
    ],
)
def test_a_month_that_cannot_be_is_refused(shell: Shell, month: str, said: str) -> None:
    done = shell("focus", "--month", month)
    assert (done.returncode, done.stderr.strip()) == (2, said)


def test_the_published_file_has_the_views(shell: Shell) -> None:
    for view in ("call_charges", "focus_charges", "focus_unpriced"):
        (rows,) = mart(shell, f"select count(*) > 0 from {view}")
        assert rows == (True,)
