"""The ablation experiment: fix the hyperparameters of a search one after another, and search the others again.

Gamma, the effective number of hyperparameters, is how many of them matter near the optimum. It should fall when one
that matters is fixed (Lourie, He, Cho 2025).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

from nqjax.errors import InputError
from nqjax.search import space as spaces
from nqjax.search.run_options import RunOptions
from nqjax.search.runner import check_trials
from nqjax.search.searches import run
from nqjax.search.task import Task, check_task
from nqjax.trials.table import Trials

if TYPE_CHECKING:
    from nqjax.checks.regime import Regime


class Stage(NamedTuple):
    """One search of the ablation."""

    fixed: tuple[str, ...]  # the hyperparameters that are fixed, in order
    trials: Trials
    regime: Regime | None  # None if there are too few different scores to find one

    @property
    def gamma(self) -> int | None:
        """The fitted effective number of hyperparameters, or None if no regime was found."""
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
    """Fix the searched hyperparameters one after another at the best trial's values, and search the others each time.

    Parameters
    ----------
    task : Task
        The task of the search.
    trials : Trials
        The search, which is the first stage.
    num_trials : int
        The number of trials of each further search.
    key : key
        The key of all further searches.
    order : sequence of str, optional
        The hyperparameters to fix, in order; by default all that vary except the last, in the order of the space.
    space : mapping, optional
        The space of the search; the task's own by default.
    folder : str or Path, optional
        The folder of the searches' files, ``1-learning_rate.jsonl`` and so on; files that exist are continued.
    **options
        As for `nqjax.search.run`.

    Yields
    ------
    Stage
        The search, then a search for each hyperparameter that is fixed.

    Raises
    ------
    InputError
        If the trials are of another task or space, or none has a score.
    """
    check_task(task)
    check_trials(task, trials)
    space = spaces.check(task.space if space is None else space)
    if spaces.describe(space) != trials.settings["space"]:
        raise InputError("the trials were drawn from another space: give the one that was searched")
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
