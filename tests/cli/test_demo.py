"""The demo, as a stranger meets it: two nights the first time, one each time after."""

import re
from pathlib import Path

import pytest

from llm_usage_warehouse.demo import simulated_vendors
from llm_usage_warehouse.settings import WarehouseSettings, demo_flag
from tests.cli.shell import Shell


def at_home(folder: Path) -> WarehouseSettings:
    warehouse = WarehouseSettings(path=folder / "w.duckdb", published_path=folder / "p.duckdb")
    demo_flag(warehouse).write_text("{}")
    return warehouse


def test_a_first_demo_has_two_nights_and_a_later_one_the_same_vendors(tmp_path: Path) -> None:
    warehouse = at_home(tmp_path)
    with simulated_vendors(warehouse) as first:
        earlier, tonight = first.nights
        assert (tonight - earlier).in_days() == 2
        first.deliver()
    flag = demo_flag(warehouse).read_text()
    warehouse.published_path.touch()
    with simulated_vendors(warehouse) as later:
        assert len(later.nights) == 1
    assert demo_flag(warehouse).read_text() == flag


@pytest.mark.slow
def test_a_demo_heals_a_day_and_shows_a_lie(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "project")
    first = shell("demo")
    assert first.returncode == 0, first.stderr
    assert "1 day healed (+5 calls, +0.0245 USD), 1 day still differing" in first.stdout
    assert len(re.findall("  differs .*the simulator lied here on purpose", first.stdout)) == 1
    assert "restated: 1 closed day (audit)" in first.stdout
    second = shell("demo")
    assert second.returncode == 0, second.stderr
    assert "0 days healed, 1 day still differing" in second.stdout
    assert "restated" not in second.stdout
