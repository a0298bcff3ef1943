"""A history that was built night by night equals one that is built at once, mart by mart."""

import os
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.sql.nights import nights
from tests.sql_helpers import WITHOUT_TESTS, SqlWarehouse

TIMEZONE = "Asia/Kolkata"
SOURCES = 8
EXAMPLES = int(os.environ.get("REBUILD_EXAMPLES", "1"))
"""How many seeds to try; each is a minute of dbt."""


def marts(warehouse: SqlWarehouse) -> dict[str, list[tuple[Any, ...]]]:
    tables = warehouse.run(
        "select table_name from duckdb_tables() where schema_name = 'main' order by all"
    )
    return {name: warehouse.run(f"from {name} order by all") for (name,) in tables}


# Each example is minutes of dbt, so that few are tried, and none is made smaller; each has many
# sources, whose fates have nothing to do with each other.
@settings(
    max_examples=EXAMPLES,
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
    database=None,
)
@pytest.mark.parametrize("length", [3, pytest.param(4, marks=pytest.mark.slow)])
@given(seed=st.integers(1, 2**16))
def test_any_nights_end_where_a_rebuild_does(length: int, seed: int) -> None:
    warehouse = SqlWarehouse(timezone=TIMEZONE)
    told: dict[str, list[str]] = {}
    for stories in nights(warehouse, seed, SOURCES, length):
        told = {story.name: story.said for story in stories}
        built = warehouse.dbt("build", *WITHOUT_TESTS, timezone=TIMEZONE)
        assert built.ok, built.said
    incremental = marts(warehouse)
    built = warehouse.dbt("build", *WITHOUT_TESTS, "--full-refresh", timezone=TIMEZONE)
    assert built.ok, built.said
    rebuilt = marts(warehouse)
    assert len(incremental["calls"]) > SOURCES
    for name, rows in rebuilt.items():
        gone, new = set(incremental[name]) - set(rows), set(rows) - set(incremental[name])
        texts = " ".join(map(str, [*gone, *new]))
        about = {source: said for source, said in told.items() if source in texts}
        assert (gone, new) == (set(), set()), (seed, name, about)
