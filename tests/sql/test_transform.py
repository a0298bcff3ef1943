"""dbt as the night starts it: it ends with its parent, and tells what stopped it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from llm_usage_warehouse.connectors import connectors
from llm_usage_warehouse.dbt_runs import macros_checksum
from llm_usage_warehouse.errors import RunError
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.transform import transform
from llm_usage_warehouse.warehouse import connect, create_raw_tables
from tests.sql_helpers import FILE, give_parse

PATIENCE = 60


@pytest.fixture
def command(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A `transform` under way, its dbt started."""
    (tmp_path / ".dlt").mkdir()
    warehouse = WarehouseSettings(path=tmp_path / FILE)
    give_parse(warehouse)
    create_raw_tables(warehouse, connectors().values())
    with connect(warehouse) as connection:
        # Without a line of what was loaded there is nothing to transform.
        connection.execute("insert into raw_weave.load_ledger (source_name) values ('weave')")
    environment = os.environ | {
        "DLT_PROJECT_DIR": str(tmp_path),
        "WAREHOUSE__PATH": str(tmp_path / FILE),
    }
    with subprocess.Popen(
        [sys.executable, "-c", "from llm_usage_warehouse.cli import app; app()", "transform"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        yield process
        process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the child in /proc")
@pytest.mark.parametrize(
    "how",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_dbt_ends_with_the_command_that_started_it(
    command: subprocess.Popen[str], tmp_path: Path, how: signal.Signals
) -> None:
    child = _child_of(command)
    command.send_signal(how)
    code = command.wait(PATIENCE)
    assert how != signal.SIGTERM or code == 143
    deadline = time.monotonic() + PATIENCE
    while Path(f"/proc/{child}").exists():
        assert time.monotonic() < deadline, "dbt went on alone"
        time.sleep(0.05)
    warehouse = WarehouseSettings(path=tmp_path / FILE)
    outcome = transform(warehouse, connectors().values(), tests=False)
    assert outcome.ok


def _child_of(command: subprocess.Popen[str]) -> int:
    """Return the process that dbt runs in, once it is that far."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        children = Path(f"/proc/{command.pid}/task/{command.pid}/children").read_text().split()
        for child in children:
            if "llm_usage_warehouse.dbt_child" in Path(f"/proc/{child}/cmdline").read_text():
                # Long enough for it to have the file open, or to be about to.
                time.sleep(3)
                return int(child)
        time.sleep(0.05)
    raise AssertionError("dbt was not started")


def test_what_stopped_dbt_is_told(tmp_path: Path) -> None:
    warehouse = WarehouseSettings(path=tmp_path / FILE)
    give_parse(warehouse)
    with duckdb.connect(str(warehouse.path)), pytest.raises(RunError) as told:
        transform(warehouse, connectors().values(), tests=False)
    assert "Could not set lock on file" in str(told.value)


def test_a_changed_macro_is_another_project(tmp_path: Path) -> None:
    (tmp_path / "macros").mkdir()
    macro = tmp_path / "macros" / "one.sql"
    macro.write_text("{% macro one() %} 1 {% endmacro %}")
    before = macros_checksum(tmp_path)
    macro.write_text("{% macro one() %} 2 {% endmacro %}")
    assert macros_checksum(tmp_path) != before
