"""AI Proxy (github.com/labring/aiproxy): the log rows of a self-hosted gateway, and its totals."""

from llm_usage_warehouse.dlt_sources import dlt_source
from llm_usage_warehouse.sources.aiproxy.reader import AiProxy, AiProxySettings
from llm_usage_warehouse.sources.aiproxy.schema import TABLES
from llm_usage_warehouse.streams import Connector

CONNECTOR = Connector("aiproxy", AiProxySettings, AiProxy, TABLES)
aiproxy = dlt_source(CONNECTOR)
