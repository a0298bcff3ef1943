"""Reads DescribeTokenUsage: what the vendor says that models used in one local day.

The call rows are checked against these totals. Only StatStartTime and StatEndTime are sent: the
vendor has disabled StartTime and EndTime, and with them alone it would answer for all time.
"""

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from llm_usage_warehouse.envelopes import members
from llm_usage_warehouse.pages import Parsed, joined
from llm_usage_warehouse.sources.tencent_lke.client import CloudApi
from llm_usage_warehouse.sources.tencent_lke.envelope import read_response
from llm_usage_warehouse.sources.tencent_lke.schema import TOKEN_USAGE_TABLE
from llm_usage_warehouse.streams import Pull, Reading
from llm_usage_warehouse.windows import Window

SUB_BIZ_TYPES: Mapping[str, Sequence[str]] = {
    "KnowledgeQA": ("KnowledgeQA",),
    "KnowledgeSummary": ("KnowledgeSummary",),
    "Rewrite": ("Rewrite",),
    # The domestic page writes it large, the international one small.
    "Embedding": ("Embedding", "embedding"),
    "FileParse": ("FileParse",),
    "SearchEngine": ("SearchEngine",),
    "Concurrency": ("Concurrency",),
    "KnowledgeCapacity": ("KnowledgeCapacity",),
}
"""Our name of each sub-business type, and the vendor's spellings."""

COUNTED = (
    "ApiCallStats",
    "TotalTokenUsage",
    "InputTokenUsage",
    "OutputTokenUsage",
    "SearchUsage",
    "PageUsage",
    "SplitTokenUsage",
    "RagSearchUsage",
    "InternetSearchUsage",
)

# What is wrong with a number is said by the contract, not by this arithmetic.
ANY = Context(traps=[])

Row = dict[str, bytes]
"""The members of an answer, each as it came."""


class TokenUsage:
    """Reads windows of totals.

    Args:
        api: LKE.
        settings: of the source: the applications to count, and what its rows say of it.
        timezone: whose days are asked for.
    """

    def __init__(self, api: CloudApi, settings: Any, timezone: str) -> None:
        self._api = api
        self._settings = settings
        self._timezone = timezone
        self._app_ids = settings.apps

    def read(self, models: Sequence[str], window: Window, pull: Pull) -> Reading:
        """Return for each model one row of everything, its `sub_biz_type` NULL, and one per type.

        A type whose row is not there counted nothing: the others make up the total. One row more,
        its `asked_model` NULL too, is the total of all models, those that nobody asked for
        included; tokens that none of the models counted are said in a warning.

        Raises:
            SourceError: the vendor could not be read.
        """
        # First, so that what comes in meanwhile cannot look like tokens of no model.
        whole = self._ask(self._parameters(None, window))
        asked = [self._parameters(model, window) for model in models]
        totals = list(pull.map(self._ask, asked))
        rows = [whole, *totals]
        for done, kinds in enumerate(pull.map(self._kinds, zip(asked, totals, strict=True)), 1):
            rows += kinds
            pull.told(done, len(models))
        parsed = self._typed(rows)
        unexplained = _tokens(parsed.table.slice(0, 1)) - _tokens(
            parsed.table.slice(1, len(models))
        )
        return Reading(
            [parsed.table],
            unknown_fields=parsed.unknown,
            warnings=self._warnings(unexplained),
        )

    def read_total(self, window: Window) -> Reading:
        """Return the one row of all models together.

        Raises:
            SourceError: the vendor could not be read.
        """
        parsed = self._typed([self._ask(self._parameters(None, window))])
        return Reading([parsed.table], unknown_fields=parsed.unknown)

    def _typed(self, rows: Sequence[Row]) -> Parsed:
        return TOKEN_USAGE_TABLE.typed(
            self._settings, [joined(row) for row in rows], timezone=self._timezone
        )

    def _warnings(self, unexplained: float) -> list[str]:
        if unexplained < 1:
            return []
        return [
            "the vendor counts tokens that none of the models read here used: a model that left "
            "ListModel before the first load has calls that only its name brings; find it in the "
            f"vendor's console, and put it into [sources.{self._settings.name}] models"
        ]

    def _kinds(self, asked_and_total: tuple[dict[str, Any], Row]) -> list[Row]:
        """Return the rows of a model's types, asked for until they make up its total."""
        asked, total = asked_and_total
        left = _counts(total)
        rows: list[Row] = []
        for kind in SUB_BIZ_TYPES:
            if not any(left.values()):
                break
            rows.append(self._ask_kind(asked, kind))
            found = _counts(rows[-1])
            left = {name: ANY.subtract(number, found[name]) for name, number in left.items()}
        return rows

    def _ask_kind(self, asked: dict[str, Any], kind: str) -> Row:
        for spelling in SUB_BIZ_TYPES[kind]:
            answer = self._ask(asked | {"SubBizType": spelling})
            if any(_counts(answer).values()):
                break
        return answer | {"SubBizType": msgspec.json.encode(kind)}

    def _ask(self, parameters: dict[str, Any]) -> Row:
        body = self._api.call("DescribeTokenUsage", parameters)
        answer = members(self._api.source, read_response(self._api.source, body))
        found = {name: bytes(value) for name, value in answer.items()}
        return found | {"AskedModel": msgspec.json.encode(parameters.get("ModelName"))}

    def _parameters(self, model: str | None, window: Window) -> dict[str, Any]:
        """Return what asks for the totals of a model, or of all that there are."""
        parameters: dict[str, Any] = {} if model is None else {"ModelName": model}
        parameters |= {
            "StatStartTime": window.start.int_timestamp,
            "StatEndTime": window.end.int_timestamp - 1,
        }
        return parameters | ({"AppBizIds": list(self._app_ids)} if self._app_ids else {})


def _tokens(totals: pa.Table) -> float:
    return pc.sum(totals["total_token_usage"], min_count=0).as_py() or 0.0


def _counts(answer: Row) -> dict[str, Decimal]:
    """Return what an answer counts; what it leaves out as 0, what is no number as NaN."""
    values = {name: answer.get(name, b"null") for name in COUNTED}
    return {
        name: Decimal(0) if value == b"null" else ANY.create_decimal(value.decode())
        for name, value in values.items()
    }
