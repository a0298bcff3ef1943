"""The traffic of one hour: a pure function of the world's seed and the hour."""

import random
import string
import time
from dataclasses import dataclass, field
from typing import Any

from llm_usage_warehouse.simulator.tencent_lke._catalogue import APPS, KINDS, MODELS, UINS, App
from llm_usage_warehouse.simulator.tencent_lke._envelope import encode
from llm_usage_warehouse.simulator.world import World

HOUR = 3600
BEIJING_SECONDS = 8 * HOUR
LATEST_METERING_SECONDS = 45 * 60

_ALPHANUMERIC = string.ascii_letters + string.digits
# How busy each hour of the Beijing day is.
_BUSY = [3, 2, 2, 1, 1, 2, 4, 10, 30, 52, 60, 55, 38, 42, 58, 62, 60, 50, 34, 26, 22, 16, 10, 6]
_CHAT_MODELS = [model.name for model in MODELS.values() if model.share]
_CHAT_SHARES = [model.share for model in MODELS.values() if model.share]
_KNOWLEDGE = [app for app in APPS if app.app_type == "shared_knowledge"]
_DIALOGUE = [app for app in APPS if app.app_type != "shared_knowledge"]


@dataclass(eq=False, slots=True)
class Call:
    """One metered step of a dialogue turn or of a document's way into a knowledge base.

    Attributes:
        at: CallTime, in Unix seconds.
        visible_at: from when on the API knows of it, in Unix seconds.
        model: the identifier that finds it.
        kind: a key of `KINDS`.
        app: where it was made.
        fields: its row, but for the texts that depend on the language.
    """

    at: int
    visible_at: int
    model: str
    kind: str
    app: App
    fields: dict[str, Any]
    _encoded: dict[str, bytes] = field(default_factory=dict)

    def row(self, language: str) -> dict[str, Any]:
        """Return the CallDetail that the API emits."""
        model, kind = MODELS[self.model], KINDS[self.kind]
        shown = {
            "CallType": kind.shown.in_language(language),
            "ModelName": model.returned.in_language(language),
        }
        return shown | self.fields

    def encoded(self, language: str) -> bytes:
        """Return `row` as JSON, made once."""
        if language not in self._encoded:
            self._encoded[language] = encode(self.row(language))
        return self._encoded[language]

    def amend(self, fields: dict[str, Any]) -> None:
        """Overwrite fields of the row."""
        self.fields |= fields
        self._encoded.clear()


def call_fields(
    at: int, call_id: str, uin: str, app: App, kind: str, tokens: tuple[int, int]
) -> dict[str, Any]:
    """Return a row's fields, all but the texts that depend on the language.

    PageUsage repeats the total of tokens where a model answered, and counts pages only where a
    document was parsed; every token count is a JSON float.
    """
    total = sum(tokens)
    answered = kind not in ("parse", "embedding", "search")
    return {
        "Id": call_id,
        "CallTime": str(at),
        "TotalTokenUsage": float(total),
        "InputTokenUsage": float(tokens[0]),
        "OutputTokenUsage": float(tokens[1]),
        "SearchUsage": 0,
        "PageUsage": total if answered else 0,
        "UinAccount": uin,
        "AppName": app.name,
        "SubScene": "",
        "BillingTag": app.billing_tag,
    }


def calls_of_hour(world: World, hour: int) -> list[Call]:
    """Return the calls of a Unix hour by CallTime, a third of the world's rows over a day."""
    rng = world.random_for("tencent_lke", hour)
    share = _BUSY[(hour + 8) % 24] / sum(_BUSY)
    target = int(world.rows_per_day / 3 * share + rng.random())
    # The first and last second of a day, in UTC and in Beijing, always see a call.
    edges = {0: [3599, 0], 16: [3599, 0]}.get(hour % 24, [])
    calls: list[Call] = []
    while len(calls) < target:
        offset = edges.pop() if edges else rng.randrange(HOUR)
        calls += _Turn(rng, hour * HOUR, offset).calls()
    return sorted(calls, key=lambda call: call.at)


class _Turn:
    """One dialogue turn or document, whose steps share an Id and an account."""

    def __init__(self, rng: random.Random, hour_start: int, offset: int) -> None:
        self.rng = rng
        self.hour_start = hour_start
        self.at = hour_start + offset
        self.uin = rng.choices(UINS, (6, 3, 1))[0]
        # The Id tells when a turn began, CallTime when it was metered, seconds later.
        began = time.gmtime(self.at - rng.randint(1, 6) + BEIJING_SECONDS)
        letters = "".join(rng.choices(_ALPHANUMERIC, k=11))
        moment = time.strftime("%Y%m%d_%H%M%S", began)
        self.id = f"{letters[:3]}_{moment}_{rng.randrange(1000):03}_{letters[3:]}"

    def calls(self) -> list[Call]:
        """Return the steps that are billed."""
        draw = self.rng.random()
        if draw < 0.78:
            return self._dialogue()
        if draw < 0.86:
            return self._document()
        if draw < 0.95:
            app = self.rng.choice(_DIALOGUE)
            return [self._step("embedding", "lke-text-embedding-v1", app, (self._size(60), 0))]
        tokens = (self._size(6000), self._size(450))
        return [self._step("summary", "hy3", self.rng.choice(_KNOWLEDGE), tokens)]

    def _dialogue(self) -> list[Call]:
        rng = self.rng
        app = rng.choice(_DIALOGUE)
        if app.app_type == "evaluate_test":
            kind = "dialogue_test"
        else:
            kind = rng.choice(["dialogue_shared", "dialogue_shared", "dialogue_api"])
        model = rng.choices(_CHAT_MODELS, _CHAT_SHARES)[0]
        steps = [self._step(kind, model, app, self._dialogue_tokens())]
        if rng.random() < 0.35:
            tokens = (self._size(300), self._size(40))
            steps.append(self._step("rewrite", "hy3", app, tokens, before=rng.randint(0, 4)))
        if rng.random() < 0.08:
            search = self._step("search", model, app, (0, 0))
            search.fields |= {"SearchUsage": rng.randint(1, 3), "SubScene": None}
            steps.append(search)
        if rng.random() < 0.02:
            steps.append(self._again(steps[0]))
        return steps

    def _document(self) -> list[Call]:
        app = self.rng.choice(_KNOWLEDGE)
        pages = 1 + int(self._size(8))
        tokens = pages * self.rng.randint(300, 700)
        parse = self._step("parse", "hy3", app, (tokens, tokens // 2), before=5)
        scene = self.rng.choice(["doc_parse", "image_ocr"])
        parse.fields |= {"PageUsage": pages, "SubScene": scene}
        # Chunks are padded to one size, so that steps of one document can be alike in every field.
        chunks = [
            self._step("embedding", "lke-text-embedding-v1", app, (512, 0))
            for _ in range(min(pages, 3))
        ]
        return [parse, *chunks]

    def _step(
        self, kind: str, model: str, app: App, tokens: tuple[int, int], before: int = 0
    ) -> Call:
        at = max(self.hour_start, self.at - before)
        fields = call_fields(at, self.id, self.uin, app, kind, tokens)
        return Call(at, at + self._delay(), model, kind, app, fields)

    def _again(self, call: Call) -> Call:
        return Call(
            call.at, call.at + self._delay(), call.model, call.kind, call.app, dict(call.fields)
        )

    def _delay(self) -> int:
        draw = self.rng.random()
        if draw < 0.9:
            return self.rng.randint(1, 20)
        if draw < 0.99:
            return self.rng.randint(60, 600)
        return self.rng.randint(600, LATEST_METERING_SECONDS)

    def _dialogue_tokens(self) -> tuple[int, int]:
        draw = self.rng.random()
        if draw < 0.005:
            return 0, 0
        if draw < 0.007:
            return 1_048_576, 131_072
        return self._size(1800), self._size(280)

    def _size(self, median: float) -> int:
        return max(1, int(median * self.rng.lognormvariate(0, 0.85)))
