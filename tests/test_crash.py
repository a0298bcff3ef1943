"""A load killed at any moment and run again leaves the same tables as an undisturbed one."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.loads import NOW, Project, frozen, vendor

KILLS = 10

LOAD = f"""
import pendulum
from pipelines.connectors import configured_sources
from pipelines.progress import LogWatcher
from pipelines.runner import Run, load_source
from pipelines.settings import load_warehouse
from pipelines.warehouse import writing
warehouse = load_warehouse()
run = Run("run", "nightly", pendulum.from_timestamp({NOW.timestamp()}), warehouse)
with writing(warehouse):
    outcome = load_source(configured_sources(["aiproxy"])[0], run, LogWatcher())
raise SystemExit(outcome.error)
"""


def tables(project: Project) -> list[list[tuple[Any, ...]]]:
    """Return every raw row, without what names the load that brought it."""
    ledger = "source_name, stream, scope, window_start, window_end, row_count, reported_total"
    return [
        project.query("select * exclude (_dlt_load_id) from raw_aiproxy.logs order by id"),
        project.query("select id, name, type from raw_aiproxy.channels order by id"),
        # What was read twice has two lines in the ledger, which is what it is for.
        project.query(f"select distinct {ledger} from raw_aiproxy.load_ledger order by all"),
    ]


def test_ten_kills_at_random_moments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "calm").mkdir()
    (tmp_path / "killed").mkdir()
    with vendor(tmp_path / "calm", monkeypatch, "aiproxy", frozen(days=2)) as (proxy, calm):
        proxy.world.latency = 0.03
        calm.set(slice="PT12H", start="P2D")
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", LOAD], check=True)
        whole = time.monotonic() - began
        expected = tables(calm)

        killed = Project(tmp_path / "killed", monkeypatch, "aiproxy")
        killed.set(slice="PT12H", start="P2D", **proxy.settings)
        moments = random.Random(7)
        ended: list[int] = []
        for _ in range(KILLS):
            child = subprocess.Popen([sys.executable, "-c", LOAD])
            try:
                child.wait(moments.uniform(0.3, 1.0) * whole)
            except subprocess.TimeoutExpired:
                os.kill(child.pid, signal.SIGKILL)
            ended.append(child.wait())
        assert ended.count(-signal.SIGKILL) >= KILLS // 2
        subprocess.run([sys.executable, "-c", LOAD], check=True)
        rows, channels, ledger = tables(killed)
        assert rows == expected[0]
        assert channels == expected[1]
        # A run after a finished one reads its look-back, so there may be more windows, none fewer.
        assert set(expected[2]) <= set(ledger)
