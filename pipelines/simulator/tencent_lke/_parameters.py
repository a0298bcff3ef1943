"""What each action accepts, and what its filters mean."""

import json
from typing import Any

from llm_usage_warehouse.simulator.tencent_lke._books import Query
from llm_usage_warehouse.simulator.tencent_lke._envelope import ApiError

# Parameter types: a text, a whole number, a list of texts.
_WINDOW = {"StartTime": "s", "EndTime": "s", "StatStartTime": "i", "StatEndTime": "i"}
_FILTERS = {"UinAccount": "l", "AppBizIds": "l", "SubScenes": "l", "AppType": "s"}
_LOGIN = {"LoginUin": "s", "LoginSubAccountUin": "s"}
_PAGE = {"PageNumber": "i", "PageSize": "i"}
_USAGE = _WINDOW | _FILTERS | {"SubBizType": "s", "ModelName": "s"}
ACCEPTED: dict[str, dict[str, str]] = {
    "ListUsageCallDetail": _WINDOW
    | _FILTERS
    | _PAGE
    | {"ModelName": "s", "CallType": "s", "BillingTag": "s", "SpaceId": "s"},
    "DescribeTokenUsage": _USAGE | _LOGIN | {"SpaceId": "s"},
    "DescribeTokenUsageGraph": _USAGE,
    "DescribeCallStatsGraph": _USAGE | _LOGIN | {"SpaceId": "s"},
    "ListModel": _LOGIN | {"AppType": "s", "Pattern": "s", "ModelCategory": "s"},
    "ListApp": _PAGE
    | {"AppType": "s", "Keyword": "s", "LoginSubAccountUin": "s"}
    | {"AgentType": "s", "AppStatus": "s"},
}
REQUIRED = {
    "ListUsageCallDetail": ("ModelName", "PageNumber", "PageSize"),
    "ListModel": ("AppType",),
}
_SPACE = "default_space"


def parse(action: str, body: bytes) -> dict[str, Any]:
    """Return the parameters of a request, without those that are null.

    Raises:
        ApiError: `InvalidParameter`, `UnknownParameter` or `MissingParameter`.
    """
    try:
        given = json.loads(body)
    except ValueError as error:
        raise ApiError("InvalidParameter", "The request body is not valid JSON.") from error
    if not isinstance(given, dict):
        raise ApiError("InvalidParameter", "The request body is not a JSON object.")
    accepted = ACCEPTED[action]
    parameters = {name: value for name, value in given.items() if value is not None}
    for name, value in parameters.items():
        if name not in accepted:
            raise ApiError("UnknownParameter", f"The parameter `{name}` is not recognized.")
        if not _is_a(accepted[name], value):
            raise ApiError("InvalidParameter", f"The type of parameter `{name}` is not valid.")
    for name in REQUIRED.get(action, ()):
        if name not in parameters:
            raise ApiError(
                "MissingParameter", f"The request is missing a required parameter `{name}`."
            )
    return parameters


def page_of(parameters: dict[str, Any], largest: int, cap: int | None = None) -> slice:
    """Return which rows a page holds; PageNumber counts from 1. Pages hold `cap` rows at most.

    Raises:
        ApiError: `InvalidParameter` for a page before the first, or for none or too many rows.
    """
    number, size = parameters.get("PageNumber", 1), parameters.get("PageSize", 10)
    if number < 1:
        raise ApiError("InvalidParameter", "PageNumber must be greater than 0.")
    if not 1 <= size <= largest:
        raise ApiError("InvalidParameter", f"PageSize must be between 1 and {largest}.")
    size = min(size, cap or size)
    return slice((number - 1) * size, number * size)


def query_of(parameters: dict[str, Any]) -> Query | None:
    """Return the calls that a request asks for, or None where it asks for nothing that exists.

    StartTime and EndTime are deprecated: they are accepted, and change nothing. An empty text, an
    empty list and the number 0 filter nothing out.

    Raises:
        ApiError: `InvalidParameter` for a window that ends before it starts.
    """
    start, end = parameters.get("StatStartTime") or None, parameters.get("StatEndTime") or None
    if start and end and start > end:
        raise ApiError("InvalidParameter", "StatEndTime must not be before StatStartTime.")
    # The vendor's pages write both default_space and default-space.
    if (parameters.get("SpaceId") or _SPACE).replace("-", "_") != _SPACE:
        return None
    call_type = parameters.get("CallType")
    app_type = parameters.get("AppType") or None
    return Query(
        model=parameters.get("ModelName") or None,
        start=start,
        end=end,
        # The vendor's examples write an account both bare and with the prefix.
        uins=frozenset(uin.removeprefix("uin:") for uin in parameters.get("UinAccount", ())),
        app_ids=frozenset(parameters.get("AppBizIds", ())),
        # The Chinese site spells the type of a shared knowledge base with a letter less.
        app_type="shared_knowledge" if app_type == "shared_knowlege" else app_type,
        call_type=None if call_type in (None, "", "AllCallType") else call_type,
        sub_scenes=frozenset(parameters.get("SubScenes", ())),
        sub_biz_type=parameters.get("SubBizType") or None,
        billing_tag=parameters.get("BillingTag") or None,
    )


def _is_a(kind: str, value: Any) -> bool:
    match kind:
        case "s":
            return isinstance(value, str)
        case "i":
            return isinstance(value, int) and not isinstance(value, bool)
        case _:
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
