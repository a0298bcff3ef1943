"""The dlt source: one slice of one AI Proxy endpoint."""

import dlt
from dlt.extract import DltResource

from pipelines.loading import Job, slice_resources


@dlt.source(name="aiproxy", max_table_nesting=0)
def aiproxy(job: Job) -> tuple[DltResource, DltResource]:
    """Wire one slice of `channels` or `logs`, with its line in the ledger.

    Args:
        job: which endpoint, account and window.
    """
    return slice_resources(job)
