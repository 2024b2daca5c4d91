"""Work spread over threads and devices."""

import os
import queue
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

import jax

_T = TypeVar("_T")


_R = TypeVar("_R")


def _slots(devices: Sequence[jax.Device]) -> list[jax.Device]:
    """Devices of the chunks to have in hand at once: on CPUs one for each core, else one that runs and one prepared."""
    if devices[0].platform != "cpu":
        return [*devices] * 2
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return [devices[i % len(devices)] for i in range(max(len(devices), min(cores, 16)))]


def num_workers(devices: Sequence[jax.Device]) -> int:
    """How many chunks are in hand at once."""
    return len(_slots(devices))


def in_parallel(
    function: Callable[[_T, jax.Device], _R], items: Iterable[_T], devices: Sequence[jax.Device]
) -> Iterator[_R]:
    """Results of a function as they come, from a few threads, each with a device that is free; items are taken lazily.

    An exception, Ctrl-C included, lets what runs end, and drops what does not.
    """
    slots = _slots(devices)
    free: queue.SimpleQueue[jax.Device] = queue.SimpleQueue()
    for device in slots:
        free.put(device)

    def work(item: _T) -> _R:
        device = free.get()
        try:
            return function(item, device)
        finally:
            free.put(device)

    with ThreadPoolExecutor(len(slots), thread_name_prefix="nqjax") as pool:
        running: set[Future[_R]] = set()
        try:
            for item in items:
                running.add(pool.submit(work, item))
                if len(running) > len(slots):
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            for future in running:
                future.cancel()
