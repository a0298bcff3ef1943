"""From page bytes to typed tables: exact types, nothing lost, nothing rounded in silence."""

from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa
import pytest

from pipelines.http import BadResponseError
from pipelines.pages import Contract, Parsed, to_table

CONTRACT = Contract(
    rows="$.data",
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
        ({"id": 1, "name": 7}, "name should be text and is a number"),
        ({"id": 1, "usage": "none"}, "usage should be an object and is text"),
        ({"id": 1, "usage": []}, "usage should be an object and is an array"),
        ({"id": 2**63}, "out of range"),
        ({"id": 1, "day": "yesterday"}, "yesterday"),
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


def test_a_secret_is_not_kept_at_any_depth() -> None:
    found = parse(
        {"id": 1, "outer": {"api_key": "hidden", "in": [{"accessToken": "hidden", "n": 1}]}}
    )
    assert found.unknown == {"outer", "outer.api_key", "outer.in.accessToken"}
    assert column(found, "unknown_fields") == ['{"outer":{"in":[{"n":1}]}}']


@pytest.mark.parametrize(
    "name",
    ["access_key", "token", "private_key", "bearer", "auth-token", "clientSecret", "X-Api-Key"],
)
def test_names_that_look_like_secrets(name: str) -> None:
    found = parse({"id": 1, name: "hidden"})
    assert found.unknown == {name}
    assert column(found, "unknown_fields") == [None]


@pytest.mark.parametrize("name", ["total_tokens", "token_count", "keyboard", "monkey", "tokenizer"])
def test_names_that_do_not(name: str) -> None:
    assert column(parse({"id": 1, name: 7}), "unknown_fields") == [f'{{"{name}":7}}']


def test_a_secret_in_a_known_json_column_is_not_kept() -> None:
    found = parse({"id": 1, "tags": {"team": "a", "password": "hidden", "key": "label"}})
    assert found.unknown == {"tags.password"}
    assert column(found, "tags") == ['{"team":"a","key":"label"}']


@pytest.mark.parametrize("name", ["*", "", 'a"b', "a.b", "$", "a\u0000b"])
def test_a_name_is_never_a_path(name: str) -> None:
    found = parse({"id": 1, "user": "ann", "body": "the prompt", name: 1})
    assert [orjson.loads(text) for text in column(found, "unknown_fields")] == [{name: 1}]


def read(body: bytes) -> Parsed:
    return to_table("test", [body], CONTRACT, {"source_name": "a"})


def test_long_numbers_survive_in_json() -> None:
    long = b"123456789012345678901234567890.12345678901234567890"
    found = read(b'{"data":[{"id":1,"tags":{"n":%b},"new":%b}]}' % (long, long))
    assert column(found, "tags") == [f'{{"n":{long.decode()}}}']
    assert column(found, "unknown_fields") == [f'{{"new":{long.decode()}}}']


def test_money_is_rounded_as_sql_rounds() -> None:
    body = (
        b'{"data":[{"id":1,"cost":1.5000000000000002e-05},{"id":2,"cost":"0.0000000000000000005"}]}'
    )
    assert column(read(body), "cost") == [
        Decimal("0.000015000000000000"),
        Decimal("0.000000000000000001"),
    ]


def test_control_characters_are_kept_out_of_text() -> None:
    found = parse({"id": 1, "name": "a\x00b\tc\x7f\x85d"}, {"id": 2, "name": "plain é 模型"})
    assert column(found, "name") == ["a\ufffdb\ufffdc\ufffd\ufffdd", "plain é 模型"]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (rb"x\ud83d", "x\ufffd"),
        (rb"\ude00x", "\ufffdx"),
        (rb"\ud83d\ude00", "\U0001f600"),
        (rb"\\ud83d", r"\ud83d"),
        (rb"\uD83Dx\ud83d\ude00", "\ufffdx\U0001f600"),
    ],
)
def test_half_an_emoji_is_mended(sent: bytes, kept: str) -> None:
    assert column(read(b'{"data":[{"id":1,"name":"%b"}]}' % sent), "name") == [kept]


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[null]}',
        b'{"data":[{"id":1},null]}',
        b'{"data":[7]}',
        b'{"data":[[]]}',
        b'{"data":7}',
        b'{"data":"rows"}',
        b'{"data":{}}',
        b"[]",
        b"7",
        b"",
        b"[",
        b'{"data":[{"id":1}',
        b'{"data":[{"id":NaN}]}',
        b'{"data":[{"id":1,"name":"\xff"}]}',
        b'{"data":[{"id":1,"new":' + b"[" * 1000 + b"]" * 1000 + b"}]}",
        b'{"data":[{"id":1,"tags":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}",
        b'{"data":[{"id":1,"cost":1e30}]}',
        b'{"data":[{"id":1,"cost":"much"}]}',
        b'{"data":[{"id":1,"at":9999999999999999}]}',
        b'{"data":[{"id":1,"at":-1}]}',
    ],
)
def test_what_is_no_row_is_an_error(body: bytes) -> None:
    with pytest.raises(BadResponseError):
        read(body)


def test_the_last_of_two_equal_names_counts() -> None:
    assert column(read(b'{"data":[{"id":1,"name":"a","name":"b"}]}'), "name") == ["b"]


def test_an_instant_without_an_offset_is_utc() -> None:
    days = ["2026-06-01T00:00:01", "2026-06-01T00:00:01.123456789Z", "2026-06-01T08:00:01+0800"]
    found = parse(*({"id": 1, "day": day} for day in days))
    assert [at.isoformat() for at in column(found, "day")] == [
        "2026-06-01T00:00:01+00:00",
        "2026-06-01T00:00:01.123456+00:00",
        "2026-06-01T00:00:01+00:00",
    ]
