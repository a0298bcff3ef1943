"""The message of a night: what it says, and what is said where no server takes it."""

import logging
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import duckdb
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword
from typer.testing import CliRunner, Result

from llm_usage_warehouse.alerts import Alert, read_told, still_told
from llm_usage_warehouse.cli import app
from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.message import LONGEST_BLOCK, MOST_BLOCKS, Message, slack_payload
from llm_usage_warehouse.nightly import Night
from llm_usage_warehouse.notify import (
    NotSentError,
    in_plain_sight,
    send,
    tell_end,
    tell_night,
    try_ways,
    ways,
)  # fmt: skip
from llm_usage_warehouse.notify_settings import NotifySettings, load_notify
from llm_usage_warehouse.one_source import SourceOutcome
from llm_usage_warehouse.settings import WarehouseSettings, demo_flag
from llm_usage_warehouse.transform import Outcome
from llm_usage_warehouse.verdict import judge
from tests.receiver import SECRET, Receiver, receiving

TODAY = date(2026, 11, 20)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


class Mailbox:
    """What a mail server on loopback took in."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.to: list[list[str]] = []
        self.users: list[str] = []
        self.port = 0

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: Any, session: Any, envelope: Envelope, address: str, options: Any
    ) -> str:
        if address.startswith("nobody"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.to.append(envelope.rcpt_tos)
        return "250 OK"

    def admit(self, server: Any, session: Any, envelope: Any, how: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.users.append(data.login.decode())
        return AuthResult(success=data.password == b"sEcReT pass", handled=False)


def serving(mailbox: Mailbox, **options: Any) -> Iterator[Mailbox]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        mailbox.port = free.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port, **options)
    controller.start()
    yield mailbox
    controller.stop()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    yield from serving(Mailbox())


@pytest.fixture
def safe_mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    """A server that takes mail only once the way is encrypted and the user known."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        (
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
            "-subj /CN=localhost -addext subjectAltName=DNS:localhost "
            f"-keyout {key} -out {certificate}"
        ).split(),
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    mailbox = Mailbox()
    options = {"require_starttls": True, "auth_required": True, "authenticator": mailbox.admit}
    yield from serving(mailbox, tls_context=context, **options)


def by_mail(mailbox: Mailbox, **changes: Any) -> NotifySettings:
    plain: dict[str, Any] = {"smtp_host": "127.0.0.1", "smtp_security": "none"}
    given = {"email": ["a@example.com"], "email_from": "usage@example.com", **plain, **changes}
    return NotifySettings(smtp_port=mailbox.port, **given)


def alert(name: str, rule: str = "spend") -> Alert:
    return Alert(name, rule, f"{name} cost 2.00 USD", f"from calls where '{name}'")


@pytest.fixture
def warehouse(tmp_path: Path) -> WarehouseSettings:
    return WarehouseSettings(path=tmp_path / "w.duckdb", published_path=tmp_path / "p.duckdb")


def told(warehouse: WarehouseSettings, by: NotifySettings, *loads: SourceOutcome) -> list[str]:
    """Tell a night that was not published."""
    night = Night(list(loads), models=Outcome(1, 1, ("a test fails",), (), 1.0))
    return tell_night(warehouse, by, night, judge(warehouse, night))


FAILED = SourceOutcome("aiproxy", error="stream logs: HTTP 500")
GOOD = SourceOutcome("weave")


def test_a_webhook_gets_the_verdict_the_loads_and_the_alerts(
    receiver: Receiver, warehouse: WarehouseSettings
) -> None:
    assert told(warehouse, receiver.settings, FAILED, GOOD) == []
    ((path, body),) = receiver.got
    assert path == SECRET
    assert body["text"].split("\n\n") == [
        "NOT PUBLISHED: failed: aiproxy; 1 finding of models and tests; no file yet",
        "aiproxy failed: stream logs: HTTP 500\nweave: 0 rows loaded\nfinding: a test fails",
        "alert (failed): aiproxy could not be loaded\n"
        "  from ops.load_status where source_name = 'aiproxy' order by last_window_end",
    ]
    assert "\n\n".join(one["text"]["text"] for one in body["blocks"]) == body["text"]
    assert {one["text"]["type"] for one in body["blocks"]} == {"plain_text"}


def test_an_alert_is_told_once_as_long_as_it_holds(
    receiver: Receiver, warehouse: WarehouseSettings
) -> None:
    for loads in ((FAILED,), (FAILED,), (GOOD,), (FAILED,)):
        told(warehouse, receiver.settings, *loads)
    # It returned on the same day.
    assert ["alert (failed)" in text for text in receiver.texts()] == [True, False, False, False]
    assert "1 alert told before still holds" in receiver.texts()[1]


def test_what_returns_on_another_day_is_news() -> None:
    before = {"a": "2026-11-19", "b": "2026-11-19", "c": "2026-11-20", "failed/x": "2026-11-19"}
    kept = still_told(before, [alert("a")], TODAY, tried=["y"])
    # Nobody tried whether x still fails.
    assert kept == {"a": "2026-11-20", "c": "2026-11-20", "failed/x": "2026-11-19"}
    assert "failed/x" not in still_told(before, [], TODAY, tried=["x"])


def test_a_message_that_is_not_sent_costs_a_warning_and_is_told_the_next_night(
    receiver: Receiver, warehouse: WarehouseSettings
) -> None:
    receiver.status, receiver.said = 404, b"no_service"
    (warning,) = told(warehouse, receiver.settings, FAILED)
    assert warning == (
        "the message could not be sent by webhook: HTTP 404 (no_service); "
        "the next night tells its 1 alert"
    )
    receiver.status = 200
    assert told(warehouse, receiver.settings, FAILED) == []
    assert ["alert (failed)" in text for text in receiver.texts()] == [True, True]


def test_each_way_has_a_memory_of_its_own(
    receiver: Receiver, mailbox: Mailbox, warehouse: WarehouseSettings
) -> None:
    both = replace(by_mail(mailbox), webhook=receiver.settings.webhook)
    receiver.status = 500
    told(warehouse, both, FAILED)
    receiver.status = 200
    told(warehouse, both, FAILED)
    assert "alert (failed)" in receiver.texts()[1]
    assert ["alert (failed)" in str(mail.get_content()) for mail in mailbox.mails] == [True, False]
    assert read_told(warehouse).keys() == {"webhook", "email"}


@pytest.mark.parametrize("text", ['{"webhook": {"fai', "[]", "\x00"])
def test_a_memory_that_is_damaged_tells_again(
    receiver: Receiver, warehouse: WarehouseSettings, text: str
) -> None:
    (warehouse.data_folder / "alerts_told.json").write_text(text)
    assert told(warehouse, receiver.settings, FAILED) == []
    assert "alert (failed)" in receiver.texts()[0]
    assert (warehouse.data_folder / "alerts_told.json").stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_remembered_is_told_again(
    receiver: Receiver, warehouse: WarehouseSettings
) -> None:
    obstacle = warehouse.data_folder / ".alerts_told.json.new"
    obstacle.mkdir()
    (warning,) = told(warehouse, receiver.settings, FAILED)
    assert warning.startswith("the message was not made or not remembered: Is a directory")
    obstacle.rmdir()
    told(warehouse, receiver.settings, FAILED)
    assert ["alert (failed)" in text for text in receiver.texts()] == [True, True]


def test_a_night_that_publishes_nothing_tells_what_no_message_told_yet(
    receiver: Receiver, warehouse: WarehouseSettings
) -> None:
    with duckdb.connect(str(warehouse.published_path)) as connection:
        connection.execute(
            "create table alerts as select 'a' as alert_id, 'spend' as rule, 'it cost' as message, "
            "'from calls' as query, null as usage_date, null as month, null as source_name, "
            "null as team, null as currency"
        )
    for _ in range(2):
        assert told(warehouse, receiver.settings, GOOD) == []
    told_once, again = receiver.texts()
    assert "\n\nalert (spend): it cost\n  from calls" in told_once
    assert "alert (" not in again


def test_simulated_rows_are_nobodys_news(receiver: Receiver, warehouse: WarehouseSettings) -> None:
    demo_flag(warehouse).write_text("{}")
    assert told(warehouse, receiver.settings, FAILED) == []
    assert receiver.got == []


def test_a_rule_that_is_off_is_not_told(receiver: Receiver, warehouse: WarehouseSettings) -> None:
    off = replace(warehouse, alerts=replace(warehouse.alerts, off=["failed"]))
    told(off, receiver.settings, FAILED)
    assert "alert" not in receiver.texts()[0]


@pytest.mark.parametrize("name", ["<!channel>", "*bold*", "a & b", "<https://x|y>", "a\nb\x1b[31m"])
def test_names_are_no_markup(name: str) -> None:
    payload = slack_payload(Message(f"COMPLETE: {name}", (name,), (alert(name),)))
    texts = [one["text"] for one in payload["blocks"]]
    assert {one["type"] for one in texts} == {"plain_text"}
    for text in [payload["text"], *(one["text"] for one in texts)]:
        assert not set("<>\x1b") & set(text)
        assert "&" not in text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
    assert "&lt;!channel&gt;" in payload["text"] or name != "<!channel>"


def test_a_message_fits_slacks_limits() -> None:
    long = "<" * 20_000
    payload = slack_payload(
        Message(long, (long,) * 300, tuple(alert(f"{long}{n}") for n in range(50)))
    )
    lengths = [len(one["text"]["text"]) for one in payload["blocks"]]
    assert (len(lengths), max(lengths) <= LONGEST_BLOCK) == (MOST_BLOCKS, True)
    assert len(payload["text"]) <= 40_000
    few = slack_payload(Message("v", (), tuple(alert(str(n)) for n in range(23))))
    assert few["blocks"][-1]["text"]["text"] == "and 3 alerts more: from ops.alerts"


@pytest.mark.parametrize(
    ("status", "said", "headers", "words"),
    [
        (302, b"", {"Location": "http://127.0.0.1:1/elsewhere"}, "HTTP 302"),
        (410, b"channel_is_archived", {}, "HTTP 410 (channel_is_archived)"),
        (403, SECRET.encode(), {}, "HTTP 403"),
        (500, b"<html>", {}, "HTTP 500"),
    ],
)
def test_an_answer_that_is_no_yes(
    receiver: Receiver, status: int, said: bytes, headers: dict[str, str], words: str
) -> None:
    receiver.status, receiver.said, receiver.headers = status, said, headers
    assert try_ways(receiver.settings) == {"webhook": words}
    assert len(receiver.got) == 1


def test_a_server_that_says_nothing_is_waited_for_so_long_and_no_longer(
    receiver: Receiver,
) -> None:
    receiver.wait = threading.Event()
    found = tell_end(receiver.settings, "TERMINATED", patience=0.2)
    receiver.wait.set()
    assert found == ["the message could not be sent by webhook: no answer within 0.2 s"]


def test_no_secret_is_told(caplog: pytest.LogCaptureFixture, receiver: Receiver) -> None:
    caplog.set_level(logging.DEBUG)
    plain = receiver.settings
    tls = replace(plain, webhook=plain.webhook.replace("http:", "https:"))
    gone = replace(plain, webhook=f"http://127.0.0.1:1{SECRET}")
    said = [*try_ways(plain).values(), *try_ways(tls).values(), *try_ways(gone).values()]
    assert said[0] == ""
    assert said[1].startswith("ConnectError: [SSL")
    assert said[2].startswith("ConnectError: ")
    for text in (*said, caplog.text):
        assert "sEcReT" not in text
        assert "/services/" not in text


def test_mail_has_the_verdict_as_its_subject(
    mailbox: Mailbox, warehouse: WarehouseSettings
) -> None:
    settings = by_mail(mailbox, email=["a@example.com", "b@example.com"])
    load = SourceOutcome("aiproxy", error="modèle\r\nBcc: eve@example.com")
    assert told(warehouse, settings, load) == []
    (mail,) = mailbox.mails
    assert mail["Subject"].startswith("LLM usage: NOT PUBLISHED: failed: aiproxy")
    assert (mail["To"], mail["Bcc"]) == ("a@example.com, b@example.com", None)
    assert mailbox.to == [["a@example.com", "b@example.com"]]
    assert "aiproxy failed: modèle Bcc: eve@example.com" in mail.get_content()


def test_a_recipient_whom_the_server_refuses_is_named(
    mailbox: Mailbox, warehouse: WarehouseSettings
) -> None:
    settings = by_mail(mailbox, email=["a@example.com", "nobody@example.com"])
    (warning,) = told(warehouse, settings, FAILED)
    assert warning == "the message by email was sent, but not to nobody@example.com"
    none = try_ways(by_mail(mailbox, email=["nobody@example.com"]))
    assert none["email"].startswith("SMTPRecipientsRefused")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate")
def test_mail_goes_out_encrypted_and_by_its_user(
    safe_mailbox: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = by_mail(safe_mailbox, smtp_host="localhost", smtp_security="starttls")
    settings = replace(settings, smtp_user="me", smtp_password="sEcReT pass")
    unknown = try_ways(settings)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    known = try_ways(settings)
    wrong = try_ways(replace(settings, smtp_password="sEcReT wrong"))
    assert "certificate verify failed" in unknown["email"]
    assert known == {"email": ""}
    assert wrong["email"].startswith("SMTPAuthenticationError: (535")
    assert "sEcReT" not in wrong["email"]
    assert (set(safe_mailbox.users), len(safe_mailbox.mails)) == ({"me"}, 1)


def test_a_server_without_tls_gets_no_mail(mailbox: Mailbox) -> None:
    found = try_ways(by_mail(mailbox, smtp_security="starttls"))
    assert found["email"].startswith("SMTPNotSupportedError")
    assert mailbox.mails == []


def test_what_others_can_read_is_told(mailbox: Mailbox) -> None:
    readable = replace(by_mail(mailbox, smtp_host="example.com"), webhook="http://example.com/x")
    (webhook, mail) = in_plain_sight(readable)
    assert webhook.startswith("[notify] webhook is plain http://")
    assert mail.startswith('[notify] smtp_security is "none"')
    assert "example.com" not in webhook
    assert in_plain_sight(by_mail(mailbox)) == in_plain_sight(NotifySettings()) == []


def test_an_error_of_any_kind_is_told_as_one(receiver: Receiver) -> None:
    def broken(message: Message) -> str:
        raise ValueError(f"cannot use {receiver.settings.webhook}")

    with pytest.raises(NotSentError, match=r"^ValueError: cannot use \*\*\*$"):
        send(receiver.settings, broken, Message("v"))


@pytest.fixture
def llm_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command line in an empty project."""
    (tmp_path / ".dlt").mkdir()
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path))
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_the_command_tries_each_way(
    llm_usage: Callable[..., Result], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = llm_usage("notify", "--test")
    monkeypatch.setenv("NOTIFY__WEBHOOK", receiver.address)
    good = llm_usage("notify", "--test")
    receiver.status, receiver.said = 404, b""
    bad = llm_usage("--verbose", "notify", "--test")
    assert (none.exit_code, "as NOTIFY__WEBHOOK" in none.output) == (2, True)
    assert (good.exit_code, good.output) == (0, "webhook: sent\n")
    assert (bad.exit_code, bad.output) == (1, "webhook: HTTP 404\n")
    assert receiver.texts()[0].startswith("TEST: ")
    assert llm_usage("notify").exit_code == 2


def test_wrong_settings_are_told_by_message_too(
    llm_usage: Callable[..., Result], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE__RATES", "daily")
    monkeypatch.setenv("NOTIFY__WEBHOOK", receiver.address)
    assert llm_usage("nightly").exit_code == 2
    monkeypatch.setenv("NOTIFY__WEBHOOK", receiver.address.removeprefix("http://"))
    broken = llm_usage("nightly")
    (text,) = receiver.texts()
    assert text.startswith("NOT STARTED: the settings or the command line are wrong\n\n")
    assert "[warehouse] rates: 'daily' is" in text
    assert "[notify] webhook: its value is not an address" in broken.output
    assert SECRET not in broken.output


def test_mail_needs_a_sender_and_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".dlt").mkdir()
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path))
    monkeypatch.setenv("NOTIFY__EMAIL", "a@example.com")
    with pytest.raises(UsageError, match=r"email_from is missing.*\n.*smtp_host is missing"):
        load_notify()
    monkeypatch.setenv("NOTIFY__EMAIL_FROM", "b@example.com")
    monkeypatch.setenv("NOTIFY__SMTP_HOST", "mail.example.com")
    found = load_notify()
    assert (found.port, list(ways(found))) == (587, ["email"])
