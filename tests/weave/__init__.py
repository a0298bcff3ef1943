"""W&B Weave: its simulator and source, and its rows in the models."""
