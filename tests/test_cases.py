"""Inputs that other tools of this kind were reported to get wrong, each with the right figures.

Each file under `cases/` holds the raw rows of one night or two as a load leaves them, a question,
and the answer. `reports` names the public reports that it was made from.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.sql_helpers import WITHOUT_TESTS, SqlWarehouse

CASES = {path.stem: path for path in sorted(Path(__file__).with_name("cases").glob("*.json"))}
LISTS = (
    "raw_aiproxy.channels",
    "raw_alibaba_model_router.api_keys",
    "raw_alibaba_model_router.models",
)
NIGHTS = {"night_1": "2026-11-26 02:00:00Z", "night_2": "2026-11-27 02:00:00Z"}


@pytest.mark.parametrize("name", CASES)
def test_the_right_figures(name: str, tmp_path: Path) -> None:
    case = json.loads(CASES[name].read_text())
    with SqlWarehouse(tmp_path) as warehouse:
        for night, read_at in NIGHTS.items():
            if night not in case["input"]:
                continue
            put(warehouse, case["input"][night])
            for table in LISTS:
                warehouse.run(f"update {table} set window_end = ?", read_at)
            built = warehouse.dbt("build", *WITHOUT_TESTS, timezone="UTC")
            assert built.ok, built.said
        assert [list(row) for row in warehouse.run(case["query"])] == case["expected"]
        # What is odd is told, and stops nobody.
        tested = warehouse.dbt("test", "--exclude-resource-type", "unit_test", timezone="UTC")
        assert tested.ok, tested.said


def put(warehouse: SqlWarehouse, night: list[tuple[str, Any]]) -> None:
    for table, row in night:
        if isinstance(row, str):
            warehouse.run(row)
        elif table.endswith(".load_ledger"):
            warehouse.insert(table, **row, _dlt_load_id=row["read_started_at"])
        else:
            warehouse.insert(table, **row)
