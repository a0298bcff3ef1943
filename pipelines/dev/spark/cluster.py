"""A standalone Spark cluster on loopback: a master and workers, which end with the block."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from llm_usage_warehouse.errors import RunError
from llm_usage_warehouse.spark import find_java

WORKERS = 2
"""As many as the test has; the bench says how many it wants."""

WORKER_MEMORY = "1g"
HEAP_OF_DAEMONS = "256m"

UP_WITHIN = 60
"""Seconds in which a master and its workers must be there."""


@contextmanager
def cluster(spark_home: Path, folder: Path, workers: int = WORKERS) -> Iterator[str]:
    """Run a master and its workers until the block ends, however it ends; yield its address.

    Args:
        spark_home: where Spark is installed.
        folder: takes their logs and what workers write.
        workers: how many, of one core each.

    Raises:
        RunError: one of them did not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "JAVA_HOME": str(find_java()),
        "SPARK_HOME": str(spark_home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": HEAP_OF_DAEMONS,
    }
    port = _free_port()
    address = f"spark://127.0.0.1:{port}"
    with ExitStack() as stack:
        master = [*("Master", "--host", "127.0.0.1"), *("--port", str(port), "--webui-port", "0")]
        stack.enter_context(_daemon(master, folder / "master.log", environment))
        _wait_for(port, folder / "master.log")
        for number in range(1, workers + 1):
            worker = [
                *("Worker", "--host", "127.0.0.1", "--webui-port", "0"),
                *("--cores", "1", "--memory", WORKER_MEMORY),
                *("--work-dir", str(folder / f"worker-{number}"), address),
            ]
            log = folder / f"worker-{number}.log"
            stack.enter_context(_daemon(worker, log, environment))
        yield address


@contextmanager
def _daemon(
    command: list[str], log: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run one of Spark's daemons; it and all that it started are ended with the block."""
    kind, *arguments = command
    # Linux ends it with us, too, where we are killed and can end nothing.
    setpriv = shutil.which("setpriv")
    run = [
        *((setpriv, "--pdeathsig", "KILL") if setpriv else ()),
        str(Path(environment["SPARK_HOME"]) / "bin" / "spark-class"),
        f"org.apache.spark.deploy.{kind.lower()}.{kind}",
        *arguments,
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - Spark's own program
            run,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A group of its own: Ctrl-C reaches us alone, and we end the group.
            process_group=0,
        )
    try:
        yield process
    finally:
        _end_group(process)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for sent in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sent)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _wait_for(port: int, log: Path) -> None:
    end = time.monotonic() + UP_WITHIN
    while time.monotonic() < end:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise RunError(f"Spark's master did not come up within {UP_WITHIN} s; {log} says why")
