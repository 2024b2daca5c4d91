"""The ablation experiment: hyperparameters fixed one after another, a search for each, and how gamma falls.

The effective number of hyperparameters, gamma, says how many matter near the optimum: with all that matter fixed it
falls to what is left (Lourie, He, Cho 2025).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

from nqjax.errors import InputError
from nqjax.search import space as spaces
from nqjax.search.run_options import RunOptions
from nqjax.search.runner import check_trials, run
from nqjax.search.task import Task, check_task
from nqjax.trials.table import Trials

if TYPE_CHECKING:
    from nqjax.checks.regime import Regime


class Stage(NamedTuple):
    """One search of the ablation."""

    fixed: tuple[str, ...]  # the hyperparameters that are fixed, in order
    trials: Trials
    regime: Regime | None  # None where there are too few different scores to find one

    @property
    def gamma(self) -> int | None:
        """The fitted effective number of hyperparameters; None where no regime was found."""
        return None if self.regime is None or self.regime.fit is None else int(self.regime.fit.gamma)


def ablation(
    task: Task,
    trials: Trials,
    *,
    num_trials: int,
    key: Any,
    order: Sequence[str] | None = None,
    space: Mapping[str, Any] | None = None,
    folder: str | Path | None = None,
    **options: Unpack[RunOptions],
) -> Iterator[Stage]:
    """Fix the searched hyperparameters one after another at the best trial's values; yield a search for each.

    Parameters
    ----------
    task : Task
        What the search trained.
    trials : Trials
        The search, which is the first stage.
    num_trials : int
        Of each further search.
    key : key
        The same for all of them.
    order : sequence of str, optional
        Which are fixed, and in which order; by default all that vary but the last, in the order of the space.
    space : mapping, optional
        The search's space; the task's own by default.
    folder : str or Path, optional
        Where each search has its file, with which it goes on: ``1-learning_rate.jsonl`` and so on.
    **options
        As for `nqjax.search.run`.

    Raises
    ------
    InputError
        If the trials are of another task or space, or none has a score.
    """
    check_task(task)
    check_trials(task, trials)
    space = spaces.check(task.space if space is None else space)
    if spaces.describe(space) != trials.settings["space"]:
        raise InputError("the trials are of another space: give the one that was searched")
    varying = spaces.searched(space)
    order = varying[:-1] if order is None else list(order)
    for name in order:
        if name not in varying:
            raise InputError(f"{name!r} is not searched; these are: {', '.join(varying)}")
    best = trials.best
    if best is None:
        raise InputError("no trial has a score: there are no values to fix hyperparameters at")
    yield Stage((), trials, _regime(trials))
    for count, name in enumerate(order, start=1):
        space[name] = spaces.Fixed(best[name])
        out = None if folder is None else Path(folder) / f"{count}-{name}.jsonl"
        found = run(task, space, num_trials=num_trials, key=key, out=out, **options)
        yield Stage(tuple(order[:count]), found, _regime(found))


def _regime(trials: Trials) -> Regime | None:
    from nqjax.checks.regime import find_regime

    try:
        return find_regime(trials.scores, minimize=trials.minimize)
    except InputError:  # too few different scores
        return None
