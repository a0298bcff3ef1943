"""A load killed at any moment and run again leaves the same tables as an undisturbed one."""

import itertools
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

LOAD = f"""
import pendulum
from llm_usage_warehouse import one_source
from llm_usage_warehouse.connectors import configured_sources
from llm_usage_warehouse.loading import load_sources
from llm_usage_warehouse.progress import LogWatcher
from llm_usage_warehouse.one_source import Run
from llm_usage_warehouse.settings import load_warehouse
from llm_usage_warehouse.warehouse import writing
# A few windows of each stream to a package, and several packages to a load.
one_source.PACKAGE_ROWS = 200
warehouse = load_warehouse()
run = Run("run", pendulum.from_timestamp({NOW.timestamp()}), warehouse)
with writing(warehouse):
    (outcome,) = load_sources(configured_sources(["aiproxy"]), run, LogWatcher())
raise SystemExit(outcome.error)
"""


def tables(project: Project) -> list[list[tuple[Any, ...]]]:
    """Return every raw row, without what names the load that brought it."""
    ledger = "source_name, stream, scope, window_start, window_end, row_count, reported_total"
    return [
        project.query("select * exclude (_dlt_load_id) from raw_aiproxy.logs order by id"),
        project.query("select id, name, type from raw_aiproxy.channels order by id"),
        project.query(
            "select * exclude (window_start, window_end, row_in_window, _dlt_load_id) "
            "from raw_aiproxy.dashboard order by all"
        ),
        # What was read twice has two lines in the ledger, which is what it is for.
        project.query(f"select distinct {ledger} from raw_aiproxy.load_ledger order by all"),
    ]


def finished(project: Project, expected: list[list[tuple[Any, ...]]]) -> None:
    """Check that a load that ran to its end holds what an undisturbed one does."""
    *rows, ledger = tables(project)
    assert rows == expected[:-1]
    # A run after a finished one reads its look-back, so there may be more windows, none fewer.
    assert set(expected[-1]) <= set(ledger)


@pytest.mark.parametrize("count", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_kills_at_random_moments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    folders = (tmp_path / str(number) for number in itertools.count())

    def project() -> Project:
        folder = next(folders)
        folder.mkdir()
        found = Project(folder, monkeypatch, "aiproxy")
        found.set(slice="PT2H", start="P2D")
        return found

    with vendor(tmp_path, monkeypatch, "aiproxy", frozen(days=2)) as (proxy, _):
        proxy.world.latency = 0.03
        calm = project()
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", LOAD], check=True)
        whole = time.monotonic() - began
        expected = tables(calm)

        moments = random.Random(7)
        killed, kills = project(), 0
        while kills < count:
            child = subprocess.Popen([sys.executable, "-c", LOAD])
            try:
                child.wait(moments.uniform(0.3, 0.9) * whole)
            except subprocess.TimeoutExpired:
                os.kill(child.pid, signal.SIGKILL)
            if child.wait() == -signal.SIGKILL:
                kills += 1
            else:
                # It was faster than the kill: its tables are done, and the next one begins anew.
                finished(killed, expected)
                killed = project()
        subprocess.run([sys.executable, "-c", LOAD], check=True)
        finished(killed, expected)
