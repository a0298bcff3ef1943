"""Every model says what a row of it is, and is written like the others."""

from pathlib import Path
from typing import Any

import pytest

from tests.sql_helpers import SQL, SqlWarehouse

FILES = sorted((SQL / "models").rglob("*.sql"))


@pytest.fixture(scope="module")
def models() -> list[dict[str, Any]]:
    nodes = SqlWarehouse().manifest()["nodes"].values()
    return [node for node in nodes if node["resource_type"] in ("model", "seed")]


def test_every_model_and_seed_says_what_a_row_is(models: list[dict[str, Any]]) -> None:
    assert [m["name"] for m in models if not m["description"].startswith("One row per ")] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_model_opens_with_its_grain_and_ends_with_its_last_cte(path: Path) -> None:
    lines = path.read_text().splitlines()
    opening = [line for line in lines[:6] if line.startswith("-- ")]
    assert opening[0].startswith("-- Grain: one row per ")
    assert len(opening) <= 5
    assert lines[-1] == "select * from final"
