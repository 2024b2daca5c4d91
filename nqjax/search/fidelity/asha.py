"""ASHA: successive halving without waiting, by several workers, in an order that follows from costs alone."""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Callable
from typing import NamedTuple

from nqjax.search.fidelity.promotions import Entry, entry, promotable


class Job(NamedTuple):
    """The training of a trial up to a rung."""

    trial: int
    rung: int


class Asha:
    """The state of ASHA (Li et al. 2020, Algorithm 2): its rungs, and the jobs of its workers.

    A worker that is free promotes a trial, or begins a new one, or waits for the others. Jobs end in the order of the
    clock that their durations give, those of the same time in the order in which they began; no real clock is read.

    Parameters
    ----------
    num_trials : int
        Trials that may begin.
    workers : int
    rungs, eta : int
    duration : callable
        The time that a job takes.
    """

    def __init__(self, num_trials: int, workers: int, rungs: int, eta: int, duration: Callable[[Job], float]) -> None:
        self._num_trials, self._workers, self._eta, self._duration = num_trials, workers, eta, duration
        self.rungs: list[list[Entry]] = [[] for _ in range(rungs)]
        self.waiting: list[list[Entry]] = [[] for _ in range(rungs)]
        self.time = 0.0
        self._begun = self._order = 0
        self._running: list[tuple[float, int, Job]] = []

    def start(self) -> list[Job]:
        """Give a job to each free worker, and return these jobs."""
        jobs = []
        while len(self._running) < self._workers:
            chosen = promotable(self.rungs, self.waiting, self._eta)
            if chosen is not None:
                job = Job(*chosen)
                del self.waiting[job.rung - 1][0]
            elif self._begun < self._num_trials:
                job = Job(self._begun, 0)
                self._begun += 1
            else:
                break
            heapq.heappush(self._running, (self.time + self._duration(job), self._order, job))
            self._order += 1
            jobs.append(job)
        return jobs

    def next(self) -> Job | None:
        """Return the running job that ends next; None if none is running."""
        return self._running[0][2] if self._running else None

    def end(self, score: float) -> float:
        """End the job that ends next, with its score, and return the time."""
        self.time, _, job = heapq.heappop(self._running)
        for entries in (self.rungs[job.rung], self.waiting[job.rung]):
            insort(entries, entry(job.trial, score))
        return self.time
