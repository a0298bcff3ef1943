"""What every vendor must say of itself: its models to the unions, its role to the totals."""

from pathlib import Path

import pytest

from llm_usage_warehouse.findings import in_words
from tests.sql_helpers import WITHOUT_TESTS, SqlWarehouse

SHARED = {
    "calls": "int_calls_unioned",
    "usage_buckets": "int_usage_buckets_unioned",
    "checked_totals": "int_checked_totals",
    "lookup_uses": "int_touched_days",
}
"""What a vendor's staging offers, and the model in which it comes together."""


@pytest.fixture(scope="module")
def warehouse() -> SqlWarehouse:
    return SqlWarehouse()


@pytest.mark.parametrize("what", SHARED)
def test_no_staged_model_is_left_out_of_what_unites_them(
    what: str, warehouse: SqlWarehouse
) -> None:
    nodes = warehouse.manifest()["nodes"]
    staged = {one for one in nodes if one.startswith("model.") and one.endswith(f"__{what}")}
    assert staged
    assert staged <= set(nodes[f"model.llm_usage_warehouse.{SHARED[what]}"]["depends_on"]["nodes"])


def test_a_vendor_without_a_role_fails_in_words_that_name_the_seed(
    warehouse: SqlWarehouse,
) -> None:
    warehouse.load("1", "2026-10-29", "2026-11-01", {1: "2026-10-30"})
    built = warehouse.dbt("build", "--select", "+int_source_roles", *WITHOUT_TESTS, timezone="UTC")
    assert built.ok, built.said
    warehouse.run("delete from seeds.source_roles where vendor = 'aiproxy'")
    warehouse.writes = True
    tested = warehouse.dbt("test", "--select", "sources_have_a_role", timezone="UTC")
    assert not tested.ok
    (failed,) = (one for one in warehouse.results() if one["status"] == "fail")
    assert in_words(failed, warehouse.manifest(), Path("dbt.log")).startswith(
        "1 row: sources have no role, so that nothing says whether totals count them; "
        "write a row of their vendor into seeds/source_roles.csv; "
    )
