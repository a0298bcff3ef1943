"""A local server that speaks the vendors' APIs, for `make demo`, tests and benchmarks.

Written from the vendors' contracts alone: nothing here imports a vendor's folder, and no vendor's
folder imports this one, so that a misreading of a contract cannot hide on both sides at once.

A personality is a module of this package with a function `create(world) -> Personality`.
"""

from llm_usage_warehouse.simulator.server import Personality, Simulator
from llm_usage_warehouse.simulator.world import Fault, World

__all__ = ["Fault", "Personality", "Simulator", "World"]
