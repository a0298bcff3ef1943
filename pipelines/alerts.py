"""What a person should look at, and what of it was told already.

The model `alerts` says which alerts hold. What failed tonight, only the night knows, and how old a
source's last window is depends on the moment of asking. Each alert is told once by each way, as
long as it holds: a file in the data folder remembers those that were. It is written after a message
was sent, so that a run that is killed may tell an alert twice, but loses none.
"""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import orjson

from llm_usage_warehouse.errors import RunError
from llm_usage_warehouse.freshness import read_ages
from llm_usage_warehouse.nightly import Night
from llm_usage_warehouse.published import open_published
from llm_usage_warehouse.quoting import literal
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.telling import shown
from llm_usage_warehouse.values import RULES

TOLD = "alerts_told.json"

Told = Mapping[str, str]
"""Per alert that was told by one way, by its id: the last day on which it held (ISO 8601)."""


@dataclass(frozen=True)
class Alert:
    """Something that a person should look at.

    Attributes:
        alert_id: what it is known by from night to night.
        rule: which of the rules it is an alert of.
        message: what it is, in a sentence.
        query: what to ask `llm-usage query` to see the rows behind it.
    """

    alert_id: str
    rule: str
    message: str
    query: str


def standing(warehouse: WarehouseSettings, night: Night) -> tuple[Alert, ...]:
    """Return the alerts that hold after a night, in the order of their rules."""
    failed = [
        Alert(
            f"failed/{one.source}", "failed", f"{one.source} could not be loaded", _of(one.source)
        )
        for one in night.loads
        if one.error
    ]
    found = [*failed, *_asked(warehouse, _stale), *published_alerts(warehouse)]
    asked = [one for one in found if one.rule not in warehouse.alerts.off]
    return tuple(sorted(asked, key=lambda one: RULES.index(one.rule)))


def published_alerts(warehouse: WarehouseSettings) -> list[Alert]:
    """Return the alerts of the published file, the newest day first."""
    return _asked(warehouse, _published)


def _asked(
    warehouse: WarehouseSettings,
    ask: Callable[[duckdb.DuckDBPyConnection, WarehouseSettings], list[Alert]],
) -> list[Alert]:
    """Return what the published file says; nothing where it cannot say it."""
    if not warehouse.published_path.exists():
        return []
    try:
        with open_published(warehouse) as connection:
            return ask(connection, warehouse)
    except (RunError, duckdb.CatalogException):
        # A file that is damaged is told elsewhere; an older version's has no such table.
        return []


def _published(connection: duckdb.DuckDBPyConnection, _: WarehouseSettings) -> list[Alert]:
    found = connection.execute(
        "select alert_id, rule, message, query from alerts "
        "order by usage_date desc, month desc, source_name, team, currency"
    )
    return [Alert(*row) for row in found.fetchall()]


def _stale(connection: duckdb.DuckDBPyConnection, warehouse: WarehouseSettings) -> list[Alert]:
    return [
        Alert(
            f"stale/{one.source}",
            "stale",
            f"{one.source} is loaded no further than {shown(one.loaded_to)} "
            f"({warehouse.reporting_timezone}), {one.age_seconds / 3600:,.1f} hours ago",
            _of(one.source),
        )
        for one in read_ages(connection, warehouse)
        if one.is_stale
    ]


def counts(alerts: Collection[Alert]) -> dict[str, int]:
    """Return how many alerts there are of each rule."""
    return {rule: sum(one.rule == rule for one in alerts) for rule in RULES}


def still_told(
    told: Told, alerts: Sequence[Alert], today: date, tried: Collection[str]
) -> dict[str, str]:
    """Return what need not be told again: what still holds, or did so today.

    What returns on a later day is news.

    Args:
        told: what one way has told before.
        alerts: those that hold now.
        today: the local day of this night.
        tried: the sources that this night loaded: of others it does not know whether they fail.
    """
    holding = {one.alert_id for one in alerts}
    day = today.isoformat()
    return {
        alert_id: day if alert_id in holding else last
        for alert_id, last in told.items()
        if alert_id in holding or last >= day or _is_untried(alert_id, tried)
    }


def read_told(warehouse: WarehouseSettings) -> dict[str, dict[str, str]]:
    """Return what each way has told; nothing where the file is not there, or is damaged."""
    try:
        found = orjson.loads(_path(warehouse).read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def write_told(warehouse: WarehouseSettings, told: Mapping[str, Told]) -> None:
    """Remember what each way has told.

    Raises:
        OSError: the data folder cannot be written to.
    """
    path = _path(warehouse)
    fresh = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(orjson.dumps(told, option=orjson.OPT_INDENT_2))
        os.fsync(file.fileno())
    fresh.replace(path)


def _is_untried(alert_id: str, tried: Collection[str]) -> bool:
    rule, _, source = alert_id.partition("/")
    return rule == "failed" and source not in tried


def _of(source: str) -> str:
    return f"from ops.load_status where source_name = {literal(source)} order by last_window_end"


def _path(warehouse: WarehouseSettings) -> Path:
    return warehouse.data_folder / TOLD
