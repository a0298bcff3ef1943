"""Where the files of a warehouse lie: where they cannot be."""

from pathlib import Path

NAMES_IN_USE = {"main", "temp", "system", "memory", "published", "earlier"}
"""What a database cannot be called here: DuckDB's own names, and those that publishing gives."""


def misplaced(path: Path, published_path: Path) -> list[str]:
    """Return a line for each reason why a warehouse's files cannot be where they are to be.

    Args:
        path: of the private file.
        published_path: of the published one.
    """
    problems: list[str] = []
    for name, wanted in (("path", path), ("published_path", published_path)):
        if wanted.is_dir():
            problems.append(f"[warehouse] {name}: {wanted} is a folder; name a file in it")
        problems += [
            f"[warehouse] {name}: {folder} is a file, where a folder must be"
            for folder in wanted.parents
            if folder.exists() and not folder.is_dir()
        ]
    if path.resolve() == published_path.resolve():
        problems.append(
            "[warehouse] path and published_path are the same file; people must not read the one "
            "that loads write"
        )
    stem = path.stem.lower()
    if stem in NAMES_IN_USE or stem.startswith("raw_"):
        problems.append(
            f"[warehouse] path: DuckDB would take the file's name, {stem}, for that of something "
            "within it; name it otherwise, such as warehouse.duckdb"
        )
    return problems
