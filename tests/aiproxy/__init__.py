"""AI Proxy: its simulator, its source, and its rows in the models."""
