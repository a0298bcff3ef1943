"""One product of Tencent Cloud API 3.0: each action is a signed POST of a JSON object.

Nothing here knows LKE; a product is its service name, its version and its host.
"""

import logging
import threading
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import httpx
import msgspec

from llm_usage_warehouse.http import ApiClient, Limits, SourceError
from llm_usage_warehouse.sources.tencent_lke.envelope import CLOCK_IS_OFF, read_envelope
from llm_usage_warehouse.sources.tencent_lke.signing import Tc3Auth

log = logging.getLogger("llm_usage")


class CloudApi:
    """Calls the actions of one product; threads may share it.

    Args:
        source: name of the source, which every error carries.
        base_url: the product's host.
        auth: signs the requests.
        version: of the product's API.
        region: which the vendor wants with every request.
        language: `zh-CN` or `en-US`, of names and messages.
        limits: pace, concurrency, retries.
        secrets: strings that no error may show.
    """

    def __init__(
        self,
        source: str,
        base_url: str,
        auth: Tc3Auth,
        *,
        version: str,
        region: str,
        language: str,
        limits: Limits,
        secrets: Iterable[str],
    ) -> None:
        self.source = source
        self._auth = auth
        self._told: set[str] = set()
        self._lock = threading.Lock()
        self._client = ApiClient(
            source,
            base_url,
            auth=auth,
            limits=limits,
            headers={
                # Byte for byte what is signed: no charset.
                "Content-Type": "application/json",
                "X-TC-Version": version,
                "X-TC-Region": region,
                "X-TC-Language": language,
            },
            judge=self._judge,
            action_header="X-TC-Action",
            secrets=[secret for secret in secrets if secret],
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def call(self, action: str, parameters: Mapping[str, Any]) -> bytes:
        """Return the body that an action answers with; it holds `Response` and no error in it.

        Raises:
            SourceError: the vendor or the network said no.
        """
        return self._client.post(
            "/", msgspec.json.encode(parameters), headers={"X-TC-Action": action}
        ).content

    def _judge(self, response: httpx.Response) -> SourceError | None:
        if response.status_code != 200 or "html" in response.headers.get("Content-Type", ""):
            return None
        answer = read_envelope(self.source, response)
        if isinstance(answer, SourceError):
            if answer.quote.startswith(CLOCK_IS_OFF):
                answer.fix = partial(self._follow_clock, response)
            return answer
        if warning := answer.deprecated_warning:
            action = response.request.headers["X-TC-Action"]
            self._warn_once(f"{action} is about to be retired: {warning}")
        return None

    def _follow_clock(self, response: httpx.Response) -> bool:
        ahead = self._auth.follow_clock_of(response)
        if ahead is not None:
            direction = "behind" if ahead > 0 else "ahead of"
            self._warn_once(f"this machine's clock is {direction} the vendor's; set it")
        return ahead is not None

    def _warn_once(self, text: str) -> None:
        with self._lock:
            known = text in self._told
            self._told.add(text)
        if not known:
            log.warning("%s: %s", self.source, text)
