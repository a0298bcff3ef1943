"""A night of the LLM usage warehouse as an Airflow DAG (Airflow 3): into the `dags` folder."""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, CronTriggerTimetable
from airflow.sdk.exceptions import AirflowException, AirflowFailException

PROJECT = "/srv/llm-usage"
"""The folder that has `.dlt/`, `.venv/` and `data/`, on the worker that the queue names."""

WRONG_SETTINGS = 2


class Night(BashOperator):
    """Runs a command that ends with the exit codes of `llm-usage`."""

    def execute(self, context: Any) -> None:
        """Run it.

        Raises:
            AirflowFailException: the settings are wrong; it is not tried again.
            AirflowException: it failed, and goes on from there at the next try.
        """
        command = ["/bin/sh", "-c", str(self.bash_command)]
        done = self.subprocess_hook.run_command(command, self.get_env(context), cwd=self.cwd)
        if done.exit_code == WRONG_SETTINGS:
            raise AirflowFailException(done.output)
        if done.exit_code:
            raise AirflowException(f"ended with {done.exit_code}: {done.output}")


with DAG(
    "llm_usage",
    description="Load, model, test and publish what LLM calls cost",
    schedule=CronTriggerTimetable("15 2 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    # What was missed is read by the next night anyway.
    catchup=False,
    max_active_runs=1,
) as dag:
    Night(
        task_id="night",
        bash_command="exec .venv/bin/llm-usage --quiet nightly",
        cwd=PROJECT,
        # Keys out of connections, which Airflow masks in its logs.
        env={"SOURCES__AIPROXY__ADMIN_KEY": "{{ conn.llm_usage_aiproxy.password }}"},
        append_env=True,
        queue="llm-usage",
        retries=2,
        retry_delay=timedelta(minutes=30),
    )
