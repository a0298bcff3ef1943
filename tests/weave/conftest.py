"""A simulated account of Weave, and a project that reads it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_usage_warehouse.simulator import Personality, World
from tests.loads import Project, frozen, vendor


@pytest.fixture
def world() -> World:
    return frozen()


@pytest.fixture
def settings() -> dict[str, Any]:
    """The settings of the source."""
    # One window holds it all: a committed slice takes the better part of a second.
    return {"project_id": ["acme/chatbot"], "slice": "P31D"}


@pytest.fixture
def account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World, settings: dict[str, Any]
) -> Iterator[tuple[Personality, Project]]:
    with vendor(tmp_path, monkeypatch, "weave", world) as (personality, project):
        project.set(**settings)
        yield personality, project


@pytest.fixture
def weave(account: tuple[Personality, Project]) -> Personality:
    return account[0]


@pytest.fixture
def project(account: tuple[Personality, Project]) -> Project:
    return account[1]
