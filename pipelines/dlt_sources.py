"""A vendor as the `@dlt.source` that any pipeline can run; the nightly run runs the same.

It hands the source an `Extraction` of its own, which lasts for several packages.
"""

from dataclasses import fields, is_dataclass
from typing import Any

import dlt
import pendulum
from dlt.extract import DltResource
from dlt.extract.reference import SourceFactory

from llm_usage_warehouse.extraction import Extraction
from llm_usage_warehouse.settings import given_settings
from llm_usage_warehouse.streams import Connector
from llm_usage_warehouse.values import first_instant, parse_instant


def dlt_source(connector: Connector) -> SourceFactory[Any, Any]:
    """Return a vendor's `@dlt.source`, which any dlt pipeline can run.

    Its arguments are the vendor's settings; those that are not given are looked up in dlt's own
    config and secrets, under `sources.<source_name>`. Beside them:

        source_name: names the source in every row and in the settings; by default the vendor's.
        end: makes it a backfill of `[start, end)`, which moves no watermark.
        reporting_timezone: IANA name of the zone whose days reports count; UTC by default.
        extraction: only for a caller that fills several packages from one plan.
    """

    def source(extraction: Any = None, **settings: Any) -> list[DltResource]:
        return (extraction or _extraction(connector, settings)).resources()

    source.__name__ = source.__qualname__ = connector.vendor
    source.__doc__ = _described(connector)
    return dlt.source(source, name=connector.vendor, section=connector.vendor, max_table_nesting=0)


def _extraction(connector: Connector, given: dict[str, Any]) -> Extraction:
    name = given.pop("source_name", connector.vendor)
    timezone = given.pop("reporting_timezone", "UTC")
    end = given.pop("end", None)
    settings = given_settings(connector.settings, name, given)
    period = None
    if end is not None:
        now = pendulum.now("UTC")
        start = first_instant(settings.start, timezone, now)
        period = (start, parse_instant(str(end), timezone))
    return Extraction(connector, settings, timezone, period=period)


def _described(connector: Connector) -> str:
    assert is_dataclass(connector.settings)  # noqa: S101 - every settings class is one
    lines = [
        f"    {one.name}: {one.metadata['meaning']}."
        for one in fields(connector.settings)
        if "meaning" in one.metadata
    ]
    return "\n".join(
        [
            f"Read {connector.vendor}, incrementally by its timestamp cursors.",
            "",
            "Args:",
            *lines,
            "    source_name: names the source in every row and in the settings.",
            "    end: makes it a backfill of [start, end), which moves no watermark.",
            "    reporting_timezone: IANA name of the zone whose days reports count.",
        ]
    )
