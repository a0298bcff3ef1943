"""Errors as a person reads them, redaction, and the generic reading of a response."""

from datetime import UTC, datetime

import httpx
import pytest

from llm_usage_warehouse.http import (
    ApiClient,
    AuthenticationError,
    BadResponseError,
    InvalidRequestError,
    PermissionDeniedError,
    SourceError,
    ThrottledError,
    VendorFaultError,
    default_judge,
    http_date,
    redact,
    retry_after,
)


def judged(status: int, body: str = "", **headers: str) -> SourceError | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return default_judge("acme")(httpx.Response(status, text=body, headers=named))


@pytest.mark.parametrize(
    ("status", "error", "retryable"),
    [
        (401, AuthenticationError, False),
        (403, PermissionDeniedError, False),
        (408, ThrottledError, True),
        (425, ThrottledError, True),
        (429, ThrottledError, True),
        (400, InvalidRequestError, False),
        (404, InvalidRequestError, False),
        (500, VendorFaultError, True),
        (504, VendorFaultError, True),
        (302, BadResponseError, False),
    ],
)
def test_status(status: int, error: type[SourceError], retryable: bool) -> None:
    verdict = judged(status)
    assert type(verdict) is error
    assert verdict.retryable is retryable


@pytest.mark.parametrize(
    ("body", "kind", "complaint"),
    [
        ('{"a": [1]}\n', "application/json", None),
        ("[]", "application/json", None),
        ("12", "application/json", None),
        ('{"a": 1}\n{"a": 2}\n', "application/jsonl", None),
        ("a,b\n1,2", "text/csv", None),
        ('{"a": [1', "application/json", "breaks off"),
        ('{"a": 1}\n{"a"', "application/jsonl", "breaks off"),
        ("", "application/json", "empty"),
        (" \n", "text/plain", "empty"),
        ("<title>x</title>", "text/html; charset=utf-8", "web page"),
    ],
)
def test_body_of_a_success(body: str, kind: str, complaint: str | None) -> None:
    verdict = judged(200, body, content_type=kind)
    assert (complaint or "None") in str(verdict)
    assert verdict is None or verdict.retryable is (complaint != "web page")


def test_no_content_may_be_empty() -> None:
    assert judged(204) is None


def test_a_redirect_says_where_to_without_its_query() -> None:
    verdict = judged(301, location="https://x.example/api/?key=example")
    assert "redirect to https://x.example/api/. Set base_url" in str(verdict)


def test_a_web_page_is_quoted_without_its_tags() -> None:
    verdict = judged(502, "<h1>502 Bad\nGateway</h1><hr>nginx", content_type="text/html")
    assert '"502 Bad Gateway nginx"' in str(verdict)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "3600"}, 120.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(httpx.Response(429, headers=headers)) == seconds


def test_a_retry_date_counts_from_the_vendors_clock() -> None:
    headers = {
        "date": "Sun, 01 Mar 2015 23:59:58 GMT",
        "retry-after": "Mon, 02 Mar 2015 00:00:03 GMT",
    }
    assert retry_after(httpx.Response(503, headers=headers)) == 5.0


@pytest.mark.parametrize("zone", ["GMT", "", "-0000", "+0000"])
def test_a_date_without_a_zone_is_in_gmt(zone: str) -> None:
    told = http_date(f"Sun, 01 Mar 2015 23:59:58 {zone}".strip())
    assert told == datetime(2015, 3, 1, 23, 59, 58, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "soon", "Sun, 99 Mar 2015 23:59:58 GMT"])
def test_what_is_no_date_tells_nothing(text: str) -> None:
    assert http_date(text) is None


def test_a_past_retry_date_means_now() -> None:
    headers = {"retry-after": "Mon, 02 Mar 2015 00:00:03 GMT"}
    assert retry_after(httpx.Response(503, headers=headers)) == 0.0


def test_throttling_carries_the_wait() -> None:
    verdict = judged(429, retry_after="7")
    assert verdict and verdict.retry_after == 7.0


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("key is example/1+2 =", "key is ***"),
        ("x%2F example%2F1%2B2+%3D &", "x%2F *** &"),
        ("x example/1%2B2%20%3D &", "x *** &"),
        ("x EXAMPLE%2f1%2b2%20%3d &", "x *** &"),
        ("/a?page=1&key=abc&n=2", "/a?page=1&key=***&n=2"),
        ("/a?Signature=a%2Fb%3D", "/a?Signature=***"),
        ("token_name=x&page_token=y&access_token=z", "token_name=x&page_token=y&access_token=***"),
        ('url "/a?password=p", then', 'url "/a?password=***", then'),
        ("nothing", "nothing"),
    ],
)
def test_redact(text: str, safe: str) -> None:
    assert redact(text, ["example/1+2 =", ""]) == safe


@pytest.mark.parametrize(
    ("secret", "text", "safe"),
    [
        ("x", "the exchange with x: X", "the exchange with ***: ***"),
        ("abc", "abcd, 'abc', abc_d", "abcd, '***', abc_d"),
        ("a+b", "xa+b a%2Bb", "xa+b ***"),
        ("abcd", "xabcdx", "x***x"),
    ],
)
def test_a_short_secret_is_masked_only_as_a_word(secret: str, text: str, safe: str) -> None:
    assert redact(text, [secret]) == safe


def test_a_secret_that_begins_another_leaves_no_rest() -> None:
    assert redact("example-long", ["example", "example-long"]) == "***"


def test_a_secret_pasted_with_a_line_break_is_found() -> None:
    assert redact("got 'example-key'", ["example-key\n"]) == "got '***'"


def test_an_error_reads_as_one_line() -> None:
    error = SourceError(
        "acme",
        "no  such\nthing.",
        quote="x" * 300,
        request="GET /a",
        status=404,
        request_id="r",
        next_step="Look.",
    )
    assert str(error) == (
        f'acme: no such thing: "{"x" * 199}…" (GET /a; HTTP 404; request id r). Look.'
    )


def test_an_error_without_a_request() -> None:
    error = BadResponseError("acme", "field `usage` is text", next_step="Look.")
    assert str(error) == "acme: field `usage` is text. Look."


def test_retryable_is_a_default_of_the_class_that_an_instance_may_turn() -> None:
    assert not BadResponseError("acme", "x").retryable
    assert BadResponseError("acme", "x", retryable=True).retryable
    assert not ThrottledError("acme", "x", retryable=False).retryable


def test_redacting_an_error_leaves_the_secret_nowhere() -> None:
    error = SourceError("acme", "a example", quote="b example", request="c example", next_step="")
    error.redact(["example"])
    assert "example" not in f"{error} {error!r} {error.__dict__} {error.args}"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "ftp://api.example.com",
        "http://",
        "http:///api",
        "https://user:example@api.example.com",
        "https://api.example.com/?key=example",
        "https://api.example.com:port",
    ],
)
def test_a_wrong_base_url_is_refused_by_name(url: str) -> None:
    with pytest.raises(
        InvalidRequestError, match=r"acme: base_url is not .* sources.acme.base_url"
    ):
        ApiClient("acme", url)
