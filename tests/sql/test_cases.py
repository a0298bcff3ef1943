"""Inputs that other tools of this kind were reported to get wrong, each with the right figures.

Each file under `cases/` holds the raw rows of one night or two as a load leaves them, a question,
and the answer. `reports` names the public reports that it was made from.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from llm_usage_warehouse.own_seeds import OF_DEMO
from tests.sql_helpers import WITHOUT_TESTS, SqlWarehouse

CASES_APART = Path(__file__).with_name("cases") / "apart"
CASES = {path.stem: path for path in sorted(Path(__file__).with_name("cases").glob("*.json"))}
LISTS = (
    "raw_aiproxy.channels",
    "raw_alibaba_model_router.api_keys",
    "raw_alibaba_model_router.models",
)
SHORT = (
    "audio_and_image_tokens_at_text_price",
    "channel_deleted_or_its_id_used_again",
    "half_a_token_blocks_publication",
    "total_absent_beside_its_parts",
    "total_exceeds_its_parts",
)
"""The cases of `make test`: one of each way to get figures wrong, and one of two nights."""

TESTED = ("negative_amount_blocks_publication", "half_a_token_blocks_publication")
NIGHTS = {"night_1": "2026-11-26 02:00:00Z", "night_2": "2026-11-27 02:00:00Z"}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> SqlWarehouse:
    """Models with the demo's teams, built of no rows."""
    folder = tmp_path_factory.mktemp("cases")
    warehouse = SqlWarehouse(folder)
    shutil.copy(OF_DEMO / "owners.csv", folder / "sql" / "seeds")
    built = warehouse.dbt("build", *WITHOUT_TESTS, timezone="UTC")
    assert built.ok, built.said
    shutil.copy(warehouse.path, folder / "empty.duckdb")
    return warehouse


@pytest.fixture
def project(empty: SqlWarehouse) -> SqlWarehouse:
    shutil.copy(empty.path.with_name("empty.duckdb"), empty.path)
    return empty


@pytest.mark.parametrize(
    "name",
    [pytest.param(one, marks=() if one in SHORT else pytest.mark.slow) for one in CASES],
)
def test_the_right_figures(name: str, project: SqlWarehouse) -> None:
    case = json.loads(CASES[name].read_text())
    nights = [night for night in NIGHTS if night in case["input"]]
    # A second night asks what the first has finished: all models, then, for both.
    asked = re.findall(r"\bfrom (\w+)", case["query"])
    is_part = len(nights) == 1 and name not in TESTED
    part = ("--select", *(f"+{table}" for table in asked)) if is_part else ()
    for night in nights:
        put(project, case["input"][night])
        for table in LISTS:
            project.run(f"update {table} set window_end = ?", NIGHTS[night])
        # Where it matters: what is odd is told by a test that warns, and stops nobody.
        is_tested = night == nights[-1] and name in TESTED
        without = WITHOUT_TESTS[2:] if is_tested else WITHOUT_TESTS
        built = project.dbt("build", *without, *part, timezone="UTC")
        assert built.ok, built.said
    assert [list(row) for row in project.run(case["query"])] == case["expected"]


def test_one_call_seen_by_gateway_and_provider(project: SqlWarehouse) -> None:
    # Which of the two should count is for a person to say.
    case = json.loads((CASES_APART / "one_call_seen_by_gateway_and_provider.json").read_text())
    put(project, case["input"]["night_1"])
    tested = ("build", "--select", "+sources_count_no_call_twice", *WITHOUT_TESTS[2:])
    built = project.dbt(*tested, timezone="UTC")
    assert built.ok, built.said
    assert "WARN 1 sources_count_no_call_twice" in built.said
    project.run(
        "update raw_aiproxy.logs set request_at = request_at - interval '9' second, "
        "created_at = created_at - interval '9' second"
    )
    apart = project.dbt(*tested, "--full-refresh", timezone="UTC")
    assert "PASS sources_count_no_call_twice" in apart.said


def put(warehouse: SqlWarehouse, night: list[tuple[str, Any]]) -> None:
    for table, row in night:
        if isinstance(row, str):
            warehouse.run(row)
        elif table.endswith(".load_ledger"):
            warehouse.insert(table, **row, _dlt_load_id=row["read_started_at"])
        else:
            warehouse.insert(table, **row)
