"""A load that is watched on a terminal: bars that end where the work does."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from llm_usage_warehouse.connectors import configured_sources
from llm_usage_warehouse.loading import load_sources
from llm_usage_warehouse.one_source import Run
from llm_usage_warehouse.progress import BarWatcher, watching
from llm_usage_warehouse.settings import load_warehouse
from llm_usage_warehouse.warehouse import writing
from tests.loads import NOW, frozen, vendor


def test_a_bar_reaches_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    console = Console(file=said, force_terminal=True, width=120)
    with vendor(tmp_path, monkeypatch, "aiproxy", frozen(days=2)):
        warehouse = load_warehouse()
        (source,) = configured_sources(["aiproxy"])
        with writing(warehouse), watching(console) as watcher:
            assert isinstance(watcher, BarWatcher)
            (outcome,) = load_sources([source], Run("run", NOW, warehouse), watcher)
    assert outcome.error is None
    tallies = outcome.streams.values()
    windows, rows = sum(one.windows for one in tallies), sum(one.rows for one in tallies)
    assert watcher.so_far() == f"aiproxy {windows} of {windows} windows ({rows:,} rows)"
    assert "aiproxy" in said.getvalue()
    assert "100%" in said.getvalue()
