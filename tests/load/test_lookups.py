"""A lookup or a control that the vendor refuses costs names or a check, and never the calls."""

from collections.abc import Iterator
from pathlib import Path

import pendulum
import pytest

from llm_usage_warehouse.simulator import Fault, Personality
from tests.loads import NOW, Project, frozen, vendor

Both = tuple[Personality, Project]


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    with vendor(tmp_path, monkeypatch, "aiproxy", frozen()) as (proxy, project):
        project.set(attempts=2)
        yield proxy, project


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_without_channels_the_calls_are_loaded(gateway: Both, status: int) -> None:
    proxy, project = gateway
    proxy.world.faults.append(Fault("status", "/api/channels", 99, status))
    outcome = project.load()
    assert outcome.error is None
    assert outcome.streams.keys() == {"logs", "dashboard"}
    ((text, (step,)),) = outcome.warnings.items()
    assert "stream channels was not read, which costs the names and providers of channels" in text
    assert step.startswith("stream channels, window")
    assert project.one("select count(*) from raw_aiproxy.logs") > 500
    proxy.world.faults.clear()
    assert project.load(NOW.add(minutes=1), run_id="again").warnings == {}
    assert project.one("select count(*) from raw_aiproxy.channels") > 0


def test_totals_that_fail_halfway_are_read_from_there_the_next_night(gateway: Both) -> None:
    proxy, project = gateway
    refused = pendulum.datetime(2026, 11, 5)
    asked = f"/api/dashboardv2/?start_timestamp={refused.int_timestamp}000"
    proxy.world.faults.append(Fault("status", asked, 99, 500))
    project.set(start="P20D")
    outcome = project.load()
    assert (outcome.error, outcome.streams["dashboard"].windows) == (None, 1)
    assert any("costs the gateway's totals" in text for text in outcome.warnings)
    ends = "select max(window_end) from raw_aiproxy.load_ledger where stream = '{}'"
    assert project.one(ends.format("dashboard")) == refused
    assert project.one(ends.format("logs")) == NOW.subtract(minutes=2)
    proxy.world.faults.clear()
    assert project.load(NOW.add(minutes=1), run_id="again").warnings == {}
    first = "select min(window_start) from raw_aiproxy.load_ledger where run_id = 'again'"
    assert project.one(f"{first} and stream = 'dashboard'") <= refused


def test_totals_that_are_denied_from_the_start_are_said(gateway: Both) -> None:
    proxy, project = gateway
    proxy.world.faults.append(Fault("status", "/api/dashboardv2/", 99, 403))
    outcome = project.load()
    assert (outcome.error, "logs" in outcome.streams) == (None, True)
    assert any("stream dashboard was not read" in text for text in outcome.warnings)


def test_calls_that_are_denied_stop_the_source(gateway: Both) -> None:
    proxy, project = gateway
    proxy.world.faults.append(Fault("status", "/api/logs/", 99, 403))
    error = project.load().error
    assert error
    assert "HTTP 403" in error


@pytest.mark.parametrize(
    ("path", "stream"),
    [("/clients", "clients"), ("/usage/breakdown", "usage_breakdown")],
)
def test_model_router_is_read_without_what_is_denied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, stream: str
) -> None:
    denied = '{"success":false,"errCode":"B.Permission.DeniedException","httpStatusCode":403}'
    with vendor(tmp_path, monkeypatch, "alibaba_model_router", frozen()) as (router, project):
        router.world.faults.append(Fault("status", path, 99, 403, body=denied))
        project.set(start="P1D")
        outcome = project.load()
    assert outcome.error is None
    (text,) = outcome.warnings
    assert text.startswith(f"stream {stream} was not read, which costs ")
    assert outcome.streams["observation_logs"].rows > 50
    assert stream not in outcome.streams
