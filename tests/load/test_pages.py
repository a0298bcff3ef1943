"""From page bytes to typed tables: exact types, nothing lost, nothing rounded in silence."""

from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa
import pytest

from llm_usage_warehouse.http import BadResponseError
from llm_usage_warehouse.pages import Parsed, RowShape, to_table

CONTRACT = RowShape(
    rows=("data",),
    fields={
        "id": "int",
        "at": "unix_ms",
        "day": "iso",
        "name": "text",
        "user": "text",
        "body": "drop",
        "usage": {"tokens": "int"},
        "cost": "money",
        "tags": "json",
        "notes": "json_text",
        "ok": "bool",
        "ratio": "float",
        "spoken": "unix_s_text",
    },
    required=("id",),
    renamed={"user": "user_id"},
    withheld=frozenset({"user_id"}),
)


def parse(*rows: dict[str, Any]) -> Parsed:
    return to_table("test", [orjson.dumps({"data": list(rows)})], CONTRACT, {"source_name": "a"})


def column(found: Parsed, name: str) -> list[Any]:
    values: list[Any] = found.table[name].to_pylist()
    return values


def test_an_instant_keeps_what_was_sent_beside_it() -> None:
    found = parse({"id": 1, "at": 1780315201623, "day": "2026-06-01T08:00:01+08:00"})
    assert column(found, "at")[0].isoformat() == "2026-06-01T12:00:01.623000+00:00"
    assert column(found, "at_raw") == [1780315201623]
    assert column(found, "day")[0].isoformat() == "2026-06-01T00:00:01+00:00"
    assert column(found, "day_raw") == ["2026-06-01T08:00:01+08:00"]


def test_integers_above_2_53_stay_exact() -> None:
    assert column(parse({"id": 2**63 - 1}), "id") == [2**63 - 1]


def test_money_keeps_its_digits() -> None:
    found = parse(*({"id": n, "cost": cost} for n, cost in enumerate([0.1, 1.5e-7, 12, "0.30"])))
    expected = [Decimal("0.1"), Decimal("1.5e-7"), Decimal(12), Decimal("0.3")]
    assert column(found, "cost") == expected


def test_what_is_absent_is_null() -> None:
    found = parse({"id": 1, "usage": {}}, {"id": 2, "usage": {"tokens": 0}}, {"id": 3})
    assert column(found, "usage_tokens") == [None, 0, None]


def test_withheld_and_dropped_fields_are_not_read() -> None:
    found = parse({"id": 1, "user": "ann", "body": "hello"})
    assert column(found, "user_id") == [None]
    assert "body" not in found.table.column_names
    assert (found.unknown, column(found, "unknown_fields")) == (frozenset(), [None])


def test_unknown_fields_are_kept_where_they_are() -> None:
    found = parse({"id": 1, "usage": {"tokens": 1, "new": 2}}, {"id": 2, "extra": "x"})
    assert found.unknown == {"usage.new", "extra"}
    assert column(found, "unknown_fields") == ['{"usage.new":2}', '{"extra":"x"}']


def test_an_unknown_field_that_names_a_secret_is_not_kept() -> None:
    found = parse({"id": 1, "api_key": "hidden", "seen": 1})
    assert found.unknown == {"api_key", "seen"}
    assert column(found, "unknown_fields") == ['{"seen":1}']


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"id": "12"}, "id should be int and is text"),
        ({"id": 2.5}, "id should be int and is a fraction"),
        ({"id": 1, "usage": {"tokens": 1e-7}}, "usage.tokens should be int and is a fraction"),
        ({"id": 1, "name": 7}, "name should be text and is an integer"),
        ({"id": 1, "usage": "none"}, "usage should be an object and is text"),
        ({"id": 1, "usage": []}, "usage should be an object and is an array"),
        ({"id": 2**63}, "id should be int and is an integer beyond 64 bits"),
        ({"id": 1, "name": ["a"]}, "name should be text and is an array"),
        ({"id": 1, "name": True}, "name should be text and is a boolean"),
        ({"id": {}}, "id should be int and is an object"),
        ({"id": 1, "ok": "true"}, "ok should be bool and is text"),
        ({"id": 1, "ratio": "1"}, "ratio should be float and is text"),
        ({"id": 1, "cost": "cheap"}, "cost should be money and is text that is no number"),
        ({"id": 1, "cost": 1e20}, "cost should be money and is a number of more than 20 digits"),
        ({"id": 1, "cost": False}, "cost should be money and is a boolean"),
        ({"id": 1, "day": "yesterday"}, "day should be iso and is no instant: 'yesterday'"),
        ({"id": 1, "day": "2026-02-30"}, "day should be iso and is no instant: '2026-02-30'"),
        ({"id": 1, "at": 2**62}, "at should be unix_ms and is no instant: '4611686018427387904'"),
        ({"id": 1, "at": 253402300800000}, "at should be unix_ms and is no instant"),
        ({"id": 1, "at": 1.5}, "at should be unix_ms and is a fraction"),
        ({"id": 1, "spoken": "0x10"}, "spoken should be unix_s_text and is no instant: '0x10'"),
        ({"name": "nameless"}, "id is missing in 1 rows"),
    ],
)
def test_a_retyped_field_is_an_error(row: dict[str, Any], words: str) -> None:
    with pytest.raises(BadResponseError, match=words):
        parse(row)


def test_objects_that_are_empty_in_every_row_are_objects() -> None:
    assert column(parse({"id": 1, "usage": {}}, {"id": 2, "usage": {}}), "id") == [1, 2]


def test_one_row_of_another_type_among_many_is_found() -> None:
    rows = [{"id": number, "usage": {"tokens": 1}} for number in range(1000)]
    rows[500]["usage"] = "none"
    with pytest.raises(BadResponseError, match="usage should be an object"):
        parse(*rows)


@pytest.mark.parametrize("page", [b'{"data": []}', b'{"data": null}', b"{}"])
def test_an_empty_page_has_the_full_schema(page: bytes) -> None:
    found = to_table("test", [page], CONTRACT, {"source_name": "a"})
    assert found.table.num_rows == 0
    assert found.table.schema == CONTRACT.schema(["source_name"])


def test_rows_of_all_pages_are_there() -> None:
    pages = [orjson.dumps({"data": [{"id": number}]}) for number in range(5)]
    table: pa.Table = to_table("test", pages, CONTRACT, {"source_name": "a"}).table
    assert sorted(table["id"].to_pylist()) == [0, 1, 2, 3, 4]
    assert set(table["source_name"].to_pylist()) == {"a"}
