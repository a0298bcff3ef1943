"""Usage that no trace root carries, which is in no sum of roots.

W&B's Python and npm clients write a call's usage to its parents too. Calls that are sent through
the REST API, traces that span services and children that end after their root are not added up
(W&B's issue 7831 and pull request 5721): their tokens are in the sums of all calls alone. Those
count what was added up twice or more, so that they can be compared with nothing but this: a model
that all calls used and no root did is missing, at most with that many tokens.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import pyarrow as pa

Used = Mapping[tuple[datetime, str], int]
"""Tokens by the start of a bucket and model, where there are any."""


def tokens_used(tables: Iterable[pa.Table]) -> Used:
    """Return the tokens of usage buckets; a total that clients did not log is made of its parts."""
    used: dict[tuple[datetime, str], int] = defaultdict(int)
    for table in tables:
        for row in table.to_pylist():
            parts = row["sum_input_tokens"] + row["sum_output_tokens"]
            if tokens := int(max(row["sum_total_tokens"], parts)):
                used[row["bucket_start"], row["model"]] += tokens
    return used


def models_of(used: Used) -> set[str]:
    """Return the models that were used."""
    return {model for _, model in used}


def surely_missing(
    of_all: Used, carried: set[str], running: Iterable[datetime], longest_trace: timedelta
) -> dict[str, int]:
    """Return by model how many tokens, at most, no root carries or can still come to carry.

    Args:
        of_all: what all calls used.
        carried: the models that roots carry.
        running: buckets in which roots began that still run.
        longest_trace: how long after its root began a call may begin.
    """
    waiting = list(running)
    missing: dict[str, int] = defaultdict(int)
    for (began, model), tokens in of_all.items():
        may_come = any(one <= began <= one + longest_trace for one in waiting)
        if model not in carried and not may_come:
            missing[model] += tokens
    return dict(missing)


def told(project_id: str, missing: Mapping[str, int]) -> str:
    """Say which tokens are missing, why, and what a person can do."""
    models = ", ".join(f"{tokens:,} of {model!r}" for model, tokens in sorted(missing.items()))
    return (
        f"project {project_id}: tokens are missing, at most {models}: calls beneath a trace's root "
        "used what no root of the last 31 days carries, as calls do that come through the REST "
        "API, from another service or end after their root. Log the usage on the root as well, or "
        "send the calls by OpenTelemetry, of which every span counts"
    )
