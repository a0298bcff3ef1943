"""Tencent Cloud LKE (Agent Development Platform): call details and token usage."""

from pipelines.dlt_sources import dlt_source
from pipelines.sources.tencent_lke.reader import TencentLke, TencentLkeSettings
from pipelines.sources.tencent_lke.schema import TABLES
from pipelines.streams import Connector

CONNECTOR = Connector("tencent_lke", TencentLkeSettings, TencentLke, TABLES)
tencent_lke = dlt_source(CONNECTOR)
