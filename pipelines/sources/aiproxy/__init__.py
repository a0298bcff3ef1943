"""AI Proxy (github.com/labring/aiproxy): the log rows of a self-hosted gateway, and its totals."""

from pipelines.loading import raw_schema
from pipelines.sources.aiproxy.reader import AiProxy, AiProxySettings
from pipelines.sources.aiproxy.schema import CHANNELS_SCHEMA, DASHBOARD_SCHEMA, LOGS_SCHEMA
from pipelines.sources.aiproxy.source import aiproxy
from pipelines.streams import Connector, Write

CONNECTOR = Connector(
    vendor="aiproxy",
    settings=AiProxySettings,
    open=AiProxy,
    source=aiproxy,
    tables={
        "channels": raw_schema(CHANNELS_SCHEMA, Write.SNAPSHOT),
        "dashboard": raw_schema(DASHBOARD_SCHEMA, Write.REPLACE_WINDOW),
        "logs": raw_schema(LOGS_SCHEMA, Write.MERGE),
    },
)
