"""An interrupt ends a load within two seconds, whatever is in flight, and costs nothing."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.loads import Project, frozen, vendor
from tests.receiver import receiving

ENDLESS = "select count(*) from range(1_000_000_000) as a, range(1_000) as b"
NIGHT = "from llm_usage_warehouse.cli import app; app(['nightly'])"
PLAIN = """
import os, dlt
from llm_usage_warehouse.sources.aiproxy import aiproxy
folder = os.environ["DLT_PROJECT_DIR"]
destination = dlt.destinations.duckdb(folder + "/plain.duckdb")
dlt.pipeline("plain", pipelines_dir=folder, destination=destination).run(aiproxy())
"""


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Project]]:
    """A vendor that takes half a minute for each answer."""
    with vendor(tmp_path, monkeypatch, "aiproxy", frozen(days=2)) as (proxy, project):
        project.set(timeout="PT60S")
        proxy.world.latency = 30.0
        yield proxy, project


def started(script: str, *options: str) -> subprocess.Popen[str]:
    """Start a script that an interrupt reaches, though tests in the background ignore it.

    Args:
        script: for Python.
        options: Python's own.
    """
    # A child inherits that a signal is ignored, but not that a function handles it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [sys.executable, *options, "-c", script], stderr=subprocess.PIPE, text=True
        )
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_night_that_is_terminated_says_so_by_message(
    slow: tuple[Any, Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, _ = slow
    with receiving() as webhook:
        monkeypatch.setenv("NOTIFY__WEBHOOK", webhook.address)
        child = started(NIGHT)
        deadline = time.monotonic() + 30
        while not proxy.world.requests and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(child.pid, signal.SIGTERM)
        _, said = child.communicate(timeout=30)
    assert child.returncode == 143, said
    (text,) = webhook.texts()
    assert text.startswith("TERMINATED after aiproxy 0 of ")


@pytest.mark.parametrize(
    ("script", "how", "code", "told"),
    [
        (NIGHT, signal.SIGINT, 130, "interrupted"),
        (NIGHT, signal.SIGTERM, 143, "terminated"),
        (PLAIN, signal.SIGINT, -signal.SIGINT, ""),
    ],
)
def test_a_signal_ends_it_within_two_seconds(
    slow: tuple[Any, Project], script: str, how: signal.Signals, code: int, told: str
) -> None:
    proxy, project = slow
    child = started(script)
    deadline = time.monotonic() + 30
    while not proxy.world.requests and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(child.pid, how)
    began = time.monotonic()
    _, said = child.communicate(timeout=30)
    assert time.monotonic() - began < 2
    assert child.returncode in (code, 1) if script == PLAIN else child.returncode == code, said
    assert told in said
    proxy.world.latency = 0.0
    assert project.load().error is None
    assert project.one("select count(*) from raw_aiproxy.logs") > 0


def test_dbt_imported_ahead_leaves_an_interrupt_to_the_night() -> None:
    """An interrupt of the terminal reaches both; one of them is to tell of it."""
    with subprocess.Popen(
        [sys.executable, "-m", "llm_usage_warehouse.dbt_child"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        # Python itself has begun; dbt is being imported.
        time.sleep(0.5)
        child.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.5)
        _, said = child.communicate(timeout=30)
    assert (child.returncode, said) == (0, "")


@pytest.mark.parametrize(
    ("how", "code", "told"),
    [(signal.SIGINT, 130, "interrupted;"), (signal.SIGTERM, 143, "terminated;")],
)
def test_a_signal_that_duckdb_hears_is_no_failed_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: signal.Signals, code: int, told: str
) -> None:
    path = tmp_path / "published.duckdb"
    duckdb.connect(str(path)).close()
    (tmp_path / ".dlt").mkdir()
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path))
    monkeypatch.setenv("WAREHOUSE__PUBLISHED_PATH", str(path))
    child = started(f"from llm_usage_warehouse.cli import app; app(['query', '{ENDLESS}'])")
    deadline = time.monotonic() + 30
    while str(path) not in opened(child.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(child.pid, how)
    _, said = child.communicate(timeout=30)
    assert child.returncode == code, said
    assert said.startswith(told), said


def opened(process: int) -> set[str]:
    """Return the files that a process has open."""
    found = set()
    for one in Path(f"/proc/{process}/fd").iterdir():
        # The process goes on while it is looked at: it may close a file in between.
        with contextlib.suppress(FileNotFoundError):
            found.add(str(one.readlink()))
    return found


@pytest.mark.parametrize(
    ("before", "code"),
    [("", -signal.SIGINT), ("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); ", 0)],
    ids=["heard", "ignored by whoever started it"],
)
def test_an_interrupt_while_the_command_is_imported_ends_it_without_a_word(
    before: str, code: int
) -> None:
    command = f"import sys; sys.argv[1:] = ['--version']; {before}"
    entry = "from llm_usage_warehouse.entry import main; main()"
    # It names each module once that is imported.
    with started(command + entry, "-X", "importtime") as child:
        assert child.stderr
        for line in child.stderr:
            if line.split()[-1:] == ["pendulum"]:
                child.send_signal(signal.SIGINT)
                break
        said = child.stderr.read()
    assert child.returncode == code
    assert "Traceback" not in said
