"""The seeds that are a project's own: its prices, teams, budgets, and what its sources are.

They lie in a folder of the project, so that a newer version of this program never meets them. dbt
is given a folder of links to its models in which the project's own seeds stand in the places of
ours; one that the project has no file of is as shipped: prices, owners and budgets empty, roles by
vendor.
"""

import csv
import difflib
import shutil
from pathlib import Path

from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.places import PACKAGE, SQL_PROJECT
from llm_usage_warehouse.settings import WarehouseSettings, demo_flag

OWN = ("own_prices.csv", "owners.csv", "budgets.csv", "source_roles.csv")
"""The seeds that a project may have of its own."""

SHIPPED = SQL_PROJECT / "seeds"

OF_DEMO = PACKAGE / "demo_seeds"
"""The teams and budgets of the simulated vendors: no other warehouse has them."""


def dbt_project(warehouse: WarehouseSettings) -> Path:
    """Return the folder of the dbt project that the models of a warehouse are built from.

    Raises:
        UsageError: a file of the project's own is not what its name says.
    """
    own = OF_DEMO if demo_flag(warehouse).exists() else warehouse.seeds
    if not own.is_dir():
        return SQL_PROJECT
    if problems := wrong_seeds(own):
        raise UsageError(*problems)
    folder = warehouse.data_folder.absolute() / "dbt" / "project"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SHIPPED, folder / SHIPPED.name)
    for part in SQL_PROJECT.iterdir():
        if part != SHIPPED:
            (folder / part.name).symlink_to(part)
    for name in OWN:
        if (own / name).exists():
            shutil.copyfile(own / name, folder / SHIPPED.name / name)
    return folder


def wrong_seeds(folder: Path) -> list[str]:
    """Return a line for each thing that is wrong with the seeds in a folder of a project."""
    if not folder.is_dir():
        return [f"[warehouse] seeds: {folder} is no folder"] if folder.exists() else []
    problems: list[str] = []
    for path in sorted(folder.glob("*.csv")):
        if path.name in OWN:
            problems += _wrong_lines(path)
        else:
            near = difflib.get_close_matches(path.name, OWN, n=1)
            meant = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(OWN)}"
            problems.append(f"{path} is none of the seeds that a project has of its own{meant}")
    return problems


def columns_of(name: str) -> list[str]:
    """Return the columns of a seed, as shipped."""
    with (SHIPPED / name).open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file))


def _wrong_lines(path: Path) -> list[str]:
    columns = columns_of(path.name)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            found = next(reader, [])
            if found != columns:
                return [
                    f"{path}: its first line is {','.join(found) or 'empty'}; it must be "
                    f"{','.join(columns)} (a column that does not apply stays empty in the lines)"
                ]
            return [
                f"{path}: line {reader.line_num} has {len(fields)} fields, where its first has "
                f"{len(columns)}"
                for fields in reader
                if fields and len(fields) != len(columns)
            ]
    except UnicodeDecodeError:
        return [f"{path} is not UTF-8; save it as CSV in UTF-8"]
    except csv.Error as error:
        return [f"{path}: line {reader.line_num} is no CSV ({error})"]
    except OSError as error:
        return [f"{path} cannot be read: {error.strerror}"]
