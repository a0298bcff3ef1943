"""Where `llm-usage` begins: its imports take most of a second, and Ctrl-C is not to show them."""

import signal


def main() -> None:
    """Run the command line; Ctrl-C before it is there ends the process without a word."""
    given = signal.getsignal(signal.SIGINT)
    if given is not signal.SIG_IGN:
        # Python's own way shows the line of whichever library was being read.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from llm_usage_warehouse.cli import app  # noqa: PLC0415

    signal.signal(signal.SIGINT, given)
    app()
