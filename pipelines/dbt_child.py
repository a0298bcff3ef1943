"""dbt, in a process that never outlives the command that started it.

`python -m llm_usage_warehouse.dbt_child ARGUMENTS` is `dbt ARGUMENTS`, but it ends at once when its
standard input closes, as it does when the parent ends, however it ends: a dbt that went on alone
would hold the warehouse's lock against the next night. It runs in the warehouse's folder.
"""

import os
import threading
from pathlib import Path

from dbt.cli.main import cli

ORPHANED = 3
"""Exit code that nobody is left to see."""


def _end_with_parent() -> None:
    # Not through sys.stdin, whose buffer an interpreter that ends wants for itself.
    os.read(0, 1)
    # What dbt was writing is one transaction of DuckDB's: it is there whole, or not at all.
    os._exit(ORPHANED)


def _go_to_warehouse() -> None:
    """Let the path of the warehouse, by which dbt knows what it read, be the same in any folder."""
    path = Path(os.environ["LLM_USAGE_WAREHOUSE"])
    os.chdir(path.parent)
    # The dot keeps a name with a colon from being read as an address.
    os.environ["LLM_USAGE_WAREHOUSE"] = f"./{path.name}"


if __name__ == "__main__":
    _go_to_warehouse()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cli()
