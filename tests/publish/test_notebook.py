"""The marimo notebook over the published file: `make superset-test` installs what it needs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from llm_usage_warehouse.settings import load_warehouse

pytestmark = pytest.mark.superset

CHECKOUT = Path(__file__).resolve().parents[2]


def test_each_cell_shows_something_of_the_published_file(tmp_path: Path) -> None:
    # Marimo writes a folder of its own beside what it runs.
    notebook = shutil.copy(CHECKOUT / "sql" / "notebook.py", tmp_path)
    page = tmp_path / "notebook.html"
    done = subprocess.run(
        [
            CHECKOUT / "data" / "notebook-venv" / "bin" / "marimo",
            *("export", "html", "--no-include-code", notebook, "--output", page),
        ],
        env=os.environ | {"LLM_USAGE_FILE": str(load_warehouse().published_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    # It ends with 1 where a cell failed, and writes the page all the same.
    assert done.returncode == 0, done.stderr
    text = page.read_text(encoding="utf-8")
    assert "LLM usage through" in text
    assert text.count("\\u003Cmarimo-table") == 5
    assert text.count("vnd.vegalite") == 2
