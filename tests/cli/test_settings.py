"""Settings: where they come from, and what a person is told of a wrong one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import dlt
import pendulum
import pytest

from llm_usage_warehouse.connectors import configured_sources, connectors
from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.notify_settings import NotifySettings
from llm_usage_warehouse.settings import (
    AlertSettings,
    WarehouseSettings,
    load_source,
    load_warehouse,
    setting_names,
    source_sections,
)
from llm_usage_warehouse.sources.aiproxy.reader import AiProxySettings
from llm_usage_warehouse.values import first_instant, parse_instant

NOW = pendulum.datetime(2026, 11, 20)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".dlt").mkdir()
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path))
    return tmp_path


def aiproxy(monkeypatch: pytest.MonkeyPatch, **settings: str) -> AiProxySettings | None:
    given = {"base_url": "http://127.0.0.1/api", "admin_key": "test-example", **settings}
    for name, value in given.items():
        monkeypatch.setenv(f"SOURCES__AIPROXY__{name}".upper(), value)
    return load_source(AiProxySettings, "aiproxy")


def test_the_environment_sets_every_kind(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = aiproxy(
        monkeypatch,
        look_back="PT90M",
        groups='["a", "b"]',
        channel_providers='{"7": "acme"}',
        requests_per_second="2.5",
    )
    assert found
    assert found.look_back == pendulum.duration(minutes=90)
    assert (found.groups, found.channel_providers) == (["a", "b"], {"7": "acme"})
    assert found.requests_per_second == 2.5


def test_a_list_may_be_written_with_commas(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = aiproxy(monkeypatch, groups="a, b")
    assert found
    assert found.groups == ["a", "b"]


def test_variables_of_the_shell_are_not_settings(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("START", "1999-01-01")
    monkeypatch.setenv("SLICE", "PT1S")
    found = aiproxy(monkeypatch)
    assert found
    assert (found.start, found.slice) == ("P30D", pendulum.duration(days=1))
    assert load_warehouse().path == project / "data/warehouse.duckdb"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("slice", "1 day", "ISO 8601 duration"),
        ("attempts", "0", "from 1 to 100"),
        ("start", "yesterday", "is not an instant"),
        ("currency", "yuan", "did you mean CNY"),
    ],
)
def test_an_unreadable_value_names_its_setting(
    project: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        aiproxy(monkeypatch, **{name: value})
    assert f"[sources.aiproxy] {name}" in str(caught.value)


@pytest.mark.parametrize(
    ("pace", "given", "concurrency"),
    [("0.5", {}, 4), ("17.5", {}, 18), ("500", {}, 32), ("500", {"concurrency": "2"}, 2)],
)
def test_as_many_requests_at_once_as_the_pace_has_in_a_second(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    pace: str,
    given: dict[str, str],
    concurrency: int,
) -> None:
    found = aiproxy(monkeypatch, requests_per_second=pace, **given)
    assert found
    assert found.limits.concurrency == concurrency


def test_half_a_source_names_the_other_half(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__AIPROXY__BASE_URL", "http://127.0.0.1/api")
    with pytest.raises(UsageError) as caught:
        configured_sources()
    (problem,) = caught.value.problems
    assert "[sources.aiproxy] admin_key is missing" in problem
    assert ".dlt/secrets.toml or as SOURCES__AIPROXY__ADMIN_KEY" in problem


def test_no_source_at_all_lists_every_missing_setting(project: Path) -> None:
    with pytest.raises(UsageError) as caught:
        configured_sources()
    assert any("[sources.aiproxy] base_url is missing" in one for one in caught.value.problems)
    assert any("[sources.aiproxy] admin_key is missing" in one for one in caught.value.problems)


def test_an_unknown_source_lists_the_known_ones(project: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown source 'openai'; there are .*aiproxy"):
        configured_sources(["openai"])


def test_a_connector_that_is_no_vendor_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__EU__CONNECTOR", "aiprox")
    with pytest.raises(UsageError, match='connector = "aiprox" is no vendor'):
        configured_sources()


def test_sections_come_from_both_files_and_the_environment(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".dlt/config.toml").write_text('[sources.eu]\nconnector = "aiproxy"\n')
    (project / ".dlt/secrets.toml").write_text('[sources.aiproxy]\nadmin_key = "example"\n')
    monkeypatch.setenv("SOURCES__US__CONNECTOR", "aiproxy")
    dlt.current.run_context().reload()
    assert source_sections() == {"aiproxy": "aiproxy", "eu": "aiproxy", "us": "aiproxy"}


def test_an_unknown_time_zone_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE__REPORTING_TIMEZONE", "Asia/Peking")
    with pytest.raises(UsageError, match="'Asia/Peking' is not an IANA time zone"):
        load_warehouse()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-01", "2026-10-31T16:00:00Z"),
        ("2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z"),
        ("2026-11-01T08:00:00+02:00", "2026-11-01T06:00:00Z"),
        ("2026-11-01T08:00:00", "2026-11-01T00:00:00Z"),
    ],
)
def test_a_bare_date_is_a_day_of_the_reporting_zone(text: str, expected: str) -> None:
    assert parse_instant(text, "Asia/Shanghai").to_iso8601_string() == expected


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "PT3H", ""])
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not an instant"):
        parse_instant(text, "UTC")


def test_start_may_be_a_duration_back_from_now() -> None:
    assert first_instant("P14D", "UTC", NOW) == pendulum.datetime(2026, 11, 6)


def test_reporting_currency_and_the_age_of_its_rates(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = load_warehouse()
    assert (found.reporting_currency, found.rate_max_age.in_days()) == ("USD", 5)
    monkeypatch.setenv("WAREHOUSE__REPORTING_CURRENCY", "EUR")
    monkeypatch.setenv("WAREHOUSE__RATE_MAX_AGE", "P1W")
    found = load_warehouse()
    assert (found.reporting_currency, found.rate_max_age.in_days()) == ("EUR", 7)


def test_alerts_and_notify_have_sections_of_their_own(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".dlt/config.toml").write_text("[alerts]\nbudget_steps = [50, 90]\noff = []\n")
    dlt.current.run_context().reload()
    monkeypatch.setenv("ALERTS__OFF", "stale, spend")
    found = load_warehouse().alerts
    assert (found.budget_steps, found.off) == (["50", "90"], ["stale", "spend"])
    assert (found.spend_factor, found.unpriced_percent) == (2, 5)


@pytest.mark.parametrize("code", ["usd", "eur", "EURO", "RMB", "$", ""])
def test_currency_not_a_code(project: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Reported as firefly-iii/firefly-iii#10460, looplj/axonhub#2202."""
    with pytest.raises(UsageError, match=r"\[sources.aiproxy\] currency: .*ISO 4217"):
        aiproxy(monkeypatch, currency=code)
    monkeypatch.setenv("WAREHOUSE__REPORTING_CURRENCY", code)
    with pytest.raises(UsageError, match=r"\[warehouse\] reporting_currency: .*ISO 4217"):
        load_warehouse()


@pytest.mark.parametrize(
    ("limit", "left"), [("1GB", "600MB"), ("1.5 GiB", "1211MB"), ("300MB", "150MB")]
)
def test_a_process_shares_its_memory_with_duckdb(
    project: Path, monkeypatch: pytest.MonkeyPatch, limit: str, left: str
) -> None:
    monkeypatch.setenv("WAREHOUSE__MEMORY_LIMIT", limit)
    assert load_warehouse().memory_for_duckdb == left


def test_no_run_is_reported_to_the_makers_of_dlt(tmp_path: Path) -> None:
    # In a process of its own: dlt decides once in each.
    code = (
        "from llm_usage_warehouse.settings import load_warehouse; load_warehouse(); import dlt; "
        "from dlt.common.runtime import anon_tracker as tracker; "
        "dlt.pipeline('any'); print(tracker._ANON_TRACKER_ENDPOINT)"
    )
    (tmp_path / ".dlt").mkdir()
    environment = os.environ | {"DLT_PROJECT_DIR": str(tmp_path), "DLT_DATA_DIR": str(tmp_path)}
    environment.pop("RUNTIME__DLTHUB_TELEMETRY", None)
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "None"


def test_the_settings_files_name_every_setting() -> None:
    folder = Path(__file__).resolve().parents[2] / ".dlt"
    written = "".join((folder / one).read_text() for one in ("config.toml", "secrets.toml.example"))
    own = (WarehouseSettings, AlertSettings, NotifySettings)
    classes = [*own, *(one.settings for one in connectors().values())]
    names = {name for one in classes for name in setting_names(one)}
    assert not [name for name in names if not re.search(rf"(?m)^(# +)?{name}\b", written)]
