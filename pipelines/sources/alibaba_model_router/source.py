"""The dlt source: one slice of one ModelRouter endpoint."""

import dlt
from dlt.extract import DltResource

from pipelines.loading import Job, slice_resources


@dlt.source(name="alibaba_model_router", max_table_nesting=0)
def alibaba_model_router(job: Job) -> tuple[DltResource, DltResource]:
    """Wire one slice of one endpoint, with its line in the ledger.

    Args:
        job: which endpoint and window.
    """
    return slice_resources(job)
