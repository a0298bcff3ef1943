"""`make bench`: print the table, and write it to data/bench.json, data/bench.md and the README."""

import argparse
import json
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from rich.console import Console
from rich.table import Table

from llm_usage_warehouse.dev.bench import measures
from llm_usage_warehouse.dev.bench.history import billed_history, history
from llm_usage_warehouse.dev.bench.measures import Figure
from llm_usage_warehouse.dev.docs import README, put_block
from llm_usage_warehouse.setting_files import project_root

ROWS = 500_000
DAYS = 19
COLUMNS = ("what", "ours", "rival", "figure", "must", "aim", "reached")


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m llm_usage_warehouse.dev.bench")
    names = ("stateless", "small", "generic", "pace", "memory", "idle", "history", "billed")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument(
        "--rows", type=int, default=ROWS, help="of the first comparison; others follow"
    )
    parser.add_argument("--repeat", type=int, default=2, help="runs of each rival, taking turns")
    parser.add_argument(
        "--full", action="store_true", help="memory at 1 and 5 million rows, not fewer"
    )
    parser.add_argument(
        "--history", type=int, default=2_000_000, help="calls of the long history of models"
    )
    given = parser.parse_args()
    console = Console()
    figures: list[Figure] = []
    for name, measure in _measures(given).items():
        if not given.only or name in given.only:
            for figure in measure():
                figures.append(figure)
                console.print(_line(figure), highlight=False, soft_wrap=True)
    console.print(_table(figures))
    _write(figures, whole=not given.only and given.rows == ROWS)


def _measures(given: argparse.Namespace) -> dict[str, Callable[[], list[Figure]]]:
    small = min(given.rows, 100_000)
    sizes = (1_000_000, 5_000_000) if given.full else (given.rows * 2 // 5, given.rows * 2)
    return {
        "stateless": lambda: [measures.against_stateless(given.rows, DAYS, 2.0, 1.5, given.repeat)],
        "small": lambda: [measures.against_stateless(small, DAYS, 2.5, 2.0, given.repeat)],
        "generic": lambda: [measures.against_generic(small, DAYS, 0.6, 0.4, given.repeat)],
        "pace": lambda: [*measures.pace(10, 15), *measures.pace(40, 15)],
        "memory": lambda: measures.memory(sizes),
        "idle": lambda: [measures.idle_night(50, 100)],
        "history": lambda: history((min(50_000, given.history), given.history)),
        "billed": lambda: billed_history((min(50_000, given.history), given.history)),
    }


def _cells(figure: Figure) -> Iterator[str]:
    sign = ">=" if figure.at_least else "<="
    yield from (figure.what, figure.ours, figure.rival, f"{figure.figure:.2f}")
    yield from (f"{sign} {figure.must:g}", f"{figure.aim:g}", "yes" if figure.is_reached else "no")


def _line(figure: Figure) -> str:
    return " | ".join(_cells(figure))


def _table(figures: list[Figure]) -> Table:
    table = Table(*COLUMNS)
    for figure in figures:
        table.add_row(*_cells(figure))
    return table


def _markdown(figures: list[Figure]) -> str:
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    lines += [f"| {_line(figure)} |" for figure in figures]
    return "\n".join([*lines, "", f"{_machine()}."])


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("dlt", "duckdb", "pyarrow"))
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {packages}"


def _write(figures: list[Figure], *, whole: bool) -> None:
    data = project_root() / "data"
    data.mkdir(exist_ok=True)
    found: dict[str, Any] = {
        "machine": _machine(),
        "figures": [{**asdict(one), "is_reached": one.is_reached} for one in figures],
    }
    (data / "bench.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    (data / "bench.md").write_text(_markdown(figures) + "\n", encoding="utf-8")
    if whole:
        page = README.read_text(encoding="utf-8")
        README.write_text(put_block(page, "bench", _markdown(figures)), encoding="utf-8")


if __name__ == "__main__":
    main()
