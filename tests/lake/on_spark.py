"""Nights whose models run on Spark, and what they publish."""

import json
import re
from pathlib import Path
from typing import Any

from llm_usage_warehouse.setting_files import project_root
from llm_usage_warehouse.simulator import Simulator
from tests.lake.nights import Nights, Rows

JARS = project_root() / "data/spark/ivy"
"""Where `make spark-test` keeps the jars of Delta."""

ZONE = {"reporting_timezone": "America/St_Johns"}
"""Its midnight is half an hour off that of most."""


def on_spark(folder: Path, vendors: Simulator, master: str, **warehouse: str) -> Nights:
    """Return a project whose models Spark runs, by default over a lake in a folder of it."""
    JARS.mkdir(parents=True, exist_ok=True)
    (folder / "data/spark").mkdir(parents=True)
    (folder / "data/spark/ivy").symlink_to(JARS)
    return Nights(folder, vendors, engine="spark", master=master, **ZONE, **warehouse)


def published(nights: Nights) -> dict[str, Rows]:
    """Return the rows of each published table; JSON as what it says: its members may be sorted.

    Since when a source is held is when its night was.
    """
    tables = nights.published()
    return {name: sorted(map(_read, rows), key=str) for name, rows in tables.items()}


def _read(row: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(_value(one) for one in row)


def _value(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("aiproxy is published as it was before"):
        return re.sub(r"before \S+:", "", value)
    is_json = isinstance(value, str) and value[:1] == "{"
    return json.dumps(json.loads(value), sort_keys=True) if is_json else value
