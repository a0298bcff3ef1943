"""Tells people of a night by itself: one message to a webhook, by mail, or both.

A message that cannot be sent costs a warning, and its alerts are told by the next night. The
address of the webhook is a secret, as is the password: no line, log or error holds them.
"""

import logging
import re
import smtplib
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from functools import partial
from zoneinfo import ZoneInfo

import httpx

from llm_usage_warehouse.alerts import read_told, still_told, write_told
from llm_usage_warehouse.errors import UsageError, in_a_line
from llm_usage_warehouse.http import redact, until_connected
from llm_usage_warehouse.message import Message, of_night, slack_payload
from llm_usage_warehouse.nightly import Night
from llm_usage_warehouse.notify_settings import NotifySettings
from llm_usage_warehouse.settings import WarehouseSettings, demo_flag
from llm_usage_warehouse.telling import counted, harmless
from llm_usage_warehouse.verdict import Verdict
from llm_usage_warehouse.warnings import is_this_machine

TIMEOUT = 10.0
"""Seconds that a server may be silent."""

PATIENCE = 60.0
"""Seconds after which a message counts as not sent, however busy its server seems."""

PATIENCE_AT_THE_END = 5.0
"""The same in seconds for a run that was told to end."""

PART = 8
"""Characters of a part of the webhook's path that may be a token."""

Way = Callable[[Message], str]
"""Sends a message; returns what a person should know although it was sent, or nothing."""

# It would write the address of each request into its log.
logging.getLogger("httpx").setLevel(logging.WARNING)


class NotSentError(Exception):
    """A message could not be sent; says why in a few words, without a secret."""


def ways(settings: NotifySettings) -> dict[str, Way]:
    """Return each way that is set up, by its name."""
    found: dict[str, Way] = {}
    if settings.webhook:
        found["webhook"] = partial(_post, settings)
    if settings.email:
        found["email"] = partial(_mail, settings)
    return found


def tell_night(
    warehouse: WarehouseSettings, settings: NotifySettings, night: Night, verdict: Verdict
) -> list[str]:
    """Send the message of a night, with the alerts that were not told before.

    Args:
        warehouse: whose.
        settings: the ways.
        night: what was done.
        verdict: what it comes to, with all alerts that hold.

    Returns:
        what a person should know of it, such as why it was not sent.
    """
    # Simulated rows are nobody's news.
    if demo_flag(warehouse).exists() or not (by := ways(settings)):
        return []
    warnings = in_plain_sight(settings)
    today = datetime.now(ZoneInfo(warehouse.reporting_timezone)).date()
    tried = [load.source for load in night.loads]
    try:
        memory = read_told(warehouse)
        for name, way in by.items():
            told = still_told(memory.get(name, {}), verdict.alerts, today, tried)
            news = [one for one in verdict.alerts if one.alert_id not in told]
            try:
                if remark := send(settings, way, of_night(warehouse, night, verdict, news)):
                    warnings.append(f"the message by {name} was sent, but {remark}")
                told |= {one.alert_id: today.isoformat() for one in news}
            except NotSentError as error:
                later = f"; the next night tells its {counted(len(news), 'alert')}" if news else ""
                warnings.append(f"the message could not be sent by {name}: {error}{later}")
            write_told(warehouse, memory := {**memory, name: told})
    except Exception as error:
        # Whatever it is, the night is as good as it was.
        warnings.append(f"the message was not made or not remembered: {_harmless(settings, error)}")
    return warnings


def tell_end(
    settings: NotifySettings, verdict: str, lines: Sequence[str] = (), patience: float = PATIENCE
) -> list[str]:
    """Send a message of a run that has no verdict of its own, as it was ended or never began.

    Returns:
        why it was not sent.
    """
    found = _try(settings, Message(verdict, tuple(lines)), patience)
    return [f"the message could not be sent by {name}: {why}" for name, why in found.items() if why]


def try_ways(settings: NotifySettings) -> Mapping[str, str]:
    """Send a test message by every way; return by name why it failed, or an empty text.

    Raises:
        UsageError: no way is set up.
    """
    if not ways(settings):
        raise UsageError(
            "no way to tell a night is set up; set at least one of these:",
            "[notify] webhook in .dlt/secrets.toml or as NOTIFY__WEBHOOK",
            "[notify] email, email_from and smtp_host in .dlt/config.toml",
        )
    return _try(settings, Message("TEST: a night's message will come here"), PATIENCE)


def _try(settings: NotifySettings, message: Message, patience: float) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, way in ways(settings).items():
        try:
            found[name] = send(settings, way, message, patience)
        except NotSentError as error:
            found[name] = str(error)
    return found


def send(settings: NotifySettings, way: Way, message: Message, patience: float = PATIENCE) -> str:
    """Send a message by one way.

    Returns:
        what a person should know although it was sent.

    Raises:
        NotSentError: it was not, or nobody can say within `patience` seconds.
    """
    remarks: list[str] = []
    errors: list[str] = []

    def run() -> None:
        try:
            remarks.append(way(message))
        except NotSentError as error:
            errors.append(str(error))
        except Exception as error:
            errors.append(_harmless(settings, error))

    # Its timeouts begin anew with each byte, and a look-up of a name has none.
    thread = threading.Thread(target=run, name="notify", daemon=True)
    thread.start()
    thread.join(patience)
    if errors or not remarks:
        raise NotSentError(*errors or [f"no answer within {patience:g} s"])
    return remarks[0]


def in_plain_sight(settings: NotifySettings) -> list[str]:
    """Say what can be read by whoever is on the way; nothing of what stays on this machine."""
    found: list[str] = []
    url = httpx.URL(settings.webhook)
    if url.scheme == "http" and not is_this_machine(url.host):
        found.append(
            "[notify] webhook is plain http://: whoever is on the way reads the address and the "
            "message; write https://"
        )
    is_open = settings.email and settings.smtp_security == "none"
    if is_open and not is_this_machine(settings.smtp_host):
        found.append(
            '[notify] smtp_security is "none": whoever is on the way reads the mail and the '
            'password; write "starttls" or "tls"'
        )
    return found


def _post(settings: NotifySettings, message: Message) -> str:
    with httpx.Client(timeout=TIMEOUT, follow_redirects=False) as client:
        payload = slack_payload(message)
        answer = until_connected()(client.post, settings.webhook, json=payload)
    if not answer.is_success:
        # Slack says why in a word such as no_service; a page of a proxy is no help.
        said = answer.text.strip()
        why = f" ({said})" if re.fullmatch("[a-z_]{1,40}", said) else ""
        raise NotSentError(f"HTTP {answer.status_code}{redact(why, _secrets(settings))}")
    return ""


def _mail(settings: NotifySettings, message: Message) -> str:
    mail = EmailMessage()
    mail["From"] = settings.email_from
    mail["To"] = ", ".join(settings.email)
    mail["Subject"] = message.subject
    mail["Date"] = formatdate()
    mail["Message-ID"] = make_msgid(domain=settings.email_from.partition("@")[2])
    mail.set_content(message.text)
    context = ssl.create_default_context()
    if settings.smtp_security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            settings.smtp_host, settings.port, timeout=TIMEOUT, context=context
        )
    else:
        server = smtplib.SMTP(settings.smtp_host, settings.port, timeout=TIMEOUT)
    with server:
        if settings.smtp_security == "starttls":
            try:
                server.starttls(context=context)
            except OSError:
                # Else it is bidden farewell, and waited for.
                server.close()
                raise
        if settings.smtp_user:
            server.login(settings.smtp_user, settings.smtp_password)
        refused = server.send_message(mail)
    return f"not to {', '.join(sorted(refused))}" if refused else ""


def _harmless(settings: NotifySettings, error: Exception) -> str:
    return harmless(redact(in_a_line(error), _secrets(settings)))


def _secrets(settings: NotifySettings) -> list[str]:
    url = httpx.URL(settings.webhook)
    parts = [part for part in url.path.split("/") if len(part) >= PART]
    parts += [url.path, url.query.decode(), url.userinfo.decode()]
    return [settings.webhook, settings.smtp_password, *parts]
