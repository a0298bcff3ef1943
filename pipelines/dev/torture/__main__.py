"""`make torture`: hurt nights from a seed, and show that the next one heals each of them.

`python -m llm_usage_warehouse.dev.torture --only SIGKILL --times 30 --seed 7` does a part of it.
"""

import argparse
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from llm_usage_warehouse.dev.torture.ground import Ground, ground
from llm_usage_warehouse.dev.torture.hurts import HURTS, Hurt, UnhealedError

BEFORE_HEALING = 4
"""How many kills in a row a night may have to bear before one is let go on."""

PAGES = "mutated pages"
MUTATIONS = 1000
"""How many times each page of each vendor is changed; `make test` does 110."""

ROOT = Path(__file__).resolve().parents[3]


def main() -> int:
    """Do what the command line asks for, print a table, and return how many did not heal."""
    parser = argparse.ArgumentParser(
        prog="python -m llm_usage_warehouse.dev.torture", description=__doc__
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=[*HURTS, PAGES], help="one kind of hurt; all by default")
    parser.add_argument("--times", type=int, help="how often each is done")
    asked = parser.parse_args()
    table = Table("hurt", "times", "equal after", "what happened", "minutes")
    unhealed: list[str] = []
    hurts = {name: hurt for name, hurt in HURTS.items() if asked.only in (None, name)}
    if hurts:
        with ground() as place:
            for name, (hurt, times) in hurts.items():
                unhealed += _hurt(name, hurt, asked.times or times, place, asked.seed, table)
    if asked.only in (None, PAGES):
        unhealed += _mutate(asked.seed, asked.times or MUTATIONS, table)
    Console(width=140).print(table)
    for line in unhealed:
        print(line)  # noqa: T201 - what this program is for
    return len(unhealed)


def _hurt(name: str, hurt: Hurt, times: int, place: Ground, seed: int, table: Table) -> list[str]:
    """Hurt nights so many times, and add a row on it; return what did not heal."""
    chance = random.Random(f"{seed} {name}")
    began = time.monotonic()
    done: Counter[str] = Counter()
    unhealed: list[str] = []
    at_once = BEFORE_HEALING if name == "SIGKILL" else 1
    for first in range(0, times, at_once):
        place.begin(empty=chance.random() < 0.3)
        hurts: list[str] = []
        try:
            while len(hurts) < min(at_once, times - first):
                hurts.append(hurt(place, chance))
            fault = _differences(place)
        except UnhealedError as error:
            fault = str(error)
        done.update(one.partition(":")[0] for one in hurts)
        if fault:
            unhealed.append(f"{name}: {', '.join(hurts)}: {fault}")
        verdict = fault or "equal"
        print(f"{name} {first + len(hurts)}: {', '.join(hurts)}: {verdict}", flush=True)  # noqa: T201
    equal = sum(done.values()) if not unhealed else f"all but {len(unhealed)}"
    told = ", ".join(f"{count} {what}" for what, count in sorted(done.items()))
    table.add_row(name, str(times), str(equal), told, f"{(time.monotonic() - began) / 60:.0f}")
    return unhealed


def _differences(place: Ground) -> str:
    """Run a night to its end; return how its tables differ from what they must be, or nothing."""
    ended = place.finish()
    if ended.code:
        return f"the night after ended with {ended.code}\n{ended.said}"
    found = place.contents()
    differing = [
        name for name in {*found, *place.expected} if found.get(name) != place.expected.get(name)
    ]
    return f"other rows in {', '.join(sorted(differing))}" if differing else ""


def _mutate(seed: int, times: int, table: Table) -> list[str]:
    """Run the test of mutated pages, longer than `make test` does, with another seed."""
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "tests/load/test_mutated_pages.py"]
    told = {"MUTATIONS_OF_A_PAGE": str(times), "MUTATIONS_SEED": str(seed)}
    run = subprocess.run(  # noqa: S603 - our own interpreter and our own tests
        command, cwd=ROOT, env={**os.environ, **told}, capture_output=True, text=True, check=False
    )
    last = run.stdout.strip().splitlines()[-1:]
    minutes = f"{(time.monotonic() - began) / 60:.0f}"
    table.add_row(PAGES, f"{times} each", "yes" if not run.returncode else "no", *last, minutes)
    return [run.stdout] if run.returncode else []


if __name__ == "__main__":
    sys.exit(min(main(), 1))
