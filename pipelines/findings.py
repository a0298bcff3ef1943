"""What dbt found wrong, in words: how much of what, where, and what to do about it.

A test says so itself: its `description` is what is wrong where it finds a row, and `next` in its
`meta` what to do then. For dbt's own tests on columns the words are here.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

Entry = dict[str, Any]

ASIDES = ("LINE ", "compiled code at", "> in macro", "> called by", "at ", "JVM stacktrace")
"""How lines begin that dbt or the database add below what they say."""


@dataclass(frozen=True)
class FailedTest:
    """A data test that found rows.

    Attributes:
        name: its name.
        wrong: what is wrong with the rows, in words.
        next_step: what to do, where the test says so itself.
        query: the SQL that finds them.
        model: the relation that the test is about; None where it is about no single one.
    """

    name: str
    wrong: str
    next_step: str | None
    query: str
    model: str | None

    def told(self, rows: int, *steps: str) -> str:
        """Say in one line how many rows are wrong, how, and what to do about it."""
        counted = "1 row" if rows == 1 else f"{rows:,} rows"
        return "; ".join([f"{counted}: {self.wrong}", *steps])


def failed_test(result: Entry, manifest: Entry) -> FailedTest | None:
    """Return the data test that a result is of and that found rows; None for any other result.

    Args:
        result: an entry of dbt's run_results.json.
        manifest: dbt's manifest.json of that run.
    """
    unique_id: str = result["unique_id"]
    if not unique_id.startswith("test.") or result["status"] not in ("fail", "warn"):
        return None
    node: Entry = manifest["nodes"][unique_id]
    tested: str | None = node.get("attached_node")
    where = f" ({' '.join(tested.split('.')[::2])})" if tested else ""
    wrong = _inner(node.get("description") or _of_a_column(node) or node["name"])
    next_step = node.get("config", {}).get("meta", {}).get("next")
    return FailedTest(
        node["name"],
        f"{wrong}{where}",
        _inner(next_step) if next_step else None,
        result["compiled_code"],
        manifest["nodes"][tested]["relation_name"] if tested else None,
    )


def in_words(result: Entry, manifest: Entry, log: Path) -> str:
    """Say of one result that is not fine what is wrong and what to do, in one line.

    Args:
        result: an entry of dbt's run_results.json.
        manifest: dbt's manifest.json of that run.
        log: where dbt wrote all that it said.
    """
    unique_id: str = result["unique_id"]
    kind, _, name = unique_id.split(".", 2)
    node: Entry = manifest["nodes"].get(unique_id) or manifest["unit_tests"].get(unique_id) or {}
    name = node.get("name", name)
    if test := failed_test(result, manifest):
        return _told(test, result, node)
    if kind == "unit_test" and result["status"] == "fail":
        return (
            f"unit test {name}: model {node.get('model')} gives other rows than its example "
            f"expects ({_inner(node.get('description', ''))}); both are in {log}"
        )
    where = f" ({node['original_file_path']})" if node else ""
    return (
        f"{kind} {name}: {cause(result['message'] or result['status'])}{where}; what stands on it "
        f"was not built, and all that dbt said is in {log}"
    )


def cause(message: str) -> str:
    """Return what the database says in a message of dbt, else what dbt says itself."""
    first, *others = [line.strip() for line in message.splitlines() if line.strip()]
    said: list[str] = []
    for line in others:
        if line.startswith(ASIDES):
            break
        said.append(line)
    return " ".join(said) or first


def _told(test: FailedTest, result: Entry, node: Entry) -> str:
    steps: list[str] = []
    if test.next_step:
        steps.append(test.next_step)
    elif result["status"] == "fail":
        steps.append("nothing is published until they are put right")
    if node.get("compiled_path"):
        steps.append(f"to see them run {node['compiled_path']} in the private warehouse")
    return test.told(result["failures"] or 0, *steps)


def _of_a_column(node: Entry) -> str | None:
    test: Entry = node.get("test_metadata") or {}
    arguments: Entry = test.get("kwargs", {})
    column = arguments.get("column_name")
    match test.get("name"):
        case "unique":
            return f"{column} is there more than once"
        case "not_null":
            return f"{column} is not known"
        case "accepted_values":
            return f"{column} is none of {', '.join(map(str, arguments['values']))}"
        case "relationships":
            return f"{column} is not in {arguments['to']}"
        case "unique_combination":
            return f"{', '.join(arguments['columns'])} are there more than once together"
    return None


def _inner(sentence: str) -> str:
    return sentence.strip().removesuffix(".")
