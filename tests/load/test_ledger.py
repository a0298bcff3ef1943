"""Watermarks live twice, in dlt's working folder and beside the rows: the ledger decides."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pendulum
import pytest
from pendulum import DateTime

from llm_usage_warehouse.connectors import connectors
from llm_usage_warehouse.one_source import SourceOutcome
from llm_usage_warehouse.settings import load_warehouse
from llm_usage_warehouse.simulator import Fault, Personality
from tests.loads import NOW, Project, frozen, vendor

VENDORS = [
    pytest.param(name, marks=() if name == "aiproxy" else pytest.mark.slow)
    for name in sorted(connectors())
]

Both = tuple[Personality, Project]


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    with vendor(tmp_path, monkeypatch, "aiproxy", frozen(days=6)) as both:
        yield both


def night(both: Both, now: DateTime) -> SourceOutcome:
    """Run the night of an instant, which the vendor takes for the present, too."""
    personality, project = both
    personality.world.now = now.timestamp
    outcome = project.load(now, run_id=f"{now:YYYY-MM-DD}")
    assert outcome.error is None
    return outcome


def tables(project: Project, source: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return every raw row, without what names the slice and the load that brought it."""
    found = {}
    created = "select table_name from duckdb_tables()"
    loaded = {name for (name,) in project.query(f"{created} where schema_name = 'raw_{source}'")}
    for table in connectors()[source].tables:
        # A stream that is off has none before the models are built.
        if table.name not in loaded:
            continue
        own = "_dlt_load_id"
        if not table.key:
            own += ", window_start, window_end, row_in_window"
        found[table.name] = project.query(
            f"select * exclude ({own}) from raw_{source}.{table.name} order by all"
        )
    return found


def windows(project: Project, run_id: str, stream: str = "logs") -> list[tuple[Any, ...]]:
    return project.query(
        "select run_kind, window_start, window_end from raw_aiproxy.load_ledger "
        f"where run_id = '{run_id}' and stream = '{stream}' order by all"
    )


@pytest.mark.parametrize("source", VENDORS)
def test_an_older_file_put_back_is_brought_up_to_date(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = [NOW.subtract(days=ago) for ago in (4, 3, 2, 1, 0)]
    world = frozen(nights[0], days=2, rows_per_day=120)
    with vendor(tmp_path, monkeypatch, source, world) as (personality, calm):
        if source == "tencent_lke":
            # Each of its models takes dozens of requests a night.
            personality.data.account.listed = {"hy3"}
        calm.set(start="P1D", requests_per_second=19)
        file, copy = load_warehouse().path, tmp_path / "copy.duckdb"
        for number, now in enumerate(nights[:-1]):
            night((personality, calm), now)
            if number == 1:
                shutil.copy(file, copy)
        shutil.copytree(tmp_path / "data", tmp_path / "accident" / "data")
        night((personality, calm), nights[-1])
        expected = tables(calm, source), ends(calm, source)

        project = Project(tmp_path / "accident", monkeypatch, source)
        project.set(start="P1D")
        shutil.copy(copy, load_warehouse().path)
        outcome = night((personality, project), nights[-1])

        assert (tables(project, source), ends(project, source)) == expected
        (warning,) = [one for one in outcome.warnings if "older than the working folder" in one]
        assert f"{nights[1]:YYYY-MM-DD}" in warning


def ends(project: Project, source: str) -> list[tuple[Any, ...]]:
    return project.query(
        f"select stream, scope, min(window_start), max(window_end) "
        f"from raw_{source}.load_ledger group by all order by all"
    )


def test_a_stretch_without_a_ledger_line_is_read_again_the_same_night(proxy: Both) -> None:
    _, project = proxy
    night(proxy, NOW.subtract(days=1))
    expected = tables(project, "aiproxy")["logs"]
    lost = "'2026-11-17T00:00:00Z' and {} < '2026-11-18T00:00:00Z'"
    forget(project, f"logs where created_at >= {lost.format('created_at')}")
    forget(project, f"load_ledger where window_start >= {lost.format('window_start')}")
    outcome = night(proxy, NOW)
    found = [row for row in tables(project, "aiproxy")["logs"] if row in set(expected)]
    assert found == expected
    day = (pendulum.datetime(2026, 11, 17), pendulum.datetime(2026, 11, 18))
    assert windows(project, "2026-11-20")[-1] == ("reread", *day)
    assert any("does not cover 2026-11-17T00:00:00Z/" in one for one in outcome.warnings)
    assert night(proxy, NOW.add(hours=1)).warnings == {}


def test_a_watermark_beyond_the_ledger_is_pulled_back(proxy: Both) -> None:
    _, project = proxy
    night(proxy, NOW.subtract(days=1))
    forget(project, "load_ledger where window_end > '2026-11-18T00:00:00Z'")
    outcome = night(proxy, NOW)
    assert windows(project, "2026-11-20")[0][1] == pendulum.datetime(2026, 11, 17, 21)
    assert any("read again from 2026-11-18" in one for one in outcome.warnings)


def test_a_lost_ledger_is_read_again_from_the_first_start(proxy: Both) -> None:
    _, project = proxy
    night(proxy, NOW.subtract(days=1))
    forget(project, "load_ledger")
    night(proxy, NOW)
    assert windows(project, "2026-11-20")[0][1] == NOW.subtract(days=4)


def test_lines_of_a_load_that_never_ended_do_not_count(proxy: Both) -> None:
    _, project = proxy
    night(proxy, NOW.subtract(days=1))
    forget(project, "_dlt_loads")
    night(proxy, NOW)
    assert windows(project, "2026-11-20")[0][1] == NOW.subtract(days=4)


def test_a_backfill_apart_leaves_no_gap_to_read(proxy: Both) -> None:
    _, project = proxy
    night(proxy, NOW.subtract(days=1))
    old = NOW.subtract(days=30)
    assert project.load(NOW, (old, old.add(days=1)), run_id="backfill").error is None
    assert night(proxy, NOW).warnings == {}
    assert windows(project, "2026-11-20")[0][0] == "nightly"


def test_a_duration_counts_back_from_the_first_run_for_every_scope(proxy: Both) -> None:
    personality, project = proxy
    named = {str(row.get("group", "/")) for row in personality.data.rows()}
    groups = sorted(group for group in named if "/" not in group)[:2]
    project.set(groups=groups[:1])
    night(proxy, NOW)
    project.set(groups=groups)
    night(proxy, NOW.add(days=40))
    starts = dict(
        project.query(
            "select scope, min(window_start) from raw_aiproxy.load_ledger "
            "where stream = 'logs' group by scope"
        )
    )
    assert starts == dict.fromkeys(groups, NOW.subtract(days=3))
    gaps = (
        "select count(*) from (select window_start > max(window_end) over ("
        "partition by stream, scope order by window_start rows between unbounded preceding and 1 "
        "preceding) as is_gap from raw_aiproxy.load_ledger where stream = 'logs') where is_gap"
    )
    assert project.one(gaps) == 0


def test_an_earlier_start_loads_what_lies_before_once(proxy: Both) -> None:
    _, project = proxy
    project.set(start="2026-11-17")
    night(proxy, NOW.subtract(days=1))
    project.set(start="2026-11-15")
    outcome = night(proxy, NOW)
    before = [one for one in windows(project, "2026-11-20") if one[0] == "reread"]
    days = [pendulum.datetime(2026, 11, day) for day in (15, 16, 17)]
    assert before == [("reread", *days[:2]), ("reread", *days[1:])]
    assert project.one("select min(created_at) from raw_aiproxy.logs") < days[1]
    assert any("start was moved back to 2026-11-15" in one for one in outcome.warnings)
    assert night(proxy, NOW.add(days=1)).warnings == {}
    assert windows(project, "2026-11-21")[0][1] > days[2]


def test_a_start_to_come_is_told(proxy: Both) -> None:
    _, project = proxy
    project.set(start="2026-12-01")
    warnings = list(night(proxy, NOW).warnings)
    assert any(one.startswith("logs: no window was read: start, 2026-12-01") for one in warnings)


def test_a_stream_without_a_scope_and_an_account_without_a_row_are_told(proxy: Both) -> None:
    personality, project = proxy
    personality.world.faults.append(Fault("status", path="dashboard", status=404, times=99))
    project.set(groups=["nobody"])
    warnings = list(night(proxy, NOW).warnings)
    assert "no row was ever read of nobody" in warnings
    assert warnings[0].startswith("dashboard: no window was read: ")


def forget(project: Project, rows: str) -> None:
    """Delete rows of the private warehouse, as a hand that mends it might."""
    with duckdb.connect(str(load_warehouse().path)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"delete from raw_aiproxy.{rows}")
