"""One folder per vendor: its `@dlt.source`, its signing and envelope, its tables."""
