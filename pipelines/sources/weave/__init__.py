"""W&B Weave (trace.wandb.ai): hourly token, cost, call and latency statistics of a project."""

from llm_usage_warehouse.dlt_sources import dlt_source
from llm_usage_warehouse.sources.weave.calls import TABLE as CALLS_TABLE
from llm_usage_warehouse.sources.weave.reader import Weave, WeaveSettings
from llm_usage_warehouse.sources.weave.schema import TABLES
from llm_usage_warehouse.streams import Connector

CONNECTOR = Connector("weave", WeaveSettings, Weave, (*TABLES, CALLS_TABLE))
weave = dlt_source(CONNECTOR)
