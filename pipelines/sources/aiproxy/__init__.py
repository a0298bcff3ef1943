"""AI Proxy (github.com/labring/aiproxy): the log rows of a self-hosted gateway, and its totals."""

from pipelines.dlt_sources import dlt_source
from pipelines.sources.aiproxy.reader import AiProxy, AiProxySettings
from pipelines.sources.aiproxy.schema import TABLES
from pipelines.streams import Connector

CONNECTOR = Connector("aiproxy", AiProxySettings, AiProxy, TABLES)
aiproxy = dlt_source(CONNECTOR)
