"""AI Proxy's totals: read as the gateway keeps them, by hour, of all groups or of some."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from llm_usage_warehouse.simulator import Fault, Personality
from llm_usage_warehouse.sources.aiproxy.dashboard import totals_document
from tests.loads import NOW, Project, frozen, vendor

SUMS = "select sum(request_count)::int, sum(total_tokens)::int from raw_aiproxy.dashboard"


@pytest.fixture
def gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Personality, Project]]:
    with vendor(tmp_path, monkeypatch, "aiproxy", frozen(days=2, rows_per_day=0)) as (proxy, own):
        own.set(start="P2D")
        for hours, group, model in ((30, "g1", "gpt-4o"), (3, "g2", "gpt-4o"), (3, "g2", "o3")):
            usage = {"input_tokens": 7, "total_tokens": 10}
            call(proxy, hours, model=model, group=group, usage=usage)
        yield proxy, own


def call(proxy: Personality, hours: int, **fields: Any) -> None:
    """Add a call that ended, and was counted, some hours and a minute before NOW."""
    at = NOW.subtract(hours=hours, minutes=-1).int_timestamp * 1_000_000
    proxy.data.add(**({"created_at": at, "inserted_at": at, "channel": 3} | fields))


def test_one_row_per_hour_channel_and_model(gateway: tuple[Personality, Project]) -> None:
    _, project = gateway
    assert project.load().error is None
    rows = "select bucket_start, channel_id, model, request_count, input_tokens, currency"
    assert project.query(f"{rows} from raw_aiproxy.dashboard order by all") == [
        (NOW.subtract(hours=30), 3, "gpt-4o", 1, 7, "USD"),
        (NOW.subtract(hours=3), 3, "gpt-4o", 1, 7, "USD"),
        (NOW.subtract(hours=3), 3, "o3", 1, 7, "USD"),
    ]


def test_a_retried_attempt_and_a_failure_are_counted(gateway: tuple[Personality, Project]) -> None:
    proxy, project = gateway
    call(proxy, 5, model="m", code=500, retry_times=2)
    project.load()
    counts = "select request_count, retry_count, exception_count, status_5xx_count"
    assert project.query(f"{counts} from raw_aiproxy.dashboard where model = 'm'") == [(3, 2, 3, 3)]


def test_what_a_job_used_stands_in_the_hour_of_its_request(
    gateway: tuple[Personality, Project],
) -> None:
    proxy, project = gateway
    asked = NOW.subtract(hours=7).int_timestamp * 1_000_000
    call(proxy, 5, model="m", request_at=asked, async_usage_status=2, usage={"total_tokens": 8})
    project.load()
    hours = "select bucket_start, request_count, total_tokens from raw_aiproxy.dashboard"
    assert project.query(f"{hours} where model = 'm' order by all") == [
        (NOW.subtract(hours=7), 0, 8),
        (NOW.subtract(hours=5), 1, None),
    ]


def test_a_group_is_read_by_itself(gateway: tuple[Personality, Project]) -> None:
    _, project = gateway
    project.set(groups=["g2"])
    project.load()
    found = "select distinct scope, group_id, channel_id from raw_aiproxy.dashboard"
    assert project.query(found) == [("g2", "g2", None)]
    assert project.query(SUMS) == [(2, 20)]


def test_an_hour_read_again_is_replaced(gateway: tuple[Personality, Project]) -> None:
    proxy, project = gateway
    project.load()
    assert project.query(SUMS) == [(3, 30)]
    call(proxy, 2, model="o3", usage={"total_tokens": 5})
    project.load(NOW.add(minutes=1), run_id="again")
    assert project.query(SUMS) == [(4, 35)]


def test_a_release_without_totals_is_read_without_them(
    gateway: tuple[Personality, Project],
) -> None:
    proxy, project = gateway
    proxy.world.faults.append(Fault("status", "dashboardv2", 99, 404, body="404 page not found"))
    assert project.load().error is None
    streams = "select distinct stream from raw_aiproxy.load_ledger order by all"
    assert project.query(streams) == [("channels",), ("logs",)]


def test_points_of_any_release_become_rows_by_time() -> None:
    points = [
        {"timestamp": 7200, "summary": [{"model": "b"}, {"model": "c"}]},
        {"timestamp": 3600, "summary": [{"model": "a"}]},
        {"timestamp": 0, "summary": None},
    ]
    rows = [
        {"model": "a", "timestamp": 3600},
        {"model": "b", "timestamp": 7200},
        {"model": "c", "timestamp": 7200},
    ]
    for data in (points, {"time_series": points}):
        assert orjson.loads(totals_document("s", orjson.dumps({"data": data}))) == {"rows": rows}
    assert totals_document("s", b'{"success":true}') == b'{"rows":[]}'
