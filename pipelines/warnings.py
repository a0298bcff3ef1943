"""What a person should know of how a source was read: what moved a mark, and what was not read."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path

import httpx
from pendulum import DateTime

from llm_usage_warehouse.ledger import Coverage
from llm_usage_warehouse.planning import Mark, Span
from llm_usage_warehouse.streams import Stream, Write
from llm_usage_warehouse.windows import Window, merged, outside

NAMED = 3
"""How many accounts or stretches are named; the others are counted."""


def put_back(covered: Coverage) -> str:
    """Say that the warehouse is older than the working folder."""
    ends = [one.end for windows in covered.values() for one in windows]
    return (
        "the warehouse file is older than the working folder, as after an older file was put "
        f"back; what was loaded since {max(ends)} is read again"
        if ends
        else "the warehouse file holds nothing of this source any more; all of it is read again"
    )


def anew(set_aside: Path) -> str:
    """Say that the working folder was made anew."""
    return (
        "dlt could not use the source's working folder, as a crash can leave it; it was made anew "
        f"from the warehouse, and the old one is kept as {set_aside} until you delete it"
    )


def in_plain_sight(base_url: str) -> list[str]:
    """Say that requests, with their keys, can be read on their way; nothing on this machine."""
    url = httpx.URL(base_url.strip())
    if url.scheme != "http" or is_this_machine(url.host):
        return []
    return [
        f"base_url is plain http:// to {url.host}: whoever is on the way reads the key and the "
        "usage; write https://, or keep to a network that is yours"
    ]


def is_this_machine(host: str) -> bool:
    """Whether what is sent to a host never leaves the machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def moved_marks(stream: Stream, known: Mapping[str, Mark], marked: Mapping[str, Mark]) -> list[str]:
    """Say which marks are not what dlt's state said, a sentence for each reason.

    Args:
        stream: whose.
        known: the marks by scope, as dlt's state has them.
        marked: those that the run goes on from.
    """
    pairs = [(known[scope], marked[scope]) for scope in known]
    said = []
    if back := [after for before, after in pairs if after.watermark != before.watermark]:
        since = min(after.watermark or _start(after) for after in back)
        said.append(
            f"{stream.name}: the load ledger does not reach the watermark of "
            f"{_counted(len(back), 'scope')}; read again from {since}"
        )
    if gaps := merged(one for before, after in pairs for one in _gaps(before, after)):
        said.append(f"{stream.name}: the load ledger does not cover {_named(gaps)}; read again now")
    if earlier := [after for before, after in pairs if after.start != before.start]:
        said.append(
            f"{stream.name}: start was moved back to {min(map(_start, earlier))}; what lies "
            "before the start of then is read now"
        )
    return said


def unread(stream: Stream, scopes: Sequence[str], span: Span) -> list[str]:
    """Say why no window of a stream is read."""
    if stream.table.write is Write.SNAPSHOT and span.period:
        # The present state has no past, which is no news.
        return []
    if not scopes:
        why = "the vendor has nothing to read it for"
    elif span.period:
        why = f"nothing has settled since {span.period[0]}"
    elif span.first >= span.now:
        why = f"start, {span.first}, lies in the future"
    else:
        why = f"nothing has settled since {span.first}"
    return [f"{stream.name}: no window was read: {why}"]


def silent(accounts: Sequence[str]) -> list[str]:
    """Say of which accounts no row was ever read."""
    if not accounts:
        return []
    if "" in accounts:
        return [
            "no row was ever read; is it the right account, and are its keys allowed to see it?"
        ]
    return [f"no row was ever read of {_named(accounts)}"]


def _gaps(before: Mark, after: Mark) -> list[Window]:
    """Return what is to be read since the ledger was asked, behind the start of before."""
    new = [one for one in after.unsettled if before.start and one.end > before.start]
    for known in before.unsettled:
        new = outside(new, known)
    if before.start is not None and after.start != before.start:
        new = outside(new, Window(_start(after), before.start))
    return new


def _start(mark: Mark) -> DateTime:
    assert mark.start is not None  # noqa: S101 - a mark that moved has one
    return mark.start


def _named(things: Sequence[object]) -> str:
    named = ", ".join(str(one) for one in things[:NAMED])
    others = len(things) - NAMED
    return f"{named} and {others} more" if others > 0 else named


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
