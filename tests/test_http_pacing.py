"""Work in threads: order, bounds, errors, and nothing left running."""

import subprocess
import sys
import threading
import time
from itertools import count, islice

import pytest

from pipelines.http.pacing import Pacer, map_in_order


def test_results_keep_the_order_of_their_items() -> None:
    def late_if_even(number: int) -> int:
        time.sleep(0.01 * (number % 2 == 0))
        return number * 10

    assert list(map_in_order(late_if_even, range(9), 4)) == [number * 10 for number in range(9)]


def test_no_more_threads_than_allowed() -> None:
    names: set[str] = set()

    def name(_: int) -> None:
        names.add(threading.current_thread().name)
        time.sleep(0.002)

    list(map_in_order(name, range(30), 3))
    assert len(names) == 3


def test_items_are_read_ahead_by_a_bound() -> None:
    taken = count()
    results = map_in_order(lambda number: number, taken, 2)
    assert list(islice(results, 3)) == [0, 1, 2]
    results.close()
    assert next(taken) <= 3 + 2 * 2


def test_an_error_is_raised_in_its_place_and_ends_the_work() -> None:
    begun: list[int] = []

    def fail_at_five(number: int) -> int:
        begun.append(number)
        time.sleep(0.005)
        if number == 5:
            raise ValueError(number)
        return number

    seen: list[int] = []
    with pytest.raises(ValueError, match="5"):
        seen.extend(map_in_order(fail_at_five, count(), 3))
    assert seen == [0, 1, 2, 3, 4] and max(begun) < 5 + 2 * 3


def test_running_work_ends_before_the_error_is_raised() -> None:
    done: list[int] = []

    def fail_first(number: int) -> None:
        if number == 0:
            raise ValueError(number)
        time.sleep(0.05)
        done.append(number)

    with pytest.raises(ValueError, match="0"):
        list(map_in_order(fail_first, range(2), 2))
    before = list(done)
    time.sleep(0.08)
    assert done == before


def test_the_pace_holds_for_threads_of_any_number() -> None:
    pacer = Pacer(per_second=50, burst=2)
    started = time.monotonic()

    def passed(_: int) -> float:
        pacer.wait()
        return time.monotonic() - started

    times = sorted(map_in_order(passed, range(12), 6))
    assert all(at >= (number - 1) / 50 - 0.003 for number, at in enumerate(times))
    assert times[-1] < 1.0


def test_a_pace_need_not_be_a_whole_number() -> None:
    pacer = Pacer(per_second=4.5, burst=1)
    started = time.monotonic()
    pacer.wait()
    pacer.wait()
    assert 0.22 <= time.monotonic() - started < 0.6


def test_waiting_costs_no_processor_time() -> None:
    pacer = Pacer(per_second=4, burst=1)
    pacer.wait()
    before = time.process_time()
    list(map_in_order(lambda _: pacer.wait(), range(2), 2))
    assert time.process_time() - before < 0.1


def test_the_process_ends_at_once_and_in_silence() -> None:
    code = (
        "from pipelines.http import ApiClient\n"
        "import threading\n"
        "api = ApiClient('acme', 'http://127.0.0.1:9')\n"
        "print(list(api.map(str, range(3))), threading.active_count())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True
    )
    assert (done.stdout, done.stderr) == ("['0', '1', '2'] 1\n", "")
