"""What vendors name their models, apps and keys reaches no terminal as an order."""

import io
from pathlib import Path

import duckdb
import pytest
from rich.console import Console

from llm_usage_warehouse import report
from llm_usage_warehouse.http import redact
from llm_usage_warehouse.nightly import Night
from llm_usage_warehouse.one_source import SourceOutcome, StreamTally
from llm_usage_warehouse.progress import BarWatcher, watching
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.tables import say_rows
from llm_usage_warehouse.telling import say
from llm_usage_warehouse.transform import Outcome
from llm_usage_warehouse.verdict import judge

NAMES = ["[/]", "[red]m", "[/red]", "[bold", "a\\[/]", "]", ":smile:", "[link=x]y[/link]"]


def printed(width: int = 300, *, terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=terminal)


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_printed_as_it_is(name: str) -> None:
    console = printed()
    say(console, ("failed", "red"), f" {name}: end")
    say_rows(console, ["model"], [[name]])
    assert f"failed {name}: end\n" in text(console)
    assert f"│ {name} " in text(console)


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\rb", "a\x07", "\x9b2J", "a\u202eb", "a\x00"])
def test_a_control_character_is_not_obeyed(name: str) -> None:
    console = printed(terminal=True)
    say(console, name)
    say_rows(console, ["model"], [[name]])
    bare = name.translate(dict.fromkeys((27, 13, 7, 155, 8238, 0)))
    assert "\ufffd" in text(console)
    assert "\x1b[31m" not in text(console)
    assert not set("\r\x07\x9b\u202e\x00") & set(text(console))
    assert bare.replace("[31m", "")[0] in text(console)


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_night_of_such_names(tmp_path: Path, name: str) -> None:
    warehouse = WarehouseSettings(path=tmp_path / "w.duckdb", published_path=tmp_path / "p.duckdb")
    load = SourceOutcome(name, {name: StreamTally(1, 1, 1, 0, 0, {name})}, error=f"{name} failed")
    load.warn(f"{name} warns")
    models = Outcome(1, 1, (f"problem {name}",), (f"finding {name}",), 1.0)
    console = printed()
    night = Night([load], [f"night {name}"], models)
    report.night(console, warehouse, night, judge(warehouse, night))
    for said in (f"{name} failed", f"{name} warns", f"problem {name}", f"finding {name}"):
        assert said in text(console)
    assert text(console).splitlines()[-1].startswith("NOT PUBLISHED: failed: ")


@pytest.mark.parametrize("name", NAMES)
def test_totals_of_such_a_model(tmp_path: Path, name: str) -> None:
    warehouse = WarehouseSettings(path=tmp_path / "w.duckdb", published_path=tmp_path / "p.duckdb")
    with duckdb.connect(str(warehouse.published_path)) as connection:
        connection.execute(
            "create table reconciliation as select ? as source_name, ? as pair, "
            "date '2026-11-01' as usage_date, ? as model, 'calls' as measure, "
            "'differs' as verdict, "
            "? as reason, 1.0::decimal(9, 2) as detail_value, 2.0::decimal(9, 2) as control_value, "
            "-1.0::decimal(9, 2) as difference",
            [name] * 4,
        )
    console = printed()
    report.reconciliation(console, warehouse)
    assert f"differs {name} 2026-11-01 {name}: calls 1" in text(console)


def test_a_bar_of_such_a_source() -> None:
    console = printed(terminal=True)
    with watching(console) as watcher:
        assert isinstance(watcher, BarWatcher)
        watcher.planned("[/]", 1)
    assert "[/]" in text(console)


@pytest.mark.parametrize(
    ("secret", "said", "masked"),
    [
        ("x", "the exchange failed for x", "the exchange failed for ***"),
        ("k", "like a key k=k", "like a key ***=***"),
        ("ab", "about ab, table", "about ***, table"),
        ("abcd", "xabcdx", "x***x"),
    ],
)
def test_a_short_secret_is_not_blanked_in_ordinary_words(
    secret: str, said: str, masked: str
) -> None:
    assert redact(said, {secret}) == masked
