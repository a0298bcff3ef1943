"""The rows of LKE's actions, under the vendor's own words in snake case.

Field by field as the vendor declares them for version 2023-11-30 (data types CallDetail, ModelInfo,
AppInfo: https://www.tencentcloud.com/document/product/1254/70441), every one of them nullable.
Token counts are typed float there; the raw tables keep that, and staging gives it its meaning.
"""

import re
from collections.abc import Mapping

from llm_usage_warehouse.pages import RowShape
from llm_usage_warehouse.streams import Table, Write


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _shape(
    rows: tuple[str, ...],
    fields: Mapping[str, str],
    required: tuple[str, ...] = (),
    *,
    complete: bool = True,
) -> RowShape:
    renamed = {name: _snake(name) for name in fields}
    return RowShape(rows, fields, required, renamed, complete=complete)


CALL_DETAILS = _shape(
    ("Response", "List"),
    {
        # An id of what belongs together: rows of one dialogue turn share it.
        "Id": "text",
        "CallTime": "unix_s_text",
        "TotalTokenUsage": "float",
        "InputTokenUsage": "float",
        "OutputTokenUsage": "float",
        "SearchUsage": "int",
        "PageUsage": "int",
        "ModelName": "text",
        "CallType": "text",
        "UinAccount": "text",
        "AppName": "text",
        "SubScene": "text",
        "BillingTag": "text",
    },
    ("call_time",),
)

TOKEN_USAGE = _shape(
    ("rows",),
    {
        # Ours: what was asked for. The vendor's answer does not repeat it.
        "AskedModel": "text",
        "SubBizType": "text",
        "TotalTokenUsage": "float",
        "InputTokenUsage": "float",
        "OutputTokenUsage": "float",
        "ApiCallStats": "int",
        "SearchUsage": "float",
        "PageUsage": "int",
        "SplitTokenUsage": "float",
        "RagSearchUsage": "float",
        "InternetSearchUsage": "float",
        "DosageTypeLimit": "float",
        "DosageTypeCurr": "float",
        "RequestId": "drop",
        "DeprecatedWarning": "drop",
    },
)

MODELS = _shape(
    ("Response", "List"),
    {
        "ModelName": "text",
        "AliasName": "text",
        "ModelCategory": "text",
        "Source": "text",
        "ProviderName": "text",
        "ProviderAliasName": "text",
        "ProviderType": "text",
        "IsFree": "bool",
        "ResourceStatus": "int",
    },
    ("model_name",),
    complete=False,
)

APPS = _shape(
    ("Response", "List"),
    {
        "AppBizId": "text",
        "Name": "text",
        "AppType": "text",
        "ModelName": "text",
        "AppStatus": "int",
        "UpdateTime": "text",
    },
    ("app_biz_id",),
    complete=False,
)

MODELS_TABLE = Table(
    "models",
    MODELS,
    Write.SNAPSHOT,
    constants=("source_name", "scope", "base_url", "region", "language", "asked_app_type"),
)
APPS_TABLE = Table(
    "apps", APPS, Write.SNAPSHOT, constants=("source_name", "scope", "base_url", "region")
)
CALL_DETAILS_TABLE = Table(
    "usage_call_details",
    CALL_DETAILS,
    Write.REPLACE_WINDOW,
    constants=("source_name", "scope", "base_url", "region", "language", "asked_model"),
    at="call_time",
)
TOKEN_USAGE_TABLE = Table(
    "token_usage",
    TOKEN_USAGE,
    Write.REPLACE_WINDOW,
    constants=("source_name", "scope", "base_url", "region", "timezone"),
    at="window_start",
)
TABLES = (MODELS_TABLE, APPS_TABLE, CALL_DETAILS_TABLE, TOKEN_USAGE_TABLE)
