"""No state that a crash, a disk or a hand leaves keeps the next night from going on."""

import itertools
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from llm_usage_warehouse.cli import app
from llm_usage_warehouse.errors import RunError
from llm_usage_warehouse.places import why_unusable
from llm_usage_warehouse.publish import publish
from llm_usage_warehouse.repair import faults
from llm_usage_warehouse.settings import load_warehouse
from tests.loads import NOW, Project, frozen, vendor

LOAD = f"""
import os, signal, dlt, pendulum
from llm_usage_warehouse.connectors import configured_sources
from llm_usage_warehouse.loading import load_sources
from llm_usage_warehouse.progress import LogWatcher
from llm_usage_warehouse.one_source import Run
from llm_usage_warehouse.settings import load_warehouse
from llm_usage_warehouse.warehouse import writing

def kill(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

{{before}}
warehouse = load_warehouse()
run = Run("run", pendulum.from_timestamp({NOW.timestamp()}), warehouse)
with writing(warehouse):
    (outcome,) = load_sources(configured_sources(["aiproxy"]), run, LogWatcher())
raise SystemExit(outcome.error)
"""
CONTENTS = "raw_aiproxy.logs order by id", "raw_aiproxy.channels order by id"


def dies(before: str) -> None:
    """Load in a process that is killed where `before` says."""
    done = subprocess.run([sys.executable, "-c", LOAD.format(before=before)], check=False)
    assert done.returncode == -signal.SIGKILL


def rows(project: Project) -> list[list[tuple[Any, ...]]]:
    return [project.query(f"select * exclude (_dlt_load_id) from {one}") for one in CONTENTS]


@dataclass
class Loaded:
    """A loaded project, whose data folder is as it was for each test, and its rows."""

    project: Project
    rows: list[list[tuple[Any, ...]]]

    @property
    def data(self) -> Path:
        return self.project.folder / "data"

    @property
    def dlt(self) -> Path:
        return self.data / "dlt" / "llm_usage_aiproxy"

    def goes_on(self) -> list[str]:
        """Check that the next night loads, and return what it warns of."""
        done = self.project.load()
        assert done.error is None
        assert rows(self.project) == self.rows
        return list(done.warnings)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    folder = tmp_path_factory.mktemp("jams")
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        vendor(folder, monkeypatch, "aiproxy", frozen(days=2, rows_per_day=60)) as (_, project),
    ):
        project.set(start="P2D")
        assert project.load().error is None
        shutil.copytree(folder / "data", folder / "kept")
        yield Loaded(project, rows(project))


@pytest.fixture
def loaded(kept: Loaded) -> Loaded:
    shutil.rmtree(kept.data)
    shutil.copytree(kept.project.folder / "kept", kept.data)
    return kept


def slow(*cases: Any) -> list[Any]:
    """Return cases of a test that only `make test-all` runs."""
    return [
        pytest.param(*case if isinstance(case, tuple) else (case,), marks=pytest.mark.slow)
        for case in cases
    ]


def cut(path: Path, share: float = 0.5) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


@pytest.mark.parametrize(
    ("file", "share"),
    [
        ("state.json", 0.5),
        ("schemas/aiproxy.schema.json", 0),
        *slow(("state.json", 0), ("schemas/aiproxy.schema.json", 0.5)),
        *slow(*itertools.product(("load/.version", "normalize/.version"), (0, 0.5))),
    ],
)
def test_a_working_file_that_breaks_off(loaded: Loaded, file: str, share: float) -> None:
    cut(loaded.dlt / file, share)
    warnings = " ".join(loaded.goes_on())
    kept = re.search(r"kept as (\S+)", warnings)
    assert kept, warnings
    assert Path(kept[1]).is_dir()
    assert re.fullmatch(r"llm_usage_aiproxy\.unusable-\d{8}T\d+", Path(kept[1]).name)
    assert not any("working folder" in one for one in loaded.goes_on())


@pytest.mark.parametrize(
    "gone", ["", "state.json", *slow("schemas", "load", "normalize", "schemas/*")]
)
def test_what_is_gone_of_the_working_folder(loaded: Loaded, gone: str) -> None:
    for path in loaded.dlt.glob(gone) if gone else [loaded.dlt]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    loaded.goes_on()


def test_a_file_where_the_working_folder_must_be(loaded: Loaded) -> None:
    shutil.rmtree(loaded.dlt)
    loaded.dlt.write_text("")
    assert "was made anew" in loaded.goes_on()[0]


def test_killed_before_the_first_load_and_again_while_dlt_wipes_its_folder(loaded: Loaded) -> None:
    shutil.rmtree(loaded.data)
    dies("dlt.Pipeline.load = kill")
    # The next run finds no dataset, and wipes the folder: killed when only the schemas are gone.
    wipe = """
import shutil
def half(self):
    shutil.rmtree(os.path.join(self.working_dir, "schemas"))
    kill()
dlt.Pipeline._wipe_working_folder = half
"""
    done = subprocess.run([sys.executable, "-c", LOAD.format(before=wipe)], check=False)
    if done.returncode != -signal.SIGKILL:
        # dlt had no need to wipe: a kill in the middle of it leaves the same.
        shutil.rmtree(loaded.data)
        dies("dlt.Pipeline.load = kill")
    for schema in (loaded.dlt / "schemas").glob("*"):
        schema.unlink()
    assert (loaded.dlt / "state.json").exists()
    loaded.goes_on()


@pytest.mark.parametrize(
    ("step", "is_first"),
    [
        ("normalize", True),
        ("load", False),
        *slow(("extract", True), ("extract", False), ("normalize", False), ("load", True)),
    ],
)
def test_killed_twice_at_the_same_step(loaded: Loaded, step: str, is_first: bool) -> None:
    if is_first:
        shutil.rmtree(loaded.data)
    dies(f"dlt.Pipeline.{step} = kill")
    dies(f"dlt.Pipeline.{step} = kill")
    loaded.goes_on()


def test_killed_while_a_package_that_a_crash_left_is_aborted(loaded: Loaded) -> None:
    dies("dlt.Pipeline.load = kill")
    dies("dlt.Pipeline.abort_packages = kill")
    loaded.goes_on()


def test_a_full_disk_is_named_and_costs_nothing(loaded: Loaded) -> None:
    # A limit on the size of a file stands in for a full disk: the same write fails.
    limited = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
"""
    shutil.rmtree(loaded.data)
    (loaded.data).mkdir()
    duckdb.connect(str(loaded.data / "warehouse.duckdb")).close()
    done = subprocess.run(
        [sys.executable, "-c", LOAD.format(before=limited)],
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stderr.splitlines()[-1]
    assert (done.returncode, said.startswith("aiproxy: ")) == (1, True), done.stderr
    assert "File too large" in said
    assert "disk's free space" in said
    loaded.goes_on()


def repaired(*findings: str) -> None:
    """Check that a repair finds just this, asks, does it when told so, and then finds nothing."""
    if findings:
        refused = CliRunner().invoke(app, ["repair"], input="n\n")
        assert (refused.exit_code, "Do all of this?" in refused.output) == (1, True)
        assert len(faults(load_warehouse())) == len(findings)
    done = CliRunner().invoke(app, ["repair", "--yes"])
    assert (done.exit_code, done.output.count("fault ")) == (0, len(findings)), done.output
    for finding in findings:
        assert finding in done.output
    again = CliRunner().invoke(app, ["repair"])
    assert (again.exit_code, "nothing to repair" in again.output) == (0, True), again.output


def test_there_is_nothing_to_repair_in_a_good_warehouse(loaded: Loaded) -> None:
    repaired()


NOTES = [
    ("_dlt_pipeline_state", "update {} set state = 'xx'"),
    ("load_ledger", "drop table {}"),
    ("_dlt_version", "update {} set schema = '{{'"),
    ("_dlt_pipeline_state", "drop table {}"),
    ("_dlt_loads", "drop table {}"),
]


@pytest.mark.parametrize(
    ("table", "change", "with_folder"),
    [
        (*NOTES[0], False),
        (*NOTES[1], True),
        *slow((*NOTES[0], True), (*NOTES[1], False)),
        *slow(*((*note, folder) for note in NOTES[2:] for folder in (True, False))),
    ],
)
def test_notes_of_dlt_in_the_warehouse(
    loaded: Loaded, table: str, change: str, with_folder: bool
) -> None:
    if not with_folder:
        shutil.rmtree(loaded.dlt)
    with duckdb.connect(str(loaded.data / "warehouse.duckdb")) as connection:
        connection.execute(change.format(f"raw_aiproxy.{table}"))
    repaired("raw_aiproxy of")
    loaded.goes_on()


def test_a_private_file_that_breaks_off(loaded: Loaded) -> None:
    cut(loaded.data / "warehouse.duckdb")
    # Which part is missing decides whether it can be opened, or is found out by the first load.
    try:
        found = loaded.project.load().error
    except RunError as error:
        found = str(error)
    assert found
    assert "llm-usage repair" in found
    repaired("warehouse.duckdb is damaged")
    loaded.goes_on()


@pytest.mark.parametrize("content", [b"SQLite format 3\0" + b"x" * 9000, *slow(b"")])
def test_a_private_file_that_is_none(loaded: Loaded, content: bytes) -> None:
    (loaded.data / "warehouse.duckdb").write_bytes(content)
    with pytest.raises(RunError, match=r"cannot be opened: .*llm-usage repair"):
        loaded.project.load()
    repaired("warehouse.duckdb is damaged")
    assert [one.name[:26] for one in loaded.data.glob("warehouse.duckdb.*")] == [
        "warehouse.duckdb.unusable-"
    ]
    loaded.goes_on()


def test_a_private_file_of_which_a_part_was_changed(loaded: Loaded) -> None:
    path = loaded.data / "warehouse.duckdb"
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    path.write_bytes(content)
    repaired("warehouse.duckdb is damaged")
    loaded.goes_on()


def test_a_file_of_another_program_is_not_written_to(loaded: Loaded) -> None:
    path = loaded.data / "warehouse.duckdb"
    path.unlink()
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table accounts as select 1 as id")
    before = path.read_bytes()
    with pytest.raises(RunError, match="is a DuckDB file of something else"):
        loaded.project.load()
    assert path.read_bytes() == before


@pytest.mark.parametrize("kind", ["half", *slow("empty", "foreign")])
def test_a_published_file_that_is_none(loaded: Loaded, kind: str) -> None:
    warehouse = load_warehouse()
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("create schema if not exists transform_state")
        connection.execute("create table transform_state.unpublished_days (usage_date date)")
        connection.execute("create table main.daily as select 1 as day from range(1000)")
    first, second = publish(warehouse).rows, publish(warehouse).rows
    assert first == second
    path = warehouse.published_path
    path.chmod(0o644)
    if kind == "half":
        cut(path)
    else:
        path.unlink()
        path.touch()
    if kind == "foreign":
        path.unlink()
        with duckdb.connect(str(path)) as connection:
            connection.execute("create table accounts as select 1 as id")
    with pytest.raises(RunError, match=r"publishing failed: .*llm-usage repair"):
        publish(warehouse)
    if kind != "foreign":
        status = CliRunner().invoke(app, ["status"])
        assert (status.exit_code, "llm-usage repair" in status.output) == (1, True)
    repaired("llm_usage.duckdb is")
    assert list(path.parent.glob("llm_usage.duckdb.unusable-*"))
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("select count(*) from detail.daily").fetchone() == (1000,)
    assert publish(warehouse).rows == first


def test_a_published_file_of_an_older_version_is_ours(loaded: Loaded) -> None:
    path = loaded.data / "older.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table daily_tokens as select 1 as calls")
    assert why_unusable(path) is None


def test_a_repair_without_an_answer_does_nothing(loaded: Loaded) -> None:
    cut(loaded.data / "warehouse.duckdb")
    before = sorted(loaded.data.iterdir())
    done = CliRunner().invoke(app, ["repair"], input="")
    assert done.exit_code == 1
    assert sorted(loaded.data.iterdir()) == before
