"""Alibaba Cloud AiContent ModelRouter: the calls, billing lines and totals of one tenant."""

from llm_usage_warehouse.dlt_sources import dlt_source
from llm_usage_warehouse.sources.alibaba_model_router.reader import ModelRouter, ModelRouterSettings
from llm_usage_warehouse.sources.alibaba_model_router.schema import TABLES
from llm_usage_warehouse.streams import Connector

CONNECTOR = Connector("alibaba_model_router", ModelRouterSettings, ModelRouter, TABLES)
alibaba_model_router = dlt_source(CONNECTOR)
