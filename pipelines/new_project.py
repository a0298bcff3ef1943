"""A project of one's own: a folder with settings and seeds, apart from the program's files.

Whatever a newer version of the program brings, it never touches this folder.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import typer

from llm_usage_warehouse.connectors import connectors
from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.own_seeds import OWN, SHIPPED
from llm_usage_warehouse.places import PACKAGE
from llm_usage_warehouse.settings import WarehouseSettings, is_required, settings_of
from llm_usage_warehouse.values import read_value

TEMPLATES = PACKAGE / "project"

SETTINGS, SECRETS = ".dlt/config.toml", ".dlt/secrets.toml"

IGNORED = "data/\n.dlt/secrets.toml\n"
"""What git is to leave out of a project."""

ASKED_OF_WAREHOUSE = ("reporting_timezone", "reporting_currency")


@dataclass(frozen=True)
class Answer:
    """The value of one setting, as TOML writes it."""

    section: str
    name: str
    value: str
    secret: bool


def make_project(folder: Path, answers: list[Answer]) -> list[Path]:
    """Write the files that a project lacks, and return them.

    Args:
        folder: of the project; it is made where it is not there.
        answers: what the settings are to say; settings that are there already stay as they are.

    Raises:
        UsageError: the folder cannot be written to.
    """
    texts = {
        SETTINGS: _settled(TEMPLATES / "config.toml", [one for one in answers if not one.secret]),
        SECRETS: _settled(
            TEMPLATES / "secrets.toml.example", [one for one in answers if one.secret]
        ),
        ".gitignore": IGNORED,
    }
    written: list[Path] = []
    try:
        for name, text in texts.items():
            path = folder / name
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(mode=0o600 if name == SECRETS else 0o644)
                path.write_text(text, encoding="utf-8")
                written.append(path)
        for name in OWN:
            path = folder / "seeds" / name
            if not path.exists():
                path.parent.mkdir(exist_ok=True)
                shutil.copyfile(SHIPPED / name, path)
                written.append(path)
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}; name another folder") from None
    return written


def ask_settings() -> Iterator[Answer]:
    """Ask a person for the days, the currency, and what each vendor that is used cannot do without.

    Yields:
        Each answer that is not the default.
    """
    for name in ASKED_OF_WAREHOUSE:
        yield from _asked(WarehouseSettings, "warehouse", name)
    for vendor, connector in sorted(connectors().items()):
        if typer.confirm(f"Read {vendor}?", default=False):
            for one in settings_of(connector.settings):
                if is_required(one) or one.name == "base_url":
                    yield from _asked(connector.settings, f"sources.{vendor}", one.name)


def _asked(cls: Any, section: str, name: str) -> Iterator[Answer]:
    field = next(one for one in settings_of(cls) if one.name == name)
    hint = get_type_hints(cls)[name]
    default, secret = None if is_required(field) else field.default, field.metadata["secret"]
    many = ", separated by commas" if hint == list[str] else ""
    while True:
        said = typer.prompt(
            f"  {name}: {field.metadata['meaning']}{many}", default=default, hide_input=secret
        ).strip()
        given = [one.strip() for one in said.split(",")] if many else said
        try:
            read_value(given, hint, name)
        except UsageError as error:
            typer.echo(f"  {error}", err=True)
            continue
        if given != default:
            # A string of JSON is one of TOML, and so is a list of them.
            yield Answer(section, name, json.dumps(given, ensure_ascii=False), secret)
        return


def _settled(template: Path, answers: list[Answer]) -> str:
    """Return a template of settings with the answers in it."""
    text = template.read_text(encoding="utf-8")
    for one in answers:
        text = _with_value(text, one)
    return text


def _with_value(text: str, answer: Answer) -> str:
    """Put a setting where its line is, a comment or not, or else below its section's heading."""
    heading, rest = re.split(rf"(?m)(?<=^\[{re.escape(answer.section)}\]\n)", text, maxsplit=1)
    body, *others = re.split(r"(?m)^(?=\[)", rest, maxsplit=1)
    line = f"{answer.name} = {answer.value}\n"
    put: Callable[[re.Match[str]], str] = lambda _: line  # noqa: E731 - a value may hold a backslash
    body, found = re.subn(rf"(?m)^(# )?{answer.name} = .*\n", put, body, count=1)
    return "".join([heading, "" if found else line, body, *others])
