"""Tencent Cloud LKE (Agent Development Platform): call details and token usage."""

from pipelines.loading import raw_schema
from pipelines.sources.tencent_lke.reader import TencentLkeSettings, open_lke
from pipelines.sources.tencent_lke.schema import (
    APPS_SCHEMA,
    CALL_DETAILS_SCHEMA,
    MODELS_SCHEMA,
    TOKEN_USAGE_SCHEMA,
)
from pipelines.sources.tencent_lke.source import tencent_lke
from pipelines.streams import Connector, Write

CONNECTOR = Connector(
    vendor="tencent_lke",
    settings=TencentLkeSettings,
    open=open_lke,
    source=tencent_lke,
    tables={
        "models": raw_schema(MODELS_SCHEMA, Write.SNAPSHOT),
        "apps": raw_schema(APPS_SCHEMA, Write.SNAPSHOT),
        "usage_call_details": raw_schema(CALL_DETAILS_SCHEMA, Write.REPLACE_WINDOW),
        "token_usage": raw_schema(TOKEN_USAGE_SCHEMA, Write.REPLACE_WINDOW),
    },
)
