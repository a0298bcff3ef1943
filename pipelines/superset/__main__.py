"""`make superset`: prepares Superset once, and serves it until Ctrl-C."""

import argparse
import os
import sys
from pathlib import Path

from llm_usage_warehouse.errors import RunError, UsageError
from llm_usage_warehouse.setting_files import project_root
from llm_usage_warehouse.settings import load_warehouse
from llm_usage_warehouse.superset.serving import Superset, refuse_taken


def main() -> None:
    """Prepare what is not prepared yet, say where it is, and become the server."""
    parser = argparse.ArgumentParser(prog="python -m llm_usage_warehouse.superset")
    parser.add_argument("environment", type=Path, help="where requirements.txt is installed")
    parser.add_argument("--port", type=int, default=8088)
    given = parser.parse_args()
    superset = Superset(
        given.environment.absolute() / "bin",
        project_root() / "data" / "superset",
        load_warehouse().published_path,
    )
    refuse_taken(given.port)
    superset.prepare(_say)
    _say(f"http://127.0.0.1:{given.port}/superset/dashboard/llm-usage/ in some ten seconds")
    _say(f"log in as admin; the password is in {superset.password}. Ctrl-C ends it")
    superset.become_server(given.port)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - its only output


if __name__ == "__main__":
    try:
        main()
    except (UsageError, RunError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except KeyboardInterrupt:
        # Before the server is there; what was begun is done anew.
        os._exit(130)
