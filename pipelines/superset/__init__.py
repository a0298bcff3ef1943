"""A Superset on loopback with a ready dashboard over the published file: `make superset`."""
