"""What makes figures wrong on Spark without a word, and whether each is cured.

A trap is shown twice: what comes of it as Spark or dbt-spark does it by itself, and as the models
do, in the session as dbt left it. Where both are right, the cure is needed no more and can go.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dbt.adapters.spark.session import Connection, SessionConnectionWrapper
from pyspark.errors import ParseException
from pyspark.sql import SparkSession

PRECISION = "spark.sql.decimalOperations.allowPrecisionLoss"
PROPAGATION = "spark.sql.constraintPropagation.enabled"

SMALL = "cast(0.000000123 as decimal(38, 12))"

MACROS = {
    "end_of_time": "{{ end_of_time() }}",
    "decimal_text": "{{ decimal_text('" + SMALL + "', 12) }}",
}
"""The macros that are cures, as a model calls them."""


@dataclass(frozen=True)
class Trap:
    """One trap.

    Attributes:
        name: what it is about.
        alone: what comes of it without the cure.
        cured: what comes of it with the cure.
        right: what must come of it.
    """

    name: str
    alone: Any
    cured: Any
    right: Any

    @property
    def is_cured(self) -> bool:
        """Whether the cure helps."""
        return bool(self.cured == self.right)

    @property
    def is_needed(self) -> bool:
        """Whether it is still wrong without the cure."""
        return bool(self.alone != self.right)


def traps(session: SparkSession, compiled: Callable[[str], str]) -> Iterator[Trap]:
    """Try each, in a lake whose models were built twice, the second time for some days.

    Args:
        session: as dbt left it, with the settings of the profile.
        compiled: gives what dbt makes of a text with macros, for Spark.
    """
    yield _precision(session)
    yield _empty_field(session)
    holds = "coalesce(timestamp'2026-11-01' < {}, false)"
    yield Trap(
        "what holds for ever",
        _value(session, holds.format("cast('infinity' as timestamp)")),
        _value(session, holds.format(compiled(MACROS["end_of_time"]))),
        right=True,
    )
    yield _touched_days(session)
    yield _planning(session)
    yield _hook(session)
    yield Trap(
        "a small amount as text",
        _value(session, f"cast({SMALL} as string)"),
        _value(session, compiled(MACROS["decimal_text"])),
        "0.000000123000",
    )


def _precision(session: SparkSession) -> Trap:
    def product() -> str:
        price = "cast(0.000000123456789012 as decimal(38, 18))"
        return f"{_value(session, f'cast(3 as bigint) * {price}'):.18f}"

    alone = _with(session, PRECISION, "true", product)
    return Trap("tokens times a price per token", alone, product(), "0.000000370370367036")


def _empty_field(session: SparkSession) -> Trap:
    cursor = SessionConnectionWrapper(Connection()).cursor()
    cursor.execute("select cast(%s as string)", [None])
    ((alone,),) = cursor.fetchall() or []
    prices = session.table("seeds.list_prices")
    # Of most prices nothing is said of reasoning.
    ((cured,),) = prices.selectExpr("min(coalesce(reasoning_mode, ' NULL'))").collect()
    return Trap("an empty field of a seed", alone, None if cured == " NULL" else cured, None)


def _touched_days(session: SparkSession) -> Trap:
    (last,) = session.sql("describe history main.calls limit 1").collect()
    predicate = last["operationParameters"].get("predicate", "")
    return Trap(
        "the touched days of a model",
        "dbt-spark refuses the strategy",
        f"one commit of {'some days' if 'call_date' in predicate else 'all days'}",
        "one commit of some days",
    )


def _planning(session: SparkSession) -> Trap:
    """Count what the planner says of eight columns that are one: their number for the models."""
    columns = ", ".join(f"id as c{number}" for number in range(8))

    def said() -> int:
        frame: Any = session.sql(f"select {columns} from range(9) where id > 1")
        return int(frame._jdf.queryExecution().optimizedPlan().constraints().size())

    alone = _with(session, PROPAGATION, "true", said)
    return Trap("what the planner derives of equal columns", alone, said(), 0)


def _hook(session: SparkSession) -> Trap:
    try:
        session.sql("delete from transform_state.settings where false; select 1")
        alone = "run"
    except ParseException:
        alone = "refused"
    rows = session.table("transform_state.settings").count()
    return Trap("a hook of two statements", alone, "run" if rows else "refused", "run")


def _with(session: SparkSession, name: str, value: str, asked: Callable[[], Any]) -> Any:
    before = session.conf.get(name)
    session.conf.set(name, value)
    try:
        return asked()
    finally:
        session.conf.set(name, before or "")


def _value(session: SparkSession, expression: str) -> Any:
    return session.sql(f"select {expression} as value").collect()[0][0]
