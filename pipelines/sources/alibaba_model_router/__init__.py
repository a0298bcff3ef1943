"""Alibaba Cloud AiContent ModelRouter: the calls, billing lines and totals of one tenant."""

from pipelines.dlt_sources import dlt_source
from pipelines.sources.alibaba_model_router.reader import ModelRouter, ModelRouterSettings
from pipelines.sources.alibaba_model_router.schema import TABLES
from pipelines.streams import Connector

CONNECTOR = Connector("alibaba_model_router", ModelRouterSettings, ModelRouter, TABLES)
alibaba_model_router = dlt_source(CONNECTOR)
