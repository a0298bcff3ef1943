"""Every setting a person may turn, read by dlt's own resolution.

The environment wins over `.dlt/secrets.toml`, which wins over `.dlt/config.toml`. Each setting is
looked up under its full path only (`sources.aiproxy.base_url`, in the environment
`SOURCES__AIPROXY__BASE_URL`): dlt's argument injection would also try the bare name, and a setting
called `path` would then be overwritten by the shell's PATH.
"""

import math
import os
import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import dlt
import orjson
import pendulum
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from pendulum import DateTime, Duration

from pipelines.currencies import currency_code
from pipelines.errors import UsageError
from pipelines.http import Limits
from pipelines.windows import SECONDS, Grid, Pace

T = TypeVar("T")

POSITIVE = {"slice", "requests_per_second", "concurrency", "timeout", "attempts"}
"""Settings of which 0 would mean that nothing ever happens."""

CURRENCIES = {"currency", "reporting_currency"}

SIZE = r"([1-9][0-9]*(?:\.[0-9]+)?)\s*([KMGT])(i?)B"

OWN_MEMORY = 400e6
"""Bytes that a process holds beside what DuckDB counts, about: dbt or our own Python, and what
DuckDB itself does not count."""

LEAST_CONCURRENCY = 4
MOST_CONCURRENCY = 32


def setting(meaning: str, default: Any = MISSING, *, secret: bool = False) -> Any:
    """Declare a setting: what it means, its default, and whether it belongs in secrets.toml."""
    metadata = {"meaning": meaning, "secret": secret}
    if isinstance(default, list | dict):
        return field(
            default_factory=lambda: type(default)(default), metadata=metadata, kw_only=True
        )
    if default is MISSING:
        return field(metadata=metadata, kw_only=True)
    return field(default=default, metadata=metadata, kw_only=True)


@dataclass(frozen=True)
class SourceSettings:
    """What every source has; a vendor's folder adds its own.

    Attributes:
        name: the source's own name: its section in `.dlt/`, and `source_name` in every row.
    """

    name: str
    base_url: str = setting("address of the API")
    start: str = setting(
        "the first day ever to load: a date, an instant, or a duration back from the first run",
        "P30D",
    )
    look_back: Duration = setting(
        "how far before the watermark every nightly run reads again, for late rows",
        pendulum.duration(hours=3),
    )
    settle_lag: Duration = setting(
        "how far before now a nightly run ends, so that rows being written are not cut off",
        pendulum.duration(minutes=2),
    )
    slice: Duration = setting(
        "the length of one slice; many of them are loaded together", pendulum.duration(days=1)
    )
    requests_per_second: float = setting("the pace, never exceeded", 10.0)
    concurrency: int | None = setting(
        "how many requests may be under way at once; by default as many as the pace has in a "
        f"second, from {LEAST_CONCURRENCY} to {MOST_CONCURRENCY}",
        None,
    )
    timeout: Duration = setting("how long one request may take", pendulum.duration(seconds=60))
    attempts: int = setting("how often one request is tried", 5)

    @property
    def limits(self) -> Limits:
        """The HTTP client's share of these settings."""
        return Limits(
            requests_per_second=self.requests_per_second,
            concurrency=self.concurrency or self._concurrency_of_the_pace,
            timeout=self.timeout.total_seconds(),
            attempts=self.attempts,
        )

    @property
    def _concurrency_of_the_pace(self) -> int:
        # Enough for answers that take a second.
        wanted = math.ceil(self.requests_per_second)
        return min(max(wanted, LEAST_CONCURRENCY), MOST_CONCURRENCY)

    def pace(
        self, grid: Grid = SECONDS, slices: Grid | None = None, *, whole: bool = False
    ) -> Pace:
        """Return how a stream's windows are planned under these settings."""
        return Pace(self.look_back, self.settle_lag, slices or Grid(self.slice), grid, whole)


@dataclass(frozen=True)
class WarehouseSettings:
    """Where the warehouse is, whose days it counts, and in which currency it reports."""

    path: Path = setting(
        "the private DuckDB file that loads and models write", Path("data/warehouse.duckdb")
    )
    published_path: Path = setting(
        "the DuckDB file that people and BI tools read", Path("data/llm_usage.duckdb")
    )
    reporting_timezone: str = setting("IANA name of the zone whose days the rollups count", "UTC")
    reporting_currency: str = setting("ISO 4217 code that costs are converted to", "USD")
    rate_max_age: Duration = setting(
        "how many days before a day of usage its exchange rate may be of", pendulum.duration(days=5)
    )

    rates: str = setting(
        'where exchange rates come from: "ecb" fetches the European Central Bank\'s at each night; '
        "empty leaves them to `llm-usage rates FILE`",
        "",
    )
    rates_url: str = setting(
        "where the European Central Bank has its files",
        "https://www.ecb.europa.eu/stats/eurofxref/",
    )
    stale_after: Duration = setting(
        "how old the last loaded window of a source may be before `status` calls it stale",
        pendulum.duration(hours=28),
    )
    audit_window: Duration = setting(
        "how far back every night compares the vendors' own totals with what is stored; on Sundays "
        "at least 90 days",
        pendulum.duration(days=35),
    )
    fail_on_differences: bool = setting(
        "whether a night ends with exit code 1 where a vendor's total still differs once its "
        "stretch has been read again",
        False,
    )
    memory_limit: str = setting(
        "how much memory models and publishing may take; beyond it, DuckDB writes to a folder "
        "beside the warehouse",
        "1GB",
    )

    @property
    def memory_for_duckdb(self) -> str:
        """What a process leaves of `memory_limit` to the DuckDB in it; never below half."""
        ((number, prefix, binary),) = re.findall(SIZE, self.memory_limit)
        size = float(number) * (1024 if binary else 1000) ** ("KMGT".index(prefix) + 1)
        return f"{max(size - OWN_MEMORY, size / 2) / 1e6:.0f}MB"

    @property
    def data_folder(self) -> Path:
        """The folder of the warehouse: dlt's and dbt's working files, locks and logs live in it."""
        return self.path.parent


def demo_mark(warehouse: WarehouseSettings) -> Path:
    """Return the file whose presence says that the warehouse holds simulated rows."""
    return warehouse.data_folder / "DEMO"


def refuse_demo(warehouse: WarehouseSettings) -> None:
    """Keep real rows out of a warehouse that the demo made.

    Raises:
        UsageError: the demo's mark is there.
    """
    if demo_mark(warehouse).exists():
        raise UsageError(
            f"{warehouse.data_folder} holds the demo's simulated rows; remove the folder "
            "(`make clean`) or set [warehouse] path to another one"
        )


def project_root() -> Path:
    """Return the folder that holds `.dlt/`: `DLT_PROJECT_DIR`, else here, else the checkout."""
    if named := os.environ.get("DLT_PROJECT_DIR"):
        return Path(named).resolve()
    if Path(".dlt").is_dir():
        return Path.cwd()
    return Path(__file__).resolve().parent.parent


def load_warehouse() -> WarehouseSettings:
    """Read `[warehouse]`; relative paths are taken from the project's root.

    Raises:
        UsageError: a value of the wrong kind, an unknown time zone, no currency code, or no size.
    """
    # dlt tells its makers of each run from the moment on that any setting is looked up.
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    found = _load(WarehouseSettings, "warehouse", {})
    try:
        ZoneInfo(found.reporting_timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"[warehouse] reporting_timezone: {found.reporting_timezone!r} is not an IANA time "
            "zone; write one like Asia/Shanghai or Europe/Berlin"
        ) from None
    if found.rates not in ("", "ecb"):
        raise UsageError(f'[warehouse] rates: {found.rates!r} is neither "ecb" nor empty')
    if not re.fullmatch(SIZE, found.memory_limit):
        raise UsageError(
            f"[warehouse] memory_limit: {found.memory_limit!r} is not a size; write one like 1GB "
            "or 800MB"
        )
    root = project_root()
    return replace(found, path=root / found.path, published_path=root / found.published_path)


def in_environment(section: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment variables that set a section, such as `sources.weave`."""
    return {
        f"{section}.{name}".replace(".", "__").upper(): (
            value if isinstance(value, str) else orjson.dumps(value).decode()
        )
        for name, value in settings.items()
    }


def load_source(cls: type[T], name: str) -> T | None:
    """Read `[sources.<name>]` into `cls`.

    Returns:
        The settings, or None where not one required setting is there: not configured.

    Raises:
        UsageError: some required settings are there and others are not, or one cannot be read.
    """
    required = [one.name for one in _settings_of(cls) if _is_required(one)]
    if all(_lookup(f"sources.{name}.{one}") is None for one in required):
        return None
    return given_settings(cls, name, {})


def given_settings(cls: type[T], name: str, given: Mapping[str, Any]) -> T:
    """Return the settings of a source: those that are given, the others from `[sources.<name>]`.

    Raises:
        UsageError: a required setting is nowhere, one cannot be read, or one is unknown.
    """
    return _load(cls, f"sources.{name}", {"name": name}, given)


def missing_settings(cls: type[Any], name: str) -> list[str]:
    """Return one line for each required setting of a source that is nowhere to be found."""
    section = f"sources.{name}"
    return [
        _where(section, one)
        for one in _settings_of(cls)
        if _is_required(one) and _lookup(f"{section}.{one.name}") is None
    ]


def source_sections() -> dict[str, str]:
    """Return every source named in the settings, with the vendor that its `connector` names.

    A section without `connector` is named after its vendor and maps to its own name.
    """
    names: set[str] = set()
    for provider in Container()[PluggableRunContext].providers.providers:
        found: Any = provider.get_value("sources", dict, None)[0]
        if isinstance(found, dict):
            names |= {name for name, value in found.items() if isinstance(value, dict)}
    for variable in os.environ:
        parts = variable.split("__")
        if len(parts) == 3 and parts[0] == "SOURCES":
            names.add(parts[1].lower())
    return {name: str(_lookup(f"sources.{name}.connector") or name) for name in sorted(names)}


def parse_instant(text: str, timezone: str) -> DateTime:
    """Read an ISO 8601 instant as UTC; a bare date is the start of that day in `timezone`.

    Raises:
        UsageError: `text` is neither.
    """
    try:
        found = pendulum.parse(text, tz=timezone, exact=True)
    except ValueError:
        raise _not_an_instant(text) from None
    if isinstance(found, pendulum.Date) and not isinstance(found, DateTime):
        found = pendulum.datetime(found.year, found.month, found.day, tz=timezone)
    if not isinstance(found, DateTime):
        raise _not_an_instant(text)
    return found.in_timezone("UTC")


def _not_an_instant(text: str) -> UsageError:
    return UsageError(
        f"{text!r} is not an instant; write a date (2026-11-01) or an ISO 8601 instant "
        "(2026-11-01T00:00:00Z)"
    )


def first_instant(start: str, timezone: str, now: DateTime) -> DateTime:
    """Return the instant that `start` means: a date, an instant, or a duration back from `now`.

    Raises:
        UsageError: `start` is none of these.
    """
    if start.startswith("P"):
        return now - _duration(start, "start")
    return parse_instant(start, timezone)


def _settings_of(cls: Any) -> list[Field[Any]]:
    return [one for one in fields(cls) if "meaning" in one.metadata]


def _is_required(one: Field[Any]) -> bool:
    return one.default is MISSING and one.default_factory is MISSING


def _lookup(path: str) -> Any:
    found: Any = dlt.secrets.get(path)
    return dlt.config.get(path) if found is None else found


def _where(section: str, one: Field[Any]) -> str:
    file = "secrets.toml" if one.metadata["secret"] else "config.toml"
    variable = f"{section}.{one.name}".upper().replace(".", "__")
    return (
        f"[{section}] {one.name} is missing ({one.metadata['meaning']}): "
        f"set it in .dlt/{file} or as {variable}"
    )


def _load(
    cls: type[T], section: str, values: dict[str, Any], given: Mapping[str, Any] | None = None
) -> T:
    hints = get_type_hints(cls)
    given = given or {}
    known = _settings_of(cls)
    problems = [
        f"{unknown} is no setting of [{section}]; there are {', '.join(one.name for one in known)}"
        for unknown in sorted(given.keys() - {one.name for one in known})
    ]
    for one in known:
        raw = given[one.name] if one.name in given else _lookup(f"{section}.{one.name}")
        if raw is None:
            if _is_required(one):
                problems.append(_where(section, one))
            continue
        try:
            values[one.name] = _coerce(raw, hints[one.name], one.name)
            if one.name in CURRENCIES:
                currency_code(values[one.name])
            if one.name in POSITIVE and not _amount(values[one.name]) > 0:
                problems.append(f"[{section}] {one.name} must be more than 0, not {raw!r}")
            elif one.name in POSITIVE and math.isinf(_amount(values[one.name])):
                problems.append(f"[{section}] {one.name} must be a number, not {raw!r}")
            if one.name == "start":
                first_instant(values[one.name], "UTC", pendulum.now("UTC"))
            if one.name == "slice" and _amount(values[one.name]) < 1:
                problems.append(f"[{section}] slice must be a second or more, not {raw!r}")
        except (ValueError, TypeError, UsageError) as error:
            shown = "the value" if one.metadata["secret"] else repr(raw)
            problems.append(f"[{section}] {one.name}: {shown} cannot be read: {error}")
    if problems:
        raise UsageError(*problems)
    return cls(**values)


def _amount(value: Any) -> float:
    return value.total_seconds() if isinstance(value, Duration) else float(value)


def _coerce(raw: Any, hint: Any, name: str) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(one for one in get_args(hint) if one is not type(None))
    kind = get_origin(hint) or hint
    if kind is Duration:
        return raw if isinstance(raw, Duration) else _duration(str(raw), name)
    if kind in (list, dict) and isinstance(raw, str) and raw.startswith(("[", "{")):
        # The environment holds text only; there a list or a table is written as JSON.
        raw = orjson.loads(raw)
    if kind is list:
        if isinstance(raw, str):
            raw = [part.strip() for part in raw.split(",") if part.strip()]
        return [str(item) for item in raw]
    if kind is dict:
        if not isinstance(raw, dict):
            raise UsageError("a table is needed")
        return {str(key): str(value) for key, value in raw.items()}
    if kind is bool:
        if str(raw).lower() not in ("true", "false"):
            raise UsageError("true or false is needed")
        return str(raw).lower() == "true"
    return kind(str(raw))


def _duration(text: str, name: str) -> Duration:
    try:
        found = pendulum.parse(text)
    except ValueError:
        raise UsageError(f"{name} needs an ISO 8601 duration such as PT3H or P1D") from None
    if not isinstance(found, Duration):
        raise UsageError(f"{name} needs an ISO 8601 duration such as PT3H or P1D")
    return found
