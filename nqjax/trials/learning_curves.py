"""Learning curves of whole trials: the best score after a share of the training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nqjax.errors import InputError
from nqjax.trials.study import PRUNED, StudyTable
from nqjax.trials.table import Trials
from nqjax.types import Floats

#: Shares that differ by rounding are the same.
_SAME = 1e-9


@dataclass(frozen=True, eq=False)
class LearningCurves:
    """Learning curves of trials that were trained to their ends, or failed.

    Attributes
    ----------
    values : tuple of ndarray
        The score after each evaluation of a trial, lower ones better.
    shares : tuple of ndarray
        The share of the trial's training at each evaluation, above 0 and at most 1.
    lengths : ndarray, shape (trials,)
        The cost of each trial's full training; their mean is 1.
    minimize : bool
        Whether lower scores are better for the user; if not, those here are the negative ones.
    """

    values: tuple[Floats, ...]
    shares: tuple[Floats, ...]
    lengths: Floats
    minimize: bool

    def __len__(self) -> int:
        return len(self.values)

    def at(self, fractions: Sequence[float], *, failed_keep: bool = False) -> Floats:
        """Return the best score of each trial within a share of its training, of shape (trials, fractions).

        A trial counts from its first evaluation on, also for smaller shares. It is infinite where the trial has failed:
        where a value is not finite, or the curve has ended before; unless failed trials keep the best of what they had.
        """
        wanted = np.asarray(fractions, float) + _SAME
        found = np.full((len(self), len(wanted)), np.inf)
        for i, (values, shares) in enumerate(zip(self.values, self.shares, strict=True)):
            bad = np.flatnonzero(~np.isfinite(values))
            count = int(bad[0]) if len(bad) else len(values)
            if count == 0:
                continue
            best = np.minimum.accumulate(values[:count])
            places = np.maximum(np.searchsorted(shares[:count], wanted, "right") - 1, 0)
            known = (wanted < _failed_from(shares, count)) | failed_keep
            found[i, known] = best[places[known]]
        return found


def _failed_from(shares: Floats, count: int) -> float:
    """Return the share from which on a trial with ``count`` finite values has failed; infinite for a whole one."""
    if count < len(shares):
        return float(shares[count])
    if shares[-1] >= 1 - _SAME:
        return np.inf
    return float(shares[-1] * (1 + 1 / count))  # one more step of the same size


def learning_curves(
    source: Any,
    *,
    rounds: ArrayLike | None = None,
    shares: Sequence[ArrayLike] | None = None,
    lengths: ArrayLike | None = None,
    minimize: bool | None = None,
) -> LearningCurves:
    """Return the learning curves of a search; see `nqjax.fidelity_report` for the arguments.

    Raises
    ------
    InputError
        There are no curves, trials were stopped early, or the arguments do not fit each other.
    """
    values, planned, lower_is_better = _curves(source)
    minimize = lower_is_better if minimize is None else minimize
    if minimize is None:
        raise InputError("nothing says whether lower scores are better: give minimize=True or minimize=False")
    if not values:
        raise InputError("there are no learning curves")
    longest = np.array([max(len(one), 1) for one in values], float)
    if rounds is not None:
        planned = _numbers("rounds", rounds, len(values))
    if planned is None:
        planned = longest
    if shares is None:
        if np.any(longest > planned):
            place = int(np.argmax(longest > planned))
            raise InputError(
                f"trial {place} has {longest[place]:g} values and {planned[place]:g} rounds: give its rounds"
            )
        done = [np.arange(1, len(one) + 1) / all_of_it for one, all_of_it in zip(values, planned, strict=True)]
    else:
        done = [np.asarray(one, float) for one in shares]
        if [len(one) for one in done] != [len(one) for one in values] or any(map(_no_shares, done)):
            raise InputError("shares must rise from above 0 to at most 1 and have one number for each value of a curve")
    cost = _numbers("lengths", planned if lengths is None else lengths, len(values))
    signed = [one if minimize else -one for one in values]
    return LearningCurves(tuple(signed), tuple(done), cost / cost.mean(), minimize)


def _no_shares(shares: Floats) -> bool:
    return bool(np.any(np.diff(shares, prepend=0.0) <= 0) or np.any(shares > 1 + _SAME))


def _numbers(name: str, numbers: ArrayLike, count: int) -> Floats:
    try:
        found = np.asarray(numbers, np.float64)
    except (TypeError, ValueError):
        found = np.empty(0)
    if found.shape != (count,) or not np.all(np.isfinite(found)) or not np.all(found > 0):
        raise InputError(f"{name} must be one number above 0 for each of the {count} trials")
    return found


def _curves(source: Any) -> tuple[list[Floats], Floats | None, bool | None]:
    """Return the values of each trial, the numbers of values of whole trials if they are known, and the direction."""
    if isinstance(source, Trials):
        stopped = [row["trial"] for row in source.rows if row.get("status") == PRUNED]
        _check_whole(len(stopped), len(source))
        return source.curves(source.score), np.asarray(source["rounds"], float), source.minimize
    if isinstance(source, StudyTable):
        if source.curves is None:
            raise InputError(f"{source.source} has no learning curves")
        _check_whole(int(np.sum(source.status == PRUNED)), len(source))
        values = [np.asarray(one, float) for one in source.curves]
        planned = source.columns.get("rounds")
        if planned is None:
            most = max((len(one) for one in values), default=1)
            whole = np.isfinite(source.scores)
            planned = np.array([max(len(one), 1) if w else most for one, w in zip(values, whole, strict=True)])
        return values, np.asarray(planned, float), source.minimize
    try:
        values = [np.asarray(one, np.float64) for one in source]
    except (TypeError, ValueError):
        values = []
    if not values or any(one.ndim != 1 for one in values):
        raise InputError("give a study with learning curves, or the values of each trial as a list")
    return values, None, None


def _check_whole(stopped: int, count: int) -> None:
    if stopped:
        raise InputError(
            f"{stopped} of {count} trials were stopped early: give a search whose trials trained to the end"
        )
