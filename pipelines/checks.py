"""All settings, looked at before anything starts: every fault of every section is said at once."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from llm_usage_warehouse.connectors import Source, configured_sources, connectors
from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.notify_settings import load_notify
from llm_usage_warehouse.own_seeds import wrong_seeds
from llm_usage_warehouse.setting_files import read_files, unknown_sections, unknown_settings
from llm_usage_warehouse.settings import (
    WarehouseSettings,
    load_warehouse,
    setting_names,
    source_sections,
)

T = TypeVar("T")


def checked_settings(names: Sequence[str] = ()) -> tuple[WarehouseSettings, list[Source]]:
    """Return the settings of the warehouse and of the sources that are configured, or of `names`.

    Raises:
        UsageError: a file cannot be read, a section or a setting is unknown, missing or cannot be
            used, or no source is configured.
    """
    read_files()
    problems = [*unknown_sections(_known_sections()), *_unknown_settings(names)]
    warehouse = _or_told(load_warehouse, problems)
    _or_told(load_notify, problems)
    if warehouse:
        problems += wrong_seeds(warehouse.seeds)
    sources = _or_told(lambda: configured_sources(names), problems)
    if problems or warehouse is None or sources is None:
        # Sources are tried in the reporting time zone, so that a wrong one may be told twice.
        raise UsageError(*dict.fromkeys(problems))
    return warehouse, sources


def _or_told(load: Callable[[], T], problems: list[str]) -> T | None:
    try:
        return load()
    except UsageError as error:
        problems += error.problems
        return None


def _known_sections() -> set[str]:
    """Return every vendor, and every section that names one as its `connector`."""
    return {*connectors(), *(name for name, vendor in source_sections().items() if vendor != name)}


def _unknown_settings(names: Sequence[str]) -> list[str]:
    vendors = connectors()
    sections = {**{vendor: vendor for vendor in vendors}, **source_sections()}
    return [
        line
        for name, vendor in sorted(sections.items())
        if vendor in vendors and (not names or name in names)
        for line in unknown_settings(
            f"sources.{name}", {"connector", *setting_names(vendors[vendor].settings)}
        )
    ]
