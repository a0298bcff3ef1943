"""Nights that are hurt on purpose: whatever happens to one, the next one ends the same."""
