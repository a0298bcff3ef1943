"""What a source can raise, one class per thing a person would do about it; and redaction."""

import json
import re
from collections.abc import Callable, Collection
from urllib.parse import quote as percent_encode
from urllib.parse import quote_plus

MASK = "***"
QUOTE_LENGTH = 200
LINE_LENGTH = 300
SHORT = 4
"""Characters: a secret of fewer is no secret, but may be in a test's or a first try's settings."""

_SECRET_PARAMETER = re.compile(
    r"(?<![\w-])((?:api_?key|key|access_token|token|signature|secret|password)=)[^&\s\"'<>#,;]+",
    re.IGNORECASE,
)


class SourceError(Exception):
    """Base of everything a source can raise.

    Attributes:
        source: name of the source, as in `.dlt/config.toml`.
        summary: what happened, one line.
        quote: the vendor's own words; shown on one line, cut to 200 characters.
        request: such as `GET /api/logs/search?page=1`, without secrets; empty if none was made.
        request_id: the vendor's id of the request, for a support ticket.
        status: HTTP status, where a response came.
        attempts: how many requests were sent before giving up.
        next_step: what a person should do.
        retryable: whether the same request may succeed a little later.
        retry_after: seconds that the vendor asked to wait.
        fix: mends the cause (a clock offset, a fresh token) and returns whether it did, in which
            case the request is sent again at once.
    """

    retryable: bool = False
    next_step: str = ""

    def __init__(
        self,
        source: str,
        summary: str,
        *,
        quote: str = "",
        request: str = "",
        request_id: str | None = None,
        status: int | None = None,
        next_step: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        fix: Callable[[], bool] | None = None,
    ) -> None:
        # Not the summary: `args` would keep it as it was before redaction.
        super().__init__(source)
        self.source = source
        self.summary = summary
        self.quote = quote
        self.request = request
        self.request_id = request_id
        self.status = status
        self.attempts = 1
        self.retry_after = retry_after
        self.fix = fix
        if next_step is not None:
            self.next_step = next_step
        if retryable is not None:
            self.retryable = retryable

    def __str__(self) -> str:
        what = _cut(self.summary.rstrip(". "), LINE_LENGTH)
        if self.quote.strip():
            what += f': "{_cut(self.quote, QUOTE_LENGTH)}"'
        facts = [
            _cut(self.request, LINE_LENGTH),
            f"HTTP {self.status}" if self.status else "",
            f"request id {_cut(self.request_id, QUOTE_LENGTH)}" if self.request_id else "",
            f"{self.attempts} attempts" if self.attempts > 1 else "",
        ]
        context = "; ".join(fact for fact in facts if fact)
        where = f" ({context})" if context else ""
        return f"{self.source}: {what}{where}. {self.next_step}".rstrip()

    @property
    def is_refusal(self) -> bool:
        """Whether the vendor answered, and what it said is that it will not give this."""
        kinds = AuthenticationError | PermissionDeniedError | InvalidRequestError | VendorFaultError
        return isinstance(self, kinds) or self.status in {401, 403, 404}

    def redact(self, secrets: Collection[str]) -> None:
        """Mask `secrets` in everything that this error can show."""
        self.summary = redact(self.summary, secrets)
        self.quote = redact(self.quote, secrets)
        self.request = redact(self.request, secrets)
        self.next_step = redact(self.next_step, secrets)
        self.request_id = redact(self.request_id, secrets) if self.request_id else None


class AuthenticationError(SourceError):
    """The vendor refused the key."""

    next_step = "Check the key in .dlt/secrets.toml: it may be mistyped, expired or disabled."


class PermissionDeniedError(SourceError):
    """The key is good, but lacks the right to what was asked."""

    next_step = "Ask the owner of the account to grant this key the right to read usage."


class InvalidRequestError(SourceError):
    """The request itself is at fault, or the vendor says so."""

    next_step = (
        "Check this source's settings in .dlt/config.toml; if they are right, the API has changed."
    )


class ThrottledError(SourceError):
    """The vendor wants fewer requests."""

    retryable = True
    next_step = "Lower requests_per_second in .dlt/config.toml, or run again later."


class VendorFaultError(SourceError):
    """The vendor failed at a good request."""

    retryable = True
    next_step = "Run again later; if it lasts, give the request id to the vendor's support."


class BadResponseError(SourceError):
    """A response that is not what the contract says: a web page, half a document, another shape.

    Worth a retry only where the body is incomplete; the class default is not to.
    """

    next_step = "Check base_url in .dlt/config.toml; if it is right, the API has changed."


class NetworkError(SourceError):
    """No complete response came: connection, time-out, TLS, protocol."""

    retryable = True
    next_step = "Check base_url and the network (proxy, DNS, firewall), then run again."


def redact(text: str, secrets: Collection[str]) -> str:
    """Return `text` with `***` for each secret and for each query parameter that holds one.

    A secret is found as it is, percent-encoded, and escaped as in JSON, in either case of letters;
    one of less than four characters only where it is a word of its own.
    """
    forms = {form for secret in secrets for form in _forms(secret) if form}
    if forms:
        # The longest first, so that a secret which begins with another one leaves no rest.
        ordered = sorted(forms, key=len, reverse=True)
        pattern = re.compile("|".join(map(_pattern, ordered)), re.IGNORECASE)
        text = pattern.sub(MASK, text)
    return _SECRET_PARAMETER.sub(rf"\g<1>{MASK}", text)


def _pattern(form: str) -> str:
    # Ordinary words hold so short a one by chance.
    return rf"(?<!\w){re.escape(form)}(?!\w)" if len(form) < SHORT else re.escape(form)


def _forms(secret: str) -> set[str]:
    bare = secret.strip()
    return {
        secret,
        bare,
        percent_encode(bare),
        percent_encode(bare, safe=""),
        quote_plus(bare),
        json.dumps(bare)[1:-1],
    }


def _cut(text: str, length: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"
