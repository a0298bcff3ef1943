"""LLM usage warehouse: every LLM call of four vendors' APIs in one DuckDB file."""
