"""ModelRouter's read APIs: where each one is, how it is asked, which raw table it fills."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from pipelines.pages import Contract
from pipelines.sources.alibaba_model_router import schema
from pipelines.sources.alibaba_model_router.signing import DATE_FORMAT
from pipelines.streams import Write
from pipelines.windows import Window

ROOT = "/api/v1/modelRouter/open"
HOUR = 3600

Query = Mapping[str, str | int]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One read API and the raw table that it fills.

    Attributes:
        table: the raw table.
        action: the API's name, which is also that of its RAM action.
        path: below `ROOT`.
        contract: the shape of a row.
        constants: text columns that have one value in all rows.
        write: how its rows meet the table.
        query: asks for a window; no row of `[start, end)` may be left out, more may come.
        page_names: the parameters that take the page's number.
        page_size: the most rows that one page may hold.
        key: the field that tells its rows apart, in the table together with `base_url`.
        at: for a table whose windows are replaced, the column by which a row lies in one.
        bucket: seconds that a row stands for; a row of one instant stands for 1.
    """

    table: str
    action: str
    path: str
    contract: Contract
    constants: tuple[str, ...]
    write: Write
    query: Callable[[Window], Query]
    page_names: tuple[str, ...]
    page_size: int
    key: str | None = None
    at: str = ""
    bucket: int = 1

    @property
    def schema(self) -> pa.Schema:
        """The columns of its rows."""
        return self.contract.schema(self.constants)


def endpoints(*, keep_bodies: bool) -> tuple[Endpoint, ...]:
    """Return every endpoint, dimensions first."""
    logs = Endpoint(
        table="observation_logs",
        action="ModelRouterQueryObservationLogs",
        path="/observation/logs",
        contract=schema.logs_contract(keep_bodies=keep_bodies),
        constants=schema.LOG_CONSTANTS,
        write=Write.MERGE,
        query=_instants,
        page_names=("pageIndex",),
        page_size=50,
        key="id",
    )
    return (
        _dimension("models", "ModelRouterQueryModelList", "/models", schema.MODELS),
        _dimension("clients", "ModelRouterQueryClientList", "/clients", schema.CLIENTS),
        _dimension("api_keys", "ModelRouterQueryApiKeyList", "/apikeys", schema.API_KEYS),
        _dimension(
            "billing_rules",
            "ModelRouterQueryBillingRuleList",
            "/billing/rules",
            schema.BILLING_RULES,
        ),
        logs,
        Endpoint(
            table="billing_details",
            action="ModelRouterQueryBillingDetails",
            path="/billing/details",
            contract=schema.BILLING_LINES,
            constants=schema.MONEY_CONSTANTS,
            write=Write.REPLACE_WINDOW,
            query=_seconds,
            page_names=("page",),
            page_size=500,
            at="request_time",
        ),
        _breakdown(
            "usage_breakdown",
            "ModelRouterQueryUsageBreakdown",
            "/usage/breakdown",
            schema.USAGE_BUCKETS,
            schema.DIMENSION_CONSTANTS,
        ),
        _breakdown(
            "cost_breakdown",
            "ModelRouterQueryBillingCostBreakdown",
            "/billing/cost/breakdown",
            schema.COST_BUCKETS,
            schema.MONEY_CONSTANTS,
        ),
    )


def _dimension(table: str, action: str, path: str, contract: Contract) -> Endpoint:
    return Endpoint(
        table=table,
        action=action,
        path=path,
        contract=contract,
        constants=schema.DIMENSION_CONSTANTS,
        write=Write.SNAPSHOT,
        query=lambda _: {"needTotalCount": "true"},
        # The price book's request has both names, and no document says which one counts.
        page_names=("page", "pageIndex"),
        # More than 50 are promised only where a window is asked for.
        page_size=50,
        key="id",
    )


def _breakdown(
    table: str, action: str, path: str, contract: Contract, constants: tuple[str, ...]
) -> Endpoint:
    return Endpoint(
        table=table,
        action=action,
        path=path,
        contract=contract,
        constants=constants,
        write=Write.REPLACE_WINDOW,
        query=lambda window: {**_seconds(window), "granularity": "hourly"},
        page_names=("page",),
        page_size=500,
        at="summary_time",
        bucket=HOUR,
    )


def _instants(window: Window) -> Query:
    """Ask from one boundary to the next: rows merge on their id, so that both may hold it."""
    return {
        "startTime": window.start.strftime(DATE_FORMAT),
        "endTime": window.end.strftime(DATE_FORMAT),
        "needTotalCount": "true",
    }


def _seconds(window: Window) -> Query:
    """Ask for a second more at the start, in case the first second is not part of the answer."""
    start, end = (round(edge.timestamp()) for edge in (window.start, window.end))
    return {"startTime": start - 1, "endTime": end}
