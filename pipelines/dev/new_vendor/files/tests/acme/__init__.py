"""acme: its source."""
