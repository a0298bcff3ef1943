"""W&B Weave (trace.wandb.ai): hourly token, cost, call and latency statistics of a project."""

from pipelines.loading import raw_schema
from pipelines.sources.weave.reader import WeaveSettings, open_weave
from pipelines.sources.weave.schema import CALLS, USAGE
from pipelines.sources.weave.source import weave
from pipelines.streams import Connector, Write

CONNECTOR = Connector(
    vendor="weave",
    settings=WeaveSettings,
    open=open_weave,
    source=weave,
    tables={
        buckets.name: raw_schema(buckets.schema(), Write.REPLACE_WINDOW)
        for buckets in (CALLS, USAGE)
    },
)
