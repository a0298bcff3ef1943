"""What cannot be brought back is guarded: copies that can be put back, and a clean that asks.

When a copy is refused is shown in test_cli.py, of the night there.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from llm_usage_warehouse.cli import app
from llm_usage_warehouse.settings import WarehouseSettings, load_warehouse
from tests.loads import Project, frozen, vendor
from tests.sql_helpers import FILE, give_empty, open_file

CHECKOUT = Path(__file__).resolve().parents[2]


def llm_usage(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project after a real night: loaded, modelled, tested and published."""
    folder = tmp_path_factory.mktemp("backup")
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        vendor(folder, monkeypatch, "aiproxy", frozen(days=2, rows_per_day=60)) as (_, found),
    ):
        found.set(start="P2D")
        give_empty(WarehouseSettings(path=folder / "data" / FILE))
        done = night(6)
        assert done.exit_code == 0, done.output
        yield found


def night(hour: int = 12) -> Result:
    return llm_usage("nightly", "--until", f"2026-11-20T{hour:02}:00:00Z")


def published(sql: str) -> list[tuple[object, ...]]:
    with open_file(load_warehouse().published_path) as connection:
        return connection.execute(sql).fetchall()


def modes(folder: Path) -> dict[str, str]:
    return {one.name: f"{one.stat().st_mode & 0o777:04o}" for one in folder.rglob("*")}


@pytest.mark.slow
def test_a_backup_is_put_back_and_the_next_night_goes_on(project: Project, tmp_path: Path) -> None:
    warehouse = load_warehouse()
    done = llm_usage("backup", str(tmp_path / "kept"))
    assert done.exit_code == 0, done.output
    assert "kept/warehouse.duckdb: " in done.output
    assert " bytes" in done.output
    assert sorted(modes(tmp_path / "kept").items()) == [
        ("llm_usage.duckdb", "0600"),
        ("warehouse.duckdb", "0600"),
    ]
    known = published("from publications")
    # A later night, which the copy knows nothing of; then both files are lost.
    assert night().exit_code == 0
    expected = published("from daily_tokens order by all")
    for path in (warehouse.path, warehouse.published_path):
        path.unlink()
        shutil.copyfile(tmp_path / "kept" / path.name, path)
    assert published("from publications") == known
    again = night()
    assert again.exit_code == 0, again.output
    assert "older than the working folder" in again.output
    assert published("from daily_tokens order by all") == expected
    assert len(published("from publications")) == len(known) + 1


@pytest.mark.slow
def test_a_backup_on_another_machine_has_no_working_folder(
    project: Project, tmp_path: Path
) -> None:
    warehouse = load_warehouse()
    assert llm_usage("backup", str(tmp_path)).exit_code == 0
    before = published("from daily_tokens order by all")
    shutil.rmtree(warehouse.data_folder / "dlt")
    shutil.copyfile(tmp_path / warehouse.path.name, warehouse.path)
    assert night().exit_code == 0
    assert published("from daily_tokens order by all") == before


def test_a_backup_of_nothing_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".dlt").mkdir()
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path))
    done = llm_usage("backup", str(tmp_path / "kept"))
    assert (done.exit_code, "is not there yet" in done.output) == (1, True)
    assert not list(tmp_path.rglob("*.duckdb"))
    assert not (tmp_path / "kept").exists()


def make_clean(folder: Path, *arguments: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-f", str(CHECKOUT / "Makefile"), "-C", str(folder), "clean", *arguments],
        input=answer,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("is_demo", "arguments", "answer", "is_gone"),
    [
        (True, (), "", True),
        (False, (), "", False),
        (False, (), "no\n", False),
        (False, (), "yes\n", True),
        (False, ("FORCE=1",), "", True),
    ],
)
def test_make_clean_asks_before_real_rows(
    tmp_path: Path, is_demo: bool, arguments: tuple[str, ...], answer: str, is_gone: bool
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "llm_usage.duckdb").touch()
    if is_demo:
        (tmp_path / "data" / "DEMO").touch()
    done = make_clean(tmp_path, *arguments, answer=answer)
    assert (tmp_path / "data").exists() is not is_gone, done.stdout
    assert (done.returncode == 0) is is_gone
    assert ("only memory" in done.stdout) is not (is_demo or bool(arguments))
