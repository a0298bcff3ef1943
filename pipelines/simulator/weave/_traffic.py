"""The calls of one hour: a pure function of the world's seed and the hour."""

from collections.abc import Iterator
from random import Random
from typing import Any

from llm_usage_warehouse.simulator.weave._call import Call
from llm_usage_warehouse.simulator.world import World

HOUR_US = 3_600_000_000
CHATBOT, SEARCH = "acme/chatbot", "acme/search"
UNPRICED_MODEL = "reranker-内部-v2"

# Share of a day's traces by hour of UTC+8: office hours, a dip at lunch.
_DAY = (3, 2, 2, 1, 1, 2, 3, 6, 12, 22, 26, 24, 14, 19, 26, 26, 24, 20, 13, 10, 9, 8, 6, 4)
_LLM_OPS = {"gpt": "openai.chat.completions.create", "cla": "anthropic.Messages.create"}
_ANTHROPIC = "claude"
_ERRORS = ("RateLimitError: 429 Too Many Requests", "APITimeoutError: Request timed out.")


def calls_of_hour(world: World, hour: int) -> list[Call]:
    """Return the calls of all traces that start in an hour.

    Args:
        world: gives the seed and `rows_per_day`; one trace stands for about eight rows.
        hour: number of the hour since the Unix epoch.
    """
    rng = world.random_for("weave", hour)
    expected = world.rows_per_day / 8 * _DAY[(hour + 8) % 24] / sum(_DAY)
    traces = int(expected + rng.random())
    # The edges of an hour are always taken, midnight of every whole-hour zone among them.
    offsets = [0, HOUR_US - 1][:traces]
    offsets += [rng.randrange(HOUR_US) for _ in range(traces - len(offsets))]
    return [call for offset in offsets for call in _trace(rng, hour * HOUR_US + offset)]


def _trace(rng: Random, started_us: int) -> list[Call]:
    project_id = CHATBOT if rng.random() < 0.6 else SEARCH
    root = Call(
        id=_uuid7(rng, started_us),
        project_id=project_id,
        trace_id=_uuid7(rng, started_us),
        op_name="",
        started_us=started_us,
        ended_us=None,
        wb_user_id=f"user-{rng.randrange(12)}",
        thread_id=f"thread-{rng.randrange(400)}" if rng.random() < 0.5 else None,
        # Offline batches upload late; everybody else within two seconds.
        late_us=rng.randrange(1800_000_000 if rng.random() < 0.005 else 2_000_000),
    )
    root.otel = project_id == SEARCH and rng.random() < 0.2
    root.id = _span_id(root.id) if root.otel else root.id
    agent = project_id == CHATBOT and rng.random() < 0.15
    name = "agent" if agent else "chat" if project_id == CHATBOT else "answer_question"
    root.op_name = _op(project_id, name)
    children = list(_children(rng, root, agent))
    root.ended_us = (children[-1].ended_us or 0) + rng.randrange(1_000, 40_000)
    root.exception = children[-1].exception
    calls = [root, *children]
    root.errors = sum(call.exception is not None for call in calls)
    root.successes = len(calls) - root.errors
    if not root.otel:
        root.usage = _rolled_up(children)
    return calls


def _children(rng: Random, root: Call, agent: bool) -> Iterator[Call]:
    """Yield the steps of a trace, one after the other; the last one is a request to a model."""
    at = root.started_us
    # Few agents wait hours for their tools, so that usage arrives long after the start.
    patience = rng.uniform(60, 1200) if agent and rng.random() < 0.04 else 1.0
    for _ in range(rng.randint(3, 6) if agent else 1):
        if agent or root.project_id == SEARCH:
            step = _child(rng, root, "tool" if agent else "retrieve", at, patience)
            yield step
            at = step.ended_us or at
        model = _model(rng, root)
        llm = _child(rng, root, _LLM_OPS.get(model[:3], "litellm.completion"), at, 1.0)
        if rng.random() < 0.03:
            llm.exception, llm.successes, llm.errors = rng.choice(_ERRORS), 0, 1
        llm.usage = {} if llm.exception and rng.random() < 0.7 else {model: _usage(rng, model)}
        if llm.exception and llm.usage:
            llm.usage[model] = dict.fromkeys(llm.usage[model], 0) | {"requests": 1}
        yield llm
        at = llm.ended_us or at


def _child(rng: Random, root: Call, name: str, at: int, patience: float) -> Call:
    started_us = at + rng.randrange(500, 20_000)
    uuid = _uuid7(rng, started_us)
    return Call(
        id=_span_id(uuid) if root.otel else uuid,
        project_id=root.project_id,
        trace_id=root.trace_id,
        op_name=name if root.otel else _op(root.project_id, name),
        started_us=started_us,
        ended_us=started_us + int(rng.lognormvariate(14, 0.7) * patience),
        parent_id=root.id,
        otel=root.otel,
        wb_user_id=root.wb_user_id,
        thread_id=root.thread_id,
        late_us=root.late_us,
    )


def _model(rng: Random, root: Call) -> str:
    if root.otel:
        return "gemini-2.5-flash"
    if root.project_id == CHATBOT:
        models = ("gpt-5-2025-08-07", "gpt-4o-mini-2024-07-18", "claude-sonnet-4-5-20250929")
        return rng.choices(models, (5, 3, 4))[0]
    names = ("gpt-4o-2024-08-06", "claude-haiku-4-5-20251001", "qwen3-max", UNPRICED_MODEL, "")
    return rng.choices(names, (50, 30, 12, 7, 1))[0]


def _usage(rng: Random, model: str) -> dict[str, Any]:
    """Return one request's usage in the shape that its vendor's client logs."""
    sent = int(rng.lognormvariate(7, 1.1)) if rng.random() > 0.001 else 1_048_576
    made = int(rng.lognormvariate(5.3, 1)) if rng.random() > 0.005 else 0
    cached = sent * rng.randrange(100) // 100 if rng.random() < 0.35 else 0
    if model.startswith(_ANTHROPIC):
        written = (sent - cached) // 2 if rng.random() < 0.1 else 0
        cache = {"cache_read_input_tokens": cached, "cache_creation_input_tokens": written}
        return {"requests": 1, "input_tokens": sent, "output_tokens": made} | cache
    sums = {"prompt_tokens": sent, "completion_tokens": made, "total_tokens": sent + made}
    return {"requests": 1} | sums | ({"cache_read_input_tokens": cached} if cached else {})


def _rolled_up(children: list[Call]) -> dict[str, dict[str, Any]]:
    """Return the sum over a trace's steps, which the Python SDK writes to the parent."""
    total: dict[str, dict[str, Any]] = {}
    for child in children:
        for model, usage in child.usage.items():
            sums = total.setdefault(model, {})
            for key, value in usage.items():
                sums[key] = sums.get(key, 0) + value
    return total


def _op(project_id: str, name: str) -> str:
    return f"weave:///{project_id}/op/{name}:v1"


def _span_id(uuid: str) -> str:
    """Return 16 hexadecimal digits: an OpenTelemetry span keeps its own id."""
    return uuid.replace("-", "")[-16:]


def _uuid7(rng: Random, us: int) -> str:
    text = f"{us // 1000:012x}7{rng.getrandbits(12):03x}{2 << 62 | rng.getrandbits(62):016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
