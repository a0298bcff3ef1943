"""W&B Weave (trace.wandb.ai): hourly token, cost, call and latency statistics of a project."""

from pipelines.loading import raw_schema
from pipelines.streams import Connector, Write
from pipelines.weave.reader import WeaveSettings, open_weave
from pipelines.weave.schema import CALLS, USAGE
from pipelines.weave.source import weave

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
