"""The bench runs its rivals over the same rows, and writes what it found."""

import json
import os
import subprocess
import sys
from pathlib import Path

from pipelines.dev.bench.measures import Figure, struct


def test_a_ratio_is_measured_and_written(tmp_path: Path) -> None:
    (tmp_path / ".dlt").mkdir()
    options = ["--only", "stateless", "--rows", "2000", "--repeat", "1"]
    environment = {**os.environ, "DLT_PROJECT_DIR": str(tmp_path), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.dev.bench", *options],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "CPU against a stateless script, 2,000 rows" in done.stdout
    (figure,) = json.loads((tmp_path / "data/bench.json").read_text())["figures"]
    assert figure["figure"] > 0
    assert "| what | ours | rival |" in (tmp_path / "data/bench.md").read_text()


def test_a_bound_may_be_one_from_below() -> None:
    assert Figure("share", "", "", 95, 92, 97, at_least=True).is_reached
    assert not Figure("ratio", "", "", 2.1, 2.0, 1.5).is_reached


def test_the_rival_reads_the_same_fields() -> None:
    assert struct({"id": "int", "usage": {"tokens": "int"}}) == (
        'STRUCT("id" BIGINT, "usage" STRUCT("tokens" BIGINT))'
    )
