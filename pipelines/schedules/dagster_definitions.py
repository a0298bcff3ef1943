"""A night of the LLM usage warehouse for Dagster: `dagster dev -f dagster_definitions.py`."""

import json
import subprocess
from pathlib import Path

import dagster as dg

PROJECT = Path("/srv/llm-usage")
"""The folder that has `.dlt/`, `.venv/` and `data/`."""

WRONG_SETTINGS = 2


@dg.asset(retry_policy=dg.RetryPolicy(max_retries=2, delay=1800))
def llm_usage(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Tokens and costs of all vendors, in `data/llm_usage.duckdb`.

    Raises:
        Failure: the night failed; tried again unless the settings are wrong.
    """
    command = [".venv/bin/llm-usage", "--quiet", "nightly"]
    with subprocess.Popen(  # noqa: S603 - a fixed command
        command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as night:
        try:
            said, _ = night.communicate()
        finally:
            # A run that is ended here must not leave its night behind.
            night.terminate()
    if said:
        context.log.warning(said)
    if night.returncode:
        raise dg.Failure(said, allow_retries=night.returncode != WRONG_SETTINGS)
    last = json.loads((PROJECT / "data" / "nights.jsonl").read_text().splitlines()[-1])
    rows = sum(source["rows"] for source in last["sources"].values())
    return dg.MaterializeResult(metadata={"verdict": last["verdict"], "rows": rows})


defs = dg.Definitions(
    assets=[llm_usage],
    schedules=[
        dg.ScheduleDefinition(
            name="llm_usage_nightly",
            target=dg.AssetSelection.assets(llm_usage),
            cron_schedule="15 2 * * *",
            execution_timezone="UTC",
            default_status=dg.DefaultScheduleStatus.RUNNING,
        )
    ],
)
