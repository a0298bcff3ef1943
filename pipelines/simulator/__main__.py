"""`python -m pipelines.simulator`: serve every personality until standard input closes.

Prints one line of JSON, the settings that reach each vendor, then waits. Ending with standard input
means that no server outlives the command that started it, however that command ended.
"""

import argparse
import importlib
import json
import sys
from typing import Any

from pipelines.simulator.server import Simulator
from pipelines.simulator.world import World


def main() -> None:
    """Serve until standard input closes."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.simulator", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--rows-per-day", type=int, default=3600)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds added to each response")
    parser.add_argument("--name", action="append", help="a personality to serve; all by default")
    parser.add_argument(
        "--lie", action="append", default=[], help="a personality that lies once, see lie_for_demo"
    )
    parser.add_argument(
        "--ports", type=json.loads, default={}, help='as JSON: {"aiproxy": 4000}; others are free'
    )
    args = parser.parse_args()
    world = World(
        seed=args.seed, days=args.days, rows_per_day=args.rows_per_day, latency=args.latency
    )
    with Simulator(world, args.name, args.ports) as simulator:
        for name in args.lie:
            lie(name, simulator[name].data)
        print(json.dumps(simulator.settings()), flush=True)
        sys.stdin.read()


def lie(name: str, data: Any) -> None:
    """Have a personality tell the lie that its module keeps for the demo, `lie_for_demo`."""
    importlib.import_module(f"pipelines.simulator.{name}").lie_for_demo(data)


if __name__ == "__main__":
    main()
