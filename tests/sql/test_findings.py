"""What a night prints of a test or a model that failed: words, rows, and what to do."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from rich.console import Console

from llm_usage_warehouse import report
from llm_usage_warehouse.connectors import connectors
from llm_usage_warehouse.findings import cause
from llm_usage_warehouse.publish import publish
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.transform import Outcome, check, transform
from llm_usage_warehouse.warehouse import connect
from tests.raw_rows import insert, log_row, slice_row
from tests.sql_helpers import FILE, give_empty


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> WarehouseSettings:
    """Two calls, built: one with more cached tokens than input, one of half a negative amount."""
    folder = tmp_path_factory.mktemp("findings")
    warehouse = WarehouseSettings(path=folder / FILE, published_path=folder / "published.duckdb")
    give_empty(warehouse)
    calls = (
        {"used_amount": 0.5, "usage_input_tokens": 1, "usage_cached_tokens": 5},
        {"used_amount": -0.5, "usage_input_tokens": 0, "usage_cached_tokens": 0},
    )
    with connect(warehouse) as connection:
        for number, call in enumerate(calls):
            told = {"model": "m", "usage_total_tokens": 1, **call}
            insert(
                connection, "raw_aiproxy.logs", **log_row(number, "2026-11-01 12:00:00Z", **told)
            )
        line = slice_row("proxy", "logs", "2026-11-01", "2026-11-02")
        insert(connection, "raw_aiproxy.load_ledger", **line)
    done = transform(warehouse, connectors().values(), tests=False)
    assert done.ok, done.problems
    return warehouse


@pytest.fixture(scope="module")
def checked(warehouse: WarehouseSettings) -> Iterator[Outcome]:
    """What the tests say of days that do not sum their calls."""
    run(warehouse, "update daily_tokens set calls = 70")
    yield check(warehouse, connectors().values())
    run(warehouse, "update daily_tokens set calls = 2")


def run(warehouse: WarehouseSettings, *statements: str) -> None:
    with duckdb.connect(str(warehouse.path)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_invariant_that_fails_has_words_rows_and_a_next_step(checked: Outcome) -> None:
    (line,) = checked.problems
    words, step, rows = line.split("; ")
    assert words == "2 rows: days of daily_tokens are not the sum of their calls and usage buckets"
    assert step.startswith("build every day anew")
    query = Path(rows.removeprefix("to see them run ").removesuffix(" in the private warehouse"))
    assert query.name == "daily_tokens_sum_the_usage.sql"
    assert query.exists()


def test_plausibility_warns_in_words_and_fails_nothing(checked: Outcome) -> None:
    words = [line.split("; ")[0] for line in checked.warnings]
    assert "1 row: cached tokens are more than input tokens (model calls)" in words


@pytest.mark.slow
def test_model_that_fails_tells_what_the_database_said(warehouse: WarehouseSettings) -> None:
    broken = "update raw_aiproxy.logs set metadata = 'no json'"
    run(warehouse, broken, "delete from transform_state.processed_slices")
    failed = transform(warehouse, connectors().values(), tests=False)
    run(warehouse, "update raw_aiproxy.logs set metadata = null")
    (line,) = failed.problems
    assert line.startswith("model calls: Conversion Error: Malformed JSON")
    assert "(models/marts/core/calls.sql); what stands on it was not built" in line
    assert Path(line.rsplit(" ", 1)[1]).read_text()


def test_night_counts_what_it_rejected(warehouse: WarehouseSettings) -> None:
    publish(warehouse)
    console = Console(record=True, width=200)
    report.rejected(console, warehouse)
    said = "rejected: 1 value of 1 row; select * from ops.rejected_values\n"
    assert console.export_text() == said


def test_cause_is_the_databases_own_sentence() -> None:
    said = "Runtime Error in model m (m.sql)\n  Binder Error: no column x\n  \n  LINE 1: select x"
    assert cause(said) == "Binder Error: no column x"
    assert cause("Compilation Error: nothing more") == "Compilation Error: nothing more"
    java = "calling o70.sql.\n: io.delta.Conflict: a concurrent write\n\tat io.delta.A.b(A.scala:1)"
    assert cause(java) == ": io.delta.Conflict: a concurrent write"
