"""The commands, as a person, a script or a scheduler runs them."""
