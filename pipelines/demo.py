"""The demo: the real night, against simulated vendors in a process of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from pipelines.errors import RunError, UsageError
from pipelines.settings import WarehouseSettings, demo_mark

DAYS = 14

LIAR = "tencent_lke"
"""The vendor whose own totals are wrong in the demo, on purpose: one red line of reconciliation."""

SETTINGS = {"start": f"P{DAYS}D", "concurrency": 4}
"""What the demo sets for every source: more threads would only wait for each other on loopback."""


def mark_demo(warehouse: WarehouseSettings) -> None:
    """Say that the warehouse holds simulated rows.

    Raises:
        UsageError: it already holds real ones.
    """
    mark = demo_mark(warehouse)
    if warehouse.path.exists() and not mark.exists():
        raise UsageError(
            f"{warehouse.path} holds real rows, which the demo must not touch; set [warehouse] "
            "path and published_path to another folder for the demo"
        )
    if not mark.exists():
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text("{}")


@contextmanager
def demo_settings(warehouse: WarehouseSettings) -> Iterator[None]:
    """Start the simulator, and set the environment so that every source reaches it.

    Its vendors keep the addresses that they had in this warehouse's first demo: a vendor at
    another address is another account.

    Raises:
        RunError: the simulator did not start.
    """
    mark = demo_mark(warehouse)
    ports = mark.read_text()
    command = [sys.executable, "-m", "pipelines.simulator", "--days", str(DAYS), "--lie", LIAR]
    command += ["--ports", ports]
    with subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101 - asked for above
        assert process.stdin is not None  # noqa: S101
        line = process.stdout.readline()
        if not line:
            raise RunError(
                f"the simulator did not start; if the ports of the last demo are taken ({ports}), "
                "`make clean` and run it again"
            )
        settings = json.loads(line)
        mark.write_text(json.dumps({name: _port(own) for name, own in settings.items()}))
        variables = _variables(settings)
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            # It ends with its standard input.
            process.stdin.close()
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def _port(settings: dict[str, Any]) -> int | None:
    return urlsplit(str(settings["base_url"])).port


def _variables(settings: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {
        f"SOURCES__{source}__{name}".upper(): value if isinstance(value, str) else json.dumps(value)
        for source, own in settings.items()
        for name, value in {**SETTINGS, **own}.items()
    }
