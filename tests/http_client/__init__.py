"""The HTTP client that all sources share, against real servers on loopback."""
