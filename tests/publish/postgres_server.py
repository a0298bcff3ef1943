"""A Postgres server on loopback, in a folder of its own, for as long as a test needs one."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))

ROOT = os.geteuid() == 0


def why_not() -> str | None:
    """Return why no server can be started here; None where one can."""
    if not BINARIES:
        return "no Postgres server is installed"
    if ROOT and "postgres" not in {one.pw_name for one in pwd.getpwall()}:
        return "Postgres does not run as root, and there is no user postgres"
    return None


@contextmanager
def serving() -> Iterator[str]:
    """Serve an empty database, and yield its address."""
    with TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        if ROOT:
            shutil.chown(folder, "postgres", "postgres")
        data = f"{folder}/data"
        _run(folder, "initdb", "-D", data, "-U", "writer", "-A", "trust", "--no-sync", "-E", "UTF8")
        options = f"-h 127.0.0.1 -p {port} -c unix_socket_directories= -c fsync=off"
        free.close()
        _run(folder, "pg_ctl", "-D", data, "-o", options, "-l", f"{folder}/log", "-w", "start")
        try:
            yield f"postgresql://writer:pass-example@127.0.0.1:{port}/postgres"
        finally:
            _run(folder, "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def _run(folder: str, tool: str, *arguments: str) -> None:
    subprocess.run(
        [str(BINARIES[-1] / tool), *arguments],
        check=True,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        user="postgres" if ROOT else None,
        group="postgres" if ROOT else None,
    )
