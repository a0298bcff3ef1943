"""`make torture` in short: hurt once, a night ends with the tables that it must have."""

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("hurt", ["SIGKILL", "full disk"])
def test_a_night_that_was_hurt_is_healed_by_the_next(hurt: str) -> None:
    command = [
        sys.executable,
        "-m",
        "llm_usage_warehouse.dev.torture",
        "--only",
        hurt,
        "--times",
        "1",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert f"{hurt} 1: " in done.stdout
