"""`python -m llm_usage_warehouse.dev.new_vendor NAME`: writes a vendor that works at once."""

import keyword
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from llm_usage_warehouse.connectors import connectors
from llm_usage_warehouse.dev.new_vendor.shared import LINES
from llm_usage_warehouse.setting_files import OF_DLT
from llm_usage_warehouse.simulator.server import NOT_PERSONALITIES

PROJECT = Path(__file__).resolve().parents[3]
FILES = Path(__file__).resolve().parent / "files"

LONGEST = 30
"""Of a name, so that lines of SQL stay within 90 columns."""

TEXTS = {".py", ".sql", ".yml", ".md"}
"""Endings of the files of a vendor; what else lies there was left by tools."""

TAKEN = {"api", "source", "dlt_source", *NOT_PERSONALITIES, *OF_DLT}
"""Words that mean something else where the name would stand."""

REMAINS = """
It works against its own simulator: pytest tests/acme, make demo. What remains:
 1. sql/seeds/source_roles.csv: is it a vendor, a gateway, or an observer of calls that another
    source has, too? Only one of two that see the same calls may count in totals.
 2. pipelines/simulator/acme: play the vendor's own contract, its surprises included.
 3. pipelines/sources/acme: schema.py states its rows, reader.py how it pages and signs; the README
    says what the server does. Money that it reports becomes cost_reported in staging.
 4. sql/models/staging/acme: what its words mean in ours, and a row of README.md's table of them.
 5. sql/seeds: who sells and invoices it (charge_parties.csv), whose prices hold for it
    (price_providers.csv, own_prices.csv).
 6. The vendor's own totals, if it has any: stg_acme__checked_totals, sql/macros/vendors.sql,
    sql/seeds/reconciliation_pairs.csv, and Stream.audit in the reader.
 7. make test, and a line in CHANGELOG.md.
"""


def why_not(name: str) -> str | None:
    """Return why a vendor cannot be called so; None where it can."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or len(name) > LONGEST:
        return (
            f"a name is a word of at most {LONGEST} small letters, digits and single underscores, "
            "such as acme or open_router"
        )
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in TAKEN:
        return "the word means something else; take another one, such as the vendor's full name"
    if name in connectors():
        return f"the vendor is there already, in pipelines/sources/{name}"
    return None


def renamed(text: str, name: str) -> str:
    """Return a text about acme as one about the vendor `name`."""
    camel = "".join(part.capitalize() for part in name.split("_"))
    return text.replace("ACME", name.upper()).replace("Acme", camel).replace("acme", name)


def folded(path: Path, text: str) -> str:
    """Return a file's text in lines as the house folds them: a longer name folds others."""
    if path.suffix != ".py":
        return text
    return subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(path), "-"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def new_pages(project: Path, name: str) -> dict[Path, str]:
    """Return each file to write, in the order of writing, and what it will hold.

    The folder by which a vendor is known comes last: what is cut off can be done again.

    Raises:
        ValueError: a file is there with other words in it, or one that is shared lacks the place.
    """
    pages: dict[Path, str] = {}
    for line in LINES:
        path = project / line.path
        own = replace(line, text=renamed(line.text, name))
        pages[path] = own.put_into(pages.get(path) or path.read_text(encoding="utf-8"))
    for template in sorted(path for path in FILES.rglob("*") if path.suffix in TEXTS):
        path = project / renamed(template.relative_to(FILES).as_posix(), name)
        pages[path] = folded(path, renamed(template.read_text(encoding="utf-8"), name))
        if path.exists() and path.read_text(encoding="utf-8") != pages[path]:
            raise ValueError(f"{path.relative_to(project)} is there already")
    return dict(sorted(pages.items(), key=lambda page: "sources" in page[0].parts))


def scaffold(project: Path, name: str) -> list[Path]:
    """Write a vendor into a checkout, and return the files that are new or changed.

    Raises:
        ValueError: nothing was written, because of what `new_pages` raises.
    """
    pages = new_pages(project, name)
    for path, text in pages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [path.relative_to(project) for path in pages]


def main() -> None:
    """Write the vendor that the command line names, and say what was written and what remains."""
    if not (PROJECT / "pyproject.toml").exists():
        sys.exit(f"a vendor is begun in a checkout of the project, and {PROJECT} is none")
    name = sys.argv[1] if len(sys.argv) == 2 else ""
    if why := why_not(name):
        sys.exit(f"{name!r} cannot be the name of a vendor: {why}")
    try:
        written = scaffold(PROJECT, name)
    except ValueError as error:
        sys.exit(f"nothing was written: {error}")
    sys.stdout.write("\n".join([*map(str, written), renamed(REMAINS, name)]))


if __name__ == "__main__":
    main()
