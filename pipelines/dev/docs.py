"""Writes the documentation that follows from the project itself, so that it cannot drift.

`make docs`: the six views and the twelve questions of the README, the answers that the demo gives
to them, in sql/analyses/README.md, and all other published tables, in sql/published.md.
"""

import html
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from llm_usage_warehouse.comments import descriptions
from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.layout import NAMES, OPENED, SCHEMAS
from llm_usage_warehouse.setting_files import project_root
from llm_usage_warehouse.settings import WarehouseSettings, demo_flag, load_warehouse

PROJECT = Path(__file__).resolve().parents[2]
README = PROJECT / "README.md"
ANALYSES = PROJECT / "sql" / "analyses"
PUBLISHED = PROJECT / "sql" / "published.md"

SHOWN_ROWS = 8

INTRODUCTION = """# The twelve questions, answered by the demo

Written by `make docs` from the files beside it and the last `make demo`: simulated vendors, whose
traffic follows the clock, so that every run gives other figures. "Yesterday" is the last day that
any source has complete; seven days are those up to it. To ask one of your own warehouse:

```
llm-usage query 2
```
"""

PUBLISHED_INTRODUCTION = """# What lies beside the six

Written by `make docs`. Schema `main` of the published file has the six views that the README lists;
what they are made of, what was published when, and how the loads went is in three more schemas.
`llm-usage query` finds a table of any of them by its bare name, and where two have one, that of
`main`: write `detail.calls` for the table beneath the view `calls`. Other tools need the schema.
"""


@dataclass(frozen=True)
class Question:
    """One file of sql/analyses.

    Attributes:
        name: the file's name.
        sql: what it holds; its first line is a comment, the question.
    """

    name: str
    sql: str

    @property
    def text(self) -> str:
        """The question in words."""
        return self.sql.splitlines()[0].removeprefix("-- ")

    @property
    def number(self) -> int:
        """Its place among the twelve, from 1."""
        return int(self.name.split("_", 1)[0])


def questions() -> list[Question]:
    """Return the questions in their order."""
    files = sorted(ANALYSES.glob("*.sql"))
    return [Question(path.name, path.read_text(encoding="utf-8")) for path in files]


def published_tables(manifest: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the grain of each published table and view, by its schema and its name.

    Args:
        manifest: dbt's, of any run.

    Returns:
        the first sentence of each description without its "One row per": the six of schema `main`
        in their own order, all others by name.
    """
    grains = {
        (schema, table): _grain(text)
        for (schema, table, column), text in descriptions(manifest).items()
        if column is None and schema in NAMES
    }
    found = {"main": {name: grains["main", name] for name in OPENED}}
    for wanted in SCHEMAS:
        found[wanted] = {
            name: grain for (schema, name), grain in sorted(grains.items()) if schema == wanted
        }
    return found


def render_tables(tables: Mapping[str, str]) -> str:
    """Return a table of published tables, given their grains."""
    rows = [f"| `{name}` | {grain} |" for name, grain in tables.items()]
    return "\n".join(["| table | one row per |", "|---|---|", *rows])


def render_published(manifest: Mapping[str, Any]) -> str:
    """Return the page of everything that lies beside the six."""
    published = published_tables(manifest)
    sections = [
        f"## `{schema}`: {purpose}\n\n{render_tables(published[schema])}\n"
        for schema, purpose in SCHEMAS.items()
    ]
    return "\n".join([PUBLISHED_INTRODUCTION, *sections])


def render_questions(asked: Sequence[Question]) -> str:
    """Return the README's list of questions."""
    return "\n".join(f"{one.number}. [{one.text}](sql/analyses/{one.name})" for one in asked)


def render_answers(asked: Sequence[Question], connection: duckdb.DuckDBPyConnection) -> str:
    """Return a page with each question, its SQL and the first rows of its answer.

    Args:
        asked: the questions.
        connection: a published file.
    """
    sections = [
        f"## {one.number}. {one.text}\n\n```sql\n{one.sql}```\n\n"
        f"{_table(connection.sql(one.sql))}\n"
        for one in asked
    ]
    return "\n".join([INTRODUCTION, *sections])


def put_block(page: str, name: str, text: str) -> str:
    """Return a page with `text` between its markers `<!-- name -->` and `<!-- /name -->`.

    Raises:
        ValueError: the page lacks one of them.
    """
    begin, end = f"<!-- {name} -->\n", f"\n<!-- /{name} -->"
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"the page has no markers {begin.strip()} and {end.strip()}")
    return f"{before}{begin}{text}{end}{after}"


def write(warehouse: WarehouseSettings) -> None:
    """Write all of it, from what the demo left in `warehouse`.

    Raises:
        UsageError: it does not hold the demo's rows; real figures do not belong in a README.
    """
    if not (demo_flag(warehouse).exists() and warehouse.published_path.exists()):
        raise UsageError(f"{warehouse.published_path} is not the demo's; run `make demo` first")
    manifest = json.loads((warehouse.data_folder / "dbt/target/manifest.json").read_text())
    asked = questions()
    page = README.read_text(encoding="utf-8")
    page = put_block(page, "tables", render_tables(published_tables(manifest)["main"]))
    page = put_block(page, "questions", render_questions(asked))
    # As another tool opens it: by no bare name but those of the six.
    with duckdb.connect(str(warehouse.published_path), read_only=True) as connection:
        connection.execute(f"set TimeZone = '{warehouse.reporting_timezone}'")
        answers = render_answers(asked, connection)
    PUBLISHED.write_text(render_published(manifest), encoding="utf-8")
    README.write_text(page, encoding="utf-8")
    (ANALYSES / "README.md").write_text(answers, encoding="utf-8")


def _grain(description: str) -> str:
    sentence, _, _ = " ".join(description.split()).partition(". ")
    return sentence.removeprefix("One row per ").removesuffix(".")


def _table(answer: duckdb.DuckDBPyRelation) -> str:
    rows = answer.fetchall()
    shown = rows[:SHOWN_ROWS]
    lines = [
        _line(answer.columns),
        _line(
            "---:" if _is_number([row[place] for row in shown]) else "---"
            for place in range(len(answer.columns))
        ),
        *(_line(_cell(value) for value in row) for row in shown),
    ]
    if len(rows) > len(shown):
        lines += ["", f"and {len(rows) - len(shown):,} more"]
    return "\n".join(lines)


def _line(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def _is_number(column: Sequence[Any]) -> bool:
    known = [value for value in column if value is not None]
    return bool(known) and all(isinstance(value, int | float | Decimal) for value in known)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Decimal):
        text = f"{value:,f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return html.escape(str(value), quote=False).replace("|", "&#124;")


def main() -> None:
    """Write the documentation, or say in a line why not."""
    os.environ.setdefault("DLT_PROJECT_DIR", str(project_root()))
    try:
        write(load_warehouse())
    except UsageError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
