"""Tencent LKE, a whole night: what the vendor's books hold is what the warehouse holds."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pendulum
import pytest
from pendulum import DateTime

from llm_usage_warehouse.simulator import Personality
from llm_usage_warehouse.simulator.tencent_lke import RETIRED
from tests.loads import NOW, Project, frozen, vendor

Both = tuple[Personality, Project]

ZONE = "Asia/Shanghai"
SUMS = "sum(total_token_usage), sum(input_token_usage), sum(output_token_usage)"
DETAILS = "raw_tencent_lke.usage_call_details"
USAGE = "raw_tencent_lke.token_usage"


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """A night's load of two models over two days in Shanghai; the tests only look."""
    world = frozen(rows_per_day=1800)
    folder = tmp_path_factory.mktemp("night")
    with (
        pytest.MonkeyPatch.context() as patch,
        vendor(folder, patch, "tencent_lke", world) as (lke, project),
    ):
        lke.data.account.listed = {"hy3"}
        project.set(requests_per_second=19, start="PT24H", models=[RETIRED])
        project.set_warehouse(reporting_timezone=ZONE)
        assert project.load().error is None
        yield lke, project


def seconds(instant: DateTime) -> int:
    return instant.int_timestamp


def asked(lke: Personality, action: str) -> list[dict[str, Any]]:
    return [
        json.loads(request.body)
        for request in lke.world.requests
        if request.headers["x-tc-action"] == action
    ]


def test_rows_and_token_sums_of_each_local_day_are_the_vendors(night: Both) -> None:
    lke, project = night
    day = f"cast(timezone('{ZONE}', call_time) as date)"
    found = project.query(
        f"select scope, {day}, count(*), {SUMS} from {DETAILS} group by all order by all"
    )
    first = pendulum.datetime(2026, 11, 19, tz=ZONE)
    expected = []
    for model in ("hunyuan-turbos-latest", "hy3"):
        for begin in (first, first.add(days=1)):
            end = min(begin.add(days=1), NOW.subtract(minutes=2))
            rows = lke.data.rows(model, seconds(begin), seconds(end) - 1)
            sums = [
                sum(row[f"{kind}TokenUsage"] for row in rows)
                for kind in ("Total", "Input", "Output")
            ]
            expected.append((model, begin.date(), len(rows), *sums))
    assert found == expected
    assert min(rows for _, _, rows, *_ in found) > 5


def test_every_row_is_there_as_often_as_the_vendor_has_it(night: Both) -> None:
    lke, project = night
    columns = "id, call_time_raw, model_name, call_type, app_name, sub_scene, billing_tag"
    found = Counter(project.query(f"select {columns} from {DETAILS} where scope = 'hy3'"))
    since = seconds(pendulum.datetime(2026, 11, 19, tz=ZONE))
    rows = lke.data.rows("hy3", since, seconds(NOW) - 121, language="en-US")
    names = ("Id", "CallTime", "ModelName", "CallType", "AppName", "SubScene", "BillingTag")
    assert found == Counter(tuple(row[name] for name in names) for row in rows)


def test_the_vendors_totals_of_a_day_are_those_of_its_rows(night: Both) -> None:
    _, project = night
    compared = project.query(
        f"""select u.asked_model, u.window_start, u.api_call_stats, u.total_token_usage,
            count(c.scope), sum(c.total_token_usage)
        from {USAGE} u join {DETAILS} c
            on u.asked_model = c.scope
            and c.call_time >= u.window_start and c.call_time < u.window_end
        where u.sub_biz_type is null group by all"""
    )
    assert len(compared) == 4
    for _, _, calls, tokens, rows, summed in compared:
        assert (calls, tokens) == (rows, summed)


def test_the_types_of_business_sum_to_the_total(night: Both) -> None:
    _, project = night
    split = project.query(
        f"""select sub_biz_type is null, count(*), sum(api_call_stats), sum(total_token_usage)
        from {USAGE} where asked_model is not null group by 1 order by 1"""
    )
    assert split[0][2:] == split[1][2:]
    assert split[1][1] == 4 < split[0][1]


def test_windows_neither_overlap_nor_leave_a_second_out(night: Both) -> None:
    lke, _ = night
    windows = [one for one in asked(lke, "ListUsageCallDetail") if one["ModelName"] == "hy3"]
    # Both are asked for at once.
    first, second = sorted(windows, key=lambda one: one["StatStartTime"])
    assert first["StatStartTime"] == seconds(pendulum.datetime(2026, 11, 18, 16))
    assert first["StatEndTime"] + 1 == second["StatStartTime"]
    assert second["StatEndTime"] + 1 == seconds(NOW.subtract(minutes=2))
    for one in windows:
        pair = (str(one["StatStartTime"]), str(one["StatEndTime"]))
        assert (one["StartTime"], one["EndTime"]) == pair


def test_totals_are_asked_for_without_the_disabled_window(night: Both) -> None:
    lke, _ = night
    for one in asked(lke, "DescribeTokenUsage"):
        assert not {"StartTime", "EndTime"} & set(one)
        assert one["StatEndTime"] - one["StatStartTime"] in (86399, 20 * 3600 - 121)


def test_no_second_sees_more_requests_of_an_action_than_the_vendor_admits(night: Both) -> None:
    lke, _ = night
    times = sorted(
        one.at for one in lke.world.requests if one.headers["x-tc-action"] == "DescribeTokenUsage"
    )
    assert len(times) > 25
    assert max(sum(begin <= at < begin + 1 for at in times) for begin in times) <= 20


def test_models_and_apps_are_those_of_now(night: Both) -> None:
    _, project = night
    models = "select distinct model_name, alias_name, model_category from raw_tencent_lke.models"
    assert project.query(models) == [("hy3", "Hunyuan 3", "generate")]
    apps = "select count(*), count(distinct app_biz_id) from raw_tencent_lke.apps"
    assert project.query(apps) == [(6, 6)]


def test_the_ledger_names_the_model_and_no_account(night: Both) -> None:
    _, project = night
    lines = project.query(
        """select distinct scope, account_id from raw_tencent_lke.load_ledger
        where stream = 'usage_call_details' order by 1"""
    )
    assert lines == [(RETIRED, None), ("hy3", None)]


def test_no_secret_reaches_the_disk(night: Both) -> None:
    _, project = night
    for file in project.folder.rglob("*"):
        if file.is_file():
            assert b"test-secret-key-example" not in file.read_bytes(), file
