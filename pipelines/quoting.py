"""Names and texts as SQL writes them: what a vendor or a person named is never more than data."""


def quoted(name: str) -> str:
    """Return a name as SQL takes any name."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: object) -> str:
    """Return a text, or what is written as one, such as a path, as a literal of SQL."""
    return "'" + str(text).replace("'", "''") + "'"
