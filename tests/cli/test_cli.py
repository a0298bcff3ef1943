"""The command line, as a person and a scheduler meet it: exit codes, one-line errors, a night."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess

import duckdb
import pytest
from prometheus_client.parser import text_string_to_metric_families

from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.simulator import Fault, Personality, Simulator, World
from llm_usage_warehouse.targets.changes import CHANGES, ORDER
from llm_usage_warehouse.targets.live import NOTE
from llm_usage_warehouse.warehouse import writing
from tests.cli.shell import Shell
from tests.cli.test_backup import modes
from tests.receiver import Receiver, receiving
from tests.sql_helpers import FILE, give_empty, open_file

KOLKATA = "Asia/Kolkata"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "project")


@pytest.fixture(scope="module")
def webhook() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture(scope="module")
def night(
    tmp_path_factory: pytest.TempPathFactory, webhook: Receiver
) -> Iterator[tuple[Personality, Shell, CompletedProcess[str]]]:
    """One night of a small AI Proxy, loaded, modelled, tested and published."""
    shell = Shell(tmp_path_factory.mktemp("night") / "project")
    with Simulator(World(days=2, rows_per_day=240), ["aiproxy"]) as simulator:
        proxy = simulator["aiproxy"]
        shell.set(
            SOURCES__AIPROXY__BASE_URL=proxy.settings["base_url"],
            SOURCES__AIPROXY__ADMIN_KEY=proxy.settings["admin_key"],
            SOURCES__AIPROXY__START="P2D",
            SOURCES__AIPROXY__ATTEMPTS="1",
            WAREHOUSE__REPORTING_TIMEZONE=KOLKATA,
            NOTIFY__WEBHOOK=webhook.address,
        )
        path = shell.folder / "data" / FILE
        give_empty(WarehouseSettings(path=path, reporting_timezone=KOLKATA))
        yield proxy, shell, shell.anew("nightly")


Night = tuple[Personality, Shell, CompletedProcess[str]]


@pytest.fixture(scope="module")
def bad_night(night: Night) -> CompletedProcess[str]:
    """A night after it, in which the vendor fails, as of an instant that it is told."""
    proxy, shell, _ = night
    proxy.world.faults.append(Fault("status", path="/api/logs"))
    return shell("nightly", "--until", datetime.now(UTC).isoformat())


def test_a_night_ends_with_a_published_file(night: Night) -> None:
    proxy, shell, done = night
    assert (done.returncode, "all passed" in done.stdout) == (0, True), done.stderr
    assert "tests: all of history" in done.stdout
    assert "first load of aiproxy\n" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("COMPLETE: through 20")
    with open_file(shell.folder / "data/llm_usage.duckdb") as published:
        found = published.execute(
            "select sum(calls), sum(input_tokens) from daily_tokens"
        ).fetchone()
        loaded = published.execute("select count(*), sum(input_tokens) from calls").fetchone()
    assert found == loaded
    assert found is not None
    assert abs(found[0] - len(proxy.data.rows())) < 20


def test_everything_written_is_in_the_data_folder(night: Night) -> None:
    _, shell, _ = night
    assert sorted(one.name for one in shell.folder.iterdir()) == [".dlt", "data"]


def test_what_a_night_writes_is_for_the_user_alone(night: Night) -> None:
    _, shell, _ = night
    found = modes(shell.folder / "data")
    assert (found["warehouse.duckdb"], found["writer.lock"]) == ("0600", "0600")
    assert found["llm_usage.duckdb"] == "0444"
    assert {found[name] for name in ("state.json", "dbt.log", "manifest.json")} == {"0600"}
    assert found["llm_usage_aiproxy"] == "0700"


def test_a_backup_overwrites_nothing(night: Night, tmp_path: Path) -> None:
    _, shell, _ = night
    (tmp_path / "llm_usage.duckdb").write_text("mine")
    done = shell("backup", str(tmp_path))
    assert (done.returncode, "is there already" in done.stderr) == (2, True)
    assert [one.read_text() for one in tmp_path.iterdir()] == ["mine"]


def test_a_backup_waits_for_nobody_who_writes(night: Night, tmp_path: Path) -> None:
    _, shell, _ = night
    with writing(WarehouseSettings(path=shell.folder / "data" / FILE)):
        done = shell("backup", str(tmp_path / "kept"))
    assert (done.returncode, "another run is writing" in done.stderr) == (1, True)
    assert not (tmp_path / "kept").exists()


def test_query_prints_rows_and_refuses_bad_sql(night: Night) -> None:
    _, shell, _ = night
    good = shell("query", "select count(*) as n from calls")
    bad = shell("query", "select nothing from nowhere")
    assert (good.returncode, "│" in good.stdout) == (0, True)
    assert (bad.returncode, "nowhere" in bad.stderr) == (2, True)


def test_status_names_each_stream(night: Night) -> None:
    _, shell, _ = night
    done = shell("status")
    assert (done.returncode, "logs" in done.stdout) == (0, True)


def test_status_goes_by_the_readers_clock_and_the_publication(night: Night) -> None:
    _, shell, _ = night
    os.utime(shell.folder / "data/llm_usage.duckdb", (0, 0))
    fresh = shell("status")
    shell.set(WAREHOUSE__STALE_AFTER="PT1S")
    stale = shell("status")
    del shell.env["WAREHOUSE__STALE_AFTER"]
    assert (fresh.returncode, "OK aiproxy: loaded to" in fresh.stdout) == (0, True)
    assert (stale.returncode, "STALE aiproxy: loaded to" in stale.stdout) == (1, True)
    assert "published 20" in fresh.stdout
    assert "published 1970" not in fresh.stdout


def test_each_night_writes_the_page_and_report_writes_it_anew(night: Night) -> None:
    _, shell, first = night
    page = shell.folder / "data/report.html"
    assert f"the morning on one page: {page}" in first.stdout
    page.chmod(0o600)
    page.write_text(page.read_text().replace("<h1>", "<h1>stale "))
    shell.set(BROWSER="echo opened %s")
    done = shell("report", "--open")
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        [str(page), f"opened {page.as_uri()}"],
    )
    assert "<h1>stale " not in page.read_text()
    assert page.stat().st_mode & 0o777 == 0o444


def test_a_source_that_fails_is_named_and_the_old_rows_stay(
    night: Night, bad_night: CompletedProcess[str]
) -> None:
    _, shell, _ = night
    assert bad_night.returncode == 1
    assert "failed aiproxy" in bad_night.stdout
    verdict = bad_night.stdout.splitlines()[-1]
    assert verdict.startswith("NOT COMPLETE: through 20")
    assert "; failed: aiproxy" in verdict
    assert "Traceback" not in bad_night.stdout + bad_night.stderr
    with open_file(shell.folder / "data/llm_usage.duckdb") as published:
        assert published.execute("select count(*) > 0 from calls").fetchone() == (True,)


@pytest.mark.usefixtures("bad_night")
def test_machines_are_told_of_each_night(night: Night) -> None:
    _, shell, _ = night
    lines = (shell.folder / "data/nights.jsonl").read_text().splitlines()
    good, *_, bad = (json.loads(line) for line in lines)
    assert (good["verdict"], good["exit_code"], good["faults"]) == ("COMPLETE", 0, [])
    assert good["sources"]["aiproxy"]["rows"] > 0
    assert good["began_at"] < good["ended_at"] < bad["began_at"]
    assert (bad["verdict"], bad["exit_code"]) == ("NOT COMPLETE", 1)
    assert bad["faults"] == ["failed: aiproxy"]
    assert "HTTP 500" in bad["sources"]["aiproxy"]["error"]
    text = (shell.folder / "data/metrics.prom").read_text()
    metrics = {
        (one.name, one.labels.get("source")): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }
    alerts = dict(re.findall(r'llm_usage_alerts\{rule="(\w+)"\} (\d)', text))
    assert metrics["llm_usage_night_exit_code", None] == 1
    assert metrics["llm_usage_source_failed", "aiproxy"] == 1
    began = datetime.fromisoformat(bad["began_at"]).timestamp()
    assert metrics["llm_usage_night_began_timestamp_seconds", None] == pytest.approx(began)
    loaded_to = metrics["llm_usage_source_loaded_to_timestamp_seconds", "aiproxy"]
    assert 0 < began - loaded_to < 3 * 3600
    assert (good["alerts"]["failed"], bad["alerts"]["failed"]) == (0, 1)
    assert alerts["failed"] == "1"
    assert alerts.keys() >= {"spend", "budget", "stale"}


@pytest.mark.usefixtures("bad_night")
def test_people_are_told_of_each_night(night: Night, webhook: Receiver) -> None:
    _, shell, done = night
    good, *_, bad = webhook.texts()
    verdict, brought = good.split("\n\n")
    assert verdict == done.stdout.splitlines()[-1]
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d: \d+\.\d\d USD for \d+ calls( \(\d+ unpriced\))?\n"
        r"aiproxy: [\d,]+ rows loaded",
        brought,
    )
    assert bad.startswith("NOT COMPLETE: through 20")
    assert "\naiproxy failed: " in bad
    assert "\n\nalert (failed): aiproxy could not be loaded\n" in bad
    nights = (shell.folder / "data/nights.jsonl").read_text().splitlines()
    assert len(webhook.got) == len(nights)


def test_status_for_machines(night: Night) -> None:
    _, shell, _ = night
    done = shell("status", "--format", "json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["is_fresh"], found["reporting_timezone"]) == (0, True, KOLKATA)
    (source,) = found["sources"]
    assert (source["source"], source["is_stale"]) == ("aiproxy", False)
    asked = datetime.fromisoformat(found["asked_at"])
    loaded_to = datetime.fromisoformat(source["loaded_to"])
    assert (asked - loaded_to).total_seconds() == pytest.approx(source["age_seconds"])
    assert {"logs", "groups"} & {stream["stream"] for stream in found["streams"]}
    assert (found["held"], found["totals_differing"], found["alerts"]) == ([], 0, [])
    shell.set(WAREHOUSE__STALE_AFTER="PT1S")
    stale = shell("status", "--format", "json")
    del shell.env["WAREHOUSE__STALE_AFTER"]
    assert (stale.returncode, json.loads(stale.stdout)["is_fresh"]) == (1, False)


def test_a_failing_test_keeps_the_published_file(night: Night, tmp_path: Path) -> None:
    _, shell, _ = night
    published, private = (shell.folder / "data" / name for name in ("llm_usage.duckdb", FILE))
    before = published.stat().st_ino
    shutil.copyfile(private, tmp_path / FILE)
    with duckdb.connect(str(private)) as connection:
        connection.execute("insert into main.calls from main.calls limit 1")
    done = shell("publish")
    assert (done.returncode, "failed" in done.stdout) == (1, True)
    assert published.stat().st_ino == before
    shutil.copyfile(tmp_path / FILE, private)
    assert shell("publish").returncode == 0


def test_a_backfill_of_a_local_day_and_a_target_that_fails(night: Night) -> None:
    """The target is named, and the others are written."""
    _, shell, _ = night
    before = (shell.folder / "data/llm_usage.duckdb").stat().st_ino
    shell.set(
        WAREHOUSE__PUBLISH="duckdb, parquet, postgres",
        DESTINATION__POSTGRES__CREDENTIALS="postgresql://writer@127.0.0.1:1/usage",
    )
    done = shell("backfill", "--from", "2026-01-01", "--to", "2026-01-02")
    del shell.env["WAREHOUSE__PUBLISH"]
    assert (done.returncode, "logs" in done.stdout) == (1, True)
    assert re.search("warning postgres was not written: .*Connection refused", done.stdout)
    assert "not written: postgres" in done.stdout.splitlines()[-1]
    assert (shell.folder / "data/llm_usage.duckdb").stat().st_ino != before
    counts = []
    for name in ("llm_usage.duckdb", "llm_usage_live.duckdb"):
        with duckdb.connect(str(shell.folder / "data" / name), read_only=True) as connection:
            found = connection.execute(
                "select distinct schema_name, table_name from duckdb_columns() "
                "where not internal and not list_contains(?, schema_name || '.' || table_name) "
                "order by all",
                [[ORDER, CHANGES, NOTE]],
            ).fetchall()
            counts.append(
                {
                    (schema, table): connection.execute(
                        f"select count(*), sum(hash(row)::hugeint) from {schema}.{table} as row"
                    ).fetchall()
                    for schema, table in found
                }
            )
    assert counts[0] == counts[1]


def test_a_warehouse_held_by_another_program_is_named(night: Night, webhook: Receiver) -> None:
    _, shell, _ = night
    with duckdb.connect(str(shell.folder / "data/warehouse.duckdb")):
        done = shell("nightly")
    assert done.returncode == 1
    assert webhook.texts()[-1].startswith("NOT PUBLISHED: ")
    assert "is open in another program" in webhook.texts()[-1]
    assert "is open in another program" in done.stderr
    assert str(os.getpid()) in done.stderr


@pytest.mark.slow
def test_a_first_night_whose_only_source_failed_publishes_nothing(shell: Shell) -> None:
    """It says so to cron, too: what failed, with the source named once, and the verdict."""
    shell.set(SOURCES__AIPROXY__BASE_URL="http://127.0.0.1:1/api", SOURCES__AIPROXY__ADMIN_KEY="x")
    shell.set(SOURCES__AIPROXY__ATTEMPTS="1", TZ="Asia/Tokyo")
    give_empty(WarehouseSettings(path=shell.folder / "data" / FILE))
    done = shell("--quiet", "nightly")
    failed, verdict = done.stdout.splitlines()
    assert (done.returncode, verdict) == (1, "NOT PUBLISHED: failed: aiproxy; no file yet")
    assert re.match("failed aiproxy: (?!aiproxy)", failed)
    assert re.fullmatch(r"20\S+ \S+ JST ERROR aiproxy: (?!aiproxy).*\n", done.stderr)
    assert not (shell.folder / "data/llm_usage.duckdb").exists()


def test_no_source_lists_what_is_missing(shell: Shell) -> None:
    done = shell("nightly")
    assert done.returncode == 2
    assert "[sources.aiproxy] base_url is missing" in done.stderr
    assert "[sources.aiproxy] admin_key is missing" in done.stderr
    assert not (shell.folder / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["backfill", "--from", "2026-11-02", "--to", "2026-11-01"], "is not before"),
        (["backfill", "--from", "soon", "--to", "2026-11-01"], "'soon' is not an instant"),
        (["nightly", "--source", "openai"], "unknown source 'openai'"),
        (["nightly", "--until", "2126-01-01"], "no source is configured"),
        (["nightlyy"], "No such command"),
        (["query", "select 1"], "llm-usage nightly"),
        (["status"], "llm-usage nightly"),
    ],
)
def test_a_wrong_command_line_is_told_in_a_line(
    shell: Shell, arguments: list[str], words: str
) -> None:
    done = shell(*arguments)
    assert done.returncode == (1 if arguments[0] in ("query", "status") else 2)
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_time_zone_is_refused(shell: Shell) -> None:
    shell.set(WAREHOUSE__REPORTING_TIMEZONE="Mars/Olympus")
    done = shell("nightly")
    assert (done.returncode, "'Mars/Olympus' is not an IANA time zone" in done.stderr) == (2, True)


def test_real_and_simulated_rows_never_mix(shell: Shell) -> None:
    (shell.folder / "data").mkdir()
    (shell.folder / "data/DEMO").write_text("{}")
    shell.set(SOURCES__AIPROXY__BASE_URL="http://127.0.0.1:1/api", SOURCES__AIPROXY__ADMIN_KEY="x")
    done = shell("nightly")
    assert (done.returncode, "remove the folder" in done.stderr) == (2, True)
    (shell.folder / "data/DEMO").unlink()
    with duckdb.connect(str(shell.folder / "data/warehouse.duckdb")) as private:
        private.execute("create schema raw_aiproxy")
        private.execute("create table raw_aiproxy.load_ledger as select 1 as rows")
    done = shell("demo")
    assert (done.returncode, "holds real rows" in done.stderr) == (2, True)
