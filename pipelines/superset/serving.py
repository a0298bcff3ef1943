"""Superset's own folder, and the commands that fill it and serve it.

In `data/superset` lie its metadata, the key that its sessions are signed with, the password, and
the dashboard as it was imported last. All of it can be deleted; the next start makes it anew.
"""

import hashlib
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from llm_usage_warehouse.errors import RunError

HERE = Path(__file__).resolve().parent

PLACEHOLDER = "duckdb:////path/to/llm_usage.duckdb"
"""What the database is called in the dashboard's files, which are the same everywhere."""

THREADS = 8
"""Charts that are asked for at once; DuckDB itself uses all cores for each."""


@dataclass(frozen=True)
class Superset:
    """One Superset of this project.

    Attributes:
        programs: the folder of its environment's programs.
        home: its own folder.
        published: the published file.
    """

    programs: Path
    home: Path
    published: Path

    @property
    def password(self) -> Path:
        """The file with the password of the user `admin`."""
        return self.home / "password"

    def prepare(self, say: Callable[[str], None]) -> None:
        """Make what is missing, and import the dashboard where it or the file's place changed.

        A change that somebody made to this dashboard in Superset is lost with such an import; one
        saved under another name is kept.

        Raises:
            RunError: there is no published file or no Superset, or one of its commands failed.
        """
        if not self.published.exists():
            raise RunError(
                f"{self.published} is not there yet; run `make demo` or `make nightly` first"
            )
        if not (self.programs / "superset").exists():
            raise RunError(f"there is no Superset in {self.programs}; `make superset` installs it")
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.home.chmod(0o700)
        for name in ("secret_key", "password"):
            _make_secret(self.home / name)
        files = dashboard_files(self.published)
        told = [*files, *files.values(), (HERE / "requirements.txt").read_text(encoding="utf-8")]
        state = hashlib.sha256("\0".join(told).encode()).hexdigest()
        done = self.home / "imported"
        known = done.exists() and (self.home / "superset.db").exists()
        if known and done.read_text(encoding="utf-8") == state:
            return
        say("preparing Superset, once, which takes a minute or two")
        done.unlink(missing_ok=True)
        self._import(files)
        done.write_text(state, encoding="utf-8")

    def _import(self, files: Mapping[str, str]) -> None:
        folder = self.home / "dashboard"
        shutil.rmtree(folder, ignore_errors=True)
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self._run("db", "upgrade")
        # A user who is there already stays as they are.
        self._run(
            *("fab", "create-admin", "--username", "admin", "--email", "admin@localhost"),
            *("--firstname", "LLM", "--lastname", "usage"),
        )
        self._run("init")
        self._run("import-directory", "--overwrite", str(folder))

    def become_server(self, port: int) -> None:
        """Replace this process by the server, which Ctrl-C then reaches by itself."""
        command = [
            *(str(self.programs / "gunicorn"), "--workers", "1", "--threads", str(THREADS)),
            *("--bind", f"127.0.0.1:{port}", "--timeout", "120", "--log-level", "warning"),
            "superset.app:create_app()",
        ]
        os.execve(command[0], command, self._environment())  # noqa: S606

    def _run(self, *arguments: str) -> None:
        command = [str(self.programs / "superset"), *arguments]
        log = self.home / "prepare.log"
        with log.open("ab") as output:
            done = subprocess.run(  # noqa: S603
                command,
                env=self._environment(),
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        if done.returncode:
            raise RunError(
                f"`superset {arguments[0]}` ended with {done.returncode}; {log} says why. "
                f"Delete {self.home / 'superset.db'} to begin with an empty one"
            )

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "SUPERSET_CONFIG_PATH": str(HERE / "superset_config.py"),
            "SUPERSET_HOME": str(self.home),
            "FLASK_APP": "superset.app:create_app()",
            # Other users of this machine see a command line, but no environment.
            "FLASK_FAB_CREATE_ADMIN_PASSWORD": self.password.read_text(encoding="utf-8"),
            # DuckDB gives instants in the process' own time zone.
            "TZ": "UTC",
            # Its notices of what is deprecated are for those who work on it.
            "PYTHONWARNINGS": "ignore",
        }


def dashboard_files(published: Path) -> dict[str, str]:
    """Return the files that Superset imports, by name, with the published file in its place."""
    # SQLAlchemy takes the path as it is; YAML wants a quote in quotes twice.
    address = "duckdb:///" + str(published.resolve()).replace("'", "''")
    return {
        str(path.relative_to(HERE / "dashboard")): path.read_text(encoding="utf-8").replace(
            PLACEHOLDER, address
        )
        for path in sorted((HERE / "dashboard").rglob("*.yaml"))
    }


def refuse_taken(port: int) -> None:
    """Say so where something else serves at a port.

    Raises:
        RunError: it does, or the port cannot be used.
    """
    with socket.socket() as one:
        # As the server does: a port that was just left may be used.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError as error:
            raise RunError(
                f"port {port} cannot be used ({error.strerror}); name another one: "
                "make superset PORT=8089"
            ) from error


def _make_secret(path: Path) -> None:
    if not path.exists():
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(opened, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(32))
