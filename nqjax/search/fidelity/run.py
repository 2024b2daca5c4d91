"""Run successive halving, Hyperband, ASHA or BOHB on a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from nqjax.runtime.compiled import power_of_two
from nqjax.runtime.memory import check_memory
from nqjax.runtime.progress import Progress
from nqjax.search import configurations
from nqjax.search.engine.trial import Trial
from nqjax.search.fidelity.asha import Asha, Job
from nqjax.search.fidelity.methods import ASHA, BOHB, Hyperband, RungMethod, fidelity_settings
from nqjax.search.fidelity.promotions import survivors
from nqjax.search.fidelity.proposals import Proposals
from nqjax.search.fidelity.rungs import hyperband_brackets, num_rungs, rung_rounds
from nqjax.search.fidelity.staged import StagedTraining
from nqjax.search.run_options import RunOptions
from nqjax.search.runner import as_trials, search_settings, trial_words
from nqjax.search.task import Task
from nqjax.trials.table import Trials

#: Bytes that a trial takes at least, before it is trained: its configuration and its key.
_BYTES_PER_TRIAL = 500

#: Room for proposed trials: a search with more has the next power of two. Their last digits depend on it.
_CAPACITY = 256


class Climb:
    """The trials of a search on the rungs: what trains next, and what it scores there.

    Parameters
    ----------
    training : StagedTraining
    rounds : sequence of tuple of int
        For each trial, after how many rounds it reaches each rung.
    """

    def __init__(self, training: StagedTraining, rounds: Sequence[tuple[int, ...]]) -> None:
        self._training, self._rounds = training, list(rounds)

    def scores(self, jobs: Sequence[Job]) -> dict[Job, float]:
        """Train trials up to their rungs, side by side, and return their scores there; infinite ones failed."""
        self._training.train({job.trial: self._rounds[job.trial][job.rung] for job in jobs})
        found = {job: self._training.score(job.trial, self._rounds[job.trial][job.rung]) for job in jobs}
        return {job: score for job, score in found.items() if score is not None}

    def duration(self, job: Job) -> float:
        """Return the rounds that a job trains."""
        reached = self._rounds[job.trial]
        return float(reached[job.rung] - (reached[job.rung - 1] if job.rung else 0))

    def halve(self, brackets: Sequence[range], first_rungs: Sequence[int], eta: int) -> None:
        """Run brackets of successive halving side by side, each from its first rung on."""
        rungs = len(self._rounds[brackets[0][0]])
        going = [list(numbers) for numbers in brackets]
        for step in range(rungs - min(first_rungs)):
            there = [i for i, first in enumerate(first_rungs) if first + step < rungs]
            found = self.scores([Job(trial, first_rungs[i] + step) for i in there for trial in going[i]])
            for i in there:
                own = {trial: found[Job(trial, first_rungs[i] + step)] for trial in going[i]}
                kept = survivors(own, max(1, len(brackets[i]) // eta ** (step + 1)))
                self._training.stop(set(going[i]) - set(kept))
                going[i] = kept

    def add(self, trials: Sequence[Trial], rounds: Sequence[tuple[int, ...]]) -> None:
        """Add trials, and after how many rounds they reach each rung."""
        self._training.add(trials)
        self._rounds += rounds

    def reached(self) -> list[tuple[int, float]]:
        """Return the rung that each trial reached, and its score there; a failed one has an infinite score."""
        found = []
        for number, own in enumerate(self._rounds):
            scores = [self._training.score(number, rounds) for rounds in own]
            known = [score for score in scores if score is not None]
            found.append((len(known) - 1, known[-1]))
        return found

    def promote(self, asha: Asha) -> None:
        """Run ASHA; jobs that run at the same time by its clock train side by side."""
        waiting, known = asha.start(), dict[Job, float]()
        while (job := asha.next()) is not None:
            if job not in known:
                known |= self.scores(waiting)
                waiting = []
            asha.end(known.pop(job))
            waiting += asha.start()


def run_fidelity(
    task: Task,
    space: Mapping[str, Any],
    method: RungMethod,
    num_trials: int,
    batch: int,
    key: Any,
    *,
    out: str | Path | None,
    **options: Unpack[RunOptions],
) -> Trials:
    """Run a search that stops trials early; arguments are checked, and as for `nqjax.search.run`.

    Trial ``i`` has the training of trial ``i`` of a random search with the same key, and without proposals also the
    configuration.
    """
    check_memory("num_trials", num_trials, _BYTES_PER_TRIAL)
    configs = list(enumerate(configurations.samples(space, key, range(num_trials))))
    trials = as_trials(task, configs, trial_words(key, range(num_trials)))
    longest = max(trial.rounds for trial in trials)
    rungs = num_rungs(longest, method.eta, method.min_rounds)
    sampling = {**fidelity_settings(method), "num_trials": num_trials, "longest": longest, "rungs": rungs}
    if isinstance(method, ASHA):
        sampling["workers"] = method.workers or batch
    brackets = _brackets(method, num_trials, longest, rungs)
    rounds = [rung_rounds(trial.rounds, rungs, method.eta) for trial in trials]
    expected = _expected_cost(trials, rounds, brackets, method.eta)
    show = options.get("progress", False)
    options["progress"] = False  # the bar is this one
    settings = search_settings(task, space, key, sampling)
    with (
        Progress("full trainings", max(1, round(expected)), show=show) as bar,
        StagedTraining(task, settings, bar, out=out, **options) as training,
    ):
        if isinstance(method, BOHB):
            _propose(task, space, method, brackets, Climb(training, []), key, rungs)
            return training.table()
        training.add(trials)
        climb = Climb(training, rounds)
        if isinstance(method, ASHA):
            climb.promote(Asha(num_trials, sampling["workers"], rungs, method.eta, climb.duration))
        else:
            climb.halve([numbers for numbers, _ in brackets], [first for _, first in brackets], method.eta)
        return training.table()


def _propose(
    task: Task,
    space: Mapping[str, Any],
    method: BOHB,
    brackets: Sequence[tuple[range, int]],
    climb: Climb,
    key: Any,
    rungs: int,
) -> None:
    """Run brackets one after the other, with the configurations that follow from those before."""
    room = max(_CAPACITY, power_of_two(brackets[-1][0].stop))
    proposals = Proposals(space, room, len(brackets[0][0]), method.random_share, key)
    for numbers, first in brackets:
        configs = proposals.ask(len(numbers))
        trials = as_trials(task, list(zip(numbers, configs, strict=True)), trial_words(key, numbers))
        climb.add(trials, [rung_rounds(trial.rounds, rungs, method.eta) for trial in trials])
        climb.halve([numbers], [first], method.eta)
        proposals.tell(climb.reached())


def _brackets(method: RungMethod, num_trials: int, longest: int, rungs: int) -> list[tuple[range, int]]:
    """Return the trials and the first rung of each bracket: brackets are repeated, and the last one may be shorter."""
    plan = [(method.eta ** (rungs - 1), 0)]
    if isinstance(method, Hyperband | BOHB):
        own = hyperband_brackets(longest, method.eta, method.min_rounds)
        plan = [(bracket[0].trials, rungs - len(bracket)) for bracket in own]
    found: list[tuple[range, int]] = []
    begun = 0
    while begun < num_trials:
        size, first = plan[len(found) % len(plan)]
        found.append((range(begun, min(begun + size, num_trials)), first))
        begun += size
    return found


def _expected_cost(
    trials: Sequence[Trial], rounds: Sequence[tuple[int, ...]], brackets: Sequence[tuple[range, int]], eta: int
) -> float:
    """Return the cost in full trainings if trials are stopped without regard to their lengths."""
    cost = 0.0
    for numbers, first in brackets:
        for i in numbers:
            shares = [reached / trials[i].rounds for reached in rounds[i]]
            cost += shares[first]
            steps = range(first + 1, len(shares))
            cost += sum((shares[k] - shares[k - 1]) / eta ** (k - first) for k in steps)
    return cost
