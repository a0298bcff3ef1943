"""The package as others install it: built, put into a bare environment, run from a new project."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # Setuptools leaves what it builds in the tree that it builds from.
    source = folder / "source"
    subprocess.run(["git", "clone", "--quiet", str(CHECKOUT), str(source)], check=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(source)], check=True)
    (found,) = folder.glob("*.whl")
    return found


def test_it_holds_the_sql_and_no_secret(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    package = "llm_usage_warehouse"
    for path in (CHECKOUT / "sql").rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            assert f"{package}/sql/{path.relative_to(CHECKOUT / 'sql')}" in names
    assert f"{package}/project/config.toml" in names
    assert {name for name in names if "secrets" in name} == {
        f"{package}/project/secrets.toml.example"
    }
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {package}


@pytest.mark.slow
def test_a_bare_environment_runs_the_demo(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    programs = tmp_path / "env" / "bin"
    subprocess.run([str(programs / "pip"), "install", "--quiet", str(wheel)], check=True)

    def llm_usage(*arguments: str, where: Path) -> str:
        command = [str(programs / "llm-usage"), *arguments]
        # Nothing of the checkout or of these tests is to be found from there.
        environment = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "HOME": str(tmp_path),
            "LANG": "C.UTF-8",
        }
        done = subprocess.run(
            command, cwd=where, env=environment, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    llm_usage("init", "mine", where=tmp_path)
    project = tmp_path / "mine"
    llm_usage("demo", where=project)
    found = llm_usage("query", "--format", "csv", "select count(*) from calls", where=project)
    assert int(found.splitlines()[1]) > 1000
    assert (project / "data" / "report.html").exists()
    assert {path.name for path in project.iterdir()} == {".dlt", ".gitignore", "data", "seeds"}
