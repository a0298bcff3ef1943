"""The ECB's published files are read exactly, merged once, and refused in words."""

import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from llm_usage_warehouse.cli import app
from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.rates import Loaded, parse_rates, read_rates, store_rates

ONE_DAY = "Date, USD, JPY, IDR, \n25 November 2024, 1.0495, 161.64, 16651.89, \n"
HISTORY = (
    "Date,USD,JPY,CYP,\n"
    "2024-03-18,1.0872,162.43,N/A,\n"
    "2024-03-15,1.0890,161.69,,\n"
    "1999-01-04,1.1789,133.73,0.58231,\n"
)


def rows(text: str) -> list[tuple[str, str, str]]:
    return [
        (row["currency"], str(row["valid_on"]), format(row["units_per_euro"].normalize(), "f"))
        for row in parse_rates(text, "file.csv").to_pylist()
    ]


def stored(connection: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "select currency, valid_on, units_per_euro, file_name from raw_rates.ecb order by all"
    ).fetchall()


def test_one_days_file_names_its_month_and_pads_its_cells() -> None:
    assert rows(ONE_DAY) == [
        ("USD", "2024-11-25", "1.0495"),
        ("JPY", "2024-11-25", "161.64"),
        ("IDR", "2024-11-25", "16651.89"),
    ]


def test_history_leaves_out_what_has_no_rate() -> None:
    assert rows(HISTORY) == [
        ("USD", "2024-03-18", "1.0872"),
        ("JPY", "2024-03-18", "162.43"),
        ("USD", "2024-03-15", "1.089"),
        ("JPY", "2024-03-15", "161.69"),
        ("USD", "1999-01-04", "1.1789"),
        ("JPY", "1999-01-04", "133.73"),
        ("CYP", "1999-01-04", "0.58231"),
    ]


def test_rate_keeps_every_decimal() -> None:
    # A double would hold 0.10000000149011612 for what a float32 says.
    [row] = parse_rates("Date,XXX\n2026-01-01,1234567890.12345678\n", "f").to_pylist()
    assert row["units_per_euro"] == Decimal("1234567890.12345678")


@pytest.mark.parametrize(("name", "text"), [("eurofxref", ONE_DAY), ("eurofxref-hist", HISTORY)])
def test_zip_holds_the_same_as_its_csv(tmp_path: Path, name: str, text: str) -> None:
    plain, zipped = tmp_path / f"{name}.csv", tmp_path / f"{name}.zip"
    plain.write_text(text)
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr(f"{name}.csv", text)
    kept = ["currency", "valid_on", "units_per_euro"]
    assert read_rates(zipped).select(kept) == read_rates(plain).select(kept)


def test_second_load_of_a_file_changes_nothing() -> None:
    connection = duckdb.connect()
    found = parse_rates(HISTORY, "hist.csv")
    days = date(1999, 1, 4), date(2024, 3, 18)
    assert store_rates(connection, found) == Loaded(*days, rates=7, changed=7)
    before = connection.execute("from raw_rates.ecb order by all").fetchall()
    assert store_rates(connection, found) == Loaded(*days, rates=7, changed=0)
    assert connection.execute("from raw_rates.ecb order by all").fetchall() == before


def test_later_file_corrects_a_rate_and_adds_a_day() -> None:
    connection = duckdb.connect()
    store_rates(connection, parse_rates("Date,USD,JPY\n2026-01-02,1.1,160\n", "old.csv"))
    later = "Date,USD,JPY\n2026-01-05,1.3,N/A\n2026-01-02,1.2,160\n"
    assert store_rates(connection, parse_rates(later, "new.csv")).changed == 2
    assert stored(connection) == [
        ("JPY", date(2026, 1, 2), Decimal(160), "old.csv"),
        ("USD", date(2026, 1, 2), Decimal("1.2"), "new.csv"),
        ("USD", date(2026, 1, 5), Decimal("1.3"), "new.csv"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "does not begin with `Date` and currencies"),
        ("<html>", "does not begin with `Date` and currencies"),
        ("Date,USD\n", "holds no rate"),
        ("Date,USD\n2026-01-02,N/A\n", "holds no rate"),
        ("Date,Dollar\n2026-01-02,1.1\n", "'Dollar' in its first line is no currency code"),
        ("Date,USD\n02/01/2026,1.1\n", "line 2: '02/01/2026' is no day such as 2026-10-30"),
        ("Date,USD\n2026-01-02,1.1,2\n", "line 2: more rates than the first line has"),
        ("Date,USD\n2026-01-02,0\n", "line 2: '0' is no rate of USD"),
        ("Date,USD\n2026-01-02,NaN\n", "line 2: 'NaN' is no rate of USD"),
        ("Date,USD\n2026-01-02,-1.1\n", "line 2: '-1.1' is no rate of USD"),
        ("Date,USD\n2026-01-02,1.123456789\n", "line 2: '1.123456789' is no rate of USD"),
        ("Date,USD\n2026-01-02,1.1\n2026-01-02,1.2\n", "two rates for one day"),
    ],
)
def test_file_that_is_not_the_banks_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_rates(text, "file.csv")
    assert f"{refused.value}".startswith("file.csv")
    assert said in str(refused.value)


def test_missing_file_and_foreign_zip_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone.csv cannot be read: .*; fetch eurofxref.csv or"):
        read_rates(tmp_path / "gone.csv")
    with zipfile.ZipFile(tmp_path / "foreign.zip", "w") as archive:
        archive.writestr("readme.txt", "no rates")
    with pytest.raises(UsageError, match="holds 0 CSV files, not one"):
        read_rates(tmp_path / "foreign.zip")


def test_command_takes_a_file_into_the_warehouse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path))
    (tmp_path / "eurofxref.csv").write_text(ONE_DAY)
    done = CliRunner().invoke(app, ["rates", str(tmp_path / "eurofxref.csv")])
    assert done.exit_code == 0, done.output
    assert "3 rates of 2024-11-25 to 2024-11-25, 3 of them new or changed" in done.output
    with duckdb.connect(str(tmp_path / "data/warehouse.duckdb")) as connection:
        assert [row[0] for row in stored(connection)] == ["IDR", "JPY", "USD"]


def test_command_refuses_a_wrong_file_before_it_opens_the_warehouse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path))
    assert CliRunner().invoke(app, ["rates", str(tmp_path / "gone.csv")]).exit_code == 2
    assert not (tmp_path / "data").exists()
