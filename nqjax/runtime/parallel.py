"""Work spread over threads and devices."""

import os
import queue
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

import jax

_T = TypeVar("_T")
_R = TypeVar("_R")

#: The most pieces of work that run at once on CPUs.
_MOST_ON_CPU = 16


def num_cores() -> int:
    """Return how many of the machine's cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def slots(devices: Sequence[jax.Device], per_device: int = 2) -> list[jax.Device]:
    """Return the devices of the pieces of work that run or are prepared at the same time.

    Parameters
    ----------
    devices : sequence of Device
        All of one kind.
    per_device : int
        Pieces of work for each accelerator: with two, one runs while the next is prepared. CPUs have one for each core.
    """
    if devices[0].platform != "cpu":
        return [*devices] * per_device
    return [devices[i % len(devices)] for i in range(max(len(devices), min(num_cores(), _MOST_ON_CPU)))]


def num_workers(devices: Sequence[jax.Device], per_device: int = 2) -> int:
    """Return how many pieces of work run or are prepared at the same time; the arguments are those of `slots`."""
    return len(slots(devices, per_device))


def in_parallel(
    function: Callable[[_T, jax.Device], _R], items: Iterable[_T], devices: Sequence[jax.Device]
) -> Iterator[_R]:
    """Yield the results of a function in the order in which they are ready; items are taken lazily.

    A few threads call the function, each with an item and a free device. After an exception, Ctrl-C included, calls
    that run are finished and the others are dropped.
    """
    places = slots(devices)
    free: queue.SimpleQueue[jax.Device] = queue.SimpleQueue()
    for device in places:
        free.put(device)

    def work(item: _T) -> _R:
        device = free.get()
        try:
            return function(item, device)
        finally:
            free.put(device)

    with ThreadPoolExecutor(len(places), thread_name_prefix="nqjax") as pool:
        running: set[Future[_R]] = set()
        try:
            for item in items:
                running.add(pool.submit(work, item))
                if len(running) > len(places):
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            for future in running:
                future.cancel()
