"""What a night comes to, in a word and a few figures: for its last line and for machines."""

from dataclasses import dataclass
from datetime import date

from llm_usage_warehouse.alerts import Alert, standing
from llm_usage_warehouse.nightly import Night
from llm_usage_warehouse.page.queries import ask
from llm_usage_warehouse.published import open_published
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.telling import counted

COMPLETE, NOT_COMPLETE, NOT_PUBLISHED = "COMPLETE", "NOT COMPLETE", "NOT PUBLISHED"


@dataclass(frozen=True)
class Verdict:
    """Whether a night is complete, and what is to be known of it.

    Attributes:
        word: COMPLETE, NOT COMPLETE or NOT PUBLISHED.
        through: the last day that is complete of every source; None where none is.
        faults: what keeps the night from being complete.
        differing: how many totals of the vendors the published rows do not meet.
        rejected: how many published values could not be summed.
        unpriced: how many published calls have no cost.
        alerts: those that hold, those of before this night, too.
    """

    word: str
    through: date | None
    faults: tuple[str, ...]
    differing: int = 0
    rejected: int = 0
    unpriced: int = 0
    alerts: tuple[Alert, ...] = ()

    @property
    def rest(self) -> str:
        """What is said after the word: the last complete day, and what is not as it should be."""
        if self.word == NOT_PUBLISHED:
            return "; ".join(self.findings)
        through = f"through {self.through}" if self.through else "no day is complete yet"
        return "; ".join([through, *self.findings])

    @property
    def findings(self) -> list[str]:
        """What to say beside the word: the faults, then what a complete night has, too."""
        told = (
            (self.differing, f"{counted(self.differing, 'total')} of the vendors not met"),
            (self.rejected, f"{counted(self.rejected, 'value')} rejected"),
            (self.unpriced, f"{counted(self.unpriced, 'call')} unpriced"),
        )
        return [*self.faults, *(words for number, words in told if number)]


def judge(warehouse: WarehouseSettings, done: Night) -> Verdict:
    """Say what a night comes to.

    Raises:
        RunError: the published file cannot be read.
    """
    faults = list(_faults(done))
    alerts = standing(warehouse, done)
    if not done.published:
        stays = "the file of before stays" if warehouse.published_path.exists() else "no file yet"
        return Verdict(NOT_PUBLISHED, None, (*faults, stays), alerts=alerts)
    with open_published(warehouse) as connection:
        (found,) = ask(connection, "trust")
    through = found["complete_through"]
    if behind := found["sources_behind"]:
        faults.append(f"behind: {behind}")
    return Verdict(
        COMPLETE if through and not faults else NOT_COMPLETE,
        through,
        tuple(faults),
        found["totals_differing"],
        found["rejected_values"],
        found["unpriced_calls"],
        alerts,
    )


def _faults(done: Night) -> list[str]:
    found: list[str] = []
    if failed := [load.source for load in done.loads if load.error]:
        found.append(f"failed: {', '.join(failed)}")
    if done.models and done.models.problems:
        found.append(f"{counted(len(done.models.problems), 'finding')} of models and tests")
    if done.unwritten:
        found.append(f"not written: {', '.join(done.unwritten)}")
    if done.stopped:
        found.append(done.stopped)
    if done.models and done.models.held:
        found.append(f"held: {', '.join(sorted({one.source for one in done.models.held}))}")
    return found
