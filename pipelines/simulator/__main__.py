"""`python -m pipelines.simulator`: serve every personality until standard input closes.

Prints one line of JSON, the settings that reach each vendor, then waits. Ending with standard input
means that no server outlives the command that started it, however that command ended.
"""

import argparse
import json
import sys

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
    args = parser.parse_args()
    world = World(
        seed=args.seed, days=args.days, rows_per_day=args.rows_per_day, latency=args.latency
    )
    with Simulator(world, args.name) as simulator:
        print(json.dumps(simulator.settings()), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
