"""The recipe for a vendor, followed to a published file, in a copy of the project."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from llm_usage_warehouse.dev.new_vendor.__main__ import new_pages, why_not
from llm_usage_warehouse.settings import WarehouseSettings, in_environment
from tests.sql_helpers import FILE, give_parse

PROJECT = Path(__file__).resolve().parents[2]
NAME = "bright_meter_cloud"
LEFT_OUT = shutil.ignore_patterns(
    *(".git", ".venv", "data", "build", "dist", "*.egg-info", "__pycache__", ".hypothesis")
)


class Copy:
    """A checkout of its own, and its commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if "__" not in name}
        path = f"{folder / '.package'}{os.pathsep}{folder}"
        self.env = {**kept, "PYTHONPATH": path, "DLT_PROJECT_DIR": str(folder)}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder, env=self.env, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def module(self, *arguments: str) -> None:
        done = self.run("-m", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The project with a fifth vendor."""
    folder = tmp_path_factory.mktemp("project") / "copy"
    found = Copy(Path(shutil.copytree(PROJECT, folder, symlinks=True, ignore=LEFT_OUT)))
    found.module("llm_usage_warehouse.dev.new_vendor", NAME)
    return found


def test_its_first_night_publishes_its_calls_unpriced_in_words(copy: Copy) -> None:
    give_parse(WarehouseSettings(path=copy.folder / "data" / FILE))
    simulator = subprocess.Popen(
        [sys.executable, "-m", "llm_usage_warehouse.simulator",
         "--name", NAME, "--days", "3", "--rows-per-day", "240"],
        cwd=copy.folder, env=copy.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with simulator:
        assert simulator.stdout
        settings = json.loads(simulator.stdout.readline())[NAME]
        copy.env |= in_environment(f"sources.{NAME}", {**settings, "start": "P2D"})
        night = copy.run("-c", "from llm_usage_warehouse.cli import app; app()", "nightly")
        simulator.communicate()
    assert night.returncode == 0, night.stdout + night.stderr
    with duckdb.connect(str(copy.folder / "data/llm_usage.duckdb"), read_only=True) as published:
        found = published.execute(
            "select count(*), count(cost), any_value(reason_unpriced) from detail.call_costs"
        ).fetchall()
    assert found[0][0] > 400
    assert found[0][1:] == (0, "model_not_listed")


@pytest.mark.slow
def test_its_files_are_in_the_style_of_the_house(copy: Copy) -> None:
    package = ".package/llm_usage_warehouse"
    copy.module("ruff", "format", "--check", ".")
    copy.module("ruff", "check", ".")
    copy.module(
        *("mypy", f"{package}/sources/{NAME}", f"{package}/simulator/{NAME}"),
        f"tests/{NAME}",
    )
    copy.module("sqlfluff", "lint", "--disable-progress-bar", f"sql/models/staging/{NAME}")


def test_its_own_test_passes(copy: Copy) -> None:
    copy.module("pytest", "-p", "no:xdist", f"tests/{NAME}")


def test_a_second_time_is_refused_and_changes_nothing(copy: Copy) -> None:
    seed = copy.folder / "sql/seeds/source_roles.csv"
    before = seed.read_text()
    again = copy.run("-m", "llm_usage_warehouse.dev.new_vendor", NAME)
    assert (again.returncode, seed.read_text()) == (1, before)
    assert f"the vendor is there already, in pipelines/sources/{NAME}" in again.stderr


def test_what_was_cut_off_is_completed_line_by_line(copy: Copy) -> None:
    pages = new_pages(copy.folder, NAME)
    assert {path: path.read_text() for path in pages} == pages


def test_a_file_of_somebody_else_is_left_alone(copy: Copy) -> None:
    test = copy.folder / "tests" / "other" / "test_source.py"
    test.parent.mkdir()
    test.write_text("# mine\n")
    with pytest.raises(ValueError, match=r"tests/other/test_source\.py is there already"):
        new_pages(copy.folder, "other")
    shutil.rmtree(test.parent)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "small letters"),
        ("Acme", "small letters"),
        ("2nd", "small letters"),
        ("a__b", "single underscores"),
        ("a" * 31, "at most 30"),
        ("class", "means something else"),
        ("central_bank", "means something else"),
        ("weave", "is there already"),
    ],
)
def test_names_that_cannot_be(name: str, why: str) -> None:
    assert why in (why_not(name) or "")
