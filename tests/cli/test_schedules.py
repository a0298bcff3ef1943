"""The examples for schedulers, and the workflow for forks: parsed, and run where that can be."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from croniter import croniter
from filelock import FileLock
from packaging.specifiers import SpecifierSet

import llm_usage_warehouse
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.simulator import Simulator, World
from tests.sql_helpers import FILE, give_empty

ROOT = Path(__file__).parents[2]
SCHEDULES = Path(llm_usage_warehouse.__file__).parent / "schedules"
PLACE = "/srv/llm-usage"
NOWHERE = {
    "SOURCES__AIPROXY__BASE_URL": "http://127.0.0.1:1/api",
    "SOURCES__AIPROXY__ADMIN_KEY": "x",
}
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


class Folder:
    """A project folder whose `llm-usage` also counts how often it was run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / ".dlt").mkdir()
        (path / "data").mkdir(mode=0o700)
        programs, waiting = path / ".venv/bin", path / "waiting"
        for folder in (programs, waiting):
            folder.mkdir(parents=True)
        self.runs = path / "runs"
        python = f"{sys.executable} -c 'from llm_usage_warehouse.cli import app; app()'"
        _script(programs / "llm-usage", f'echo run >> {self.runs}\nexec {python} "$@"')
        # Half an hour is not to be waited for.
        _script(waiting / "sleep", "exit 0")
        self.env = {name: value for name, value in os.environ.items() if "__" not in name}
        self.env["PATH"] = f"{waiting}:{self.env['PATH']}"

    def __call__(self, *command: str, **variables: str) -> tuple[int, int, str]:
        """Run a command; return its exit code, how often it ran llm-usage, and what it said."""
        command = tuple(part.replace(PLACE, str(self.path)) for part in command)
        done = subprocess.run(
            command,
            cwd=self.path,
            env={**self.env, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, len(self.runs.read_text().splitlines()), done.stdout


def _script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def cron_lines() -> list[tuple[str, str]]:
    """Return the hour and the command of each line of `crontab`."""
    lines = (SCHEDULES / "crontab").read_text().splitlines()
    found = [line.split(maxsplit=5) for line in lines if re.match(r"[\d*]", line)]
    return [(" ".join(fields), command) for *fields, command in found]


def of_workflow(path: Path) -> tuple[dict[Any, Any], dict[str, Any]]:
    """Return a workflow of GitHub and its one job; YAML 1.1 takes the key `on` for true."""
    workflow = yaml.safe_load(path.read_text())
    (job,) = workflow["jobs"].values()
    return workflow, job


def night_step() -> str:
    _, job = of_workflow(SCHEDULES / "github-actions.yml")
    (step,) = job["steps"]
    return str(step["run"])


NIGHTS = {
    "cron": ("/bin/sh", "-c", cron_lines()[0][1]),
    "github": ("bash", "-e", "-c", night_step()),
}


def test_the_hours_of_cron() -> None:
    night, look = (hour for hour, _ in cron_lines())
    assert [night, look] == ["15 2 * * *", "0 9 * * *"]
    workflow, _ = of_workflow(SCHEDULES / "github-actions.yml")
    assert workflow[True]["schedule"] == [{"cron": night}]
    assert all(croniter.is_valid(hour) for hour in (night, look))
    # A percent sign would be a line feed to cron.
    assert not any("%" in command for _, command in cron_lines())


@pytest.mark.parametrize("scheduler", NIGHTS)
def test_wrong_settings_are_not_tried_again(scheduler: str, folder: Folder) -> None:
    code, runs, said = folder(*NIGHTS[scheduler])
    assert (code == 0, runs) == (False, 1)
    assert "[sources.aiproxy] base_url is missing" in said


@pytest.mark.parametrize("scheduler", NIGHTS)
def test_a_night_that_finds_another_is_tried_once_more(scheduler: str, folder: Folder) -> None:
    with FileLock(folder.path / "data/writer.lock"):
        code, runs, said = folder(*NIGHTS[scheduler], **NOWHERE)
    assert (code, runs) == (1, 2)
    assert len(re.findall("^another run is writing .*; wait for it to end", said, re.M)) == 2


def test_cron_mails_nothing_of_a_good_night(folder: Folder) -> None:
    with Simulator(World(days=1, rows_per_day=24), ["aiproxy"]) as simulator:
        proxy = simulator["aiproxy"].settings
        given = {
            "SOURCES__AIPROXY__BASE_URL": proxy["base_url"],
            "SOURCES__AIPROXY__ADMIN_KEY": proxy["admin_key"],
            "SOURCES__AIPROXY__START": "P1D",
        }
        give_empty(WarehouseSettings(path=folder.path / "data" / FILE))
        night, look = (("/bin/sh", "-c", command) for _, command in cron_lines())
        assert folder(*night, **given) == (0, 1, "")
        assert folder(*look, **given) == (0, 2, "")
        code, _, said = folder(*look, **given, WAREHOUSE__STALE_AFTER="PT1S")
    assert (code, said.startswith("STALE aiproxy: ")) == (1, True)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_takes_both_units(tmp_path: Path) -> None:
    for name in ("llm-usage.service", "llm-usage.timer"):
        text = (SCHEDULES / name).read_text().replace(f"{PLACE}/.venv/bin/llm-usage", "/bin/true")
        (tmp_path / name).write_text(text.replace("User=llm-usage", "User=root"))
    units = [str(one) for one in tmp_path.iterdir()]
    verified = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    (hour,) = re.findall("^OnCalendar=(.*)$", (SCHEDULES / "llm-usage.timer").read_text(), re.M)
    subprocess.run(["systemd-analyze", "calendar", hour], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("name", ["airflow_dag.py", "dagster_definitions.py"])
def test_what_a_scheduler_imports_is_python_and_runs_the_night(name: str) -> None:
    text = (SCHEDULES / name).read_text()
    words = re.sub(r"[^\w./-]+", " ", text)
    assert ast.get_docstring(ast.parse(text))
    assert ".venv/bin/llm-usage --quiet nightly" in words
    assert f"{PLACE}" in text


def test_the_image_installs_our_wheel_and_runs_our_command() -> None:
    text = re.sub(r"\\\n", "", (SCHEDULES / "Dockerfile").read_text())
    lines = dict(re.findall(r"^([A-Z]+) (.*)$", text, re.M))
    python = lines["FROM"].removeprefix("python:").removesuffix("-slim")
    assert python in SpecifierSet(PROJECT["requires-python"])
    wheel = PROJECT["name"].replace("-", "_") + "-*.whl"
    assert lines["COPY"] == f"{wheel} /tmp/"
    assert f"pip install --no-cache-dir /tmp/{wheel}" in lines["RUN"]
    assert ast.literal_eval(lines["ENTRYPOINT"]) == list(PROJECT["scripts"])
    assert ast.literal_eval(lines["CMD"]) == ["--quiet", "nightly"]


@pytest.mark.skipif(not shutil.which("hadolint"), reason="no hadolint here")
def test_hadolint_finds_nothing() -> None:
    subprocess.run(["hadolint", SCHEDULES / "Dockerfile"], check=True)


@pytest.mark.parametrize(
    "path", [SCHEDULES / "github-actions.yml", ROOT / ".github/workflows/test.yml"]
)
def test_bash_reads_each_step_of_a_workflow(path: Path) -> None:
    _, job = of_workflow(path)
    scripts = [step["run"] for step in job["steps"] if "run" in step]
    assert scripts
    for script in scripts:
        plain = re.sub(r"\$\{\{.*?\}\}", "x", script)
        subprocess.run(["bash", "-n"], input=plain, text=True, check=True)


def test_forks_test_every_python_and_duckdb_that_we_admit() -> None:
    _, job = of_workflow(ROOT / ".github/workflows/test.yml")
    rows = job["strategy"]["matrix"]["include"]
    assert [row["python"] for row in rows if row["os"] == "ubuntu-latest"][:3] == [
        "3.11",
        "3.12",
        "3.13",
    ]
    assert all(row["python"] in SpecifierSet(PROJECT["requires-python"]) for row in rows)
    assert [row["os"] for row in rows].count("macos-latest") == 1
    assert [row["duckdb"] for row in rows if "duckdb" in row] == ["2.0.*"]


def test_workflow_and_hook_call_targets_that_there_are() -> None:
    _, job = of_workflow(ROOT / ".github/workflows/test.yml")
    (hooks,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    (hook,) = hooks["hooks"]
    commands = [step.get("run", "") for step in job["steps"]] + [hook["entry"]]
    called = re.findall(r"^make (\S+)", "\n".join(commands), re.M)
    assert called == [".venv/.ready", "test", "lint"]
    subprocess.run(["make", "--dry-run", *called], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def test_the_page_names_each_file() -> None:
    page = (SCHEDULES / "README.md").read_text()
    named = set(re.findall(r"\]\(([^)#]+)\)", page))
    assert named == {one.name for one in SCHEDULES.iterdir()} - {"README.md", "__pycache__"}


PACKAGES = {
    "airflow": ("apache-airflow>=3", "apache-airflow-providers-standard"),
    "dagster": ("dagster",),
}

IN_AIRFLOW = """
from datetime import timedelta
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow_dag import dag
(night,) = dag.tasks
assert (dag.catchup, dag.max_active_runs) == (False, 1)
assert (night.retries, night.retry_delay) == (2, timedelta(minutes=30))
night.env = {}
try:
    night.execute({})
except AirflowFailException:
    print("given up")
except AirflowException:
    print("to be tried again")
"""

IN_DAGSTER = """
import dagster as dg
from dagster_definitions import defs, llm_usage
(schedule,) = defs.schedules
assert (schedule.cron_schedule, schedule.execution_timezone) == ("15 2 * * *", "UTC")
assert [job.name for job in defs.resolve_all_job_defs()]
done = dg.materialize([llm_usage], raise_on_error=False)
tries = [one for one in done.all_events if one.event_type_value == "STEP_UP_FOR_RETRY"]
print("to be tried again" if tries else "given up")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "script"), [("airflow", IN_AIRFLOW), ("dagster", IN_DAGSTER)])
def test_the_scheduler_itself_runs_the_example(name: str, script: str, folder: Folder) -> None:
    environment = folder.path / "scheduler"
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
    python = str(environment / "bin/python")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", python, *PACKAGES[name]]
    subprocess.run(install, check=True)
    (example,) = SCHEDULES.glob(f"{name}_*.py")
    text = example.read_text().replace(PLACE, str(folder.path)).replace("delay=1800", "delay=0")
    (folder.path / example.name).write_text(text)
    folder.env["AIRFLOW_HOME"] = str(environment)
    folder.env["PYTHONPATH"] = os.pathsep.join([str(folder.path), os.environ.get("PYTHONPATH", "")])
    code, _, said = folder(python, "-c", script)
    assert (code, said.splitlines()[-1]) == (0, "given up"), said
    with FileLock(folder.path / "data/writer.lock"):
        code, _, said = folder(python, "-c", script, **NOWHERE)
    assert (code, said.splitlines()[-1]) == (0, "to be tried again"), said
