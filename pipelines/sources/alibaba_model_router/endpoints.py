"""ModelRouter's read APIs: where each one is, how it is asked, which table it fills."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from llm_usage_warehouse.sources.alibaba_model_router import schema
from llm_usage_warehouse.sources.alibaba_model_router.signing import DATE_FORMAT
from llm_usage_warehouse.streams import Table
from llm_usage_warehouse.windows import Window

ROOT = "/api/v1/modelRouter/open"
HOUR = 3600

Query = Mapping[str, str | int]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One read API.

    Attributes:
        table: the raw table that it fills.
        action: the API's name, which is also that of its RAM action.
        path: below `ROOT`.
        query: asks for a window; no row of `[start, end)` may be left out, more may come.
        page_names: the parameters that take the page's number.
        page_size: the most rows that one page may hold.
        key: the field that tells its rows apart, in the table together with `base_url`.
        bucket: seconds that a row stands for; a row of one instant stands for 1.
        missed: what is missed where it is refused; see `Stream.missed`.
        calls: how many calls a row of totals counts, in SQL; without a count of its own, itself.
    """

    table: Table
    action: str
    path: str
    query: Callable[[Window], Query]
    page_names: tuple[str, ...]
    page_size: int
    key: str | None = None
    bucket: int = 1
    missed: str = ""
    calls: str = "1"


TOTAL_CALLS = """
    list_sum([
        try_cast(metric.value as bigint)
        for metric in from_json(metrics, '[{"key": "varchar", "value": "varchar"}]')
        if metric.key = 'total_calls'
    ])
"""


def endpoints() -> tuple[Endpoint, ...]:
    """Return every endpoint, dimensions first."""
    return (
        _dimension(schema.MODELS, "ModelRouterQueryModelList", "/models"),
        _dimension(schema.CLIENTS, "ModelRouterQueryClientList", "/clients"),
        _dimension(schema.API_KEYS, "ModelRouterQueryApiKeyList", "/apikeys"),
        _dimension(schema.BILLING_RULES, "ModelRouterQueryBillingRuleList", "/billing/rules"),
        Endpoint(
            table=schema.LOGS,
            action="ModelRouterQueryObservationLogs",
            path="/observation/logs",
            query=_instants,
            page_names=("pageIndex",),
            page_size=50,
            key="id",
        ),
        Endpoint(
            table=schema.BILLING_DETAILS,
            action="ModelRouterQueryBillingDetails",
            path="/billing/details",
            query=_seconds,
            page_names=("page",),
            page_size=500,
        ),
        _breakdown(
            schema.USAGE_BREAKDOWN,
            "ModelRouterQueryUsageBreakdown",
            "/usage/breakdown",
            TOTAL_CALLS,
        ),
        _breakdown(
            schema.COST_BREAKDOWN,
            "ModelRouterQueryBillingCostBreakdown",
            "/billing/cost/breakdown",
        ),
    )


def _dimension(table: Table, action: str, path: str) -> Endpoint:
    return Endpoint(
        table=table,
        action=action,
        path=path,
        query=lambda _: {"needTotalCount": "true"},
        # The price book's request has both names, and no document says which one counts.
        page_names=("page", "pageIndex"),
        # More than 50 are promised only where a window is asked for.
        page_size=50,
        key="id",
        missed="the names or prices that it has of what is new",
    )


def _breakdown(table: Table, action: str, path: str, calls: str = "1") -> Endpoint:
    return Endpoint(
        table=table,
        action=action,
        path=path,
        query=lambda window: {**_seconds(window), "granularity": "hourly"},
        page_names=("page",),
        page_size=500,
        bucket=HOUR,
        missed="the vendor's totals to check calls and money with",
        calls=calls,
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
