"""Acme: what the server holds is what the warehouse holds, whatever the server does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_usage_warehouse.simulator import Fault, Personality
from tests.loads import NOW, Project, frozen, vendor

Running = tuple[Personality, Project]


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    # More rows a day than an answer holds.
    with vendor(tmp_path, monkeypatch, "acme", frozen(rows_per_day=1200)) as both:
        yield both


def settled(acme: Personality) -> list[dict[str, Any]]:
    """Return the calls that a night at NOW must hold."""
    calls: list[dict[str, Any]] = acme.data.between(NOW.subtract(days=3), NOW.subtract(minutes=2))
    return calls


def test_calls_and_tokens_equal_the_servers(running: Running) -> None:
    acme, project = running
    assert project.load().error is None
    calls = settled(acme)
    assert len(calls) > 3000
    assert project.one("select count(*) from raw_acme.calls") == len(calls)
    for name in ("input_tokens", "output_tokens"):
        expected = sum(call["usage"][name] for call in calls)
        assert project.one(f"select sum(usage_{name}) from raw_acme.calls") == expected


def test_the_second_night_adds_nothing(running: Running) -> None:
    _, project = running
    project.load()
    before = project.query("select id, ended_at from raw_acme.calls order by id")
    assert project.load(run_id="again").error is None
    assert project.query("select id, ended_at from raw_acme.calls order by id") == before


def test_who_called_is_not_stored(running: Running) -> None:
    _, project = running
    project.load()
    (columns,) = zip(
        *project.query("select column_name from (describe raw_acme.calls)"), strict=True
    )
    assert "end_user" not in columns


def test_a_refused_key_is_said(running: Running) -> None:
    _, project = running
    project.set(api_key="another")
    assert "the vendor refused the key" in str(project.load().error)


def test_an_answer_that_breaks_off_is_asked_for_again(running: Running) -> None:
    acme, project = running
    acme.world.faults.append(Fault("truncated", path="/v1/calls"))
    assert project.load().error is None
    assert project.one("select count(*) from raw_acme.calls") == len(settled(acme))
