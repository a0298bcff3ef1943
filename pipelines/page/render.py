"""Makes the page's text: the template, with all that it needs written into it."""

import base64
import hashlib
import re
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pendulum
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from llm_usage_warehouse.page import wording
from llm_usage_warehouse.page.blocks import CHARTS, blocks
from llm_usage_warehouse.page.queries import chart
from llm_usage_warehouse.settings import WarehouseSettings, demo_flag

HERE = Path(__file__).resolve().parent

GENERATOR = b'<meta name="generator" content="llm-usage-warehouse'
"""What only a page of ours begins with."""

SCRIPTS = ("vendor/vega.min.js", "vendor/vega-lite.min.js", "vendor/vega-interpreter.js", "page.js")
"""In the order in which they run."""


def render(connection: duckdb.DuckDBPyConnection, warehouse: WarehouseSettings) -> str:
    """Return the page of a published file.

    Args:
        connection: to the published file, its session in the reporting time zone.
        warehouse: whose.

    Raises:
        duckdb.Error: the file lacks a table or a column.
    """
    template = _environment().get_template("page.html.jinja")
    scripts = [_inline(name) for name in SCRIPTS]
    shown = blocks(connection)
    # A setting that was changed since then holds from the next publishing on.
    trust = shown["trust"]
    return template.render(
        **shown,
        specs={name: chart(name) for name in CHARTS},
        styles=Markup((HERE / "page.css").read_text(encoding="utf-8")),  # noqa: S704 - our own
        scripts=scripts,
        policy=_policy(scripts),
        timezone=trust["reporting_timezone"] or warehouse.reporting_timezone,
        currency=trust["reporting_currency"] or warehouse.reporting_currency,
        stale_after=warehouse.stale_after.total_seconds(),
        is_demo=demo_flag(warehouse).exists(),
        written_at=pendulum.now(warehouse.reporting_timezone),
        version=version("llm-usage-warehouse"),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=wording.shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = ("money", "count", "short_count", "percent", "day", "short_day", "instant")
    environment.filters |= {name: getattr(wording, name) for name in names}
    environment.filters |= {"data": _data, "utc": _utc}
    return environment


def _data(value: Any) -> Markup:
    """Return a value as JSON that can stand in a script: no name in it ends the script."""
    return htmlsafe_json_dumps(
        _harmless(value), dumps=lambda one: orjson.dumps(one, default=_plain).decode()
    )


def _harmless(value: Any) -> Any:
    match value:
        case list():
            return [_harmless(one) for one in value]
        case dict():
            return {name: _harmless(one) for name, one in value.items()}
        case _:
            return wording.shown(value)


def _plain(value: Any) -> float:
    """Return a decimal as the float that a chart draws: an exact figure is written in the HTML."""
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)


def _utc(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _inline(name: str) -> Markup:
    """Return a script of ours or of the vendored ones so that nothing in it ends it early."""
    text = (HERE / name).read_text(encoding="utf-8")
    return Markup(re.sub(r"<(?=/script|!--)", r"\\x3c", text, flags=re.IGNORECASE))  # noqa: S704


def _policy(scripts: list[Markup]) -> str:
    """Return a Content-Security-Policy under which only these scripts run, and nothing is asked."""
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
