"""Reads LKE: settings, and which models and days its two usage actions are asked for.

Both actions want one ModelName per request: those that ListModel tells of, those of the settings,
and those ever read before, because a retired model vanishes from the list while its calls are still
there. The scopes of the call rows are that memory.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import pendulum
from pendulum import Duration

from llm_usage_warehouse.envelopes import decoded
from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.http import BadResponseError, InvalidRequestError
from llm_usage_warehouse.settings import SourceSettings, setting
from llm_usage_warehouse.sources.tencent_lke.client import CloudApi
from llm_usage_warehouse.sources.tencent_lke.details import CallDetails
from llm_usage_warehouse.sources.tencent_lke.envelope import read_answer
from llm_usage_warehouse.sources.tencent_lke.schema import (
    APPS_TABLE,
    CALL_DETAILS_TABLE,
    MODELS_TABLE,
    TOKEN_USAGE_TABLE,
)
from llm_usage_warehouse.sources.tencent_lke.signing import Tc3Auth
from llm_usage_warehouse.sources.tencent_lke.usage import TokenUsage
from llm_usage_warehouse.streams import Audit, Pull, Reading, Stream
from llm_usage_warehouse.windows import ONE_DAY, Grid, Window

SERVICE = "lke"
VERSION = "2023-11-30"
VENDOR_LIMIT = 20
"""Requests of one action that the vendor admits in a second."""
LANGUAGES = ("en-US", "zh-CN")
APP_TYPES = ("knowledge_qa", "summary", "classifys")
"""The kinds of application that ListModel can be asked for; only the first is on offer anew."""
APPS_PER_PAGE = 100

log = logging.getLogger("llm_usage")


class _ListedModel(msgspec.Struct):
    name: str = msgspec.field(name="ModelName")


@dataclass(frozen=True)
class TencentLkeSettings(SourceSettings):
    """Settings of one Tencent Cloud account."""

    base_url: str = setting(
        "the site's host; mainland China: https://lke.tencentcloudapi.com",
        "https://lke.intl.tencentcloudapi.com",
    )
    region: str = setting("the API's region; mainland China: ap-guangzhou", "ap-jakarta")
    language: str = setting(
        f"of call types and display names, {' or '.join(LANGUAGES)}; a change splits history",
        "en-US",
    )
    models: list[str] = setting("models to read beside those that ListModel tells of", [])
    apps: list[str] = setting("AppBizIds of the applications to read; empty for all", [])
    secret_id: str = setting("SecretId of a cloud API key", secret=True)
    secret_key: str = setting("its SecretKey", secret=True)
    token: str = setting("STS token of temporary keys", "", secret=True)
    look_back: Duration = setting(
        "how far before the watermark every nightly run reads again: calls are metered late",
        pendulum.duration(days=1),
    )
    requests_per_second: float = setting(
        f"the pace, never exceeded; the vendor admits {VENDOR_LIMIT} of one action", 18.0
    )


class TencentLke:
    """An open connection to one Tencent Cloud account.

    Args:
        settings: the account's.
        timezone: whose days DescribeTokenUsage is asked for.

    Raises:
        UsageError: a setting that this API cannot serve.
    """

    def __init__(self, settings: TencentLkeSettings, timezone: str) -> None:
        _check(settings)
        self._settings = settings
        self._timezone = timezone
        secrets = (settings.secret_id, settings.secret_key, settings.token)
        self._api = CloudApi(
            settings.name,
            settings.base_url,
            Tc3Auth(settings.secret_id, settings.secret_key, SERVICE, settings.token),
            version=VERSION,
            region=settings.region,
            language=settings.language,
            limits=settings.limits,
            secrets=secrets,
        )
        self._details = CallDetails(self._api, settings)
        self._usage = TokenUsage(self._api, settings, timezone)
        self._read_before: Sequence[str] = ()

    def close(self) -> None:
        """End every request under way, and close the connections."""
        self._api.close()

    def streams(self) -> Sequence[Stream]:
        """Return `models`, `apps`, `usage_call_details` (the calls) and `token_usage` (totals)."""
        cadence = self._settings.cadence()
        # From local midnights on, so that rows and totals are of the same stretches; and a total
        # replaces another one only where it begins at the same midnight.
        slices = Grid(self._settings.slice, self._timezone)
        whole = self._settings.cadence(slices=slices, whole=True)
        daily = self._settings.cadence(slices=Grid(ONE_DAY, self._timezone), whole=True)
        return (
            Stream(MODELS_TABLE, cadence, self._read_models),
            Stream(APPS_TABLE, cadence, self._read_apps, missed="the names of apps that are new"),
            Stream(CALL_DETAILS_TABLE, whole, self._read_details, self._remember, lambda _: None),
            Stream(
                TOKEN_USAGE_TABLE,
                daily,
                self._read_usage,
                account_of=lambda _: None,
                missed="the vendor's totals to check the calls with",
                audit=Audit(
                    self._read_total,
                    daily.slices,
                    (CALL_DETAILS_TABLE.name,),
                    calls="api_call_stats",
                    where="asked_model is null and sub_biz_type is null",
                ),
            ),
        )

    @cached_property
    def _model_lists(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for app_type in APP_TYPES:
            try:
                found[app_type] = self._api.call("ListModel", {"AppType": app_type})
            except InvalidRequestError as error:
                if not found:
                    raise
                log.info("%s: ListModel no longer knows %s: %s", self._api.source, app_type, error)
        return found

    def _remember(self, read_before: Sequence[str]) -> Sequence[str]:
        self._read_before = read_before
        return self._models()

    def _models(self) -> Sequence[str]:
        listed = (
            model.name
            for body in self._model_lists.values()
            for model in decoded(
                self._api.source,
                read_answer(self._api.source, body).rows,
                list[_ListedModel] | None,
            )
            or ()
        )
        return sorted({*self._read_before, *self._settings.models, *listed})

    def _read_models(self, _scope: str, _window: Window, _pull: Pull) -> Reading:
        return Reading(
            [
                MODELS_TABLE.rows(self._settings, [body], asked_app_type=app_type).table
                for app_type, body in self._model_lists.items()
            ]
        )

    def _read_apps(self, _scope: str, _window: Window, pull: Pull) -> Reading:
        bodies: list[bytes] = []
        read, total = 0, 1
        while read < total:
            body = self._api.call(
                "ListApp", {"PageNumber": len(bodies) + 1, "PageSize": APPS_PER_PAGE}
            )
            answer = read_answer(self._api.source, body)
            apps = decoded(self._api.source, answer.rows, list[msgspec.Raw] | None) or []
            bodies.append(body)
            read += len(apps)
            total = self._app_total(answer.total)
            pull.told(read, total)
            if not apps:
                break
        return Reading([APPS_TABLE.rows(self._settings, bodies).table], total)

    def _app_total(self, total: object) -> int:
        # A number in text, as the vendor documents it.
        if isinstance(total, str | int) and str(total).isdigit():
            return int(total)
        raise BadResponseError(self._api.source, f"ListApp has {total!r} for its Total")

    def _read_details(self, model: str, window: Window, pull: Pull) -> Reading:
        return self._details.read(model, window, pull)

    def _read_total(self, _scope: str, window: Window, _pull: Pull) -> Reading:
        return self._usage.read_total(window)

    def _read_usage(self, _scope: str, window: Window, pull: Pull) -> Reading:
        return self._usage.read(self._models(), window, pull)


def _check(settings: TencentLkeSettings) -> None:
    section = f"[sources.{settings.name}]"
    problems = []
    if settings.requests_per_second >= VENDOR_LIMIT:
        problems.append(
            f"{section} requests_per_second is {settings.requests_per_second:g}; the vendor "
            f"admits {VENDOR_LIMIT} requests of one action in a second, so set it below that"
        )
    if settings.language not in LANGUAGES:
        problems.append(
            f"{section} language is {settings.language!r} and must be {' or '.join(LANGUAGES)}"
        )
    if problems:
        raise UsageError(*problems)
