"""Where the message of a night goes: `[notify]`."""

from dataclasses import dataclass

from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.settings import load_section, setting


@dataclass(frozen=True)
class NotifySettings:
    """The ways to be told of a night; with none of them set up, nothing is sent."""

    webhook: str = setting(
        "the address of an incoming webhook, of Slack or of what takes the same JSON",
        "",
        secret=True,
    )
    email: list[str] = setting("who gets the message by mail", [])
    email_from: str = setting("whose address the mail is from", "")
    smtp_host: str = setting("the server that takes the mail", "")
    smtp_port: int | None = setting(
        "its port; by default 587 with starttls, 465 with tls, 25 with none", None
    )
    smtp_security: str = setting(
        'how the way to it is encrypted: "starttls" at once after it answers, "tls" from the '
        'beginning, "none" not at all',
        "starttls",
    )
    smtp_user: str = setting("who sends; empty where the server asks nobody", "")
    smtp_password: str = setting("the user's password", "", secret=True)

    @property
    def port(self) -> int:
        """The port of the mail server."""
        return self.smtp_port or {"starttls": 587, "tls": 465, "none": 25}[self.smtp_security]


def load_notify() -> NotifySettings:
    """Read `[notify]`.

    Raises:
        UsageError: a settings file cannot be read, a setting is unknown or cannot be used, or one
            that mail needs is missing.
    """
    found = load_section(NotifySettings, "notify")
    if found.email:
        needed = {"email_from": found.email_from, "smtp_host": found.smtp_host}
        if missing := [name for name, value in needed.items() if not value]:
            raise UsageError(
                *(
                    f"[notify] {name} is missing, which email needs: set it in .dlt/config.toml or "
                    f"as NOTIFY__{name.upper()}"
                    for name in missing
                )
            )
    return found
