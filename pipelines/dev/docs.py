"""Writes the documentation that follows from the project itself, so that it cannot drift.

`make docs`: the published tables and the twelve questions of the README, and the answers that the
demo gives to them, in sql/analyses/README.md.
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

from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.setting_files import project_root
from llm_usage_warehouse.settings import WarehouseSettings, demo_mark, load_warehouse

PROJECT = Path(__file__).resolve().parents[2]
README = PROJECT / "README.md"
ANALYSES = PROJECT / "sql" / "analyses"

SHOWN_ROWS = 8

INTRODUCTION = """# The twelve questions, answered by the demo

Written by `make docs` from the files beside it and the last `make demo`: simulated vendors, whose
traffic follows the clock, so that every run gives other figures. "Yesterday" is the last day that
any source has complete; seven days are those up to it. To ask one of your own warehouse:

```
llm-usage query sql/analyses/02_what_did_yesterday_cost.sql
```
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


def published_tables(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return the grain of each published table, by its name.

    Args:
        manifest: dbt's, of any run.

    Returns:
        the first sentence of each description without its "One row per"; models in the order of
        their folders, then what publishing adds.
    """
    nodes = [*manifest["nodes"].values(), *manifest["sources"].values()]
    published = [
        node
        for node in nodes
        if node["schema"] == "main" and node["resource_type"] in ("model", "source")
    ]
    published.sort(key=lambda node: (node["resource_type"], node["fqn"]))
    return {node["name"]: _grain(node["description"]) for node in published}


def render_tables(manifest: Mapping[str, Any]) -> str:
    """Return the README's table of published tables."""
    rows = [f"| `{name}` | {grain} |" for name, grain in published_tables(manifest).items()]
    return "\n".join(["| table | one row per |", "|---|---|", *rows])


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
    if not (demo_mark(warehouse).exists() and warehouse.published_path.exists()):
        raise UsageError(f"{warehouse.published_path} is not the demo's; run `make demo` first")
    manifest = json.loads((warehouse.data_folder / "dbt/target/manifest.json").read_text())
    asked = questions()
    page = README.read_text(encoding="utf-8")
    page = put_block(page, "tables", render_tables(manifest))
    page = put_block(page, "questions", render_questions(asked))
    with duckdb.connect(str(warehouse.published_path), read_only=True) as connection:
        connection.execute(f"set TimeZone = '{warehouse.reporting_timezone}'")
        answers = render_answers(asked, connection)
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
