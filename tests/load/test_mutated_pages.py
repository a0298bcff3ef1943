"""Pages that were changed at random end in their rows, or in an error of their source.

What the rows are is read a second time here, in plain Python.
"""

import json
import os
import random
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest

from llm_usage_warehouse.http import SourceError
from llm_usage_warehouse.pages import Parsed, RowShape, rows_to_table, to_table
from llm_usage_warehouse.simulator import Simulator
from llm_usage_warehouse.sources.aiproxy.schema import logs_shape as aiproxy_logs
from llm_usage_warehouse.sources.alibaba_model_router.response import read_page
from llm_usage_warehouse.sources.alibaba_model_router.schema import BILLING_DETAILS
from llm_usage_warehouse.sources.alibaba_model_router.schema import logs_shape as router_logs
from llm_usage_warehouse.sources.tencent_lke.schema import CALL_DETAILS
from llm_usage_warehouse.sources.weave.schema import USAGE
from tests import weave
from tests.loads import frozen

MUTATIONS_OF_A_PAGE = int(os.environ.get("MUTATIONS_OF_A_PAGE", "110"))
SEED = os.environ.get("MUTATIONS_SEED", "")
"""`make torture` does more of them, from another seed."""
HIDDEN = "hide-me"
SECRETS = ("api_key", "accessToken", "password")
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
SAMPLE = Path(weave.__file__).with_name("samples") / "stats_daily.json"

Make = Callable[[random.Random, Any], Any]


# A second reading -------------------------------------------------------------------------------


def clean(text: str) -> str:
    return CONTROL.sub("\ufffd", text)


def scrubbed(value: Any) -> Any:
    """Drop what the mutations call a secret, and mend text as the pages' reader does."""
    if isinstance(value, dict):
        return {mend(k): scrubbed(v) for k, v in value.items() if k not in SECRETS}
    if isinstance(value, list):
        return [scrubbed(one) for one in value]
    return mend(value) if isinstance(value, str) else value


def mend(text: str) -> str:
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def money(value: Any) -> Decimal:
    assert isinstance(value, int | Decimal | str) and not isinstance(value, bool)
    with localcontext() as context:
        context.prec = 90
        found = Decimal(value).quantize(Decimal("1e-18"), ROUND_HALF_UP)
    assert abs(found) < 10**20
    return found


def integer(value: Any) -> int:
    assert type(value) is int and -(2**63) <= value < 2**63
    return value


def text(value: Any) -> str:
    assert isinstance(value, str)
    return clean(value)


def instant(value: Any, divisor: int) -> datetime:
    return datetime.fromtimestamp(value // divisor, UTC).replace(
        microsecond=value % divisor * (1_000_000 // divisor)
    )


def iso(value: Any) -> datetime:
    found = datetime.fromisoformat(text(value))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def number(value: Any) -> float:
    assert isinstance(value, int | Decimal) and not isinstance(value, bool)
    return float(value)


def boolean(value: Any) -> bool:
    assert isinstance(value, bool)
    return value


def inner(value: Any) -> Any:
    try:
        return scrubbed(loads(value)) if isinstance(value, str) else scrubbed(value)
    except ValueError:
        return mend(value)


READ: dict[str, Callable[[Any], Any]] = {
    "int": integer,
    "float": number,
    "money": money,
    "text": text,
    "bool": boolean,
    "json": scrubbed,
    "json_text": inner,
    "unix_ms": lambda value: instant(integer(value), 1000),
    "unix_s": lambda value: instant(integer(value), 1),
    "unix_s_text": lambda value: instant(int(text(value)), 1),
    "iso": iso,
}


def loads(body: str | bytes) -> Any:
    return json.loads(body, parse_float=Decimal)


def second_reading(row: Any, shape: RowShape) -> dict[str, Any]:
    assert isinstance(row, dict)
    found: dict[str, Any] = dict.fromkeys(shape.schema().names)
    for name, path, kind in shape.columns():
        value: Any = row
        for part in path:
            assert value is None or isinstance(value, dict)
            value = None if value is None else value.get(part)
        if value is None:
            continue
        kept = READ[kind.name](value)
        if name not in shape.withheld:
            found[name] = kept
            if kind.keeps_raw:
                found[f"{name}_raw"] = value
    assert all(found[name] is not None for name in shape.required)
    found["unknown_fields"] = unknown(row, shape.fields, ()) or None
    return found


def unknown(row: dict[str, Any], fields: Any, above: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    for name, value in row.items():
        path = (*above, mend(name))
        if name not in fields:
            if name not in SECRETS:
                found[".".join(path)] = scrubbed(value)
        elif not isinstance(fields[name], str) and value is not None:
            found |= unknown(value, fields[name], path)
    return found


def plain(parsed: Parsed, shape: RowShape) -> list[dict[str, Any]]:
    """Return a table's rows with their JSON read."""
    rows = parsed.table.to_pylist()
    for row in rows:
        for name in shape.json_columns():
            row[name] = None if row[name] is None else loads(row[name])
    return list(rows)


# The vendors' pages -----------------------------------------------------------------------------


def to_rows(body: bytes, shape: RowShape) -> Parsed:
    return to_table("vendor", [body], shape, {})


def of_model_router(body: bytes, shape: RowShape) -> Parsed:
    page = read_page("vendor", body, shape, None)
    return rows_to_table("vendor", [row for _, row in page.rows], shape, {})


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def snaked(row: Any, fields: Any) -> Any:
    if not isinstance(row, dict):
        return row
    found = {}
    for name, value in row.items():
        below = fields.get(snake(name))
        deeper = snaked(value, below) if below and not isinstance(below, str) else value
        found[name if name in SECRETS else snake(name)] = deeper
    return found


@contextmanager
def as_deep_as_it_is() -> Iterator[None]:
    """Let a second reading, which calls itself for each level, get down to a thousand of them."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10 * limit)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


@as_deep_as_it_is()
def rows_of(body: bytes, shape: RowShape, *, is_router: bool) -> list[dict[str, Any]]:
    value = loads(body)
    if is_router:
        data = value.get("data") or {}
        value = next((data[name] for name in ("list", "rows", "items") if data.get(name)), [])
        value = [snaked(row, shape.fields) for row in value]
    else:
        for name in shape.rows:
            assert value is None or isinstance(value, dict)
            value = None if value is None else value.get(name)
    assert value is None or isinstance(value, list)
    return [second_reading(row, shape) for row in value or []]


@pytest.fixture(scope="module")
def pages() -> dict[str, tuple[Any, RowShape]]:
    """One page of each kind of rows, and their shape."""
    with Simulator(frozen(rows_per_day=60)) as simulator:
        calls = simulator["aiproxy"].data.rows()[:12]
        details = [dict(row) for row in simulator["tencent_lke"].data.rows()[:12]]
        router = simulator["alibaba_model_router"].data
        logs, bills = router.rows()[:12], router.bills()[:12]
    usage = json.loads(SAMPLE.read_bytes())["response"]
    return {
        "aiproxy": ({"data": {"logs": calls, "total": 12}}, aiproxy_logs(frozenset({"metadata"}))),
        "tencent": ({"Response": {"List": details, "Total": 12}}, CALL_DETAILS),
        "router_logs": ({"data": {"list": logs, "total": 12}}, router_logs(keep_bodies=True)),
        "router_bills": ({"data": {"rows": bills, "total": "12"}}, BILLING_DETAILS.shape),
        "weave": (usage, USAGE.shape()),
    }


# The mutations ----------------------------------------------------------------------------------


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every container and key of a JSON value."""
    found = []
    for key in [*value] if isinstance(value, dict) else range(len(value)):
        found.append((value, key))
        if isinstance(value[key], dict | list):
            found += places(value[key])
    return found


def replacing(choices: Callable[[random.Random, Any], Any]) -> Make:
    def mutate(rng: random.Random, page: Any) -> Any:
        container, key = rng.choice(places(page))
        container[key] = choices(rng, container[key])
        return page

    return mutate


DEEP = {f"@{depth}": b'[{"a":' * depth + b"1" + b"}]" * depth for depth in (25, 500)}
"""What stands for values too deep for Python's own encoder."""


def lengthened(text: str) -> Make:
    return replacing(lambda _, old: old + text if isinstance(old, str) else old)


def without_a_key(rng: random.Random, page: Any) -> Any:
    container, key = rng.choice(places(page))
    del container[key]
    return page


def with_a_name(rng: random.Random, page: Any) -> Any:
    objects = [c[k] for c, k in places(page) if isinstance(c[k], dict)]
    name = rng.choice([*SECRETS, "*", "", 'a"b', "a.b", "new", "\x00", "\ud83d", "键"])
    secret = {"outer": [{rng.choice(SECRETS): HIDDEN, "kept": 1.50}]}
    rng.choice(objects)[name] = HIDDEN if name in SECRETS else secret
    return page


def swapped(rng: random.Random, page: Any) -> Any:
    (one, a), (other, b) = rng.sample([p for p in places(page) if not isinstance(p[0], list)], 2)
    one[a], other[b] = json.loads(json.dumps([other[b], one[a]], default=float))
    return page


MUTATIONS: dict[str, Make] = {
    "retyped": replacing(
        lambda rng, _: rng.choice(
            ["12", "", "x", "2026-01-01", "0.30", 7, -1, 2.5, 1e-25, 1e300, True, False, [], {}]
        )
    ),
    "null": replacing(lambda _, __: None),
    "container": replacing(lambda rng, _: rng.choice([[], {}, [None], [1], {"a": [1]}, "x", 1])),
    "large": replacing(lambda rng, _: rng.choice([2**53 + 1, 2**63, -(2**63) - 1, 10**40])),
    "nested": replacing(lambda rng, _: rng.choice([*DEEP])),
    "control": lengthened("\x00\x1b\n\x85"),
    "surrogate": lengthened("\ud83d"),
    "deleted": without_a_key,
    "named": with_a_name,
    "swapped": swapped,
    "untouched": lambda _, page: page,
}


def mutated(rng: random.Random, page: Any, mutation: str) -> bytes:
    copy = json.loads(json.dumps(page, default=float))
    changed = MUTATIONS.get(mutation, MUTATIONS["untouched"])(rng, copy)
    body = json.dumps(changed, indent=rng.choice([None, 1])).encode()
    for mark, value in DEEP.items():
        body = body.replace(json.dumps(mark).encode(), value)
    return body[: rng.randrange(len(body))] if mutation == "truncated" else body


@pytest.mark.parametrize("name", ["aiproxy", "tencent", "router_logs", "router_bills", "weave"])
def test_mutated_pages(pages: dict[str, tuple[Any, RowShape]], name: str) -> None:
    page, shape = pages[name]
    is_router = name.startswith("router")
    read = of_model_router if is_router else to_rows
    rng = random.Random(name + SEED)
    outcomes: dict[str, set[str]] = {}
    names = [*MUTATIONS, "truncated"]
    for turn in range(MUTATIONS_OF_A_PAGE):
        mutation = names[turn % len(names)]
        body = mutated(rng, page, mutation)
        try:
            parsed = read(body, shape)
        except SourceError as error:
            assert error.source == "vendor"
            outcomes.setdefault(mutation, set()).add("error")
            continue
        outcomes.setdefault(mutation, set()).add("rows")
        expected = rows_of(body, shape, is_router=is_router)
        assert plain(parsed, shape) == expected, (turn, mutation)
        assert HIDDEN not in str(parsed.table.to_pylist()) + str(parsed.unknown)
    assert outcomes["truncated"] == {"error"}
    assert outcomes["named"] == outcomes["untouched"] == {"rows"}
    assert "error" in outcomes["retyped"]
