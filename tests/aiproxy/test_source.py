"""AI Proxy: what the server holds is what the warehouse holds, whatever the server does."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pendulum
import pytest

from llm_usage_warehouse.simulator import Fault, Personality
from llm_usage_warehouse.simulator.aiproxy import PRIVATE_TEXT
from tests.loads import NOW, Project, frozen, vendor

MICROSECOND = 1_000_000


def micros(instant: pendulum.DateTime) -> int:
    return round(instant.timestamp() * MICROSECOND)


@pytest.fixture
def busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Personality, Project]]:
    with vendor(tmp_path, monkeypatch, "aiproxy", frozen()) as both:
        yield both


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Personality, Project]]:
    with vendor(tmp_path, monkeypatch, "aiproxy", frozen(rows_per_day=0)) as both:
        yield both


def settled(proxy: Personality) -> list[dict[str, Any]]:
    """Return the server's rows that a night at NOW must hold."""
    first = (NOW.timestamp() - 3 * 86400) * 1000
    last = (NOW.timestamp() - 120) * 1000
    return [row for row in proxy.data.rows() if first <= row["created_at"] <= last]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Personality, Project]]:
    """A night's load of a busy server; the tests only look."""
    folder = tmp_path_factory.mktemp("night")
    with (
        pytest.MonkeyPatch.context() as patch,
        vendor(folder, patch, "aiproxy", frozen()) as (proxy, project),
    ):
        assert project.load().error is None
        yield proxy, project


def test_rows_and_every_token_sum_equal_the_servers(night: tuple[Personality, Project]) -> None:
    proxy, project = night
    rows = settled(proxy)
    assert len(rows) > 500
    assert project.one("select count(*) from raw_aiproxy.logs") == len(rows)
    for name in ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"):
        expected = sum(row["usage"].get(name, 0) for row in rows)
        assert project.one(f"select sum(usage_{name}) from raw_aiproxy.logs") == expected


def test_amounts_keep_every_digit(night: tuple[Personality, Project]) -> None:
    proxy, project = night
    found = dict(project.query("select id, used_amount from raw_aiproxy.logs"))
    for row in settled(proxy):
        assert float(found[row["id"]] or 0) == row.get("used_amount", 0)


def test_second_night_adds_nothing_and_moves_the_watermark(
    busy: tuple[Personality, Project],
) -> None:
    _, project = busy
    project.load()
    before = project.query("select * exclude (_dlt_load_id) from raw_aiproxy.logs order by id")
    again = project.load(NOW.add(seconds=60), run_id="again")
    assert again.streams["logs"].windows < 15
    after = project.query("select * exclude (_dlt_load_id) from raw_aiproxy.logs order by id")
    assert after == before
    ends = "select max(window_end) from raw_aiproxy.load_ledger where stream = 'logs'"
    assert project.one(ends) == NOW.subtract(seconds=60)


def test_a_row_two_hours_late_is_read(empty: tuple[Personality, Project]) -> None:
    proxy, project = empty
    created = NOW.subtract(hours=1)
    proxy.data.add(id=1, created_at=micros(created), inserted_at=micros(NOW.add(hours=1)))
    project.load()
    assert project.one("select count(*) from raw_aiproxy.logs") == 0
    proxy.world.now = NOW.add(hours=1, minutes=5).timestamp
    project.load(NOW.add(hours=1, minutes=5), run_id="later")
    assert project.query("select id, created_at from raw_aiproxy.logs") == [(1, created)]


def test_rows_between_two_milliseconds_of_a_slices_edge_are_read(
    empty: tuple[Personality, Project],
) -> None:
    proxy, project = empty
    midnight = micros(pendulum.datetime(2026, 11, 19))
    for number, offset in enumerate((-1, 0, 1, 999), start=1):
        proxy.data.add(id=number, created_at=midnight + offset)
    project.load()
    assert project.query("select id from raw_aiproxy.logs order by id") == [(1,), (2,), (3,), (4,)]


def test_an_async_job_is_read_again_until_it_settles(empty: tuple[Personality, Project]) -> None:
    proxy, project = empty
    old = micros(NOW.subtract(days=2))
    proxy.data.add(id=5, created_at=old, async_usage_status=1, usage={})
    project.load()
    assert project.query("select usage_output_tokens from raw_aiproxy.logs") == [(None,)]
    proxy.data.update(5, async_usage_status=2, usage={"output_tokens": 77, "total_tokens": 77})
    project.load(NOW.add(hours=1), run_id="second")
    assert project.query("select usage_output_tokens from raw_aiproxy.logs") == [(77,)]
    project.load(NOW.add(hours=2), run_id="third")
    kinds = "select distinct run_kind from raw_aiproxy.load_ledger where run_id = 'third'"
    assert project.query(kinds) == [("nightly",)]


def test_log_ids_begin_again(
    empty: tuple[Personality, Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reported as songquanpeng/one-api#1018 and #249, tursodatabase/turso#3284."""
    proxy, project = empty
    old, new = NOW.subtract(days=2), NOW.add(hours=1)
    proxy.data.add(id=1, created_at=micros(old), request_id="old")
    assert project.load().error is None
    proxy.data.delete(1)
    later = NOW.add(hours=2)
    proxy.world.now = later.timestamp
    proxy.data.add(id=1, created_at=micros(new), request_id="new")
    error = project.load(later, run_id="anew").error
    assert error
    assert "id 1 of logs is another call's" in error
    assert "[sources.aiproxy_2]" in error
    stored = "select source_name, id, request_id, created_at from raw_aiproxy.logs order by all"
    assert project.query(stored) == [("aiproxy", 1, "old", old)]
    renamed = Project(project.folder, monkeypatch, "aiproxy_2")
    renamed.set(connector="aiproxy", **proxy.settings)
    assert renamed.load(later, run_id="renamed").error is None
    assert project.query(stored) == [("aiproxy", 1, "old", old), ("aiproxy_2", 1, "new", new)]


def test_a_request_id_that_two_calls_share_is_no_restart(
    empty: tuple[Personality, Project],
) -> None:
    proxy, project = empty
    at = NOW.subtract(hours=1)
    for number in (1, 2):
        proxy.data.add(id=number, created_at=micros(at) + number, request_id="1780315200123456")
    project.load()
    assert project.load(NOW.add(minutes=1), run_id="again").error is None
    assert project.one("select count(*) from raw_aiproxy.logs") == 2


def test_rows_that_vanish_at_the_server_stay(empty: tuple[Personality, Project]) -> None:
    proxy, project = empty
    proxy.data.add(id=1, created_at=micros(NOW.subtract(hours=1)))
    project.load()
    proxy.data.delete(1)
    project.load(NOW.add(minutes=1), run_id="again")
    assert project.one("select count(*) from raw_aiproxy.logs") == 1


def test_nothing_private_and_no_secret_reaches_the_disk(busy: tuple[Personality, Project]) -> None:
    proxy, project = busy
    project.set(keep=["metadata"])
    project.load()
    hidden = [PRIVATE_TEXT, "test-admin-key-example", *proxy.data.secrets()]
    hidden += [str(row["ip"]) for row in proxy.data.rows() if "ip" in row][:3]
    for file in project.folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not [text for text in hidden if text.encode() in content], file
    # DuckDB packs text, so that a scan of the bytes alone would not be proof enough.
    private = "ip, user_id, content, prompt_cache_key, request_detail"
    assert project.query(f"select distinct {private} from raw_aiproxy.logs") == [(None,) * 5]


def test_private_fields_are_stored_where_a_setting_asks(
    empty: tuple[Personality, Project],
) -> None:
    proxy, project = empty
    proxy.data.add(id=1, created_at=micros(NOW.subtract(hours=1)), ip="192.0.2.7", user="ann")
    project.set(keep=["ip", "user"])
    project.load()
    assert project.query("select ip, user_id from raw_aiproxy.logs") == [("192.0.2.7", "ann")]


@pytest.mark.parametrize(
    "version",
    [
        "v0.2.0",
        pytest.param("v0.4.1", marks=pytest.mark.slow),
        pytest.param("v0.5.7", marks=pytest.mark.slow),
        "v0.6.5",
    ],
)
def test_every_release_loads_into_one_table(
    busy: tuple[Personality, Project], version: str
) -> None:
    proxy, project = busy
    proxy.data.version = version
    outcome = project.load()
    assert (outcome.error, outcome.streams["logs"].unknown_fields) == (None, set())


def test_groups_are_read_one_by_one(busy: tuple[Personality, Project]) -> None:
    proxy, project = busy
    groups = sorted(
        {str(row["group"]) for row in settled(proxy) if "/" not in row.get("group", "/")}
    )
    project.set(groups=groups[:2])
    project.load()
    found = project.query("select distinct group_id from raw_aiproxy.logs order by 1")
    assert found == [(group,) for group in groups[:2]]
    accounts = "select distinct account_id from raw_aiproxy.load_ledger where stream = 'logs'"
    assert {group for (group,) in project.query(accounts)} == set(groups[:2])


def test_a_group_with_a_slash_is_read(empty: tuple[Personality, Project]) -> None:
    proxy, project = empty
    at = micros(NOW.subtract(hours=1))
    proxy.data.add(id=1, created_at=at, group="team/a b")
    proxy.data.add(id=2, created_at=at, group="team")
    project.set(groups=["team/a b"])
    assert project.load().error is None
    assert project.query("select id, group_id from raw_aiproxy.logs") == [(1, "team/a b")]
    streams = "select distinct stream from raw_aiproxy.load_ledger order by all"
    assert project.query(streams) == [("channels",), ("logs",)]


def test_a_group_that_the_server_does_not_have_is_said(busy: tuple[Personality, Project]) -> None:
    proxy, project = busy
    known = next(str(row["group"]) for row in settled(proxy) if "group" in row)
    project.set(groups=[known, "Taem"])
    outcome = project.load()
    assert outcome.error is None
    (warning,) = [text for text in outcome.warnings if "no call of group" in text]
    steps = outcome.warnings[warning]
    assert "no call of group 'Taem': the server has none" in warning
    assert "[sources.aiproxy] groups" in warning
    assert steps[0].startswith("stream logs of Taem")


def test_groups_that_cannot_be_listed_are_read(busy: tuple[Personality, Project]) -> None:
    proxy, project = busy
    known = next(str(row["group"]) for row in settled(proxy) if "group" in row)
    project.set(groups=[known, "Taem"], attempts=1)
    proxy.world.faults.append(Fault("status", path="/api/groups/", status=500))
    outcome = project.load()
    assert (outcome.error, outcome.streams["logs"].rows > 0) == (None, True)
    assert any("'Taem': whether there is one could not" in text for text in outcome.warnings)


def test_an_unknown_field_is_kept_and_reported(empty: tuple[Personality, Project]) -> None:
    proxy, project = empty
    proxy.data.add(id=1, created_at=micros(NOW.subtract(hours=1)))
    proxy.data.lie(extra={"tenant": "x"})
    assert project.load().streams["logs"].unknown_fields == {"tenant"}
    (kept,) = project.query("select unknown_fields from raw_aiproxy.logs")[0]
    assert json.loads(kept) == {"tenant": "x"}


@pytest.mark.parametrize(
    ("field", "kind"), [("usage.input_tokens", "float"), ("channel", "string")]
)
def test_a_retyped_field_stops_the_source_before_anything_is_written(
    busy: tuple[Personality, Project], field: str, kind: str
) -> None:
    proxy, project = busy
    proxy.data.lie(retyped={field: kind})
    error = project.load().error
    assert error
    assert field in error
    assert "window 2026-11-17T12:00:00Z/2026-11-18T00:00:00Z" in error
    assert project.query("select * from information_schema.tables where table_name = 'logs'") == []
    proxy.data.lie()
    assert project.load(run_id="mended").error is None
    assert project.one("select count(*) from raw_aiproxy.logs") == len(settled(proxy))


def test_a_total_that_stays_wrong_is_written_down(empty: tuple[Personality, Project]) -> None:
    proxy, project = empty
    proxy.data.add(id=1, created_at=micros(NOW.subtract(hours=1)))
    proxy.data.lie(total_off=1)
    project.set(start="PT6H")
    outcome = project.load()
    assert (outcome.error, outcome.streams["logs"].disagreeing) == (None, 1)
    counts = "select row_count, reported_total from raw_aiproxy.load_ledger where stream = 'logs'"
    assert project.query(f"{counts} order by window_end desc limit 1") == [(1, 2)]


def test_a_row_that_shows_again_does_not_stand_for_one_that_is_missing(
    empty: tuple[Personality, Project],
) -> None:
    proxy, project = empty
    project.set(start="PT6H", concurrency=1)
    for number in range(1, 206):
        proxy.data.add(id=number, created_at=micros(NOW.subtract(hours=5)) + number)
    proxy.data.arriving = 2
    first = project.load()
    assert (first.error, first.streams["logs"].disagreeing) == (None, 1)
    (warning,) = first.warnings
    assert "read again next night" in warning
    assert "window 2026-11-20T06:00:00Z" in first.warnings[warning][0]
    ledger = "select row_count, reported_total from raw_aiproxy.load_ledger where stream = 'logs'"
    ((counted, total),) = project.query(f"{ledger} and run_id = 'run'")
    assert project.one("select count(*) from raw_aiproxy.logs") == counted < total
    proxy.data.arriving = 0
    later = NOW.add(days=1)
    proxy.world.now = later.timestamp
    again = project.load(later, run_id="again")
    assert (again.error, again.warnings) == (None, {})
    kinds = "select row_count, reported_total from raw_aiproxy.load_ledger"
    everything = len(proxy.data.rows())
    again_read = f"{kinds} where run_kind = 'reread' and stream = 'logs'"
    assert project.query(again_read) == [(everything, everything)]
    assert project.one("select count(*) from raw_aiproxy.logs") == everything


def test_an_empty_page_before_the_total_is_an_error(empty: tuple[Personality, Project]) -> None:
    proxy, project = empty
    proxy.data.lie(total_off=1)
    error = project.load().error
    assert error
    assert "page 1 is empty, and only 0 of the 1 rows that are stated came" in error


@pytest.mark.parametrize(
    "kind",
    [
        "status",
        "truncated",
        pytest.param("drop", marks=pytest.mark.slow),
        pytest.param("empty", marks=pytest.mark.slow),
    ],
)
def test_a_passing_fault_is_retried(busy: tuple[Personality, Project], kind: str) -> None:
    proxy, project = busy
    proxy.world.faults.append(Fault(kind, path="/api/logs/search", skip=2))
    outcome = project.load()
    assert (outcome.error, outcome.streams["logs"].retries) == (None, 1)
    assert project.one("select count(*) from raw_aiproxy.logs") == len(settled(proxy))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"admin_key": "wrong-key-example"}, "the admin key was refused"),
        ({"base_url": "{root}"}, "followed by /api"),
        ({"base_url": "http://127.0.0.1:1/api"}, "base_url"),
    ],
)
def test_what_a_person_set_wrong_is_said_in_one_line(
    busy: tuple[Personality, Project], settings: dict[str, str], words: str
) -> None:
    proxy, project = busy
    project.set(**{name: text.replace("{root}", proxy.url) for name, text in settings.items()})
    project.set(attempts=1)
    error = project.load().error
    assert error
    assert words in error
    assert "\n" not in error
    assert "wrong-key-example" not in error
    assert project.query("select * from information_schema.tables where table_name = 'logs'") == []


def test_a_backfill_moves_no_watermark(busy: tuple[Personality, Project]) -> None:
    proxy, project = busy
    day = (NOW.subtract(days=3), NOW.subtract(days=2))
    project.load(period=day)
    low, high = (edge.timestamp() * 1000 for edge in day)
    expected = [row for row in proxy.data.rows() if low <= row["created_at"] <= high]
    assert project.one("select count(*) from raw_aiproxy.logs") == len(expected)
    assert project.load(run_id="night").streams["logs"].windows == 4
    assert project.one("select count(*) from raw_aiproxy.logs") == len(settled(proxy))


def test_a_fresh_machine_goes_on_from_the_warehouse_file(
    busy: tuple[Personality, Project],
) -> None:
    _, project = busy
    project.load()
    (project.folder / "data" / "dlt").rename(project.folder / "lost")
    outcome = project.load(NOW.add(seconds=60), run_id="again")
    assert outcome.error is None
    start = "select min(window_start) from raw_aiproxy.load_ledger where run_kind = 'nightly'"
    assert project.one(f"{start} and stream = 'logs' and run_id = 'again'") == NOW.subtract(
        hours=3, minutes=2
    )


def test_two_instances_share_the_tables_and_not_their_rows(
    busy: tuple[Personality, Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, project = busy
    project.load()
    other = Project(project.folder, monkeypatch, "aiproxy_eu")
    other.set(connector="aiproxy", **proxy.settings)
    assert other.load(run_id="eu").error is None
    counts = dict(project.query("select source_name, count(*) from raw_aiproxy.logs group by 1"))
    assert counts == {"aiproxy": len(settled(proxy)), "aiproxy_eu": len(settled(proxy))}


@pytest.mark.parametrize("longest", [600_000, 60_000_000])
def test_rows_with_long_texts_are_loaded_in_the_memory_that_they_need(
    empty: tuple[Personality, Project], longest: int
) -> None:
    proxy, project = empty
    project.set(keep=["content"], start="PT6H")
    lengths = [600_000 if longest == 600_000 else 6] * 399 + [longest]
    for number, length in enumerate(lengths, 1):
        at = micros(NOW.subtract(hours=1)) + number
        text = f"{number:06}" * (length // 6)
        proxy.data.add(id=number, created_at=at, code=500, content=text)
    assert project.load().error is None
    stored = project.query("select length(content) from raw_aiproxy.logs order by id")
    assert [length for (length,) in stored] == lengths
