"""Every model compiles for Spark, too, and says nothing there that only DuckDB understands.

A parser alone takes any function and any type: so these are held against the lists of
`spark_words.toml`. The figures themselves are compared by `make spark-test`.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import sqlglot
from sqlglot import ErrorLevel, TokenType
from sqlglot.tokenizer_core import Token

from llm_usage_warehouse.dbt_runs import HELD_SOURCES, variables
from llm_usage_warehouse.settings import WarehouseSettings
from tests.raw_rows import slice_row
from tests.sql_helpers import FILE, SQL, SqlWarehouse

WORDS = tomllib.loads(Path(__file__).with_name("spark_words.toml").read_text())
FUNCTIONS = {*WORDS["alike"], *WORDS["of_macros"]}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each node is on Spark, in a run that rebuilds some days and holds a source.

    What it asks is there, too.
    """
    folder = tmp_path_factory.mktemp("spark")
    warehouse = SqlWarehouse(folder)
    line = slice_row("proxy", "logs", "2026-11-01 00:00:00Z", "2026-11-02 00:00:00Z")
    warehouse.insert("raw_aiproxy.load_ledger", **line)
    warehouse.run("insert into transform_state.processed_slices values ('one', '1', now())")
    warehouse.run(
        "insert into intermediate.int_touched_days values "
        "('proxy', '2026-11-01', '2026-11-01 00:00:00Z', '2026-11-02 00:00:00Z')"
    )
    warehouse.run("create schema last_good")
    warehouse.run("create table last_good.slices (slice_id text, load_id text)")
    warehouse.run("create table last_good.days (source_name text, usage_date date)")
    for table in ("calls", "usage_buckets", "reconciliation"):
        warehouse.run(f"create table last_good.{table} (source_name text)")
    settings = WarehouseSettings(path=warehouse.path)
    target, asked = folder / "target", folder / "asked"
    done = subprocess.run(
        [
            *(sys.executable, str(Path(__file__).with_name("spark_compiler.py"))),
            *(str(warehouse.path), str(asked), "--quiet", "compile", "--target", "lake"),
            *("--no-populate-cache", "--threads", "1", "--project-dir", str(SQL)),
            *("--profiles-dir", str(SQL), "--target-path", str(target)),
            *("--log-path", str(target), "--vars", json.dumps(variables(settings))),
        ],
        env={
            **{**os.environ, "LLM_USAGE_WAREHOUSE": f"./{FILE}", "LLM_USAGE_TIMEZONE": "UTC"},
            HELD_SOURCES: '["held"]',
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((target / "run_results.json").read_text())["results"]
    found = {
        name: result["compiled_code"]
        for result in results
        # The questions are asked of the published file, which DuckDB wrote.
        if result.get("compiled_code") and not (name := result["unique_id"]).startswith("analysis.")
    }
    asking = [json.loads(line) for line in asked.read_text().splitlines()]
    return found | {f"what is asked, {number}": sql for number, sql in enumerate(asking)}


def problems(sql: str) -> Iterator[str]:
    """Say what of a statement Spark would not take, or would take for something else."""
    try:
        tokens = sqlglot.tokenize(sql, read="spark")
        sqlglot.parse(sql, read="spark", error_level=ErrorLevel.RAISE)
    except sqlglot.errors.SqlglotError as error:
        yield str(error)
        return
    yield from (f"the function {name}" for name in called(tokens) - FUNCTIONS)
    yield from (f"the type {name}" for name in cast_to(tokens) - {*WORDS["types"]})
    for token in tokens:
        written = sql[token.start : token.end + 1]
        if token.token_type == TokenType.STRING and written.startswith('"'):
            yield f"the name {written}, which is a text there"
        elif token.token_type in (TokenType.L_BRACKET, TokenType.DCOLON):
            yield f"the sign {written}"
    if re.search(r"row_number\(\)\s+over\s+\(\)", sql):
        yield "rows numbered in no order"


def called(tokens: list[Token]) -> set[str]:
    """Return the names of the functions that a statement calls."""
    return {
        name
        for before, token, after in zip([None, *tokens], tokens, tokens[1:], strict=False)
        if after.token_type == TokenType.L_PAREN
        and re.fullmatch(r"[a-z_]\w*", name := token.text.lower())
        and name not in WORDS["syntax"]
        # A table of a schema, with its columns behind it.
        and not (before and before.token_type == TokenType.DOT)
    }


def cast_to(tokens: list[Token]) -> set[str]:
    """Return the types that a statement casts to: what stands behind the last `as` of each cast."""
    found: set[str] = set()
    open_casts: list[int] = []
    depth = 0
    for before, token in pairwise(tokens):
        if token.token_type == TokenType.L_PAREN:
            depth += 1
            if before.text.lower() in ("cast", "try_cast"):
                open_casts.append(depth)
        elif token.token_type == TokenType.R_PAREN:
            if open_casts and open_casts[-1] == depth:
                open_casts.pop()
            depth -= 1
        elif before.token_type == TokenType.ALIAS and open_casts and open_casts[-1] == depth:
            found.add(token.text.lower())
    return found


def test_every_model_and_test_is_sql_of_spark(compiled: dict[str, str]) -> None:
    wrong = {name: found for name, sql in compiled.items() if (found := sorted(set(problems(sql))))}
    assert wrong == {}
    models = {path.stem for path in (SQL / "models").rglob("*.sql")}
    assert models <= {name.split(".")[-1] for name in compiled}


def test_the_lists_name_nothing_that_no_model_uses(compiled: dict[str, str]) -> None:
    used = set[str]().union(*(called(sqlglot.tokenize(sql, "spark")) for sql in compiled.values()))
    assert FUNCTIONS - used == set()


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("select list_has_all(a, b) from t", "the function list_has_all"),
        ("select cast(a as varchar) from t", "the type varchar"),
        ("select cast(cast(a as hugeint) as decimal(38, 0)) from t", "the type hugeint"),
        ('select "Tags" from t', 'the name "Tags", which is a text there'),
        ("select [1, 2] as a", "the sign ["),
        ("select a::bigint as a from t", "the sign ::"),
        ("select unnest(a) from t", "the function unnest"),
        ("select row_number() over () as n from t", "rows numbered in no order"),
    ],
)
def test_what_only_duckdb_knows_is_found(sql: str, told: str) -> None:
    assert told in list(problems(sql))


def test_what_spark_cannot_read_is_found() -> None:
    assert list(problems("select a // 2 from t"))


@pytest.mark.slow
def test_every_model_is_parsed_by_the_linter_for_spark(
    compiled: dict[str, str], tmp_path: Path
) -> None:
    for number, sql in enumerate(compiled.values()):
        (tmp_path / f"{number}.sql").write_text(sql.strip() + "\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sqlfluff", "lint", "--ignore-local-config"),
            *("--processes", "2"),
            # A rule that all keep: what is looked for is what cannot be parsed.
            *("--dialect", "sparksql", "--templater", "raw", "--rules", "LT12", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    (tmp_path / "duckdb.sql").write_text("select * exclude (one) from two\n")
    assert "PRS" in subprocess.run(done.args, capture_output=True, text=True, check=False).stdout
