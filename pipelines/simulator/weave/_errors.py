"""How the trace server refuses a request: a status and one of two shapes of JSON body."""

from typing import Any


class RefusalError(Exception):
    """An answer other than 200.

    Attributes:
        status: the HTTP status.
        body: `{"reason": ...}` from the application, `{"detail": [...]}` from validation.
    """

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


def refuse(status: int, reason: str) -> RefusalError:
    """Return an application error."""
    return RefusalError(status, {"reason": reason})


def bad_sql() -> RefusalError:
    """Return what SQL that cannot run leads to, each time anew: it only looks transient."""
    return refuse(502, "Temporary backend error")
