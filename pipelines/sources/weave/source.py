"""The dlt source: one slice of one table of W&B Weave's usage statistics."""

import dlt
from dlt.extract import DltResource

from pipelines.loading import Job, slice_resources


@dlt.source(name="weave", max_table_nesting=0)
def weave(job: Job) -> tuple[DltResource, DltResource]:
    """Wire one slice of `usage_buckets` or `call_buckets`, with its line in the ledger.

    Args:
        job: which table, project and window.
    """
    return slice_resources(job)
