"""The dlt source: one slice of one LKE action."""

import dlt
from dlt.extract import DltResource

from pipelines.loading import Job, slice_resources


@dlt.source(name="tencent_lke", max_table_nesting=0)
def tencent_lke(job: Job) -> tuple[DltResource, DltResource]:
    """Wire one slice of a stream, with its line in the ledger.

    Args:
        job: which action, model and window.
    """
    return slice_resources(job)
