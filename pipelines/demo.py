"""The demo: real nights, against simulated vendors in a process of their own.

The first time there are two nights, the first of them as of two days ago. Between the two a vendor
delivers calls that it should have had in its log the night before, so that the second one has a day
to heal.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pendulum
from pendulum import DateTime

from llm_usage_warehouse.errors import RunError, UsageError
from llm_usage_warehouse.settings import WarehouseSettings, demo_flag, in_environment
from llm_usage_warehouse.warehouse import is_loaded, writing

DAYS = 14

AWAY = 2
"""How many days lie between the two nights of a first demo."""

LIAR = "tencent_lke"
"""The vendor whose own totals are wrong in the demo, on purpose: one red line of reconciliation."""

LATE = "aiproxy"
"""The vendor that logs some calls 26 hours late in the demo, on purpose."""

SETTINGS = {"start": f"P{DAYS - AWAY}D", "concurrency": 4}
"""What the demo sets for every source: more threads would only wait for each other on loopback."""


@dataclass
class Demo:
    """The simulated vendors, as the settings now reach them.

    Attributes:
        nights: the instants that its nights take for the present.
        sources: their names; what else is configured is no simulated vendor.
        deliver: lets the vendor that is late log what it has kept back.
    """

    nights: tuple[DateTime, ...]
    sources: tuple[str, ...]
    process: subprocess.Popen[str]

    def deliver(self) -> None:
        """Have the vendor that is late log what it has kept back.

        Raises:
            RunError: the simulator has ended.
        """
        assert self.process.stdin is not None  # noqa: S101 - asked for when it was started
        assert self.process.stdout is not None  # noqa: S101
        try:
            print("deliver", file=self.process.stdin, flush=True)
        except BrokenPipeError:
            raise RunError("the simulator has ended; run the demo again") from None
        self.process.stdout.readline()


def flag_as_demo(warehouse: WarehouseSettings) -> None:
    """Say that the warehouse holds simulated rows.

    Raises:
        RunError: the private file is not ours, or another program has it open.
        UsageError: it already holds real ones.
    """
    flag = demo_flag(warehouse)
    if flag.exists():
        return
    for path, holds_rows in (
        (warehouse.path, is_loaded(warehouse)),
        (warehouse.published_path, warehouse.published_path.exists()),
    ):
        if holds_rows:
            raise UsageError(
                f"{path} holds real rows, which the demo must not touch; set [warehouse] "
                "path and published_path to another folder for the demo"
            )
    with writing(warehouse):
        flag.write_text("{}")


@contextmanager
def simulated_vendors(warehouse: WarehouseSettings) -> Iterator[Demo]:
    """Start the simulator, and set the environment so that every source reaches it.

    Its vendors keep the addresses that they had in this warehouse's first demo: a vendor at
    another address is another account.

    Raises:
        RunError: the simulator did not start.
    """
    now = pendulum.now("UTC")
    flag = demo_flag(warehouse)
    before = json.loads(flag.read_text())
    first = before.get("first_night", now.subtract(days=AWAY).int_timestamp)
    ports = json.dumps(before.get("ports", {}))
    with subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
        _command(ports, first, now), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101 - asked for above
        assert process.stdin is not None  # noqa: S101
        line = process.stdout.readline()
        if not line:
            raise RunError(
                f"the simulator did not start; if the ports of the last demo are taken ({ports}), "
                f"remove {warehouse.data_folder} and run it again"
            )
        settings = json.loads(line)
        rates = settings.pop("central_bank")
        known = {name: _port(own) for name, own in settings.items()}
        is_first = not warehouse.published_path.exists()
        nights = (pendulum.from_timestamp(first), now) if is_first else (now,)
        flag.write_text(json.dumps({"ports": known, "first_night": first}))
        with _environment(_variables(settings, rates)):
            demo = Demo(nights, tuple(settings), process)
            if not is_first:
                demo.deliver()
            yield demo
        # It ends with its standard input.
        process.stdin.close()


def _command(ports: str, first: int, now: DateTime) -> list[str]:
    # Whatever was loaded in the first demo is history of the vendors in each later one.
    days = DAYS + (now - pendulum.from_timestamp(first)).in_days() + 1
    options = {"days": days, "lie": LIAR, "late": LATE, "about": first, "ports": ports}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    return [sys.executable, "-m", "llm_usage_warehouse.simulator", *arguments]


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _port(settings: dict[str, Any]) -> int | None:
    return urlsplit(str(settings["base_url"])).port


def _variables(settings: dict[str, dict[str, Any]], rates: dict[str, str]) -> dict[str, str]:
    variables = in_environment("warehouse", rates)
    for source, own in settings.items():
        variables |= in_environment(f"sources.{source}", {**SETTINGS, **own})
    return variables
