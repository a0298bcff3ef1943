"""What is done to a night: killed, ended, out of disk, its files put back, its vendors failing.

Each hurt begins with a data folder as a first night left it, or with none, and returns what it did
in a few words, with figures after a colon. After it, an undisturbed night must end well, with the
tables that are known.
"""

import random
import signal
import subprocess
import time
from collections.abc import Callable

from llm_usage_warehouse.dev.torture.ground import Ground
from llm_usage_warehouse.simulator.world import Fault

Hurt = Callable[[Ground, random.Random], str]

PHASES = ("load", "load", "models", "publish")
"""Where a night is hurt; the load is most at risk, as four sources write side by side."""

QUICKLY = 10.0
"""Seconds within which a signal must end a night on a busy machine; two on an idle one."""

EXIT_CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}
LEAST_FILE, LARGEST_FILE = 10_000, 30_000_000
FAULTS_PER_VENDOR = 8
REQUESTS_OF_A_VENDOR = 60
NIGHTS_OF_FAULTS = 3

RESTORED = ("warehouse.duckdb", "llm_usage.duckdb", "dlt", "dbt")
"""What may be older than the rest, as after a backup was put back in part."""


class UnhealedError(Exception):
    """A hurt that a night did not take as it should."""


def kill(ground: Ground, chance: random.Random) -> str:
    """Kill a night at a moment of one of its phases."""
    return f"killed in {_end(ground, chance, signal.SIGKILL)[0]}"


def end(ground: Ground, chance: random.Random) -> str:
    """End a night by a signal, which it must obey within seconds, with the exit code of it."""
    sign = chance.choice(list(EXIT_CODES))
    phase, code, seconds = _end(ground, chance, sign)
    # A Python that has not begun the program yet is ended by the signal itself, which a shell tells
    # in the same way.
    right = (EXIT_CODES[sign], 0, -sign) if phase == "load" else (EXIT_CODES[sign], 0)
    if code not in right:
        raise UnhealedError(f"{sign.name} in {phase} ended with {code}")
    if seconds > QUICKLY:
        raise UnhealedError(f"{sign.name} in {phase} took {seconds:.1f} s")
    return f"{sign.name} in {phase}"


def fill_disk(ground: Ground, chance: random.Random) -> str:
    """Let no file of a night grow beyond a size."""
    size = round(LEAST_FILE * (LARGEST_FILE / LEAST_FILE) ** chance.random())
    with ground.night(file_limit=size) as process:
        said, _ = process.communicate()
    if process.returncode not in (0, 1):
        raise UnhealedError(
            f"no file beyond {size:,} bytes: ended with {process.returncode}\n{said}"
        )
    return f"exit code {process.returncode}: no file beyond {size:,} bytes"


def restore(ground: Ground, chance: random.Random) -> str:
    """Finish a night, then put back a part of its files as they were before it, or remove it."""
    ground.finish()
    name = chance.choice(RESTORED)
    if chance.random() < 0.3 and name != "warehouse.duckdb":
        ground.remove(name)
        return f"without {name}"
    ground.put_back(name)
    return f"{name} put back"


def fail_vendors(ground: Ground, chance: random.Random) -> str:
    """Have all vendors answer some requests badly, for a few nights."""
    for one in ground.simulator.personalities.values():
        one.world.faults += [_fault(chance) for _ in range(FAULTS_PER_VENDOR)]
    codes = [ground.finish().code for _ in range(NIGHTS_OF_FAULTS)]
    if not set(codes) <= {0, 1}:
        raise UnhealedError(f"nights of failing vendors ended with {codes}")
    left = 0
    for one in ground.simulator.personalities.values():
        left += sum(fault.times for fault in one.world.faults)
        one.world.faults.clear()
    return f"exit codes {', '.join(map(str, codes))}: {left} bad answers never asked for"


HURTS: dict[str, tuple[Hurt, int]] = {
    "SIGKILL": (kill, 100),
    "SIGTERM and Ctrl-C": (end, 20),
    "full disk": (fill_disk, 20),
    "restored files": (restore, 12),
    "failing vendors": (fail_vendors, 8),
}
"""Each hurt, and how often it is done."""


def _end(ground: Ground, chance: random.Random, sign: signal.Signals) -> tuple[str, int, float]:
    """Send a signal at a moment of a phase; return the phase, the exit code and the seconds."""
    wanted = chance.choice(PHASES)
    into = chance.random() * ground.lengths[wanted]
    began = time.time()
    with ground.night() as process:
        while process.poll() is None and ground.phase(began) != wanted:
            time.sleep(0.02)
        try:
            process.wait(into)
        except subprocess.TimeoutExpired:
            phase, sent = ground.phase(began), time.monotonic()
            process.send_signal(sign)
            process.communicate()
            return phase, process.returncode, time.monotonic() - sent
        process.communicate()
    return "the end", process.returncode, 0.0


def _fault(chance: random.Random) -> Fault:
    kind = chance.choice(["status", "status", "html", "truncated", "empty", "drop", "delay"])
    return Fault(
        kind,
        times=chance.choice([1, 1, 2, 4]),
        status=chance.choice([429, 500, 502, 503]),
        headers={"Retry-After": "1"} if chance.random() < 0.3 else {},
        skip=chance.randrange(REQUESTS_OF_A_VENDOR),
        seconds=chance.random(),
    )
