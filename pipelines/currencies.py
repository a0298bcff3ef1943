"""Currency codes of ISO 4217, as the settings may name them."""

from babel.numbers import list_currencies

from llm_usage_warehouse.errors import UsageError

COMMONLY = {"RMB": "CNY", "CNH": "CNY", "YUAN": "CNY", "$": "USD", "US$": "USD", "€": "EUR"}
"""What people write for a code."""


def currency_code(text: str) -> str:
    """Return `text`, which is a code of ISO 4217.

    Raises:
        UsageError: it is none; the message has the right spelling where that is plain.
    """
    codes = list_currencies()
    if text in codes:
        return text
    spelled = text.strip().upper()
    spelled = COMMONLY.get(spelled, spelled)
    meant = f"did you mean {spelled}?" if spelled in codes else "write one like USD, EUR or CNY"
    raise UsageError(f"{text!r} is no ISO 4217 currency code; {meant}")
