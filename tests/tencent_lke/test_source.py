"""Tencent LKE, loaded: night after night, late and vanished rows, faults."""

import json
from collections.abc import Iterator
from pathlib import Path

import pendulum
import pytest
from pendulum import DateTime

from llm_usage_warehouse.simulator import Fault, Personality
from llm_usage_warehouse.simulator.tencent_lke import RETIRED
from tests.loads import NOW, Project, frozen, vendor

Both = tuple[Personality, Project]

MODEL = "cs-normal-70b"
DETAILS = "raw_tencent_lke.usage_call_details"
USAGE = "raw_tencent_lke.token_usage"
OF_MODELS = f"{USAGE} where asked_model is not null"


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    """An account that offers one model and has no call."""
    world = frozen(rows_per_day=0)
    with vendor(tmp_path, monkeypatch, "tencent_lke", world) as (lke, project):
        lke.data.account.listed = {MODEL}
        project.set(requests_per_second=19, start="PT12H")
        yield lke, project


def seconds(instant: DateTime) -> int:
    return instant.int_timestamp


def test_second_night_adds_nothing_and_moves_the_watermark(empty: Both) -> None:
    lke, project = empty
    for minutes in (5, 5, 600):
        lke.data.add(at=seconds(NOW.subtract(minutes=minutes)), Id="turn-example")
    everything = f"select * exclude (_dlt_load_id, row_in_window, window_end) from {DETAILS}"
    project.load()
    before = project.query(f"{everything} order by all")
    project.load(NOW.add(minutes=1), run_id="again")
    assert project.query(f"{everything} order by all") == before
    assert len(before) == 3
    end = "select max(window_end) from raw_tencent_lke.load_ledger where scope = 'cs-normal-70b'"
    assert project.one(end) == NOW.subtract(minutes=1)


def test_tokens_of_a_model_that_nobody_tells_of_are_said(empty: Both) -> None:
    lke, project = empty
    lke.data.add(at=seconds(NOW.subtract(hours=1)), model=MODEL)
    assert project.load().warnings == {}
    lke.data.add(at=seconds(NOW.subtract(hours=1)), model=RETIRED)
    ((warning, (window,)),) = project.load(NOW.add(minutes=1), run_id="again").warnings.items()
    assert "put it into [sources.tencent_lke] models" in warning
    assert window.startswith("stream token_usage, window 2026-11-20T00:00:00Z/")
    assert project.one(f"select api_call_stats from {USAGE} where asked_model is null") == 2
    project.set(models=[RETIRED])
    assert project.load(NOW.add(minutes=2), run_id="named").warnings == {}
    assert project.one(f"select count(*) from {DETAILS} where scope = '{RETIRED}'") == 1


def test_a_call_metered_twenty_hours_late_is_read(empty: Both) -> None:
    lke, project = empty
    tomorrow = NOW.add(hours=20)
    lke.data.add(at=seconds(NOW.subtract(hours=1)), visible_at=seconds(tomorrow))
    project.load()
    assert project.one(f"select count(*) from {DETAILS}") == 0
    lke.world.now = tomorrow.timestamp
    project.load(tomorrow, run_id="later")
    assert project.one(f"select count(*) from {DETAILS}") == 1


def test_a_window_shrinks_to_nothing_and_its_neighbours_stay(empty: Both) -> None:
    lke, project = empty
    lke.data.account.listed.add("hy3")
    yesterday = (NOW.subtract(days=1).start_of("day"), NOW.start_of("day"))
    for model in (MODEL, "hy3"):
        lke.data.add(at=seconds(yesterday[0]) - 1, model=model)
        lke.data.add(at=seconds(yesterday[0]), model=model)
        lke.data.add(at=seconds(yesterday[1]) - 1, model=model)
        lke.data.add(at=seconds(yesterday[1]), model=model)
    project.set(slice="P10D")
    project.load(period=(yesterday[0].subtract(days=1), NOW))
    project.set(slice="P1D")
    gone = {str(seconds(yesterday[0])), str(seconds(yesterday[1]) - 1)}
    lke.data.delete(lambda row: row["CallTime"] in gone and row["ModelName"] != "hy3")
    project.load(period=yesterday, run_id="again")
    counts = f"select scope, count(*) from {DETAILS} group by 1 order by 1"
    assert project.query(counts) == [(MODEL, 2), ("hy3", 4)]


def test_an_empty_page_that_should_have_rows_takes_nothing_away(empty: Both) -> None:
    lke, project = empty
    lke.data.add(at=seconds(NOW.subtract(hours=1)))
    project.load()
    lke.data.lie(missing_page=1)
    error = project.load(NOW.add(minutes=1), run_id="again").error
    assert error
    assert "page 1 is empty, and only 0 of the 1 rows that are stated came" in error
    assert f"stream usage_call_details of {MODEL}" in error
    assert project.one(f"select count(*) from {DETAILS}") == 1


def test_a_window_short_of_its_total_is_not_replaced(empty: Both) -> None:
    lke, project = empty
    lke.data.add(at=seconds(NOW.subtract(hours=1)))
    project.load()
    lke.data.lie(total=1)
    error = project.load(NOW.add(minutes=1), run_id="again").error
    assert error
    assert "1 rows came of the 2 that are stated, 3 times over" in error
    assert project.one(f"select count(*) from {DETAILS}") == 1


def test_tencent_page_cap(empty: Both) -> None:
    """Reported as airbytehq/airbyte#34883 and apache/devlake#4468."""
    lke, project = empty
    for number in range(250):
        lke.data.add(at=seconds(NOW.subtract(hours=1)) + number)
    project.load()
    assert project.one(f"select count(*) from {DETAILS}") == 250
    lke.data.lie(page_cap=100)
    assert project.load(NOW.add(minutes=1), run_id="again").error is None
    assert project.one(f"select count(*) from {DETAILS}") == 250


def test_a_model_seen_once_is_read_for_ever(empty: Both) -> None:
    lke, project = empty
    project.load()
    lke.data.account.listed = {"hy3"}
    lke.data.add(at=seconds(NOW.subtract(hours=1)))
    project.load(NOW.add(minutes=1), run_id="again")
    assert project.query(f"select scope, asked_model from {DETAILS}") == [(MODEL, MODEL)]
    assert project.one("select count(*) from raw_tencent_lke.models where model_name <> 'hy3'") == 0
    totals = f"select asked_model, sum(api_call_stats) from {OF_MODELS} and sub_biz_type is null"
    assert project.query(f"{totals} group by 1 order by 1") == [(MODEL, 1), ("hy3", 0)]


def test_the_total_of_a_day_under_way_is_replaced_the_next_night(empty: Both) -> None:
    lke, project = empty
    lke.data.add(at=seconds(NOW.subtract(hours=1)))
    project.load()
    lke.data.add(at=seconds(NOW.add(hours=2)))
    tomorrow = NOW.add(hours=13)
    lke.world.now = tomorrow.timestamp
    project.load(tomorrow, run_id="tomorrow")
    midnight = pendulum.datetime(2026, 11, 21)
    totals = f"select window_start, window_end, api_call_stats from {OF_MODELS}"
    assert project.query(f"{totals} and sub_biz_type is null order by 1") == [
        (midnight.subtract(days=1), midnight, 2),
        (midnight, tomorrow.subtract(minutes=2), 0),
    ]


def test_a_backfill_of_an_hour_leaves_the_total_of_its_whole_day(empty: Both) -> None:
    lke, project = empty
    lke.data.add(at=seconds(NOW.subtract(days=1)))
    hour = (NOW.subtract(days=1, hours=3), NOW.subtract(days=1, hours=2))
    project.load(period=hour)
    midnight = NOW.start_of("day")
    totals = f"select window_start, window_end, api_call_stats from {OF_MODELS}"
    assert project.query(f"{totals} and sub_biz_type is null") == [
        (midnight.subtract(days=1), midnight, 1)
    ]


def test_a_row_that_breaks_the_contract_stops_the_source_before_anything_is_written(
    empty: Both,
) -> None:
    lke, project = empty
    row = {"CallTime": "1795170000", "SearchUsage": 0.5}
    body = json.dumps({"Response": {"Total": 1, "List": [row]}})
    lke.world.faults.append(Fault("status", '"PageSize":1000', status=200, body=body))
    error = project.load().error
    assert error
    assert "SearchUsage should be int and is a fraction" in error
    tables = "select 1 from information_schema.tables where table_name = 'usage_call_details'"
    assert project.query(tables) == []


def test_a_wrong_key_is_said_in_one_line_without_the_key(empty: Both) -> None:
    _, project = empty
    project.set(secret_key="wrong-key-example")
    error = project.load().error
    assert error
    assert error.startswith('tencent_lke: the signature was refused: "AuthFailure.SignatureFailure')
    assert "the secret_key does not belong to the secret_id" in error
    assert "\n" not in error
    assert "wrong-key-example" not in error
    assert "test-secret-id-example" not in error
