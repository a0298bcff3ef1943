"""Tencent LKE, read without a warehouse: pages, refusals, clocks, keys, settings."""

import json
import logging
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pendulum
import pytest

from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.http import (
    AuthenticationError,
    BadResponseError,
    InvalidRequestError,
    PermissionDeniedError,
    SourceError,
    ThrottledError,
    Traffic,
    VendorFaultError,
    counting,
)
from llm_usage_warehouse.simulator import Fault, Personality, Simulator
from llm_usage_warehouse.simulator.tencent_lke import APPS
from llm_usage_warehouse.sources.tencent_lke.reader import TencentLke, TencentLkeSettings
from llm_usage_warehouse.streams import Reading
from llm_usage_warehouse.windows import Window, slices
from tests.loads import NOW, frozen, pulled

MODEL = "cs-normal-70b"
HOUR = Window(NOW.subtract(hours=2), NOW.subtract(hours=1))
INSIDE = HOUR.start.int_timestamp


@pytest.fixture
def lke() -> Iterator[Personality]:
    """An account without a call; its clock is days off ours."""
    with Simulator(frozen(rows_per_day=0), ["tencent_lke"]) as simulator:
        yield simulator["tencent_lke"]


def reader(lke: Personality, timezone: str = "UTC", **changes: Any) -> TencentLke:
    lke.data.account.listed = {MODEL}
    given: dict[str, Any] = {"name": "lke", "requests_per_second": 19.0, "attempts": 2}
    return TencentLke(TencentLkeSettings(**given | lke.settings | changes), timezone)


def read(source: TencentLke, stream: str) -> Reading:
    (found,) = [one for one in source.streams() if one.name == stream]
    scope = MODEL if stream == "usage_call_details" else ""
    with closing(source):
        return pulled(lambda pull: found.read(scope, HOUR, pull))


def call_ids(reading: Reading) -> list[str]:
    return [name for table in reading.tables for name in table["id"].to_pylist()]


def test_a_page_too_large_is_asked_for_in_smaller_ones(lke: Personality) -> None:
    lke.data.account.largest_page = 2
    for number in range(3):
        lke.data.add(at=INSIDE + number, Id=f"example-{number}")
    reading = read(reader(lke), "usage_call_details")
    assert call_ids(reading) == ["example-2", "example-1", "example-0"]
    assert reading.reported_total == 3


def test_a_window_that_grows_while_it_is_paged_is_read_again(lke: Personality) -> None:
    lke.data.account.largest_page = 3
    for number in range(4):
        lke.data.add(at=INSIDE + number, Id=f"example-{number}")
    lke.data.after_page(lambda: lke.data.add(at=INSIDE + 9, Id="late-example"))
    reading = read(reader(lke), "usage_call_details")
    assert sorted(call_ids(reading)) == [*(f"example-{n}" for n in range(4)), "late-example"]
    assert (reading.reported_total, reading.unsettled) == (5, ())


def test_a_window_that_never_stands_still_is_left_for_the_next_night(lke: Personality) -> None:
    lke.data.account.largest_page = 1
    for number in range(2):
        lke.data.add(at=INSIDE + number)
    for _ in range(30):
        lke.data.after_page(lambda: lke.data.add(at=INSIDE + 9))
    reading = read(reader(lke), "usage_call_details")
    assert reading.unsettled == [HOUR]


def test_rows_on_both_edges(lke: Personality) -> None:
    first, end = HOUR.start.int_timestamp, HOUR.end.int_timestamp
    for second in (first - 1, first, end - 1, end):
        lke.data.add(at=second, Id=f"example-{second}")
    reading = read(reader(lke), "usage_call_details")
    assert call_ids(reading) == [f"example-{end - 1}", f"example-{first}"]


def test_only_the_applications_of_the_settings(lke: Personality) -> None:
    for number, app in enumerate(APPS[:3]):
        lke.data.add(at=INSIDE, app=app, Id=f"example-{number}")
    apps = [APPS[0].biz_id, APPS[2].biz_id]
    reading = read(reader(lke, apps=apps), "usage_call_details")
    assert sorted(call_ids(reading)) == ["example-0", "example-2"]
    (usage,) = read(reader(lke, apps=apps), "token_usage").tables
    assert usage["api_call_stats"][0].as_py() == 2


def test_the_language_is_pinned(lke: Personality) -> None:
    lke.data.add(at=INSIDE)
    for language, shown in (("en-US", "Dialogue Call"), ("zh-CN", "对话调用")):
        (table,) = read(reader(lke, language=language), "usage_call_details").tables
        assert table["call_type"][0].as_py().startswith(shown)
        assert table["language"].to_pylist() == [language]


def test_a_day_without_use_is_a_row_of_zeros_for_all_models_and_for_each(lke: Personality) -> None:
    (usage,) = read(reader(lke), "token_usage").tables
    assert usage["asked_model"].to_pylist() == [None, MODEL]
    assert usage["sub_biz_type"].to_pylist() == [None, None]
    assert usage["total_token_usage"].to_pylist() == [0.0, 0.0]


def test_a_total_that_the_vendor_leaves_out_is_not_zero(lke: Personality) -> None:
    lke.data.add(at=INSIDE)
    lke.data.lie(absent=("SearchUsage",))
    (usage,) = read(reader(lke), "token_usage").tables
    assert usage["search_usage"].to_pylist() == [None] * 3
    assert usage["api_call_stats"].to_pylist() == [1, 1, 1]


def test_types_are_asked_for_until_they_make_up_the_total(lke: Personality) -> None:
    lke.data.add(at=INSIDE)
    lke.data.add(at=INSIDE, kind="rewrite")
    (usage,) = read(reader(lke), "token_usage").tables
    kinds = ["KnowledgeQA", "KnowledgeSummary", "Rewrite"]
    assert usage["sub_biz_type"].to_pylist() == [None, None, *kinds]
    assert usage["api_call_stats"].to_pylist() == [2, 2, 1, 0, 1]


def test_totals_are_of_days_with_23_24_and_25_hours(lke: Personality) -> None:
    with closing(reader(lke, timezone="America/New_York")) as source:
        (cadence,) = [one.cadence for one in source.streams() if one.name == "token_usage"]
    days = Window(pendulum.datetime(2026, 10, 31, 4), pendulum.datetime(2026, 11, 3, 5))
    lengths = [(day.end - day.start).in_hours() for day in slices(days, cadence.slices)]
    assert lengths == [24, 25, 24]
    assert cadence.start(pendulum.datetime(2026, 3, 9, 3)) == pendulum.datetime(2026, 3, 8, 5)


def answers(lke: Personality, **row: Any) -> None:
    """Have the next page of call rows hold one row, such as it is."""
    body = json.dumps({"Response": {"Total": 1, "List": [row], "RequestId": "example"}})
    lke.world.faults.append(Fault("status", '"PageSize":1000', status=200, body=body))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"CallTime": INSIDE}, "CallTime should be unix_s_text and is an integer"),
        ({"CallTime": str(INSIDE), "SearchUsage": 0.5}, "SearchUsage should be int"),
        ({"CallTime": "2026-11-20"}, "2026-11-20"),
        ({"CallTime": str(INSIDE - 1)}, "from outside the window"),
        ({"CallTime": str(INSIDE + 3600)}, "from outside the window"),
        ({"Id": "example"}, "call_time is missing"),
    ],
)
def test_rows_that_break_the_contract(lke: Personality, row: dict[str, Any], words: str) -> None:
    answers(lke, **row)
    with pytest.raises(BadResponseError, match=words):
        read(reader(lke), "usage_call_details")


def test_an_unknown_field_is_kept_and_reported(lke: Personality) -> None:
    answers(lke, CallTime=str(INSIDE), TraceId="trace-example")
    reading = read(reader(lke), "usage_call_details")
    assert reading.unknown_fields == {"TraceId"}
    assert reading.tables[0]["unknown_fields"].to_pylist() == ['{"TraceId":"trace-example"}']


@pytest.mark.parametrize("kind", ["status", "truncated", "drop", "empty"])
def test_a_passing_fault_is_retried(lke: Personality, kind: str) -> None:
    lke.world.now = pendulum.now("UTC").timestamp
    lke.data.add(at=INSIDE, Id="turn-example")
    lke.world.faults.append(Fault(kind))
    with counting(Traffic()) as traffic:
        assert call_ids(read(reader(lke), "usage_call_details")) == ["turn-example"]
    assert traffic.retries == 1


@pytest.mark.parametrize(
    ("code", "error", "requests", "words"),
    [
        ("RequestLimitExceeded.UinLimitExceeded", ThrottledError, 2, "too many requests"),
        ("InternalError", VendorFaultError, 2, "the vendor failed"),
        ("FailedOperation", VendorFaultError, 2, "the vendor failed"),
        ("ResourceUnavailable", VendorFaultError, 2, "the vendor failed"),
        ("LimitExceeded", ThrottledError, 1, "a quota of the account is used up"),
        ("AuthFailure.SecretIdNotFound", AuthenticationError, 1, "[sources.lke] secret_id"),
        ("AuthFailure.TokenFailure", AuthenticationError, 1, "Put a fresh secret_id"),
        ("AuthFailure.UnauthorizedOperation", PermissionDeniedError, 1, "lke:ListUsageCallDetail"),
        ("UnauthorizedOperation", PermissionDeniedError, 1, "may not call ListUsageCallDetail"),
        ("InvalidParameterValue.Example", InvalidRequestError, 1, "refused the request"),
        ("ActionOffline", InvalidRequestError, 1, "does not offer ListUsageCallDetail"),
        ("UnsupportedRegion", InvalidRequestError, 1, "[sources.lke] region"),
        ("IpNotInWhitelist", PermissionDeniedError, 1, "IP address"),
        ("Unheard.Of", VendorFaultError, 1, "not documented"),
    ],
)
def test_what_a_code_means(
    lke: Personality, code: str, error: type[SourceError], requests: int, words: str
) -> None:
    lke.world.now = pendulum.now("UTC").timestamp
    lke.data.fail(code, times=9)
    with pytest.raises(SourceError) as raised:
        read(reader(lke), "usage_call_details")
    assert type(raised.value) is error
    assert words in str(raised.value)
    assert f'"{code}: ' in str(raised.value)
    assert len(lke.world.requests) == requests


def test_a_clock_that_is_off_is_mended_once_and_said(
    lke: Personality, caplog: pytest.LogCaptureFixture
) -> None:
    lke.data.add(at=INSIDE)
    with counting(Traffic()) as traffic:
        assert len(call_ids(read(reader(lke), "usage_call_details"))) == 1
    assert traffic == Traffic(2, 1)
    assert [record.message for record in caplog.records if record.name == "llm_usage"] == [
        "lke: this machine's clock is ahead of the vendor's; set it"
    ]


def test_a_clock_that_cannot_be_mended_is_an_error(lke: Personality) -> None:
    lke.data.fail("AuthFailure.SignatureExpire", times=9)
    with pytest.raises(AuthenticationError, match=r"Set this machine's clock"):
        read(reader(lke), "token_usage")
    assert len(lke.world.requests) == 2


def test_temporary_keys_come_with_their_token(lke: Personality) -> None:
    lke.data.account.token = "test-token-example"
    assert read(reader(lke, token="test-token-example"), "token_usage").rows == 2
    with pytest.raises(AuthenticationError, match="with permanent keys leave token out"):
        read(reader(lke, token="old-token-example"), "token_usage")


def test_a_warning_of_retirement_is_logged_once_per_action(
    lke: Personality, caplog: pytest.LogCaptureFixture
) -> None:
    lke.world.now = pendulum.now("UTC").timestamp
    lke.data.account.deprecated_warning = "Gone by 2027."
    lke.data.add(at=INSIDE)
    read(reader(lke), "token_usage")
    told = [(one.levelno, one.message) for one in caplog.records if one.name == "llm_usage"]
    assert told == [
        (logging.WARNING, f"lke: {action} is about to be retired: Gone by 2027.")
        for action in ("ListModel", "DescribeTokenUsage")
    ]


def test_a_kind_of_application_that_is_gone_is_left_out(lke: Personality) -> None:
    lke.world.now = pendulum.now("UTC").timestamp
    lke.data.fail("InvalidParameter", action="ListModel", skip=1)
    (table, other) = read(reader(lke), "models").tables
    assert set(table["asked_app_type"].to_pylist()) == {"knowledge_qa"}
    assert set(other["asked_app_type"].to_pylist()) == {"classifys"}


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"requests_per_second": 20.0}, "requests_per_second is 20; the vendor admits 20"),
        ({"language": "de-DE"}, "language is 'de-DE' and must be en-US or zh-CN"),
    ],
)
def test_settings_that_the_api_cannot_serve(
    lke: Personality, setting: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        reader(lke, **setting)
