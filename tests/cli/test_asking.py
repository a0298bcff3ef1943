"""`llm-usage query`: an answer for a person fits the terminal, one for a program has all digits."""

import csv
import io
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from pyarrow import parquet

from llm_usage_warehouse.asking import Format, ask, read_sql
from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.settings import WarehouseSettings
from tests.cli.terminal import on_a_terminal

QUERY = [sys.executable, "-c", "from llm_usage_warehouse.cli import app; app()", "query"]
ROWS = """
    select * from (values
        ('gpt-5', 1234567.891::decimal(38, 12), 5),
        ('a|b [red]', 0.000420::decimal(38, 12), null)
    ) as costs (model, cost, calls)
"""


@pytest.fixture
def published(tmp_path: Path) -> WarehouseSettings:
    path = tmp_path / "p.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"create table costs as {ROWS}")
    return WarehouseSettings(path=tmp_path / "w.duckdb", published_path=path)


def answer(
    published: WarehouseSettings, capfd: pytest.CaptureFixture[str], output: Format, sql: str
) -> str:
    ask(published, sql, output)
    return capfd.readouterr().out


def test_sums_have_two_decimals_in_a_table_and_small_amounts_two_digits(
    published: WarehouseSettings, capfd: pytest.CaptureFixture[str]
) -> None:
    said = answer(published, capfd, Format.table, "select *, cost / 1e9 as per_token from costs")
    assert "│ 1,234,567.89 │" in said
    assert "│        <0.01 │" in said
    assert "│    0.0012 │" in said
    assert "a|b [red]" in said
    assert said.endswith("2 rows\n")


def test_exactly_means_every_digit(
    published: WarehouseSettings, capfd: pytest.CaptureFixture[str]
) -> None:
    ask(published, "select cost from costs", exact=True)
    said = capfd.readouterr().out
    assert "1,234,567.891 " in said
    assert "0.00042 " in said


def test_csv_and_json_hold_every_digit(
    published: WarehouseSettings, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = list(csv.reader(io.StringIO(answer(published, capfd, Format.csv, "from costs"))))
    assert rows[0] == ["model", "cost", "calls"]
    assert rows[1] == ["gpt-5", "1234567.891000000000", "5"]
    assert rows[2][2] == ""
    said = answer(published, capfd, Format.json, "from costs")
    assert [row["cost"] for row in json.loads(said, parse_float=Decimal)] == [
        Decimal("1234567.891"),
        Decimal("0.00042"),
    ]
    assert json.loads(answer(published, capfd, Format.json, "from costs where false")) == []


def test_a_bar_in_a_name_stays_in_its_cell_of_markdown(
    published: WarehouseSettings, capfd: pytest.CaptureFixture[str]
) -> None:
    said = answer(published, capfd, Format.md, "from costs")
    assert "a\\|b [red]" in said
    assert len({line.replace("\\|", "").count("|") for line in said.strip().splitlines()}) == 1


def test_nothing_is_cut_where_nobody_looks(
    published: WarehouseSettings, capfd: pytest.CaptureFixture[str]
) -> None:
    wide = ", ".join(f"'{'x' * 60}' as column_{number}" for number in range(12))
    said = answer(published, capfd, Format.table, f"select {wide}")
    assert said.count("x" * 60) == 12
    said = answer(published, capfd, Format.csv, "select range as n from range(20_000)")
    assert len(said.splitlines()) == 20_001


@pytest.fixture
def environment(published: WarehouseSettings) -> dict[str, str]:
    """Where a command of its own finds the published file."""
    places = {
        "DLT_PROJECT_DIR": str(published.path.parent),
        "WAREHOUSE__PATH": str(published.path),
        "WAREHOUSE__PUBLISHED_PATH": str(published.published_path),
    }
    return {**os.environ, **places}


def test_parquet_goes_to_a_pipe(environment: dict[str, str], tmp_path: Path) -> None:
    with (tmp_path / "a.parquet").open("wb") as file:
        command = [*QUERY, "from costs", "--format", "parquet"]
        subprocess.run(command, check=True, stdout=file, env=environment)
    assert parquet.read_table(tmp_path / "a.parquet").num_rows == 2


@pytest.mark.parametrize(("columns", "is_table"), [(3, True), (12, False)])
def test_a_terminal_of_80_columns_loses_nothing(
    environment: dict[str, str], columns: int, is_table: bool
) -> None:
    sql = "select " + ", ".join(f"123456.78::decimal(9, 2) as amount_{n}" for n in range(columns))
    screen = on_a_terminal([*QUERY, sql], environment, "dumb")
    assert (screen.code, screen.too_wide) == (0, [])
    assert screen.text.count("123,456.78") == columns
    assert ("┌" in screen.text) == is_table


def test_a_column_of_numbers_is_never_squeezed_out(environment: dict[str, str]) -> None:
    names = [f"windows_that_disagree_with_the_vendor_{n}" for n in range(3)]
    sql = "select " + ", ".join(f"{n} as {name}" for n, name in enumerate(names))
    screen = on_a_terminal([*QUERY, f"{sql}, 'some text' as remark"], environment)
    assert all(name in screen.text for name in [*names, "remark", "some text"])


def test_a_query_can_stand_in_a_file_or_come_from_a_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.sql").write_text("select 1")
    monkeypatch.setattr(sys, "stdin", io.StringIO("select 2"))
    assert read_sql(str(tmp_path / "a.sql")) == "select 1"
    assert read_sql("-") == "select 2"
    assert read_sql("select 3") == "select 3"
    assert read_sql("2").startswith("-- What did yesterday cost")
    with pytest.raises(UsageError, match="questions 1 to 12, and none is 13"):
        read_sql("13")
    with pytest.raises(UsageError, match=r"gone\.sql: No such file"):
        read_sql(str(tmp_path / "gone.sql"))
