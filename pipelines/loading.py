"""The load of a night: every source in a thread of its own, one warehouse."""

import gc
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from llm_usage_warehouse.connectors import Source
from llm_usage_warehouse.extraction import Watcher
from llm_usage_warehouse.one_source import Run, SourceOutcome, load_source
from llm_usage_warehouse.warehouse import HeldFile


def load_sources(sources: Sequence[Source], run: Run, watcher: Watcher) -> list[SourceOutcome]:
    """Load several sources side by side, and return how each went, in their order.

    An interrupt is raised at once: the threads are daemons, and what they have not loaded by the
    end of the process is read again by the next run.

    Raises:
        RunError: a program has the warehouse open, or it is no DuckDB file.
    """
    outcomes: dict[str, SourceOutcome] = {}

    with closing(HeldFile(run.warehouse)) as file, _frozen():

        def load(source: Source) -> None:
            outcomes[source.name] = load_source(source, run, watcher, file)

        threads = [
            threading.Thread(target=load, args=(source,), name=source.name, daemon=True)
            for source in sources
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.1)
    return [outcomes[source.name] for source in sources]


@contextmanager
def _frozen() -> Iterator[None]:
    """Have Python take all that is in memory for lasting, and look for garbage in the rest alone.

    The modules alone are 100,000 objects, which it would look through again and again: 6 % of the
    processor time of a long load.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
