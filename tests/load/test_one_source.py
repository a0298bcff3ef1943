"""What goes wrong in one source is its outcome, with its place, and no other source's."""

import re
from pathlib import Path

import pytest

from llm_usage_warehouse.connectors import configured_sources
from llm_usage_warehouse.loading import load_sources
from llm_usage_warehouse.one_source import Run, SourceOutcome
from llm_usage_warehouse.progress import LogWatcher
from llm_usage_warehouse.settings import in_environment, load_warehouse
from llm_usage_warehouse.simulator import Fault, Simulator
from llm_usage_warehouse.warehouse import writing
from llm_usage_warehouse.warnings import in_plain_sight
from tests.loads import NOW, frozen

TOTALS = [
    ("aiproxy", "/dashboardv2/", "dashboard"),
    ("tencent_lke", "DescribeTokenUsage", "token_usage"),
    ("weave", "/calls/stats", "usage_buckets|call_buckets"),
]
BODIES = [
    "[]",
    '{"data":5,"success":true}',
    *(
        pytest.param(body, marks=pytest.mark.slow)
        for body in ("5", '"x"', '{"Response":{"Total":"many","List":5}}')
    ),
]


def configure(folder: Path, monkeypatch: pytest.MonkeyPatch, simulator: Simulator) -> None:
    (folder / ".dlt").mkdir(exist_ok=True)
    monkeypatch.setenv("DLT_PROJECT_DIR", str(folder))
    # Each of its models takes dozens of requests a night, at a pace.
    simulator["tencent_lke"].data.account.listed = {"hy3"}
    for source in ("aiproxy", "tencent_lke", "weave"):
        settings = {**simulator[source].settings, "start": "P2D", "attempts": 1}
        for name, text in in_environment(f"sources.{source}", settings).items():
            monkeypatch.setenv(name, text)


def night() -> dict[str, SourceOutcome]:
    warehouse = load_warehouse()
    with writing(warehouse):
        outcomes = load_sources(configured_sources(), Run("run", NOW, warehouse), LogWatcher())
    return {one.source: one for one in outcomes}


@pytest.mark.parametrize("body", BODIES)
def test_a_total_of_another_shape_costs_its_own_source_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    world = frozen(days=2, rows_per_day=60)
    with Simulator(world, ["aiproxy", "tencent_lke", "weave"]) as simulator:
        configure(tmp_path, monkeypatch, simulator)
        # What was loaded once is audited in each later night.
        assert not any(one.error for one in night().values())
        for source, path, streams in TOTALS:
            fault = Fault("status", path=path, times=99, status=200, body=body)
            simulator[source].world.faults.append(fault)
            outcomes = night()
            fault.times = 0
            done = outcomes.pop(source)
            said = [done.error] if done.error else [f"{a} {b}" for a, b in done.warnings.items()]
            place = rf"(stream {streams}|stream ({streams}) was not read)"
            assert any(re.search(place, one or "") for one in said), said
            assert not any("--verbose" in (one or "") for one in said), said
            assert not any(other.error for other in outcomes.values())


def test_keys_on_a_plain_connection_are_warned_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Simulator(
        frozen(days=1, rows_per_day=60), ["aiproxy", "tencent_lke", "weave"]
    ) as simulator:
        configure(tmp_path, monkeypatch, simulator)
        monkeypatch.setenv("SOURCES__AIPROXY__BASE_URL", "http://aiproxy.example.com/api")
        # A proxy of the environment is asked for every other host; nobody listens at this one.
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        outcomes = night()
    assert outcomes["aiproxy"].error
    (warning,) = outcomes["aiproxy"].warnings
    assert "plain http:// to aiproxy.example.com" in warning
    assert [one.error for one in outcomes.values()].count(None) == 2
    assert not any("plain http" in one for one in outcomes["weave"].warnings)


@pytest.mark.parametrize(
    ("address", "is_told"),
    [
        ("https://aiproxy.example.com/api", False),
        ("http://aiproxy.example.com/api", True),
        ("http://10.0.0.7:3000/api", True),
        ("HTTP://AIPROXY.EXAMPLE.COM/api", True),
        ("http://localhost:3000/api", False),
        ("http://127.0.0.1:3000/api", False),
        ("http://127.8.9.1/api", False),
        ("http://[::1]:3000/api", False),
        ("http://[2001:db8::1]/api", True),
    ],
)
def test_which_addresses_are_plain(address: str, is_told: bool) -> None:
    assert bool(in_plain_sight(address)) is is_told
