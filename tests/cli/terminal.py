"""A command as a person runs it: on a real terminal, of 80 columns."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

COLOUR = re.compile(r"\x1b\[[0-9;]*m")

MOVE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""What else a terminal obeys: where the next letter goes."""

CURSOR_IS_BACK = "\x1b[?25h"
"""What ends the progress bars."""


@dataclass(frozen=True)
class Screen:
    """What a command wrote on a terminal.

    Attributes:
        code: its exit code.
        watched: what was drawn while it worked, one line for each time.
        lines: what stands there at the end.
    """

    code: int
    watched: list[str]
    lines: list[str]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def too_wide(self) -> list[str]:
        """The lines that do not fit; a word alone, such as a path, is never broken."""
        return [line for line in self.lines if len(line) > 80 and " " in line.strip()]


def on_a_terminal(
    command: Sequence[str], env: Mapping[str, str], terminal: str = "xterm"
) -> Screen:
    """Run a command on a terminal of 80 columns."""
    ours, theirs = os.openpty()
    env = {**env, "COLUMNS": "80", "TERM": terminal}
    said = b""
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=env) as child:
        os.close(theirs)
        # Linux says by an error that the other end was closed, others by nothing more to read.
        with suppress(OSError):
            while piece := os.read(ours, 65536):
                said += piece
    os.close(ours)
    drawn, bars, end = COLOUR.sub("", said.decode()).rpartition(CURSOR_IS_BACK)
    watched = re.split(r"[\r\n]+", MOVE.sub("\n", drawn) if bars else "")
    return Screen(child.returncode, watched, MOVE.sub("", end).splitlines())
