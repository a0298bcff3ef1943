"""Runs `llm-usage` as a scheduler does: in a process of its own, whose end and words are looked at.

Importing the program takes a second of processor time, so that most of them are forked from a
process of Python's own that has it imported; `Shell.anew` starts an interpreter.
"""

import multiprocessing
import os
import sys
import time
from pathlib import Path
from subprocess import CompletedProcess, run
from tempfile import TemporaryDirectory
from unittest.mock import patch

COMMAND = [sys.executable, "-c", "from llm_usage_warehouse.cli import app; app()"]

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["llm_usage_warehouse.cli", __name__])


class Shell:
    """Runs `llm-usage` in a project folder of its own."""

    def __init__(self, folder: Path) -> None:
        (folder / ".dlt").mkdir(parents=True)
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if "__" not in name}
        self.env = {**kept, "DLT_PROJECT_DIR": str(folder), "COLUMNS": "200"}

    def set(self, **variables: str) -> None:
        self.env.update(variables)

    def __call__(self, *arguments: str) -> CompletedProcess[str]:
        """Run a command in a process that has the program imported."""
        with TemporaryDirectory() as said:
            out, err = (Path(said) / name for name in ("out", "err"))
            process = FORKED.Process(target=_command, args=(arguments, self.env, out, err))
            # The process that they are forked from begins with the first, in the same environment.
            with patch.dict(os.environ, self.env, clear=True):
                process.start()
            process.join()
            code = process.exitcode
            assert code is not None
            return CompletedProcess(arguments, code, out.read_text(), err.read_text())

    def anew(self, *arguments: str) -> CompletedProcess[str]:
        """Run a command in an interpreter of its own."""
        return run(
            [*COMMAND, *arguments], env=self.env, capture_output=True, text=True, check=False
        )


def _command(arguments: tuple[str, ...], environment: dict[str, str], out: Path, err: Path) -> None:
    for stream, path in ((1, out), (2, err)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, stream)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = ["llm-usage", *arguments]
    from llm_usage_warehouse.cli import app  # noqa: PLC0415 - tests import what they need of it

    app()
