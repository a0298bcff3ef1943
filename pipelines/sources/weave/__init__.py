"""W&B Weave (trace.wandb.ai): hourly token, cost, call and latency statistics of a project."""

from pipelines.dlt_sources import dlt_source
from pipelines.sources.weave.calls import TABLE as CALLS_TABLE
from pipelines.sources.weave.reader import Weave, WeaveSettings
from pipelines.sources.weave.schema import TABLES
from pipelines.streams import Connector

CONNECTOR = Connector("weave", WeaveSettings, Weave, (*TABLES, CALLS_TABLE))
weave = dlt_source(CONNECTOR)
