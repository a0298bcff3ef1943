"""Tencent Cloud LKE (Agent Development Platform): call details and token usage."""

from llm_usage_warehouse.dlt_sources import dlt_source
from llm_usage_warehouse.sources.tencent_lke.reader import TencentLke, TencentLkeSettings
from llm_usage_warehouse.sources.tencent_lke.schema import TABLES
from llm_usage_warehouse.streams import Connector

CONNECTOR = Connector("tencent_lke", TencentLkeSettings, TencentLke, TABLES)
tencent_lke = dlt_source(CONNECTOR)
