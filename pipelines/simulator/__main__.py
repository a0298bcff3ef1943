"""`python -m llm_usage_warehouse.simulator`: serve every personality until standard input closes.

Prints one line of JSON, the settings that reach each vendor, then waits. At a line on standard
input it delivers what it has kept back. Ending with standard input means that no server outlives
the command that started it, however that command ended.
"""

import argparse
import importlib
import json
import sys
from typing import Any

from llm_usage_warehouse.simulator.server import Simulator, personality_names
from llm_usage_warehouse.simulator.world import World


def main() -> None:
    """Serve until standard input closes."""
    parser = argparse.ArgumentParser(
        prog="python -m llm_usage_warehouse.simulator", description=__doc__
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--rows-per-day", type=int, default=3600)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds added to each response")
    parser.add_argument("--name", action="append", help="a personality to serve; all by default")
    parser.add_argument(
        "--lie", metavar="NAME", help="a personality that lies once, see its lie_for_demo"
    )
    parser.add_argument(
        "--late", metavar="NAME", help="one that keeps calls back, see its deliver_for_demo"
    )
    parser.add_argument(
        "--about", type=int, metavar="SECONDS", help="the Unix instant before which it does so"
    )
    parser.add_argument(
        "--ports", type=json.loads, default={}, help='as JSON: {"aiproxy": 4000}; others are free'
    )
    args = parser.parse_args()
    world = World(
        seed=args.seed, days=args.days, rows_per_day=args.rows_per_day, latency=args.latency
    )
    names = args.name or [*personality_names(), "central_bank"]
    with Simulator(world, names, args.ports) as simulator:
        if args.lie:
            act(args.lie, "lie_for_demo", simulator[args.lie].data, args.about)
        print(json.dumps(simulator.settings()), flush=True)
        for _ in sys.stdin:
            act(args.late, "deliver_for_demo", simulator[args.late].data, args.about)
            print(json.dumps("delivered"), flush=True)


def act(name: str, what: str, data: Any, about: int) -> None:
    """Have a personality do what its module keeps for the demo."""
    getattr(importlib.import_module(f"llm_usage_warehouse.simulator.{name}"), what)(data, about)


if __name__ == "__main__":
    main()
