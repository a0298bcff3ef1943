"""What the message of a night says, as text and as the JSON that Slack's webhooks take."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from llm_usage_warehouse.alerts import Alert
from llm_usage_warehouse.nightly import Night
from llm_usage_warehouse.one_source import SourceOutcome
from llm_usage_warehouse.published import open_published
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.spending import last_day
from llm_usage_warehouse.telling import counted, shown
from llm_usage_warehouse.verdict import Verdict

NAME = "LLM usage"

MOST_ALERTS = 20
"""How many alerts a message spells out; the others are counted."""

MOST_FINDINGS = 5
"""How many findings of models and tests it spells out."""

LONGEST_LINE = 500
"""Characters; escaped it can be five times as long."""

LONGEST_BLOCK = 3000
"""Characters of text in a block, as Slack admits them."""

MOST_BLOCKS = 50
"""Blocks of a message, as Slack admits them."""

LONGEST_TEXT = 40_000
"""Characters beside the blocks, as Slack admits them."""


@dataclass(frozen=True)
class Message:
    """What is sent once.

    Attributes:
        verdict: the first line: what the night comes to.
        lines: what it brought, a line each.
        alerts: those that were not told before.
    """

    verdict: str
    lines: tuple[str, ...] = ()
    alerts: tuple[Alert, ...] = ()

    @property
    def subject(self) -> str:
        """The first line for a list of mails."""
        return _line(f"{NAME}: {self.verdict}")

    @property
    def paragraphs(self) -> list[str]:
        """All that is said; each paragraph is of a few lines."""
        told = [_line(self.verdict), "\n".join(map(_line, self.lines))]
        for one in self.alerts[:MOST_ALERTS]:
            told.append(f"alert ({one.rule}): {_line(one.message)}\n  {_line(one.query)}")
        if (more := len(self.alerts) - MOST_ALERTS) > 0:
            told.append(f"and {counted(more, 'alert')} more: from ops.alerts")
        return [one for one in told if one]

    @property
    def text(self) -> str:
        """All of it as plain text."""
        return "\n\n".join(self.paragraphs)


def of_night(
    warehouse: WarehouseSettings, night: Night, verdict: Verdict, alerts: Sequence[Alert]
) -> Message:
    """Return the message of a night, good or bad.

    Args:
        warehouse: whose.
        night: what was done.
        verdict: what it comes to.
        alerts: those that are to be told.

    Raises:
        RunError: the published file cannot be read.
    """
    lines = [*map(_loaded, night.loads)]
    if night.published:
        with open_published(warehouse) as connection:
            spent = last_day(connection)
        lines = [str(spent), *lines] if spent else lines
    if night.models:
        lines += [f"finding: {line}" for line in night.models.problems[:MOST_FINDINGS]]
        lines += [f"held: {one.source}: {one.finding}" for one in night.models.held]
    if old := len(verdict.alerts) - len(alerts):
        lines.append(f"{counted(old, 'alert')} told before still {'holds' if old == 1 else 'hold'}")
    return Message(f"{verdict.word}: {verdict.rest}", tuple(lines), tuple(alerts))


def slack_payload(message: Message) -> dict[str, Any]:
    """Return a message as Slack takes it: its text, and the same in blocks.

    Whatever vendors named is plain text: `&`, `<` and `>` are escaped, as Slack asks
    (https://docs.slack.dev/messaging/formatting-message-text), and no block is read as markup.
    """
    blocks = list(_blocks(message.paragraphs))
    if len(blocks) > MOST_BLOCKS:
        blocks = [*blocks[: MOST_BLOCKS - 1], "and more: see the night's last lines"]
    lengths = list(accumulate(len(text) + 2 for text in blocks))
    return {
        # For what shows no blocks, and for the line that a phone shows.
        "text": "\n\n".join(blocks[: bisect_right(lengths, LONGEST_TEXT)]),
        "mrkdwn": False,
        "blocks": [
            {"type": "section", "text": {"type": "plain_text", "text": text, "emoji": False}}
            for text in blocks
        ],
    }


def _blocks(paragraphs: Sequence[str]) -> Iterator[str]:
    """Put lines together, escaped, up to what a block may hold; a paragraph begins one."""
    for paragraph in paragraphs:
        block = ""
        for line in map(_escaped, paragraph.split("\n")):
            if block and len(block) + 1 + len(line) > LONGEST_BLOCK:
                yield block
                block = ""
            block = f"{block}\n{line}" if block else line
        yield block


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _line(text: str) -> str:
    """Return a text on one line, without what a terminal or a mail would obey, and not too long."""
    line = shown(text)
    return line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 1]}…"


def _loaded(load: SourceOutcome) -> str:
    if load.error:
        # Most errors begin with the name.
        return f"{load.source} failed: {load.error.removeprefix(f'{load.source}: ')}"
    rows = sum(tally.rows for tally in load.streams.values())
    warnings = f"; {counted(len(load.warnings), 'warning')}" if load.warnings else ""
    return f"{load.source}: {counted(rows, 'row')} loaded{warnings}"
