"""Where settings are written: the two files in `.dlt/` and the environment, and what is misspelt.

dlt reads a setting by its name and nothing else, so that one whose name is misspelt would be as if
it were not there.
"""

import difflib
import os
import tomllib
from collections.abc import Collection, Iterator
from functools import reduce
from pathlib import Path
from typing import Any

from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.places import PACKAGE

FILES = ("config.toml", "secrets.toml")

SECTIONS = ("sources", "warehouse", "alerts", "notify")
"""The sections of these files that are ours."""

OF_DLT = frozenset({"data_writer", "extract", "normalize", "load", "schema_contract"})
"""Sections that dlt itself looks for below `[sources]` and below a source."""

LIKENESS = 0.75
"""How alike two names are, of 1, where one may be meant for the other."""


def project_root() -> Path:
    """Return the folder that holds `.dlt/`: `DLT_PROJECT_DIR`, else here, else the checkout.

    Where the package is installed there is no checkout, and it is the present folder.
    """
    if named := os.environ.get("DLT_PROJECT_DIR"):
        return Path(named).resolve()
    checkout = PACKAGE.parent
    is_here = Path(".dlt").is_dir() or not (checkout / ".dlt").is_dir()
    return Path.cwd() if is_here else checkout


def read_files() -> dict[str, dict[str, Any]]:
    """Return what the project's own settings files say, by the name of each that is there.

    Raises:
        UsageError: one cannot be read; every one that cannot is named, with the line.
    """
    found: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    for name in FILES:
        path = project_root() / ".dlt" / name
        try:
            found[name] = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            problems.append(f"{path} cannot be read: it is not UTF-8 (at line {line})")
        except (tomllib.TOMLDecodeError, OSError) as error:
            # Python's parser names the line and never quotes it, which may hold a key.
            reason = error.strerror if isinstance(error, OSError) else error
            problems.append(f"{path} cannot be read: {reason}")
    if problems:
        raise UsageError(*problems)
    return found


def unknown_settings(section: str, known: Collection[str]) -> list[str]:
    """Return a line for each name in a section, such as `sources.weave`, that is no setting."""
    problems = [
        f"[{section}] {name} in .dlt/{file} is no setting; {_meant(name, known)}"
        for file, document in read_files().items()
        for name, value in _table(document, section).items()
        if name not in known and not (isinstance(value, dict) and name in OF_DLT)
    ]
    for variable, rest in _variables(section):
        if rest.isupper() and rest.partition("__")[0].lower() in OF_DLT:
            continue
        if rest.lower() not in known or not variable.isupper():
            meant = _meant(rest.lower(), known, f"{section}.".replace(".", "__").upper())
            problems.append(f"{variable} in the environment is no setting; {meant}")
    return problems


def unknown_sections(sources: Collection[str]) -> list[str]:
    """Return a line for each section that is none, where `sources` are those that there are.

    dlt has sections of its own in the same files, and other programs' pipelines theirs in the same
    environment: there, only what looks like one of ours is refused.
    """
    problems: list[str] = []
    for file, document in read_files().items():
        for name, value in document.items():
            if name not in SECTIONS and name not in OF_DLT:
                meant = _near(name, [*SECTIONS, *sources])
                if meant:
                    whole = f"sources.{meant}" if meant in sources else meant
                    problems.append(f"[{name}] in .dlt/{file}: did you mean [{whole}]?")
            elif name in SECTIONS and not isinstance(value, dict):
                problems.append(f"{name} in .dlt/{file} must be a section: [{name}]")
        for name, value in _table(document, "sources").items():
            if not isinstance(value, dict):
                problems.append(
                    f"sources.{name} in .dlt/{file} must be a section: [sources.{name}]"
                )
            elif name not in sources and name not in OF_DLT:
                problems.append(
                    f"[sources.{name}] in .dlt/{file} is no vendor, nor has it a `connector` that "
                    f"names one; {_meant(name, sources)}"
                )
    for variable, rest in _variables("sources"):
        name = rest.partition("__")[0].lower()
        if name not in sources and name not in OF_DLT and (meant := _near(name, sources)):
            problems.append(
                f"{variable} in the environment is of no source; did you mean "
                f"SOURCES__{meant.upper()}__{rest.partition('__')[2]}?"
            )
    return problems


def _table(document: dict[str, Any], section: str) -> dict[str, Any]:
    found = reduce(
        lambda table, name: table.get(name, {}) if isinstance(table, dict) else {},
        section.split("."),
        document,
    )
    return found if isinstance(found, dict) else {}


def _variables(section: str) -> Iterator[tuple[str, str]]:
    """Yield each variable of a section, whatever its case, and what follows the section in it."""
    prefix = f"{section}.".replace(".", "__").upper()
    for variable in sorted(os.environ):
        if variable.upper().startswith(prefix):
            yield variable, variable[len(prefix) :]


def _near(name: str, known: Collection[str]) -> str | None:
    by_lower = {one.lower(): one for one in sorted(known)}
    found = difflib.get_close_matches(name.lower().replace("-", "_"), by_lower, 1, LIKENESS)
    return by_lower[found[0]] if found else None


def _meant(name: str, known: Collection[str], prefix: str = "") -> str:
    if (meant := _near(name, known)) is None:
        return f"there are {', '.join(sorted(known))}"
    return f"did you mean {prefix + meant.upper() if prefix else meant}?"
