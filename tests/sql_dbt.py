"""Runs dbt as often as it is told to, in one process: dbt takes longer to start than to run.

Each line in is a JSON list of arguments, each line out says how it went.
"""

import contextlib
import gc
import io
import json
import sys
from typing import Any

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

MANAGER: Any = DuckDBConnectionManager


def main() -> None:
    for line in sys.stdin:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            result = dbtRunner().invoke(json.loads(line))
        # The file must be free for the next statement of the test.
        MANAGER.close_all_connections()
        gc.collect()
        print(json.dumps({"ok": result.success, "said": said.getvalue()}), flush=True)


if __name__ == "__main__":
    main()
