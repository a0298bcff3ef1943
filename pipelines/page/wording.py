"""How the page writes figures: tabular, with their unit, and never more exact than they are."""

from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

from llm_usage_warehouse.telling import harmless

UNKNOWN = "\u2013"
"""What stands where nothing is known; 0 was measured."""

MINUS = "\u2212"
"""As wide as a plus sign, so that figures stand under each other."""

SCALES = ((10**9, "B"), (10**6, "M"), (10**3, "K"))


def money(amount: Decimal | None, places: int = 2, sign: str = "") -> str:
    """Return an amount with two decimals, or as many as it is asked for.

    One that would round to nothing is told as less than the smallest that can be written.
    """
    if amount is None:
        return UNKNOWN
    least = Decimal(1).scaleb(-places)
    rounded = Decimal(amount).quantize(least, ROUND_HALF_UP)
    if not rounded and amount:
        return f"<{least}" if amount > 0 else f">{MINUS}{least}"
    return f"{rounded:{sign if rounded else ''},f}".replace("-", MINUS)


def count(number: int | Decimal | None, sign: str = "") -> str:
    """Return a number with its thousands apart; decimals only where it has some."""
    if number is None:
        return UNKNOWN
    text = f"{number:{sign},f}" if isinstance(number, Decimal) else f"{number:{sign},}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace("-", MINUS)


def short_count(number: int | None) -> str:
    """Return a number of three digits or so and its scale: 14.0M."""
    if number is None:
        return UNKNOWN
    for scale, letter in SCALES:
        if abs(number) >= scale:
            return f"{number / scale:,.1f}{letter}"
    return f"{number:,}"


def percent(share: float | None, places: int = 0) -> str:
    """Return a share of 1 in percent."""
    return UNKNOWN if share is None else f"{share:.{places}%}"


def day(when: date | None) -> str:
    """Return a day as it stands in a heading."""
    return f"{when:%a} {when.day} {when:%b %Y}" if when else "no day"


def short_day(when: date | None, *, weekday: bool = False) -> str:
    """Return a day of a year that is plain."""
    if when is None:
        return UNKNOWN
    return f"{when:%a} {when.day} {when:%b}" if weekday else f"{when.day} {when:%b}"


def instant(when: datetime | None) -> str:
    """Return an instant, in the zone that it comes in."""
    return f"{when:%Y-%m-%d %H:%M}" if when else UNKNOWN


def shown(value: object) -> object:
    """Return a text so that it reads as it is: no character in it hides or turns others round."""
    return harmless(value) if type(value) is str else value
