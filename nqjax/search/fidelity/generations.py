"""The trials of populations from one comparison to the next."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nqjax.search.engine.trial import Trial
from nqjax.search.fidelity.exploit import Chance, explored, takeovers
from nqjax.search.fidelity.population_based import PopulationBasedTraining
from nqjax.search.space import Config, Distribution, searched
from nqjax.trials.search_lines import Row


@dataclass(frozen=True)
class Generation:
    """The trials between two comparisons.

    Attributes
    ----------
    begin, end : int
        The rounds of the two comparisons.
    trials : dict
        All trials, with the hyperparameters that they have now.
    sources : dict
        From the trials that train to those whose states they begin with, their own ones most often.
    """

    begin: int
    end: int
    trials: Mapping[int, Trial]
    sources: Mapping[int, int]

    def until(self, numbers: Sequence[int]) -> dict[int, int]:
        """Return the round up to which each of some trials trains."""
        return {number: min(self.end, self.trials[number].rounds) for number in numbers}


@dataclass
class Populations:
    """Populations between two comparisons.

    Attributes
    ----------
    space : mapping
        From names to distributions.
    method : PopulationBasedTraining
    words : tuple of int
        The words of the search's key.
    groups : list of range
        The numbers of the trials of each population.
    interval : int
        Rounds between comparisons.
    sign : int
        1 if lower scores are better for the user, else -1.
    structure : callable
        What a change of hyperparameters must leave as it is.
    generation : Generation
        What trains now.
    """

    space: Mapping[str, Distribution]
    method: PopulationBasedTraining
    words: tuple[int, ...]
    groups: Sequence[range]
    interval: int
    sign: int
    structure: Callable[[Config], Any]
    generation: Generation
    _compared: dict[int, list[float]] = field(default_factory=dict)

    def compare(self, scores: Mapping[int, float]) -> Generation | None:
        """Return what trains next, after the scores of the trials that trained; None if all have ended.

        Lower scores are better, and infinite ones those of failed trials.
        """
        now, end = self.generation, self.generation.end
        there = {number: trial for number, trial in now.trials.items() if trial.rounds > end}
        if not there:
            return None
        known = {number: scores.get(number, math.inf) for number in there}
        for number, score in known.items():
            self._compared.setdefault(number, []).append(score)
        trials, sources = dict(now.trials), {number: number for number in there if known[number] < math.inf}
        for group in self.groups:
            own = {number: known[number] for number in group if number in known}
            taken = takeovers(own, self.method, self.words, end) if end >= self.method.burn_in else {}
            for number, source in taken.items():
                trials[number] = self._child(now.trials[number], now.trials[source], end)
                sources[number] = source
        self.generation = Generation(end, end + self.interval, trials, sources)
        return self.generation

    def _child(self, trial: Trial, parent: Trial, rounds: int) -> Trial:
        """Return a trial that goes on from another one's weights, with its hyperparameters after a change."""
        chance = Chance(self.words, trial.number, rounds)
        config = explored(self.space, parent.config, self.method, chance, self.structure)
        begun = replace(trial, config=config, rounds=parent.rounds, lineage=(*parent.lineage, (trial.number, rounds)))
        compared = [self.sign * score if math.isfinite(score) else None for score in self._compared[trial.number]]
        return replace(begun, labels=told(self.space, begun, parent.labels["schedule"], compared))


def told(
    space: Mapping[str, Distribution],
    trial: Trial,
    before: Sequence[Config] = (),
    compared: Sequence[float | None] = (),
) -> dict[str, Any]:
    """Return the columns that tell how a trial came about.

    ``lineage`` has a pair for each part of the training, of the trial that trained it and the number of rounds before
    it; ``schedule`` the hyperparameters of each part; ``compared`` the trial's own scores at all comparisons up to the
    one where it last took over another's weights, None where it had failed.
    """
    names = searched(space)
    now = {name: trial.config[name] for name in trial.config if name in names}
    return {
        "lineage": [list(part) for part in trial.lineage],
        "schedule": [*before, now],
        "compared": list(compared),
    }


def own_score(row: Row | None, trial: Trial, rounds: int, interval: int, score: str, sign: int) -> float | None:
    """Return the score of a trial after a round from its row, lower ones better; None if the row does not reach so far.

    It is infinite for a trial that had failed. A later row of the trial has the scores at earlier comparisons, too.
    """
    if row is None or row["lineage"][-1][1] < trial.lineage[-1][1]:
        return None
    if row["lineage"][-1][1] >= rounds:
        found = row["compared"][rounds // interval - 1]
    elif row["trained"] >= rounds and not (row["failed"] and row["trained"] == rounds):
        found = row["curve"][score][rounds - 1]
    else:
        return math.inf if row["failed"] else None
    return math.inf if found is None else sign * float(found)
