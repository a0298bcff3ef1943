"""Weave: usage that no trace root carries is named, and what a root may still carry is not."""

from typing import Any

import pytest

from llm_usage_warehouse.simulator import Personality
from tests.loads import NOW, Project

NAME = "acme/rest"
OWN: dict[str, Any] = {"project_id": NAME}
MISSING = "project acme/rest: tokens are missing, at most "


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"project_id": [NAME], "slice": "P1D"}


def used(model: str, tokens: int) -> dict[str, dict[str, int]]:
    return {model: {"input_tokens": tokens, "output_tokens": 5}}


def trace(
    weave: Personality,
    *children: tuple[str, str, int],
    root: dict[str, Any] | None = None,
    started_at: str = "2026-11-19T10:00:00Z",
    seconds: float | None = 60,
    otel: bool = False,
) -> str:
    """Add a root of some usage, and beneath it calls: when each began, its model and tokens."""
    above = weave.data.add(root, started_at=started_at, seconds=seconds, otel=otel, **OWN)
    for began, model, tokens in children:
        weave.data.add(
            used(model, tokens), started_at=began, parent_id=above, trace_id=above, otel=otel, **OWN
        )
    return str(above)


def warned(project: Project, now: Any = NOW, run_id: str = "run") -> list[str]:
    outcome = project.load(now, run_id=run_id)
    assert outcome.error is None
    return list(outcome.warnings)


def test_usage_that_no_root_carries_is_named_and_not_counted(
    weave: Personality, project: Project
) -> None:
    trace(weave, ("2026-11-19T10:00:01Z", "glm-4", 1500), ("2026-11-19T10:00:02Z", "kimi", 15))
    trace(weave, root=used("gpt-5", 7))
    (text,) = warned(project)
    assert text.startswith(f"{MISSING}1,505 of 'glm-4', 20 of 'kimi': calls beneath a trace's root")
    assert "Log the usage on the root as well" in text
    assert project.query("select model, sum_input_tokens from raw_weave.usage_buckets") == [
        ("gpt-5", 7.0)
    ]


def test_usage_that_roots_carry_too_is_no_news(weave: Personality, project: Project) -> None:
    """Rolled up, it is in all calls twice, so that more there proves nothing."""
    trace(weave, ("2026-11-19T10:00:01Z", "glm-4", 10), root=used("glm-4", 10))
    # Spans count by themselves.
    trace(weave, ("2026-11-19T11:00:01Z", "kimi", 10), otel=True)
    assert warned(project) == []


def test_a_root_before_the_window_carries_what_lies_in_it(
    weave: Personality, project: Project
) -> None:
    trace(
        weave,
        ("2026-11-19T01:00:00Z", "glm-4", 10),
        root=used("glm-4", 10),
        started_at="2026-11-18T23:00:00Z",
        seconds=4 * 3600,
    )
    assert warned(project) == []


def test_a_root_that_still_runs_may_come_to_carry_it(weave: Personality, project: Project) -> None:
    root = trace(
        weave,
        ("2026-11-20T09:30:00Z", "glm-4", 10),
        started_at="2026-11-20T09:00:00Z",
        seconds=None,
    )
    # Of another trace, before that root began: nobody will carry it.
    trace(weave, ("2026-11-20T08:30:00Z", "glm-4", 100), started_at="2026-11-20T08:00:00Z")
    (text,) = warned(project)
    assert text.startswith(f"{MISSING}105 of 'glm-4':")
    weave.data.update(root, ended_us=int(NOW.timestamp() * 1e6) - 1)
    (text,) = warned(project, NOW.add(minutes=10), "again")
    assert text.startswith(f"{MISSING}120 of 'glm-4':")
    weave.data.update(root, usage=used("glm-4", 10))
    assert warned(project, NOW.add(minutes=20), "carried") == []
