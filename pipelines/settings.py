"""Every setting a person may turn, read by dlt's own resolution.

The environment wins over `.dlt/secrets.toml`, which wins over `.dlt/config.toml`. Each setting is
looked up under its full path only (`sources.aiproxy.base_url`, in the environment
`SOURCES__AIPROXY__BASE_URL`): dlt's argument injection would also try the bare name, and a setting
called `path` would then be overwritten by the shell's PATH.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import dlt
import orjson
import pendulum
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from pendulum import Duration

from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.http import Limits
from llm_usage_warehouse.places import misplaced
from llm_usage_warehouse.setting_files import OF_DLT, project_root, read_files, unknown_settings
from llm_usage_warehouse.values import (
    ENGINES,
    RULES,
    TARGETS,
    check_secret,
    memory_bytes,
    read_value,
)
from llm_usage_warehouse.windows import SECONDS, Cadence, Grid

T = TypeVar("T")

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

    def cadence(
        self, grid: Grid = SECONDS, slices: Grid | None = None, *, whole: bool = False
    ) -> Cadence:
        """Return how a stream's windows are planned under these settings."""
        return Cadence(self.look_back, self.settle_lag, slices or Grid(self.slice), grid, whole)


@dataclass(frozen=True)
class AlertSettings:
    """What a person is to be told of: `[alerts]`."""

    spend_factor: float = setting(
        "how many times the median of its weekday a source's day may cost before it is an alert",
        2.0,
    )
    budget_steps: list[str] = setting(
        "the percents of its budget at which a team's month becomes an alert", ["80", "100"]
    )
    unpriced_percent: float = setting(
        "how many percent of a source's tokens of seven days may have no price", 5.0
    )
    off: list[str] = setting(f"rules that are not looked at, of: {', '.join(RULES)}", [])


@dataclass(frozen=True)
class WarehouseSettings:
    """Where the warehouse is, whose days it counts, and in which currency it reports."""

    path: Path = setting(
        "the private DuckDB file that loads and models write", Path("data/warehouse.duckdb")
    )
    engine: str = setting(
        f"what the private warehouse is, of: {', '.join(ENGINES)}. A lake has its rows as Parquet "
        "files in `lake`; the file is a DuckLake's catalog then, with the ending .ducklake, or, "
        "with the ending .spark, shows the Delta tables that Spark's models make",
        ENGINES[0],
    )
    lake: str = setting(
        "the folder of a lake's Parquet files, or an address such as s3://bucket/folder",
        "data/lake",
    )
    master: str = setting(
        "the address of the Spark that runs the models where the engine is spark: that of a "
        "cluster, spark://host:7077, or local[2], threads of the night's own process",
        "local[2]",
    )
    catalog: str = setting(
        "a Postgres database for a lake's catalog, in place of a file, so that several machines "
        "can load into it: postgresql://user:password@host:5432/database",
        "",
        secret=True,
    )
    published_path: Path = setting(
        "the DuckDB file that people and BI tools read", Path("data/llm_usage.duckdb")
    )
    published_mode: str = setting(
        "who may read the published file, as an octal mode; nobody writes it, so that rights to "
        "write are left out. New folders are yours alone (0700): for others to come to the file, "
        "name a folder in published_path that they may enter",
        "0644",
    )
    seeds: Path = setting(
        "the folder of the project's own seeds: own_prices.csv, owners.csv, budgets.csv and "
        "source_roles.csv; what is not there is as shipped",
        Path("seeds"),
    )
    publish: list[str] = setting(
        f"where what is published is written, of: {', '.join(TARGETS)}; the others are made from "
        "the first",
        ["duckdb"],
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
    alerts: AlertSettings = field(default_factory=AlertSettings, kw_only=True)

    @property
    def is_lake(self) -> bool:
        """Whether the private warehouse is a DuckLake."""
        return self.engine == "ducklake"

    @property
    def is_in_a_store(self) -> bool:
        """Whether the warehouse is a lake whose rows are in an object store."""
        return self.engine != ENGINES[0] and "://" in self.lake

    @property
    def is_spark(self) -> bool:
        """Whether the models run on Spark, over Delta tables that the private file shows."""
        return self.engine == "spark"

    @property
    def may_be_there(self) -> bool:
        """Whether there is a private file, or a server that has to be asked for a catalog."""
        return bool(self.catalog) or self.path.exists()

    @property
    def memory_for_duckdb(self) -> str:
        """What a process leaves of `memory_limit` to the DuckDB in it; never below half."""
        size = memory_bytes(self.memory_limit)
        return f"{max(size - OWN_MEMORY, size / 2) / 1e6:.0f}MB"

    @property
    def file_mode(self) -> int:
        """The mode of what is published, which nobody writes."""
        return int(self.published_mode, 8) & ~0o222

    @property
    def folder_mode(self) -> int:
        """The mode of a folder of it: those may enter who may read the files."""
        return 0o700 | self.file_mode | (self.file_mode & 0o444) >> 2

    @property
    def data_folder(self) -> Path:
        """The folder of the warehouse: dlt's and dbt's working files, locks and logs live in it."""
        return self.path.parent


def demo_flag(warehouse: WarehouseSettings) -> Path:
    """Return the file whose presence says that the warehouse holds simulated rows."""
    return warehouse.data_folder / "DEMO"


def refuse_demo(warehouse: WarehouseSettings) -> None:
    """Keep real rows out of a warehouse that the demo made.

    Raises:
        UsageError: the demo's flag is there.
    """
    if demo_flag(warehouse).exists():
        raise UsageError(
            f"{warehouse.data_folder} holds the demo's simulated rows; remove the folder "
            "or set [warehouse] path to another one"
        )


def load_warehouse() -> WarehouseSettings:
    """Read `[warehouse]` and `[alerts]`; relative paths are taken from the project's root.

    Raises:
        UsageError: a settings file cannot be read, a setting is unknown or cannot be used, or the
            files cannot be where they are to be.
    """
    problems: list[str] = []
    found = alerts = None
    try:
        found = load_section(WarehouseSettings, "warehouse")
    except UsageError as error:
        problems += error.problems
    try:
        alerts = load_section(AlertSettings, "alerts")
    except UsageError as error:
        problems += error.problems
    if found:
        root = project_root()
        found = replace(
            found,
            path=_private_path(root, found),
            lake=_lake(root, found.lake),
            published_path=root / found.published_path,
            seeds=root / found.seeds,
        )
        problems += misplaced(found.path, found.published_path)
        if found.catalog and not found.is_lake:
            problems.append('[warehouse] catalog is a lake\'s: set engine = "ducklake", too')
        if found.is_spark and found.is_in_a_store and not found.lake.startswith("s3://"):
            problems.append(
                "[warehouse] lake is an address, and engine spark was tried with S3's alone: name "
                "s3://bucket/folder, or a folder that all workers have"
            )
    if problems or not found or not alerts:
        raise UsageError(*problems)
    return replace(found, alerts=alerts)


def _private_path(root: Path, found: WarehouseSettings) -> Path:
    path = root / found.path
    # Those of lakes are DuckDB files as well, and must not be made in a warehouse that is there.
    return path if found.engine == ENGINES[0] else path.with_suffix(f".{found.engine}")


def _lake(root: Path, lake: str) -> str:
    return lake.rstrip("/") if "://" in lake else str(root / lake)


def load_section(cls: type[T], section: str) -> T:
    """Read a section that is of no source, such as `warehouse`, into `cls`.

    Raises:
        UsageError: a settings file cannot be read, or a setting is unknown or cannot be used.
    """
    read_files()
    # dlt tells its makers of each run from the moment on that any setting is looked up.
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    problems = unknown_settings(section, setting_names(cls))
    try:
        found = _load(cls, section, {})
    except UsageError as error:
        raise UsageError(*problems, *error.problems) from None
    if problems:
        raise UsageError(*problems)
    return found


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
    required = [one.name for one in settings_of(cls) if is_required(one)]
    if all(lookup(f"sources.{name}.{one}") is None for one in required):
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
        for one in settings_of(cls)
        if is_required(one) and lookup(f"{section}.{one.name}") is None
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
    return {
        name: str(lookup(f"sources.{name}.connector") or name)
        for name in sorted(names)
        if name not in OF_DLT
    }


def setting_names(cls: Any) -> list[str]:
    """Return the names of all settings of a class."""
    return [one.name for one in settings_of(cls)]


def settings_of(cls: Any) -> list[Field[Any]]:
    """Return the fields of a class of settings that a person may set."""
    return [one for one in fields(cls) if "meaning" in one.metadata]


def is_required(one: Field[Any]) -> bool:
    """Whether a setting has no default."""
    return one.default is MISSING and one.default_factory is MISSING


def lookup(path: str) -> Any:
    """Return what is written for a full path, as it is written; None where nothing is."""
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
    names = setting_names(cls)
    problems = [
        f"{unknown} is no setting of [{section}]; there are {', '.join(names)}"
        for unknown in sorted(given.keys() - set(names))
    ]
    for one in settings_of(cls):
        raw = given[one.name] if one.name in given else lookup(f"{section}.{one.name}")
        if raw is None:
            if is_required(one):
                problems.append(_where(section, one))
            continue
        try:
            values[one.name] = read_value(raw, hints[one.name], one.name)
            if one.metadata["secret"]:
                check_secret(values[one.name], may_be_empty=not is_required(one))
        except UsageError as error:
            shown = "its value" if one.metadata["secret"] else repr(raw)
            told = str(error).removeprefix(f"{shown} ")
            problems.append(f"[{section}] {one.name}: {shown} {told}")
    if problems:
        raise UsageError(*problems)
    return cls(**values)
