"""The bench runs its rivals over the same rows, and writes what it found."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from llm_usage_warehouse.dev.bench.measures import (
    STORED,
    Figure,
    most_in_a_second,
    shortest,
    struct,
)
from llm_usage_warehouse.dev.bench.processes import run
from llm_usage_warehouse.dev.bench.server import DAY_MS, END, Rows

END_MS = END.int_timestamp * 1000


def test_a_ratio_is_measured_and_written(tmp_path: Path) -> None:
    (tmp_path / ".dlt").mkdir()
    options = ["--only", "stateless", "--rows", "2000", "--repeat", "1"]
    environment = {**os.environ, "DLT_PROJECT_DIR": str(tmp_path), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", "llm_usage_warehouse.dev.bench", *options],
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


def test_the_rival_reads_nothing_that_a_load_withholds() -> None:
    assert {"ip", "user", "content"}.isdisjoint(STORED)
    assert "metadata" in STORED


def test_the_fullest_second_begins_anywhere() -> None:
    assert most_in_a_second([0.0, 0.9, 1.0, 1.1, 1.85, 1.95]) == 4


def test_the_shortest_time_of_some_requests() -> None:
    assert shortest([0.0, 0.5, 0.75, 2.0], 3) == 0.75
    assert shortest([0.0, 0.5], 3) == math.inf


@pytest.mark.parametrize("days", [1, 3])
def test_the_days_of_the_server_hold_every_row_once(days: int) -> None:
    rows = Rows(1234, days)
    seen = []
    for day in range(days, 0, -1):
        start, end = END_MS - day * DAY_MS, END_MS - (day - 1) * DAY_MS - 1
        first = orjson.loads(rows.page(start, end, 1, 100))["data"]
        for number in range(1, first["total"] // 100 + 2):
            page = orjson.loads(rows.page(start, end, number, 100))["data"]["logs"]
            assert all(start <= row["created_at"] <= end for row in page)
            seen += page
    seen.sort(key=lambda row: row["id"])
    assert [row["id"] for row in seen] == list(range(1, 1235))
    assert len({row["request_id"] for row in seen}) == len(seen)
    created = [row["created_at"] for row in seen]
    assert created == sorted(created)


def test_both_ends_of_a_window_are_inside() -> None:
    rows = Rows(24, 1)
    (oldest,) = orjson.loads(rows.page(0, END_MS - DAY_MS, 1, 100))["data"]["logs"]
    assert oldest["created_at"] == END_MS - DAY_MS


def test_no_setting_of_a_real_vendor_reaches_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__WEAVE__API_KEY", "example")
    code = "import json, os; print(json.dumps([name for name in os.environ if '__' in name]))"
    said = run(["-c", code], {"WAREHOUSE__PATH": "x"}).said
    assert "SOURCES__WEAVE__API_KEY" not in said
    assert "WAREHOUSE__PATH" in said


def test_a_process_that_fails_says_why() -> None:
    with pytest.raises(SystemExit, match="no such thing"):
        run(["-c", "import sys; sys.stderr.write('.' * 200_000); sys.exit('no such thing')"])


def test_a_process_that_was_stopped_is_told_apart() -> None:
    with pytest.raises(SystemExit, match="SIGTERM"):
        run(["-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"])
