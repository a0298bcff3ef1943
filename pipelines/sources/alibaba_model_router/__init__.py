"""Alibaba Cloud AiContent ModelRouter: the calls, billing lines and totals of one tenant."""

from pipelines.loading import raw_schema
from pipelines.sources.alibaba_model_router.endpoints import endpoints
from pipelines.sources.alibaba_model_router.reader import ModelRouter, ModelRouterSettings
from pipelines.sources.alibaba_model_router.source import alibaba_model_router
from pipelines.streams import Connector

CONNECTOR = Connector(
    vendor="alibaba_model_router",
    settings=ModelRouterSettings,
    open=ModelRouter,
    source=alibaba_model_router,
    tables={
        endpoint.table: raw_schema(endpoint.schema, endpoint.write)
        for endpoint in endpoints(keep_bodies=False)
    },
)
