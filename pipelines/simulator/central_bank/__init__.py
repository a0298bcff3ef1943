"""The European Central Bank's files of reference rates, with rates that nobody published.

As at https://www.ecb.europa.eu/stats/eurofxref/: one day's rates and all since 1999 as CSV in a
zip, those of the last 90 days as XML. Rates come on weekdays.
"""

import io
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from llm_usage_warehouse.simulator.server import Personality
from llm_usage_warehouse.simulator.world import World

__all__ = ["create", "rates_of"]

PER_EURO = {"USD": 1.12, "CNY": 7.98, "GBP": 0.86}
HISTORY_DAYS = 400
SOME_DAYS = 90


def create(world: World) -> Personality:
    """Return the bank's file server."""
    routes = [
        Route("/stats/eurofxref/eurofxref.zip", _file(world, _one_day)),
        Route("/stats/eurofxref/eurofxref-hist.zip", _file(world, _history)),
        Route("/stats/eurofxref/eurofxref-hist-90d.xml", _file(world, _some_days)),
    ]
    settings = {"rates": "ecb", "rates_url": "{url}/stats/eurofxref/"}
    return Personality(Starlette(routes=routes), world, settings)


def rates_of(day: date) -> dict[str, str]:
    """Return how much of each currency one euro buys on a day, as the files write it."""
    swing = 1 + (day.toordinal() % 21 - 10) / 1000
    return {currency: f"{rate * swing:.4f}" for currency, rate in PER_EURO.items()}


def _file(world: World, content: Callable[[date], bytes]) -> Callable[[Request], Response]:
    def answer(_request: Request) -> Response:
        return Response(content(datetime.fromtimestamp(world.now(), UTC).date()))

    return answer


def _days(today: date, count: int) -> Iterator[date]:
    for back in range(count):
        day = today - timedelta(days=back)
        if day.weekday() < 5:
            yield day


def _one_day(today: date) -> bytes:
    day = next(_days(today, 7))
    rates = rates_of(day)
    # The bank ends each line in a comma.
    lines = [
        ", ".join(["Date", *rates, ""]),
        ", ".join([f"{day.day} {day:%B %Y}", *rates.values(), ""]),
    ]
    return _zipped("eurofxref.csv", lines)


def _history(today: date) -> bytes:
    lines = [",".join(["Date", *PER_EURO, ""])]
    lines += [
        ",".join([day.isoformat(), *rates_of(day).values(), ""])
        for day in _days(today, HISTORY_DAYS)
    ]
    return _zipped("eurofxref-hist.csv", lines)


def _some_days(today: date) -> bytes:
    days = []
    for day in _days(today, SOME_DAYS):
        rates = "".join(
            f'<Cube currency="{currency}" rate="{rate}"/>'
            for currency, rate in rates_of(day).items()
        )
        days.append(f'<Cube time="{day}">{rates}</Cube>')
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" '
        'xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">'
        f"<gesmes:subject>Reference rates</gesmes:subject><Cube>{''.join(days)}</Cube>"
        "</gesmes:Envelope>"
    ).encode()


def _zipped(name: str, lines: list[str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(name, "\n".join(lines) + "\n")
    return content.getvalue()
