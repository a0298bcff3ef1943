"""A morning of all four vendors, for the tests that ask a published file: loaded once for all."""

import os
import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from filelock import FileLock

from llm_usage_warehouse.connectors import configured_sources, connectors
from llm_usage_warehouse.loading import load_sources
from llm_usage_warehouse.one_source import Run
from llm_usage_warehouse.own_seeds import OF_DEMO
from llm_usage_warehouse.progress import LogWatcher
from llm_usage_warehouse.publish import publish
from llm_usage_warehouse.rates import create_rates_table
from llm_usage_warehouse.settings import WarehouseSettings, load_warehouse
from llm_usage_warehouse.simulator import Simulator
from llm_usage_warehouse.transform import transform
from llm_usage_warehouse.warehouse import connect, writing
from tests.loads import NOW, Project, frozen
from tests.sql_helpers import PARSES, give_parse

DAYS = 12
# Few windows make few loads: a gateway's are cut at seven days, and of Tencent, which wants three
# dozen requests for the totals of each day, two days are enough.
SETTINGS = {"aiproxy": {"slice": "P7D"}, "tencent_lke": {"start": "P2D"}}


def give_morning(folder: Path, patch: pytest.MonkeyPatch) -> WarehouseSettings:
    """Put a published warehouse of all four vendors into a folder, of which Weave only observes.

    It is loaded once for all processes that share the tests.

    Args:
        folder: an empty folder, which becomes the project's.
        patch: sets the environment for as long as the warehouse is used.
    """
    saved = Path(os.environ[PARSES]) / "morning"
    with FileLock(f"{saved}.lock"):
        if not saved.exists():
            own = Path(mkdtemp(dir=saved.parent))
            with pytest.MonkeyPatch.context() as alone:
                _load(own, alone)
            own.rename(saved)
    shutil.copytree(saved, folder, dirs_exist_ok=True)
    return _settings(folder, patch)


def _settings(folder: Path, patch: pytest.MonkeyPatch) -> WarehouseSettings:
    patch.setenv("DLT_PROJECT_DIR", str(folder))
    patch.setenv("WAREHOUSE__SEEDS", str(OF_DEMO))
    return load_warehouse()


def _load(folder: Path, patch: pytest.MonkeyPatch) -> None:
    with Simulator(frozen(days=DAYS, rows_per_day=200)) as vendors:
        _add_models(vendors["aiproxy"].data)
        for name, settings in vendors.settings().items():
            few = {"start": f"P{DAYS}D", "slice": f"P{DAYS}D"} | SETTINGS.get(name, {})
            Project(folder, patch, name).set(**(settings | few))
        warehouse = _settings(folder, patch)
        with writing(warehouse):
            done = load_sources(configured_sources([]), Run("run", NOW, warehouse), LogWatcher())
            assert [one.error for one in done] == [None] * 4
    with connect(warehouse) as connection:
        create_rates_table(connection)
        # A rate holds for five days.
        connection.execute(
            "insert into raw_rates.ecb select currency, day, units, 'test', now() "
            "from (values ('USD', 1.25), ('CNY', 8.1)) as rates (currency, units), "
            "(values ('2026-11-06'::date), ('2026-11-11'), ('2026-11-16')) as days (day)"
        )
    give_parse(warehouse)
    assert transform(warehouse, connectors().values(), tests=False).ok
    publish(warehouse)


def _add_models(gateway: Any) -> None:
    """Let one model be called in the last days only, and another nine days ago and before."""
    for model, days_ago in {"fresh": (1, 2, 3), "gone": (9, 10)}.items():
        for ago in days_ago:
            at = NOW.subtract(days=ago).int_timestamp * 1_000_000
            gateway.add(model=model, created_at=at, inserted_at=at)
