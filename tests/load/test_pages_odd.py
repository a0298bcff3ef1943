"""What vendors' pages may hold beside plain rows: odd bodies, numbers, text, unknown fields."""

import math
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from llm_usage_warehouse.http import BadResponseError
from llm_usage_warehouse.pages import (
    Fields,
    Parsed,
    RowShape,
    mended,
    rows_to_table,
    spelled,
    to_table,
)
from llm_usage_warehouse.sources.aiproxy.schema import logs_shape

FIELDS: Fields = {
    "id": "int",
    "name": "text",
    "at": "unix_ms",
    "day": "iso",
    "spoken": "unix_s_text",
    "ratio": "float",
    "ok": "bool",
    "cost": "money",
    "tags": "json",
    "notes": "json_text",
    "prompt": "text",
    "body": "drop",
    "usage": {"tokens": "int", "detail": "json", "secret_part": "drop"},
}
CONTRACT = RowShape(("data", "rows"), FIELDS, required=("id",), withheld=frozenset({"prompt"}))


def page(*rows: bytes) -> bytes:
    return b'{"data":{"rows":[' + b",".join(rows) + b"]}}"


def parse(*rows: bytes) -> Parsed:
    return to_table("test", [page(*rows)], CONTRACT, {})


def one(members: bytes, column: str) -> Any:
    """Return a column's value of a row: alone in its page, and after a plain one."""
    row = b'{"id":1,' + members + b"}"
    values = [parse(*rows).table[column].to_pylist()[-1] for rows in ([row], [b'{"id":2}', row])]
    assert str(values[0]) == str(values[1])
    return values[0]


def fails(body: bytes, words: str = "") -> None:
    with pytest.raises(BadResponseError, match=words) as caught:
        to_table("test", [body], CONTRACT, {})
    assert caught.value.source == "test"


# The page ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"{", page(b'{"id":1}')[:-3], b"\xff", page(b'{"id":1,"name":"\xff"}')]
    + [page(b'{"id":%s}' % number) for number in (b"NaN", b"Infinity", b"-Infinity", b"01")]
    + [page(b'{"id":1,"name":"a\x00b"}'), page(b'{"id":1}') + b"x"],
)
def test_what_is_not_json_is_an_error(body: bytes) -> None:
    fails(body, "not complete JSON")


# How deep is too deep is up to Python: about 1,000 levels in 3.11, 10,000 in 3.13.
@pytest.mark.parametrize("depth", [20_000, 100_000])
@pytest.mark.parametrize("name", [b"id", b"name", b"tags", b"notes", b"usage", b"new", b"body"])
@pytest.mark.parametrize("kind", [(b"[", b"]"), (b'{"a":', b"}")])
def test_bottomless_values_are_an_error(depth: int, name: bytes, kind: tuple[bytes, bytes]) -> None:
    value = kind[0] * depth + b"1" + kind[1] * depth
    fails(page(b'{"id":1,"%s":%s}' % (name, value)), "nested too deeply")


@pytest.mark.parametrize("body", [b"{}", b'{"data":null}', b'{"data":{}}', b'{"data":{"rows":[]}}'])
def test_no_list_is_no_rows(body: bytes) -> None:
    assert to_table("test", [body], CONTRACT, {}).table.equals(CONTRACT.schema().empty_table())


@pytest.mark.parametrize("body", [b'{"data":%s}', b'{"data":{"rows":%s}}'])
@pytest.mark.parametrize("value", [b"1", b'"none"', b"true"])
def test_another_thing_where_the_list_should_be_is_an_error(body: bytes, value: bytes) -> None:
    fails(body % value, r"data.rows should be an array of rows: Expected .* at `\$.data")


def test_an_object_or_array_in_the_wrong_place_is_an_error() -> None:
    fails(b'{"data":[{"id":1}]}', "data.rows should be an array")
    fails(b'{"data":{"rows":{"id":1}}}', "data.rows should be an array")
    fails(b'[{"id":1}]', "data.rows should be an array")
    fails(b"[", "data.rows should be an array")


@pytest.mark.parametrize(
    ("row", "what"), [(b"null", "null"), (b"7", "an integer"), (b'[{"id":1}]', "an array")]
)
def test_a_row_that_is_no_object_is_an_error(row: bytes, what: str) -> None:
    fails(page(row), f"row 1 of data.rows should be an object and is {what}")
    fails(page(b'{"id":1}', row), f"row 2 of data.rows should be an object and is {what}")


def test_line_breaks_between_values_are_nothing() -> None:
    found = parse(b'{\n"id":\n1,\r\n"tags": [1,\n2]}', b'\n{"id":2}\n')
    assert found.table["id"].to_pylist() == [1, 2]
    assert found.table["tags"].to_pylist() == ["[1, 2]", None]


@pytest.mark.parametrize(
    "row",
    [
        b'{"id":1,"name":"a","id":2,"tags":[1],"tags":[2]}',
        b'{"id":2,"usage":{"tokens":1},"usage":{},"new":1,"name":"a","new":2,"tags":[2]}',
    ],
)
def test_of_a_name_that_comes_twice_the_last_one_counts(row: bytes) -> None:
    (found,) = parse(row).table.to_pylist()
    assert (found["id"], found["name"], found["tags"]) == (2, "a", "[2]")
    assert found["usage_tokens"] is None
    assert found["unknown_fields"] in {None, '{"new":2}'}


def test_a_large_read_keeps_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_usage_warehouse.pages.typed.BATCH_BYTES", 1_000)
    rows = [b'{"id":%d,"tags":[%d]%s}' % (n, n, b',"x":1' * (n % 7 == 0)) for n in range(500)]
    table = to_table("test", [page(*rows[at : at + 9]) for at in range(0, 500, 9)], CONTRACT, {})
    assert table.table["id"].to_pylist() == [*range(500)]
    assert table.table["tags"].to_pylist() == [f"[{n}]" for n in range(500)]
    assert table.table["unknown_fields"].null_count == 500 - 72


# Numbers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [2**53 + 1, 2**63 - 1, -(2**63), 0])
def test_integers_are_exact(sent: int) -> None:
    assert one(b'"usage":{"tokens":%d}' % sent, "usage_tokens") == sent


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"0.1", "0.1"),
        (b'"0.30"', "0.3"),
        (b"12", "12"),
        (b"-1.5E-7", "-0.00000015"),
        (b"1.5000000000000002e-05", "0.000015000000000000"),
        (b"0.0000000000000000005", "0.000000000000000001"),
        (b"-0.0000000000000000005", "-0.000000000000000001"),
        (b"0.00000000000000000049999", "0"),
        (b"12345678901234567890.123456789012345678", "12345678901234567890.123456789012345678"),
        (b"99999999999999999999.9999999999999999994", "99999999999999999999.999999999999999999"),
        (b"1.00000000000000000000000000000000000000000000000000000000000000000001", "1"),
        (b"99999999999999.9999999999999999995", "100000000000000"),
        (b"5e-324", "0"),
        (b"1e-999999999", "0"),
        (b'"1E-999999999"', "0"),
        (b"1e-99999999999999999999", "0"),
        (b"0." + b"0" * 20_000 + b"1", "0"),
        (b"0e99999999999999999999", "0"),
        (b"1e19", "10000000000000000000"),
    ],
)
def test_money_is_rounded_from_the_digits_as_sent(sent: bytes, kept: str) -> None:
    assert one(b'"cost":' + sent, "cost") == Decimal(kept)


@pytest.mark.parametrize(
    "sent",
    [
        b"1e20",
        b"-123456789012345678901",
        b"1" * 40,
        b"1" * 80,
        b"1e40",
        b"1e77",
        b"1e99",
        b"1e999",
        b"1e99999999999999999999",
        b"99999999999999999999.9999999999999999999",
    ],
)
def test_more_money_than_there_is_room_for_is_an_error(sent: bytes) -> None:
    fails(page(b'{"id":1,"cost":%s}' % sent), "cost should be money and is a number of more than")


@pytest.mark.parametrize("sent", [b'""', b'" 1"', b'"1_0"', b'"NaN"', b'"0x1"', rb'"\uff11"'])
def test_text_that_is_no_number_is_no_money(sent: bytes) -> None:
    fails(page(b'{"id":1,"cost":%s}' % sent), "cost should be money and is text that is no number")


def test_floats_take_whole_numbers_and_no_infinity() -> None:
    assert one(b'"ratio":3', "ratio") == 3.0
    assert math.isclose(one(b'"ratio":0.1', "ratio"), 0.1)
    fails(page(b'{"id":1,"ratio":1e999}'), "ratio should be float and is a number beyond 64 bits")


# Instants ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "instant"),
    [
        ("2026-06-01T08:00:01+08:00", "2026-06-01T00:00:01+00:00"),
        ("2026-06-01T00:00:01Z", "2026-06-01T00:00:01+00:00"),
        ("2026-06-01T00:00:01", "2026-06-01T00:00:01+00:00"),
        ("2026-06-01 00:00:01.123456", "2026-06-01T00:00:01.123456+00:00"),
        ("2026-06-01", "2026-06-01T00:00:00+00:00"),
        ("20260601T000001Z", "2026-06-01T00:00:01+00:00"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59+00:00"),
    ],
)
def test_iso_text_without_an_offset_is_utc(sent: str, instant: str) -> None:
    assert one(b'"day":"%s"' % sent.encode(), "day").isoformat() == instant
    assert one(b'"day":"%s"' % sent.encode(), "day_raw") == sent


def test_instants_with_and_without_an_offset_in_one_page() -> None:
    found = parse(
        b'{"id":1,"day":"2026-06-01T08:00:00+08:00"}', b'{"id":2,"day":"2026-06-01T00:00:00"}'
    ).table
    first, second = found["day"].to_pylist()
    assert first == second


def test_seconds_in_text() -> None:
    assert one(b'"spoken":"1780315201"', "spoken").isoformat() == "2026-06-01T12:00:01+00:00"
    assert one(b'"spoken":"1780315201"', "spoken_raw") == "1780315201"


@pytest.mark.parametrize(
    "member",
    [
        b'"at":253402300800000',
        b'"at":-62135596800001',
        b'"at":9223372036854775807',
        b'"spoken":"99999999999999999999"',
        b'"spoken":" 1"',
        b'"spoken":""',
        b'"day":"0000-01-01"',
        b'"day":"0001-01-01T00:00:00+01:00"',
        b'"day":"10000-01-01"',
        rb'"day":"2026-01-01\u0000"',
        b'"day":"2026-01-01x00:00:00Z"',
    ],
)
def test_instants_outside_the_years_1_to_9999_are_errors(member: bytes) -> None:
    fails(page(b'{"id":1,"day":"2026-01-01"}', b'{"id":2,%s}' % member), "is no instant: '")


# Text -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (rb"a\u0000b", "a\ufffdb"),
        (rb"a\nb\tc\u001b[1m", "a\ufffdb\ufffdc\ufffd[1m"),
        (b"\x7f", "\ufffd"),
        (rb"\u0085", "\ufffd"),
        ("\u009f\u00a0".encode(), "\ufffd\u00a0"),
        (rb"\"\\\/", '"\\/'),
        (rb"cut \ud83d", "cut \ufffd"),
        (rb"\uDE00\ud83d\ude00\ud83d", "\ufffd😀\ufffd"),
        (rb"\\ud83d", r"\ud83d"),
        (rb"\\\ud83d", "\\\ufffd"),
        ("键".encode(), "键"),
    ],
)
def test_text_is_free_of_control_characters_and_half_emojis(sent: bytes, kept: str) -> None:
    assert one(b'"name":"%s"' % sent, "name") == kept


def test_half_an_emoji_stops_a_source() -> None:
    """Reported as daaain/claude-code-log#139 and getsentry/relay#5833."""
    found = parse(rb'{"id":1,"tags":{"a":"\ud83d"},"\ud83d":1,"notes":"{\"a\":\"\\ud83d\"}"}')
    (row,) = found.table.to_pylist()
    assert row["tags"] == r'{"a":"\ufffd"}'
    assert row["notes"] == r'{"a":"\ufffd"}'
    assert found.unknown == {"\ufffd"}


def test_a_body_that_is_no_utf8_cannot_be_mended() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        mended(b'"\xed\xa0\x80"')


# JSON -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        b"1.10000000000000000000000000000001",
        b'{"a": 123456789012345678901234567890}',
        b'"text"',
        b"[]",
        b"true",
        b'{"a":{"b":[1,{"c":null}]}}',
    ],
)
def test_json_is_kept_as_it_was_sent(sent: bytes) -> None:
    assert one(b'"tags":' + sent, "tags") == sent.decode()
    assert one(b'"usage":{"detail":%s}' % sent, "usage_detail") == sent.decode()
    assert one(b'"new":' + sent, "unknown_fields") == f'{{"new":{sent.decode()}}}'


def test_a_null_is_no_json() -> None:
    assert one(b'"tags":null', "tags") is None


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b'{"a":1}', '{"a":1}'),
        (rb'"{\"a\":1}"', '{"a":1}'),
        (b'"cut {"', '"cut {"'),
        (b'""', '""'),
        (b'"7"', "7"),
    ],
)
def test_json_in_text_is_the_json(sent: bytes, kept: str) -> None:
    assert one(b'"notes":' + sent, "notes") == kept


# Known and unknown names ------------------------------------------------------------------------


def test_what_is_dropped_or_withheld_is_nowhere() -> None:
    for more in (b"", b',"new":1', b',"cost":1e-999'):
        found = parse(
            b'{"id":1,"prompt":"hi","body":{"x":"hi"},"usage":{"secret_part":"hi"}%s}' % more
        )
        assert "hi" not in str(found.table.to_pylist())
        assert found.unknown <= {"new"}


@pytest.mark.parametrize("name", ["*", "", 'a"b', "a.b", "a\\b", "$", "'", "键", "id ", "data"])
def test_any_name_is_just_a_name(name: str) -> None:
    spelt = pa.array([name]).to_pylist()[0].replace("\\", "\\\\").replace('"', '\\"')
    found = parse(b'{"id":1,"prompt":"hi","usage":{"tokens":1,"%s":2}}' % spelt.encode())
    assert found.unknown == {f"usage.{name}"}
    assert found.table["unknown_fields"].to_pylist() == [f'{{"usage.{spelt}":2}}']


def test_field_named_star_copies_private_fields() -> None:
    """Reported as duckdb/duckdb#7624, #12033 and #23148: there a name is a path."""
    row = (
        b'{"model":"m","request_id":"","id":8,"created_at":1780315201623,'
        b'"request_at":1780315200123,"ip":"203.0.113.9","user":"someone","content":"the prompt",'
        b'"request_detail":{"request_body":"the prompt"},"*":1}'
    )
    body = b'{"success":true,"data":{"total":1,"logs":[%s]}}' % row
    found = to_table("s", [body], logs_shape(frozenset()), {"source_name": "s"})
    assert found.table["unknown_fields"].to_pylist() == ['{"*":1}']
    everything = str(found.table.to_pylist())
    assert not [text for text in ("the prompt", "someone", "203.0.113.9") if text in everything]


def test_a_name_may_hold_u0000_and_look_like_a_path() -> None:
    found = parse(rb'{"id":1,"a\u0000":1,"usage.new":2,"usage":{"new":3}}')
    assert found.unknown == {"a\ufffd", "usage.new"}
    (kept,) = found.table["unknown_fields"].to_pylist()
    assert kept == r'{"a\u0000":1,"usage.new":2,"usage.new' + "'" + '":3}'


def test_a_known_name_may_be_spelled_by_escapes() -> None:
    found = parse(rb'{"\u0069d":1,"t\u0061gs":[1],"b\u006fdy":"hi"}')
    assert found.table.select(["id", "tags", "unknown_fields"]).to_pylist() == [
        {"id": 1, "tags": "[1]", "unknown_fields": None}
    ]


SECRETS = [
    "secret",
    "clientSecret",
    "password",
    "passwd",
    "api_key",
    "apiKey",
    "apikey",
    "API-Key",
    "access_key",
    "accessKeyId",
    "privateKey",
    "credentials",
    "Authorization",
    "bearer",
    "token",
    "authToken",
    "auth_token",
    "accessToken",
    "key",
    "Key",
    "cookie",
    "signature",
]


@pytest.mark.parametrize("name", SECRETS)
def test_a_field_that_names_a_secret_is_reported_and_not_kept(name: str) -> None:
    sent = name.encode()
    found = parse(
        b'{"id":1,"%s":"hide","a":{"b":[{"%s":"hide","c":1}]},"tags":[{"%s":"hide"}]}'
        % (sent, sent, sent)
    )
    assert found.unknown == {name, "a", f"a.b.{name}", f"tags.{name}"}
    assert found.table["unknown_fields"].to_pylist() == ['{"a":{"b":[{"c":1}]}}']
    assert found.table["tags"].to_pylist() == ["[{}]"]


@pytest.mark.parametrize("name", ["tokens", "token_count", "tokenName", "total_tokens", "keyword"])
def test_a_field_that_counts_tokens_is_no_secret(name: str) -> None:
    assert one(b'"%s":1' % name.encode(), "unknown_fields") == f'{{"{name}":1}}'


def test_a_secret_behind_escapes_or_repeats_is_found() -> None:
    found = parse(rb'{"id":1,"tags":{"x":{"api\u005fkey":"hide"},"x":{"api_key":"hide"}}}')
    assert found.table["tags"].to_pylist() == ['{"x":{}}']


def test_a_key_beside_a_value_is_a_name() -> None:
    sent = b'"tags":[{"key":"tokens","value":1},{"key":"apiKey","value":"hide"}]'
    found = parse(b'{"id":1,%s}' % sent)
    assert found.table["tags"].to_pylist() == ['[{"key":"tokens","value":1},{"key":"apiKey"}]']
    assert found.unknown == {"tags.apiKey"}


def test_an_incomplete_contract_keeps_and_reports_nothing() -> None:
    shape = RowShape(("rows",), FIELDS, complete=False)
    body = rb'{"rows":[{"id":1,"new":{"token":1},"new":2,"t\u0061gs":[1],"body":3,"key":4}]}'
    found = to_table("test", [body], shape, {})
    assert found.unknown == frozenset()
    assert found.table.select(["id", "tags", "unknown_fields"]).to_pylist() == [
        {"id": 1, "tags": "[1]", "unknown_fields": None}
    ]


# Rows respelled ---------------------------------------------------------------------------------


def test_respelled_rows_keep_their_values_and_lose_what_is_not_kept() -> None:
    row = b'{"ID":1,"Usage":{"Tokens":2, "New":0.10},"Cost":0.1000,"X":{"Y":1}'
    row += b',"Prompt":"hi","BODY":1}'
    line = spelled(row, CONTRACT, str.lower)
    assert line == b'{"cost":0.1000,"id":1,"usage":{"new":0.10,"tokens":2},"x":{"Y":1}}'
    found = rows_to_table("test", [line, b'{"id":2}'], CONTRACT, {"source_name": "a"})
    assert found.unknown == {"usage.new", "x"}
    assert found.table["usage_tokens"].to_pylist() == [2, None]
    assert set(found.table["source_name"].to_pylist()) == {"a"}
