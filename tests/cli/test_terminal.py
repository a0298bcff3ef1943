"""The command line on a terminal of 80 columns, in a log, and under cron."""

import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from llm_usage_warehouse.demo import flag_as_demo
from llm_usage_warehouse.errors import NOTHING_LOADED, UsageError
from llm_usage_warehouse.settings import WarehouseSettings, demo_flag
from llm_usage_warehouse.simulator import Simulator, World
from tests.cli.shell import COMMAND, Shell
from tests.cli.terminal import Screen, on_a_terminal
from tests.sql_helpers import FILE, give_empty

SOURCE = "aiproxy_of_the_frankfurt_office"


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shell, Screen]]:
    """A first night on a terminal, of a source with a long name."""
    shell = Shell(tmp_path_factory.mktemp("night") / "project")
    with Simulator(World(days=2, rows_per_day=240), ["aiproxy"]) as simulator:
        proxy = simulator["aiproxy"]
        section = f"SOURCES__{SOURCE.upper()}__"
        settings = {"connector": "aiproxy", "start": "P2D", "attempts": "1"}
        for name, value in {**proxy.settings, **settings}.items():
            shell.set(**{section + name.upper(): str(value)})
        shell.set(WAREHOUSE__REPORTING_TIMEZONE="Asia/Kolkata")
        path = shell.folder / "data" / FILE
        give_empty(WarehouseSettings(path=path, reporting_timezone="Asia/Kolkata"))
        yield shell, on_a_terminal([*COMMAND, "nightly"], shell.env)


Night = tuple[Shell, Screen]


def headers(screen: Screen) -> list[list[str]]:
    """The names of the columns of each table."""
    tops = [at for at, line in enumerate(screen.lines) if line.startswith("┌")]
    return [screen.lines[at + 1].strip("│").replace(" ", "").split("│") for at in tops]


@pytest.mark.slow
def test_a_night_fits_80_columns_money_first(night: Night) -> None:
    _, screen = night
    assert (screen.code, screen.too_wide) == (0, []), screen.text
    assert "…" not in screen.text
    money, week = screen.lines[:2]
    assert " USD for " in money
    assert "unpriced)" in money
    assert week.startswith("the last 7 days by model")
    assert headers(screen) == [
        ["model", "cost", "unpriced", "calls", "tokens"],
        ["source", "stream", "rows", "windows", "requests"],
    ]
    assert f"first load of {SOURCE}" in screen.text
    assert screen.lines[-1].startswith("COMPLETE: through 20")


@pytest.mark.slow
def test_a_bar_keeps_its_eta_beside_a_long_name(night: Night) -> None:
    _, screen = night
    bars = [line for line in screen.watched if "%" in line]
    assert bars
    assert {len(line) for line in bars} == {80}
    assert all(" left " in line for line in bars)
    assert SOURCE[:24] in bars[-1]
    assert any(line.strip() == SOURCE[24:] for line in screen.watched)


@pytest.mark.slow
def test_a_status_fits_80_columns_and_says_its_zone(night: Night) -> None:
    shell, _ = night
    screen = on_a_terminal([*COMMAND, "status"], shell.env)
    assert (screen.code, screen.too_wide) == (0, []), screen.text
    assert "…" not in screen.text
    assert " USD for " in screen.lines[0]
    assert headers(screen) == [["source", "stream", "loadedto", "hours", "gaps"]]
    assert "(times in Asia/Kolkata)" in screen.text


@pytest.mark.slow
def test_a_log_keeps_whole_lines(night: Night) -> None:
    shell, _ = night
    shell.set(COLUMNS="40")
    lines = shell("status").stdout.splitlines()
    assert any(f"│ {SOURCE} │ logs " in line for line in lines)
    (told,) = [line for line in lines if line.startswith(f"OK {SOURCE}: loaded to")]
    assert "; complete through 20" in told


@pytest.mark.slow
def test_a_good_night_under_cron_says_nothing(night: Night) -> None:
    shell, _ = night
    done = shell("--quiet", "nightly")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    good = shell("--quiet", "status")
    assert (good.returncode, good.stdout, good.stderr) == (0, "", "")


@pytest.mark.parametrize("command", ["check", "publish", "query x", "status", "report"])
def test_nothing_is_loaded_yet_and_the_demo_can_still_begin(tmp_path: Path, command: str) -> None:
    shell = Shell(tmp_path)
    done = shell(*command.split())
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{NOTHING_LOADED}\n")
    warehouse = WarehouseSettings(path=tmp_path / "w.duckdb", published_path=tmp_path / "p.duckdb")
    flag_as_demo(warehouse)
    assert demo_flag(warehouse).exists()


def test_a_warehouse_without_a_row_is_as_none(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    (tmp_path / "data").mkdir()
    with duckdb.connect(str(tmp_path / "data/warehouse.duckdb")) as private:
        private.execute("create schema raw_aiproxy; create table raw_aiproxy.load_ledger (a int)")
    for command in ("publish", "status"):
        done = shell(command)
        assert (done.returncode, done.stderr) == (1, f"{NOTHING_LOADED}\n")
    with duckdb.connect(str(tmp_path / "data/warehouse.duckdb")) as private:
        private.execute("insert into raw_aiproxy.load_ledger values (1)")
    done = shell("check")
    assert (done.returncode, done.stderr) == (1, "no model is built yet: llm-usage transform\n")


def test_the_demo_keeps_away_from_what_was_published(tmp_path: Path) -> None:
    warehouse = WarehouseSettings(path=tmp_path / "w.duckdb", published_path=tmp_path / "p.duckdb")
    warehouse.published_path.touch()
    with pytest.raises(UsageError, match=r"p\.duckdb holds real rows"):
        flag_as_demo(warehouse)
    assert not demo_flag(warehouse).exists()


def test_it_says_its_version(tmp_path: Path) -> None:
    done = Shell(tmp_path)("--version")
    assert (done.returncode, done.stdout) == (0, "llm-usage 0.1.0\n")


def test_a_shell_completes_commands_and_options(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    assert "completion" not in shell("--help").stdout
    shell.set(_LLM_USAGE_COMPLETE="complete_bash", COMP_WORDS="llm-usage sta", COMP_CWORD="1")
    named = [
        sys.executable,
        "-c",
        "from llm_usage_warehouse.cli import app; app(prog_name='llm-usage')",
    ]
    screen = on_a_terminal(named, shell.env)
    assert screen.lines == ["status"]
