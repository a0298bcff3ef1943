"""The command line: `llm-usage`. The Makefile's targets are thin calls of it.

Exit codes, for a scheduler: 0 all is well; 1 some source, test, the publishing or a target failed,
and what could be loaded was, or `status` found a source stale; 2 the settings or the command line
are wrong, and nothing was started; 130 or 143 it was ended by Ctrl-C or SIGTERM, and nothing is
half-written.
"""

import atexit
import gc
import logging
import os
import sys
import webbrowser
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import pendulum
import typer
from typer.core import TyperGroup

from llm_usage_warehouse import notify as notifications
from llm_usage_warehouse import report
from llm_usage_warehouse import transform as models
from llm_usage_warehouse.asking import Format, ask, read_sql
from llm_usage_warehouse.audit import THOROUGH
from llm_usage_warehouse.backup import copy_files
from llm_usage_warehouse.checks import checked_settings
from llm_usage_warehouse.connectors import connectors
from llm_usage_warehouse.dbt_by_hand import copy_for_dev, dev_warehouse, run_by_hand
from llm_usage_warehouse.demo import flag_as_demo, simulated_vendors
from llm_usage_warehouse.ending import EXIT_FAILED, console, ending_told, errors, state
from llm_usage_warehouse.errors import RunError, UsageError
from llm_usage_warehouse.focus import FileForm, write_month
from llm_usage_warehouse.new_project import SETTINGS, ask_settings, make_project
from llm_usage_warehouse.night_told import checked, checked_or_told, run_and_tell, run_watched
from llm_usage_warehouse.notify_settings import load_notify
from llm_usage_warehouse.page import write_after_publishing, write_page
from llm_usage_warehouse.places import DISTRIBUTION
from llm_usage_warehouse.publish import publish as swap_in
from llm_usage_warehouse.publish import try_publishing
from llm_usage_warehouse.rates import read_rates, store_rates
from llm_usage_warehouse.repair import faults
from llm_usage_warehouse.setting_files import project_root
from llm_usage_warehouse.settings import WarehouseSettings, load_warehouse
from llm_usage_warehouse.status import Form, as_json, read_status, tell_status
from llm_usage_warehouse.streams import Connector
from llm_usage_warehouse.targets import check_targets, write_targets
from llm_usage_warehouse.telling import insist, say
from llm_usage_warehouse.values import parse_instant
from llm_usage_warehouse.warehouse import connect, locked, writing, writing_loaded


class _Commands(TyperGroup):
    """Keeps the two options that set up a shell out of the help: one wants them once, if at all."""

    def get_params(self, ctx: Any) -> list[Any]:
        found: list[Any] = super().get_params(ctx)
        for one in found:
            if one.name in {"install_completion", "show_completion"}:
                one.hidden = True
        return found


app = typer.Typer(
    help="Every LLM call and usage bucket of your vendors in one DuckDB file.",
    no_args_is_help=True,
    cls=_Commands,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
SourceOption = Annotated[
    list[str] | None, typer.Option("--source", help="Only this source; may be given again.")
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"llm-usage {version(DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def main(
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Log every page, and show tracebacks.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Say only what is not as it should be, for cron.")
    ] = False,
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Say which one this is."),
    ] = False,
) -> None:
    """Read the settings of the project that the command is run in."""
    # As it ends, the interpreter would look once more for garbage in what all ends with it: a third
    # of a second.
    atexit.register(gc.freeze)
    os.environ.setdefault("DLT_PROJECT_DIR", str(project_root()))
    level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    logging.basicConfig(
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S %Z",
    )
    logging.getLogger("llm_usage").setLevel(level)
    state["verbose"] = verbose
    console.quiet = quiet


@app.command()
def init(
    folder: Annotated[
        Path, typer.Argument(help="Of the project; made if it is not there.")
    ] = Path(),
    ask_for: Annotated[
        bool | None,
        typer.Option("--ask/--no-ask", help="Ask for settings; by default on a terminal."),
    ] = None,
) -> None:
    """Make a project of your own: settings in .dlt/, and prices, teams and budgets in seeds/."""
    with ending_told():
        is_new = not (folder / SETTINGS).exists()
        asks = is_new and (sys.stdin.isatty() if ask_for is None else ask_for)
        written = make_project(folder, list(ask_settings()) if asks else [])
        for path in written:
            say(console, f"wrote {path}")
        if not written:
            say(console, "nothing is missing")
        there = "" if folder.resolve() == Path.cwd() else f"cd {folder}; "
        say(
            console,
            f"next: {there}fill in .dlt/config.toml and .dlt/secrets.toml, then llm-usage "
            "nightly; or llm-usage demo, with simulated vendors",
        )


@app.command()
def nightly(
    source: SourceOption = None,
    until: Annotated[
        str | None, typer.Option(help="Take this instant for the present (ISO 8601).")
    ] = None,
) -> None:
    """Load what is new, build the models, test them, publish."""
    with ending_told():
        warehouse, sources = checked_or_told(source)
        now = parse_instant(until, warehouse.reporting_timezone) if until else None
        if now and now > pendulum.now("UTC"):
            raise UsageError(f"--until {now} lies in the future")
        run_and_tell(warehouse, sources, now)


@app.command()
def backfill(
    from_: Annotated[str, typer.Option("--from", help="First instant or day, inclusive.")],
    to: Annotated[str, typer.Option(help="Instant or day that it ends before.")],
    source: SourceOption = None,
) -> None:
    """Load any stretch of time again, without moving a watermark."""
    with ending_told():
        zone = load_warehouse().reporting_timezone
        start, end = parse_instant(from_, zone), parse_instant(to, zone)
        if start >= end:
            raise UsageError(f"--from {from_} is not before --to {to}; swap them")
        warehouse, sources = checked(source)
        run_and_tell(warehouse, sources, period=(start, end))


@app.command()
def audit(
    from_: Annotated[
        str | None, typer.Option("--from", help="First instant or day, inclusive.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="Instant or day that it ends before.")] = None,
    source: SourceOption = None,
) -> None:
    """Run a night whose audit looks at another stretch: by default at the last 90 days."""
    with ending_told():
        warehouse, sources = checked(source)
        zone, present = warehouse.reporting_timezone, pendulum.now("UTC")
        start = parse_instant(from_, zone) if from_ else present - THOROUGH
        end = parse_instant(to, zone) if to else present
        if start >= end:
            raise UsageError(f"--from {start} is not before --to {end}")
        run_and_tell(warehouse, sources, audited=(start, end))


@app.command()
def transform() -> None:
    """Build the models that new rows touch, without loading or testing."""
    with ending_told():
        warehouse = load_warehouse()
        with _writing(warehouse) as vendors:
            _models(models.transform(warehouse, vendors, tests=False))


@app.command()
def check(
    everything: Annotated[
        bool, typer.Option("--all", help="All of history, not only the days touched last.")
    ] = False,
) -> None:
    """Run every data test on the days that were built last."""
    with ending_told():
        warehouse = load_warehouse()
        with _writing(warehouse) as vendors:
            _models(models.check(warehouse, vendors, everything=everything))


# What follows the first argument is dbt's, its own --help too.
@app.command(
    "dbt", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
def dbt_by_hand(
    arguments: Annotated[list[str], typer.Argument(help="A command of dbt, and its options.")],
    dev: Annotated[
        bool, typer.Option("--dev", help="On a copy of the warehouse, to try a change of models.")
    ] = False,
) -> None:
    """Run dbt as a night does: the same project, variables, memory, folders and lock."""
    with ending_told():
        warehouse = load_warehouse()
        if dev:
            if copy_for_dev(warehouse):
                say(errors, f"{warehouse.path} is copied to {dev_warehouse(warehouse).path}")
            warehouse = dev_warehouse(warehouse)
        if code := run_by_hand(warehouse, connectors().values(), arguments):
            raise typer.Exit(code)


@app.command()
def publish(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be restated, and write nothing.")
    ] = False,
    dev: Annotated[
        bool, typer.Option("--dev", help="With --dry-run: of the copy that `dbt --dev` built.")
    ] = False,
) -> None:
    """Test all of the warehouse and, where every test passes, swap in a new published file."""
    with ending_told():
        warehouse = load_warehouse()
        if dev and not dry_run:
            raise UsageError("--dev is for --dry-run: a copy is never published")
        if dry_run:
            tried = dev_warehouse(warehouse) if dev else warehouse
            if not tried.path.exists():
                first = "llm-usage dbt --dev build" if dev else "llm-usage nightly"
                raise RunError(f"{tried.path} is not there yet: {first}")
            with locked(tried):
                report.dry_run(console, try_publishing(tried))
            return
        check_targets(warehouse)
        with _writing(warehouse) as vendors:
            _models(models.check(warehouse, vendors, everything=True))
            report.published(console, swap_in(warehouse, everything=True))
            report.warnings(console, write_after_publishing(warehouse))
            unwritten = write_targets(warehouse, whole=True)
            report.warnings(console, list(unwritten.values()))
        if unwritten:
            raise typer.Exit(EXIT_FAILED)


@app.command()
def rates(
    file: Annotated[
        Path, typer.Argument(help="The ECB's eurofxref.csv or eurofxref-hist.csv, or its zip.")
    ],
) -> None:
    """Take in exchange rates that the European Central Bank published."""
    with ending_told():
        found = read_rates(file)
        warehouse = load_warehouse()
        with writing(warehouse), connect(warehouse) as connection:
            loaded = store_rates(connection, found)
        say(
            console,
            f"{loaded.rates:,} rates of {loaded.first_day} to {loaded.last_day}, "
            f"{loaded.changed:,} of them new or changed; the next transform converts with them",
        )


@app.command("report")
def page(
    open_: Annotated[bool, typer.Option("--open", help="Show it in the web browser.")] = False,
) -> None:
    """Write the page anew that every publishing writes, and say where it is."""
    with ending_told():
        path = write_page(load_warehouse())
        say(console, str(path))
        if open_:
            webbrowser.open(path.as_uri())


@app.command()
def status(
    form: Annotated[
        Form, typer.Option("--format", help="For people, or one JSON object for machines.")
    ] = Form.TEXT,
) -> None:
    """Show how fresh every stream is, what disagrees with the vendors' counts, and the alerts.

    Ends with 1 where a source is stale.
    """
    with ending_told():
        warehouse = load_warehouse()
        found = read_status(warehouse)
        if form is Form.JSON:
            typer.echo(as_json(found))
        else:
            tell_status(console, found)
        if not found.is_fresh:
            raise typer.Exit(EXIT_FAILED)


@app.command()
def notify(
    test: Annotated[
        bool, typer.Option("--test", help="Send a test message by every way of [notify].")
    ] = False,
) -> None:
    """Try the ways by which a night tells of itself."""
    with ending_told():
        if not test:
            raise UsageError("say --test: a night sends its message by itself")
        settings = load_notify()
        for warning in notifications.in_plain_sight(settings):
            insist(console, report.WARNING, f" {warning}")
        tried = notifications.try_ways(settings)
        for name, why in tried.items():
            tell = insist if why else say
            tell(console, (name, "red" if why else "green"), f": {why or 'sent'}")
        if any(tried.values()):
            raise typer.Exit(EXIT_FAILED)


# SQL may begin with a comment, which looks like an option.
@app.command(context_settings={"ignore_unknown_options": True})
def query(
    sql: Annotated[
        str,
        typer.Argument(
            help="SQL over the published tables, a .sql file, - , or a question: 1 to 12."
        ),
    ],
    as_of: Annotated[
        str | None,
        typer.Option(help="See costs, tokens and daily tables as published at this instant."),
    ] = None,
    output: Annotated[
        Format, typer.Option("--format", help="How to write the answer.")
    ] = Format.table,
    exact: Annotated[
        bool, typer.Option("--exact", help="Write every digit in a table, too.")
    ] = False,
) -> None:
    """Ask the published file; it can be asked at any time, also while a load runs."""
    with ending_told():
        warehouse = load_warehouse()
        instant = parse_instant(as_of, warehouse.reporting_timezone) if as_of else None
        ask(warehouse, read_sql(sql), output, as_of=instant, exact=exact)


@app.command()
def focus(
    month: Annotated[str, typer.Option(help="A month of local days, such as 2026-10.")],
    form: Annotated[FileForm, typer.Option("--format", help="Of both files.")] = "csv",
    out: Annotated[
        Path, typer.Option(help="A folder to write into; by default the present one.")
    ] = Path(),
) -> None:
    """Write what a month cost as a file for finance, in the form FOCUS 1.2."""
    with ending_told():
        warehouse = load_warehouse()
        report.focus(console, warehouse, write_month(warehouse, month, form, out))


@app.command()
def demo() -> None:
    """Load two weeks of simulated vendors, and show what a morning looks like."""
    with ending_told():
        warehouse = load_warehouse()
        flag_as_demo(warehouse)
        with simulated_vendors(warehouse) as vendors:
            warehouse, sources = checked_settings(vendors.sources)
            *earlier, tonight = vendors.nights
            for night in earlier:
                done = run_watched(warehouse, sources, night)
                report.earlier_night(console, night, done)
                vendors.deliver()
            run_and_tell(warehouse, sources, tonight)


@app.command()
def repair(
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
) -> None:
    """Put right what no night can: damaged files, and tables that were dropped by hand."""
    with ending_told():
        warehouse = load_warehouse()
        with locked(warehouse):
            found = faults(warehouse)
            report.faults(console, found)
            if found and (yes or typer.confirm("Do all of this?", abort=True)):
                for one in found:
                    one.mend()
                say(console, "done; next: llm-usage nightly")


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="A folder to copy the files into.")],
) -> None:
    """Copy the private and the published file while nothing is being written."""
    with ending_told():
        warehouse = load_warehouse()
        # Nothing may be made where there is nothing to copy.
        with locked(warehouse):
            report.copied(console, copy_files(warehouse, folder))


@contextmanager
def _writing(warehouse: WarehouseSettings) -> Iterator[Iterable[Connector]]:
    with writing_loaded(warehouse):
        yield connectors().values()


def _models(outcome: models.Outcome) -> None:
    report.models(console, outcome)
    if not outcome.ok:
        raise typer.Exit(EXIT_FAILED)
