"""Which files lie in the lake of engine "spark": in a folder, or in an object store of S3's kind.

Where it is a store, its keys are where AWS's own tools look for them first, in the environment, or
are those of the machine's role: dlt, Delta and Spark find them by themselves.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from llm_usage_warehouse.errors import LOOK_AT_STORE, RunError, in_a_line
from llm_usage_warehouse.settings import WarehouseSettings

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

Name = tuple[str, str]
"""Schema and table."""


@dataclass(frozen=True)
class Found:
    """What lies in the lake under the name of a table.

    Attributes:
        place: its folder or address, as Delta, Spark and DuckDB take it.
        names: of the files in it, without those in its folders.
        commit: the number of the newest commit of Delta; None where it is no table of Delta.
    """

    place: str
    names: tuple[str, ...]
    commit: int | None

    @property
    def is_delta(self) -> bool:
        """Whether it is a table of Delta; else it is of Parquet files alone, or of none yet."""
        return self.commit is not None

    @property
    def parquet(self) -> list[str]:
        """The places of its files of Parquet, of whatever version of it."""
        return [f"{self.place}/{name}" for name in self.names if name.endswith(".parquet")]

    @property
    def version(self) -> int:
        """What is another number once it is another table.

        One of Parquet alone is made anew by each build, whose files have names of their own.
        """
        if self.commit is not None:
            return self.commit
        names = "\0".join(self.names).encode()
        return int.from_bytes(hashlib.blake2b(names, digest_size=7).digest())


def found_in(warehouse: WarehouseSettings, schema: str | None = None) -> dict[Name, Found]:
    """Return what lies under the name of each table, as the lake is now.

    Args:
        warehouse: whose lake.
        schema: of which tables; None for all.
    """
    system, root = _opened(warehouse)
    inside: dict[Name, list[list[str]]] = {}
    # Folders as well: one that a build left empty is in the way of the next.
    for path in system.find(f"{root}/{schema}" if schema else root, withdirs=True):
        # The first may be that in which was looked.
        parts = [part for part in path.removeprefix(root).split("/") if part]
        if path.startswith(f"{root}/") and len(parts) > 1:
            within = inside.setdefault((parts[0], parts[1]), [])
            within += [parts[2:]] if parts[2:] else []
    return {
        name: Found(
            f"{warehouse.lake}/{'/'.join(name)}",
            tuple(sorted(parts[0] for parts in within if len(parts) == 1)),
            max(_commits(within), default=None),
        )
        for name, within in sorted(inside.items())
    }


def _commits(inside: Iterable[list[str]]) -> Iterator[int]:
    """Yield the numbers of the commits of Delta among the files of a table."""
    for folder, *names in inside:
        number, _, kind = names[0].partition(".") if len(names) == 1 else ("", "", "")
        if folder == "_delta_log" and kind == "json" and number.isdigit():
            yield int(number)


def remove(warehouse: WarehouseSettings, name: Name) -> None:
    """Remove all that lies under the name of a table."""
    system, root = _opened(warehouse)
    system.rm(f"{root}/{'/'.join(name)}", recursive=True)


def region() -> str | None:
    """Return the region of the object store: libraries do not agree on the variable for it."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")


def read_or_make(warehouse: WarehouseSettings, name: str, text: str) -> str:
    """Return what a file of the lake says; where it is not there, it is made, and says the text.

    Raises:
        RunError: the object store cannot be reached, refuses, or is in no region.
    """
    if warehouse.is_in_a_store and not region():
        raise RunError(
            f"the lake {warehouse.lake} is in an object store: set AWS_REGION in the environment"
        )
    try:
        system, root = _opened(warehouse)
        if not system.exists(f"{root}/{name}"):
            # Whoever comes first has it, and it is never there in part.
            with suppress(FileExistsError):
                if warehouse.is_in_a_store:
                    system.pipe_file(f"{root}/{name}", text.encode(), mode="create")
                else:
                    _make_whole(Path(root) / name, text)
        said: bytes = system.cat_file(f"{root}/{name}")
    except Exception as error:
        if not warehouse.is_in_a_store:
            raise
        raise RunError(
            f"the lake {warehouse.lake} cannot be used: {in_a_line(error)}; {LOOK_AT_STORE}"
        ) from None
    return said.decode()


def _make_whole(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{uuid4().hex}")
    fresh.write_text(text)
    try:
        # A link is not made where there is one.
        os.link(fresh, file)
    finally:
        fresh.unlink()


def _opened(warehouse: WarehouseSettings) -> tuple["AbstractFileSystem", str]:
    from fsspec.core import url_to_fs  # noqa: PLC0415

    system, root = url_to_fs(warehouse.lake, use_listings_cache=False)
    return system, root
