"""Which vendors there are, and which of them the settings turn into sources.

A vendor is a folder of `sources/` whose module has a `CONNECTOR`: adding one needs no list.
"""

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from llm_usage_warehouse import sources
from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.http import SourceError
from llm_usage_warehouse.settings import (
    load_source,
    load_warehouse,
    missing_settings,
    source_sections,
)
from llm_usage_warehouse.streams import Connector


@dataclass(frozen=True)
class Source:
    """A configured source: a vendor under a name, with settings of that name's section."""

    name: str
    connector: Connector
    settings: Any


@cache
def connectors() -> dict[str, Connector]:
    """Return every vendor's connector by its vendor's name."""
    found: dict[str, Connector] = {}
    for module in pkgutil.iter_modules(sources.__path__):
        if module.ispkg:
            connector = getattr(
                importlib.import_module(f"llm_usage_warehouse.sources.{module.name}"),
                "CONNECTOR",
                None,
            )
            if isinstance(connector, Connector):
                found[connector.vendor] = connector
    return found


def configured_sources(names: Sequence[str] = ()) -> list[Source]:
    """Return the configured sources, or those of `names`.

    Raises:
        UsageError: nothing is configured, a name is unknown or not configured, or a section is
            incomplete or unreadable. Every problem is listed.
    """
    vendors = connectors()
    by_name = {vendor: vendor for vendor in vendors}
    problems: list[str] = []
    for name, vendor in source_sections().items():
        if vendor in vendors:
            by_name[name] = vendor
        elif vendor != name or name in names:
            problems.append(
                f'[sources.{name}] connector = "{vendor}" is no vendor; '
                f"there are {', '.join(sorted(vendors))}"
            )
    for name in names:
        if name not in by_name and not any(f"[sources.{name}]" in problem for problem in problems):
            problems.append(f"unknown source {name!r}; there are {', '.join(sorted(by_name))}")
    found: list[Source] = []
    for name in sorted(set(names) & set(by_name) if names else by_name):
        try:
            source = _configured(name, vendors[by_name[name]], asked_for=name in names)
        except UsageError as error:
            problems += error.problems
        else:
            found += [source] if source else []
    if problems:
        raise UsageError(*problems)
    if not found:
        raise UsageError(
            "no source is configured; at least one of these needs all of its settings:",
            *(
                line
                for name, vendor in sorted(by_name.items())
                for line in missing_settings(vendors[vendor].settings, name)
            ),
        )
    return found


def _configured(name: str, connector: Connector, *, asked_for: bool) -> Source | None:
    """Read and try one source's settings; None where it has none and nobody asked for it."""
    settings = load_source(connector.settings, name)
    if settings is None:
        if asked_for:
            raise UsageError(*missing_settings(connector.settings, name))
        return None
    try:
        # Opening sends nothing, and refuses what the vendor could not serve.
        connector.open(settings, load_warehouse().reporting_timezone).close()
    except SourceError as error:
        raise UsageError(str(error)) from None
    return Source(name, connector, settings)
