"""What every test finds as a new process would."""

import os
import shutil
from collections.abc import Iterator
from tempfile import mkdtemp
from unittest.mock import patch

import dlt
import hypothesis
import pytest

from llm_usage_warehouse.http import pacing
from llm_usage_warehouse.loading import load_sources
from llm_usage_warehouse.publish import publish
from llm_usage_warehouse.transform import transform
from tests import four_vendors, loads, sql_helpers
from tests.publish import publications
from tests.sql_helpers import PARSES

LONG = (
    *(dlt, load_sources, loads.Project, loads.vendor, transform),
    *(publications.Publications, publish),
    four_vendors.give_morning,
    *(sql_helpers.SqlWarehouse, sql_helpers.give_empty, sql_helpers.give_parse),
)
"""What loads, runs dbt or publishes: tests of modules that import it take seconds."""

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of what dbt read of the models; processes that share the tests inherit it."""
    if PARSES not in os.environ:
        os.environ[PARSES] = mkdtemp()
        config.add_cleanup(lambda: shutil.rmtree(os.environ.pop(PARSES)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of each module that has something of `LONG`."""
    ours = set(map(id, LONG))
    for item in items:
        module = item.getparent(pytest.Module)
        if module and not ours.isdisjoint(map(id, vars(module.obj).values())):
            item.add_marker("long")


@pytest.fixture(autouse=True, scope="module")
def environment_of_a_module() -> Iterator[None]:
    """Take back what a module set: the command line, for one, keeps the project's folder there."""
    with patch.dict(os.environ):
        yield


@pytest.fixture(autouse=True)
def environment_of_a_test(environment_of_a_module: None) -> Iterator[None]:
    """Take back what a test set."""
    with patch.dict(os.environ):
        yield


@pytest.fixture(autouse=True)
def released_brakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the brakes of other tests, whose simulated vendor may have had the same address."""
    monkeypatch.setattr(pacing, "_brakes", {})
