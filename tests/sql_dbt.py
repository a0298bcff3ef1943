"""Runs dbt as often as it is told to, in one process: dbt takes longer to start than to run.

Each line in is JSON: a folder to run in, arguments, and what to add to the environment. Each line
out says how it went.
"""

import contextlib
import gc
import io
import json
import os
import sys
from typing import Any

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

MANAGER: Any = DuckDBConnectionManager


def main() -> None:
    before = dict(os.environ)
    # Looking for garbage while it runs takes a sixth of dbt's time.
    gc.disable()
    for line in sys.stdin:
        folder, arguments, told = json.loads(line)
        os.chdir(folder)
        os.environ.update(told)
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            result = dbtRunner().invoke(arguments)
        # The file must be free for the next statement of the test.
        MANAGER.close_all_connections()
        gc.collect()
        os.environ.clear()
        os.environ.update(before)
        print(json.dumps({"ok": result.success, "said": said.getvalue()}), flush=True)


if __name__ == "__main__":
    main()
