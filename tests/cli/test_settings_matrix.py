"""Every wrong setting ends with exit code 2 before anything is started, and says which and why."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import dlt
import pytest
from dlt.common.configuration.exceptions import ConfigProviderException
from typer.testing import CliRunner

from llm_usage_warehouse.cli import app

PROXY = {
    "SOURCES__AIPROXY__BASE_URL": "http://127.0.0.1:1/api",
    "SOURCES__AIPROXY__ADMIN_KEY": "test-example",
}
LKE = {"SOURCES__TENCENT_LKE__SECRET_ID": "id", "SOURCES__TENCENT_LKE__SECRET_KEY": "key"}
ROUTER = {
    "SOURCES__ALIBABA_MODEL_ROUTER__ACCESS_KEY_ID": "id",
    "SOURCES__ALIBABA_MODEL_ROUTER__ACCESS_KEY_SECRET": "key",
}
WEAVE = {"SOURCES__WEAVE__PROJECT_ID": "team/project", "SOURCES__WEAVE__API_KEY": "key"}
SECTIONS = {
    "aiproxy": PROXY,
    "tencent_lke": LKE,
    "alibaba_model_router": ROUTER,
    "weave": WEAVE,
}
OF_ALL = ("slice", "look_back", "settle_lag", "timeout")


class Ended(NamedTuple):
    code: int
    said: str


class Project:
    """A project folder whose command line runs within the test's own process."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / ".dlt").mkdir()
        self.folder = folder
        self._monkeypatch = monkeypatch
        for variable in os.environ:
            if variable.upper().startswith(("SOURCES__", "WAREHOUSE__", "ALERTS__", "NOTIFY__")):
                monkeypatch.delenv(variable)
        monkeypatch.setenv("DLT_PROJECT_DIR", str(folder))

    def set(self, **variables: str) -> None:
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def write(self, file: str, text: str | bytes) -> None:
        content = text.encode() if isinstance(text, str) else text
        (self.folder / ".dlt" / file).write_bytes(content)

    def __call__(self, *arguments: str) -> Ended:
        with suppress(ConfigProviderException):
            dlt.current.run_context().reload()
        done = CliRunner().invoke(app, list(arguments))
        return Ended(done.exit_code, done.output)

    def refuses(self, *words: str, arguments: tuple[str, ...] = ("nightly",)) -> None:
        done = self(*arguments)
        assert done.code == 2, done.said
        for word in words:
            assert word in done.said
        assert "--verbose" not in done.said
        assert not (self.folder / "data").is_dir()


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Project(tmp_path, monkeypatch)
        for file in (tmp_path / ".dlt").iterdir():
            file.unlink()
        # What dlt read of this project is not for the tests after it.
        dlt.current.run_context().reload()


DURATIONS = [
    (name, value, words)
    for name in OF_ALL
    for value, words in (
        ("an hour", "ISO 8601 duration"),
        ("-PT3H", "ISO 8601 duration"),
        ("", "ISO 8601 duration"),
        ("60", "ISO 8601 duration"),
        ("P9999Y", "a duration"),
    )
]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        *DURATIONS,
        ("slice", "PT0S", "from a second"),
        ("slice", "PT0.5S", "from a second"),
        ("slice", "P8D", "more than 7 days"),
        ("timeout", "PT0S", "more than 0"),
        ("start", "yesterday", "'yesterday' is not an instant"),
        ("start", "2026-02-30", "'2026-02-30' is not an instant"),
        ("start", "2026-13-01", "is not an instant"),
        ("start", "", "is not an instant"),
        ("start", "-P3D", "is not an instant"),
        ("start", "9999-12-31T23:59:59-05:00", "is not an instant"),
        ("start", "0001-01-01", "before the year 2000"),
        ("start", "1970-01-01", "before the year 2000"),
        ("start", "P9999Y", "before the year 2000"),
        ("start", "P500Y", "before the year 2000"),
        ("requests_per_second", "inf", "at most 10000"),
        ("requests_per_second", "-inf", "more than 0"),
        ("requests_per_second", "nan", "more than 0"),
        ("requests_per_second", "0", "more than 0"),
        ("requests_per_second", "-1", "more than 0"),
        ("requests_per_second", "1e9", "at most 10000"),
        ("requests_per_second", "fast", "must be a number"),
        ("requests_per_second", "10,5", "must be a number"),
        ("concurrency", "0", "from 1 to 256"),
        ("concurrency", "-4", "from 1 to 256"),
        ("concurrency", "100000", "from 1 to 256"),
        ("concurrency", "many", "must be a whole number"),
        ("concurrency", "2.5", "must be a whole number"),
        ("attempts", "0", "from 1 to 100"),
        ("attempts", "1.5", "must be a whole number"),
        ("attempts", "true", "must be a whole number"),
        ("currency", "usd", "did you mean USD?"),
        ("currency", "RMB", "did you mean CNY?"),
        ("currency", "tokens", "no ISO 4217 currency code"),
        ("currency", "", "no ISO 4217 currency code"),
        ("groups", '["a"', "must be a list of texts"),
        ("groups", '[["a"]]', "of which none is empty"),
        ("groups", '["a", " "]', "of which none is empty"),
        ("channel_providers", "7", "must be a table of texts"),
        ("channel_providers", '["7"]', "must be a table of texts"),
        ("channel_providers", '{"7": {"a": 1}}', "of which none is empty"),
        ("keep", "ip, footprint", "footprint is none of"),
        ("base_url", "", "is not an address"),
        ("base_url", "aiproxy.example.com", "is not an address"),
        ("base_url", "ftp://aiproxy.example.com", "is not an address"),
        ("base_url", "http://user:secret@127.0.0.1/api", "is not an address"),
        ("admin_key", "", "admin_key: its value is empty"),
        ("admin_key", "   ", "admin_key: its value is empty"),
        ("admin_key", "one\ntwo", "admin_key: its value must be one line"),
        ("admin_key", "one\r", "admin_key: its value must be one line"),
        ("admin_key", "one\ttwo", "admin_key: its value must be one line"),
    ],
)
def test_a_value_of_a_source(project: Project, name: str, value: str, words: str) -> None:
    project.set(**PROXY)
    project.set(**{f"SOURCES__AIPROXY__{name.upper()}": value})
    project.refuses(words, "aiproxy")
    assert name in project("nightly").said


@pytest.mark.parametrize(
    ("source", "name", "value", "words"),
    [
        ("tencent_lke", "secret_key", "a\nb", "must be one line"),
        ("tencent_lke", "token", "a\nb", "must be one line"),
        ("tencent_lke", "language", "English", "language"),
        ("tencent_lke", "requests_per_second", "20", "requests_per_second"),
        ("alibaba_model_router", "access_key_secret", "", "is empty"),
        ("alibaba_model_router", "currency", "cny", "did you mean CNY?"),
        ("alibaba_model_router", "keep_bodies", "yes", "must be true or false"),
        ("weave", "project_id", "project", "project_id"),
        ("weave", "project_id", "[]", "project_id"),
        ("weave", "granularity", "hourly", "must be a whole number"),
        ("weave", "granularity", "-1", "granularity"),
        ("weave", "api_key", " ", "is empty"),
        ("weave", "read_calls", "2", "must be true or false"),
    ],
)
def test_a_value_of_another_vendor(
    project: Project, source: str, name: str, value: str, words: str
) -> None:
    project.set(**SECTIONS[source])
    project.set(**{f"SOURCES__{source.upper()}__{name.upper()}": value})
    project.refuses(words, source)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("reporting_timezone", "Mars/Olympus", "is not an IANA time zone"),
        ("reporting_timezone", "", "is not an IANA time zone"),
        ("reporting_timezone", "../etc/passwd", "is not an IANA time zone"),
        ("reporting_timezone", "UTC+8", "is not an IANA time zone"),
        ("reporting_currency", "usd", "did you mean USD?"),
        ("reporting_currency", "", "no ISO 4217 currency code"),
        ("rates", "ECB", 'is neither "ecb" nor empty'),
        ("rates_url", "ecb", "is not an address"),
        ("rate_max_age", "5", "ISO 8601 duration"),
        ("rate_max_age", "P9999Y", "at most a year"),
        ("stale_after", "PT0S", "from a second"),
        ("audit_window", "P9999Y", "at most ten years"),
        ("audit_window", "35 days", "ISO 8601 duration"),
        ("fail_on_differences", "no", "must be true or false"),
        ("memory_limit", "a lot", "is not a size"),
        ("memory_limit", "1KB", "100MB or more"),
        ("memory_limit", "0GB", "is not a size"),
        ("path", "", "is a folder"),
        ("path", ".dlt", "is a folder"),
        ("path", "data/published.duckdb", "name it otherwise"),
        ("path", "data/raw_aiproxy.duckdb", "name it otherwise"),
        ("path", "data/detail.duckdb", "name it otherwise"),
        ("published_path", "data/ops.duckdb", "name it otherwise, such as llm_usage.duckdb"),
        ("published_path", "data/warehouse.duckdb", "are the same file"),
        ("published_path", "./x/../data/warehouse.duckdb", "are the same file"),
        ("published_path", ".", "is a folder"),
    ],
)
def test_a_value_of_the_warehouse(project: Project, name: str, value: str, words: str) -> None:
    project.set(**PROXY)
    project.set(**{f"WAREHOUSE__{name.upper()}": value})
    project.refuses(words, name)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("ALERTS__SPEND_FACTOR", "0.5", "from 1 to 1000"),
        ("ALERTS__SPEND_FACTOR", "double", "must be a number"),
        ("ALERTS__UNPRICED_PERCENT", "101", "from 0 to 100"),
        ("ALERTS__BUDGET_STEPS", "0.8", "must be whole percents"),
        ("ALERTS__BUDGET_STEPS", "80, all", "must be whole percents"),
        ("ALERTS__OFF", "stale, spending", "names spending; there are failed, held"),
        ("ALERTS__SPEND_FACTORS", "2", "did you mean ALERTS__SPEND_FACTOR?"),
        ("NOTIFY__WEBHOOK", "hooks.example.com/very-secret", "its value is not an address"),
        ("NOTIFY__WEBHOOK", "https://", "its value is not an address"),
        ("NOTIFY__EMAIL", "a.example.com", "is not an address of the form name@example.com"),
        ("NOTIFY__EMAIL", '["a@b\\nBcc: c@d"]', "is not an address of the form"),
        ("NOTIFY__EMAIL", "a@example.com", "email_from is missing, which email needs"),
        ("NOTIFY__EMAIL_FROM", "Usage <a@b>", "is not an address of the form"),
        ("NOTIFY__SMTP_PORT", "0", "from 1 to 65535"),
        ("NOTIFY__SMTP_SECURITY", "ssl", 'is none of "starttls", "tls" and "none"'),
        ("NOTIFY__SMTP_PASSWORD", "very-secret\x07", "its value must be one line"),
        ("NOTIFY__WEBHOOKS", "very-secret", "did you mean NOTIFY__WEBHOOK?"),
    ],
)
def test_a_value_of_alerts_and_notify(
    project: Project, variable: str, value: str, words: str
) -> None:
    project.set(**PROXY, **{variable: value})
    project.refuses(words)
    assert "very-secret" not in project("nightly").said


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("SOURCES__AIPROXY__LOOKBACK", "did you mean SOURCES__AIPROXY__LOOK_BACK?"),
        ("SOURCES__AIPROXY__LOOK_BACKS", "did you mean SOURCES__AIPROXY__LOOK_BACK?"),
        ("SOURCES__AIPROXY__ADMINKEY", "did you mean SOURCES__AIPROXY__ADMIN_KEY?"),
        ("SOURCES__AIPROXY__CHANNEL_PROVIDERS__7", "SOURCES__AIPROXY__CHANNEL_PROVIDERS?"),
        ("SOURCES__AIPROXY__COLOUR", "is no setting; there are admin_key"),
        ("sources__aiproxy__look_back", "did you mean SOURCES__AIPROXY__LOOK_BACK?"),
        ("SOURCES__AIPROX__LOOK_BACK", "did you mean SOURCES__AIPROXY__LOOK_BACK?"),
        ("SOURCES__TENCENTLKE__SECRET_ID", "did you mean SOURCES__TENCENT_LKE__SECRET_ID?"),
        ("WAREHOUSE__PATHS", "did you mean WAREHOUSE__PATH?"),
        ("WAREHOUSE__TIMEZONE", "is no setting"),
        ("WAREHOUSE__REPORTING_TIME_ZONE", "did you mean WAREHOUSE__REPORTING_TIMEZONE?"),
    ],
)
def test_a_misspelt_variable(project: Project, variable: str, words: str) -> None:
    project.set(**PROXY, **{variable: "1"})
    project.refuses(variable, words)


@pytest.mark.parametrize(
    "variable",
    ["SOURCES__GITHUB__ACCESS_TOKEN", "SOURCES__DATA_WRITER__FILE_MAX_ITEMS", "LOOKBACK"],
)
def test_variables_of_other_programs_are_let_be(project: Project, variable: str) -> None:
    project.set(**PROXY, **{variable: "1", "WAREHOUSE__RATES": "wrong"})
    assert variable not in project("nightly").said


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("config.toml", "[sources.aiproxy]\nlookback = 'PT3H'\n", "did you mean look_back?"),
        ("config.toml", "[sources.aiproxy]\nlook-back = 'PT3H'\n", "did you mean look_back?"),
        ("config.toml", "[sources.aiprox]\nslice = 'P1D'\n", "did you mean aiproxy?"),
        ("config.toml", "[sources.openai]\nslice = 'P1D'\n", "nor has it a `connector`"),
        ("config.toml", "[sources.eu]\nconnector = 'aiprox'\n", "is no vendor"),
        ("config.toml", "[source.aiproxy]\nslice = 'P1D'\n", "did you mean [sources]?"),
        ("config.toml", "[aiproxy]\nslice = 'P1D'\n", "did you mean [sources.aiproxy]?"),
        ("config.toml", "[warehose]\npath = 'x'\n", "did you mean [warehouse]?"),
        ("config.toml", "[warehouse]\ntimezone = 'UTC'\n", "timezone in .dlt/config.toml"),
        ("config.toml", "warehouse = 3\n", "must be a section: [warehouse]"),
        ("config.toml", "notify = 'x'\n", "must be a section: [notify]"),
        ("config.toml", "[alert]\noff = []\n", "did you mean [alerts]?"),
        ("config.toml", "sources = 3\n", "must be a section: [sources]"),
        ("config.toml", "[sources]\naiproxy = 3\n", "must be a section: [sources.aiproxy]"),
        ("config.toml", "[sources.weave]\nattempts = true\n", "must be a whole number"),
        ("config.toml", "[sources.weave]\nslice = 7\n", "ISO 8601 duration"),
        ("config.toml", "[warehouse]\npath = ['a']\n", "must be a path"),
        ("config.toml", "[warehouse]\npath = 'x'\npath = 'y'\n", "config.toml cannot be read"),
        ("config.toml", "[warehouse]\n\npath = \n", "(at line 3"),
        ("config.toml", "[warehouse\n", "(at line 1"),
        ("config.toml", b"# caf\xe9\n", "it is not UTF-8 (at line 1)"),
        ("config.toml", b"[warehouse]\n# caf\xe9\n", "it is not UTF-8 (at line 2)"),
        ("secrets.toml", "[sources.weave]\napi_key = sk-very-secret\n", "(at line 2"),
        ("secrets.toml", "[sources.weave]\napikey = 'sk-very-secret'\n", "did you mean api_key?"),
        ("secrets.toml", "[sources.weave]\napi_key = ''\n", "api_key: its value is empty"),
        ("secrets.toml", "[sources.weave]\napi_key = '''a\nb'''\n", "must be one line"),
    ],
)
def test_a_settings_file(project: Project, file: str, text: str | bytes, words: str) -> None:
    project.set(**PROXY, SOURCES__WEAVE__PROJECT_ID="team/project")
    project.write(file, text)
    project.refuses(words)
    assert "very-secret" not in project("nightly").said


def test_every_fault_is_said_at_once(project: Project) -> None:
    project.set(**PROXY, SOURCES__AIPROXY__SLICE="PT0S", SOURCES__AIPROXY__LOOKBACK="P1D")
    project.set(**LKE, SOURCES__TENCENT_LKE__START="soon", WAREHOUSE__RATES="daily")
    project.write("config.toml", "[sources.weave]\nproject_id = 'a/b'\n[warehose]\n")
    project.refuses(
        "[sources.aiproxy] slice: 'PT0S' must be",
        "SOURCES__AIPROXY__LOOKBACK in the environment is no setting",
        "[sources.tencent_lke] start: 'soon' is not an instant",
        "[sources.weave] api_key is missing",
        "[warehouse] rates: 'daily' is neither",
        "[warehose] in .dlt/config.toml",
    )


def test_a_source_that_is_not_asked_for_keeps_nothing_from_being_loaded(project: Project) -> None:
    project.set(**PROXY, **LKE, SOURCES__TENCENT_LKE__SLICE="PT0S", SOURCES__AIPROXY__SLICE="P9D")
    said = project("nightly", "--source", "aiproxy").said
    assert ("more than 7 days" in said, "tencent_lke" in said) == (True, False)


def test_a_file_where_a_folder_must_be(project: Project) -> None:
    (project.folder / "data").write_text("")
    project.set(**PROXY)
    project.refuses("data is a file, where a folder must be")


@pytest.mark.parametrize("command", ["status", "transform", "check", "publish"])
def test_every_command_refuses_what_it_would_go_by(project: Project, command: str) -> None:
    project.set(WAREHOUSE__STALE_AFTR="PT1H")
    project.refuses("did you mean WAREHOUSE__STALE_AFTER?", arguments=(command,))
    project.write("config.toml", "[warehouse\n")
    project.refuses("config.toml cannot be read", arguments=(command,))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nightly", "--until", "0001-01-01"), "before the year 2000"),
        (("nightly", "--until", "2126-01-01"), "lies in the future"),
        (("backfill", "--from", "0001-01-01", "--to", "2026-01-01"), "before the year 2000"),
        (("audit", "--from", "2026-02-30"), "is not an instant"),
    ],
)
def test_an_instant_of_the_command_line(
    project: Project, arguments: tuple[str, ...], words: str
) -> None:
    project.set(**PROXY)
    project.refuses(words, arguments=arguments)


@pytest.mark.parametrize(
    ("file", "text", "variables", "words"),
    [
        ("config.toml", "[warehouse\n", {}, "config.toml cannot be read"),
        ("secrets.toml", b"\xff\n", {}, "secrets.toml cannot be read: it is not UTF-8"),
        ("config.toml", "[sources.aiproxy]\nlookback = 'PT3H'\n", {}, "did you mean look_back?"),
        ("config.toml", "", {"SOURCES__AIPROXY__START": "0001-01-01"}, "before the year 2000"),
        ("config.toml", "", {"WAREHOUSE__PATHS": "x"}, "did you mean WAREHOUSE__PATH?"),
    ],
)
def test_the_real_command(
    tmp_path: Path, file: str, text: str | bytes, variables: dict[str, str], words: str
) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / file).write_bytes(text.encode() if isinstance(text, str) else text)
    kept = {name: value for name, value in os.environ.items() if "__" not in name}
    done = subprocess.run(
        [sys.executable, "-c", "from llm_usage_warehouse.cli import app; app()", "nightly"],
        env={**kept, **PROXY, **variables, "DLT_PROJECT_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == [".dlt"]
