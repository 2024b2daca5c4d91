"""Run population-based training on a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from nqjax.errors import InputError
from nqjax.inputs import as_count
from nqjax.runtime.memory import check_memory
from nqjax.runtime.progress import Progress
from nqjax.search import configurations
from nqjax.search.fidelity.generations import Generation, Populations, own_score, told
from nqjax.search.fidelity.methods import fidelity_settings
from nqjax.search.fidelity.population_based import PopulationBasedTraining
from nqjax.search.fidelity.staged import StagedTraining
from nqjax.search.run_options import RunOptions
from nqjax.search.runner import as_trials, key_words, search_settings, trial_words
from nqjax.search.space import Config, Distribution
from nqjax.search.task import Task
from nqjax.trials.search_lines import LINEAGE
from nqjax.trials.table import Trials

#: Bytes that a trial takes at least, before it is trained: its configuration and its key.
_BYTES_PER_TRIAL = 500


def run_populations(
    task: Task,
    space: Mapping[str, Distribution],
    method: PopulationBasedTraining,
    num_trials: int | None,
    key: Any,
    *,
    out: str | Path | None,
    **options: Unpack[RunOptions],
) -> Trials:
    """Run population-based training; arguments are checked, and as for `nqjax.search.run`.

    Without ``num_trials`` there is one population. Trial ``i`` begins as in a random search with the same key.
    """
    count = method.population if num_trials is None else as_count("num_trials", num_trials, least=2)
    check_memory("num_trials", count, _BYTES_PER_TRIAL)
    taken = [name for name in LINEAGE if name in space]
    if taken:
        raise InputError(f"hyperparameter {taken[0]!r} has the name of another column of the table: rename it")
    numbers = range(count)
    configs = list(enumerate(configurations.samples(space, key, numbers)))
    trials = [replace(one, lineage=((one.number, 0),)) for one in as_trials(task, configs, trial_words(key, numbers))]
    trials = [replace(trial, labels=told(space, trial)) for trial in trials]
    longest = max(trial.rounds for trial in trials)
    interval = method.comparisons(longest)
    sampling = {**fidelity_settings(method), "interval": interval, "num_trials": count, "longest": longest}
    show = options.get("progress", False)
    options["progress"] = False  # the bar is this one
    settings = search_settings(task, space, key, sampling)

    def structure(config: Config) -> Any:
        return [config[name] for name in task.static], int(task.num_rounds(config))

    first = Generation(0, interval, {trial.number: trial for trial in trials}, {i: i for i in numbers})
    groups = [range(begin, min(begin + method.population, count)) for begin in range(0, count, method.population)]
    sign = 1 if task.minimize else -1
    populations = Populations(space, method, key_words(key), groups, interval, sign, structure, first)
    with (
        Progress("full trainings", count, show=show) as bar,
        StagedTraining(task, settings, bar, whole=True, out=out, **options) as training,
    ):
        _Run(training, populations, bar, task.score).train()
        return training.table()


class _Run:
    """Populations and their training.

    What a generation scored follows from the rows, so a search that was killed decides as before. It goes on from the
    states that were saved last, and those after them are trained again, along their lineage.
    """

    def __init__(self, training: StagedTraining, populations: Populations, bar: Progress, score: str) -> None:
        self._training, self._populations, self._bar, self._score = training, populations, bar, score
        self._past: list[Generation] = []

    def train(self) -> None:
        """Train generation after generation."""
        generation: Generation | None = self._populations.generation
        while generation is not None:
            self._past.append(generation)
            self._check(generation)
            missing = [i for i in generation.sources if self._known(generation, i) is None]
            if missing:
                self._begin(generation, missing)
                self._training.advance(generation.until(missing))
                self._training.save()
            self._count(generation, missing)
            scores = {i: self._known(generation, i) for i in generation.sources}
            generation = self._populations.compare({i: score for i, score in scores.items() if score is not None})

    def _known(self, generation: Generation, number: int) -> float | None:
        """Return what a trial scored at the end of a generation; None if it is not there yet."""
        trial = generation.trials[number]
        rounds = min(generation.end, trial.rounds)
        row = self._training.rows.get(number)
        return own_score(row, trial, rounds, self._populations.interval, self._score, self._populations.sign)

    def _check(self, generation: Generation) -> None:
        """Raise InputError if rows of this generation have other hyperparameters than follow from those before."""
        rows, own = self._training.rows, []
        for number in generation.sources:
            trial, found = generation.trials[number], rows.get(number, {}).get("lineage")
            if found and found[-1][1] == trial.lineage[-1][1]:
                own.append(trial)
                if found != trial.labels["lineage"]:
                    raise InputError(
                        f"the file has trial {number} with weights of {found}, but by its scores they are of "
                        f"{trial.labels['lineage']}: another version has made it; give another --out"
                    )
        self._training.check(own)

    def _begin(self, generation: Generation, missing: Sequence[int]) -> None:
        """Have the states from which a generation begins, and those of its trials that are not missing at its end."""
        bank = self._training.bank
        if generation.begin and {bank.round_of(i) for i in generation.sources.values()} == {generation.begin}:
            bank.hand_over(generation.sources)
        elif generation.begin or len(missing) < len(generation.sources):
            last = generation.end >= max(trial.rounds for trial in generation.trials.values())
            self._again(missing if last else list(generation.sources))
        self._training.replace(list(generation.trials.values()))

    def _again(self, wanted: Sequence[int]) -> None:
        """Train again what the last generation begins with, along the lineage, and those of it that have a row."""
        self._training.bank.hand_over({})
        needed, first = [list(wanted)], len(self._past) - 1
        while first:
            sources = sorted({self._past[first].sources[i] for i in needed[-1]})
            before = self._past[first - 1]
            if self._training.restore(before.trials, before.end, sources):
                break
            needed.append(sources)
            first -= 1
        for generation, numbers in zip(self._past[first:], reversed(needed), strict=True):
            self._hand_over(generation, numbers)
            missing = [i for i in numbers if self._known(generation, i) is None]
            rest = sorted(set(numbers) - set(missing))
            if rest:
                self._training.replace(list(generation.trials.values()))
                self._training.advance(generation.until(rest), again=True)

    def _hand_over(self, generation: Generation, numbers: Sequence[int]) -> None:
        if not generation.begin:
            return
        try:
            self._training.bank.hand_over({i: generation.sources[i] for i in numbers})
        except KeyError as error:
            raise InputError(
                f"trial {error} did not train again as before, so its weights are lost: this device does not repeat "
                "its numbers; begin the search again with another --out"
            ) from None

    def _count(self, generation: Generation, missing: Sequence[int]) -> None:
        """Count what earlier runs have trained."""
        before = set(generation.sources) - set(missing)
        lengths = generation.until(sorted(before))
        done = sum((until - generation.begin) / generation.trials[i].rounds for i, until in lengths.items())
        if done:
            self._bar.advance(done)
