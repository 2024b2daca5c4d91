"""Tables of learning curves: what each trial scores and costs at each rung."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nqjax.errors import InputError
from nqjax.inputs import as_count
from nqjax.trials.learning_curves import LearningCurves, learning_curves

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CurveTable:
    """Scores and costs of the trials of a random search at each rung, to run other searches on.

    Attributes
    ----------
    scores : ndarray, shape (trials, rungs)
        The best score of a trial up to each rung, lower ones better (negative ones if higher are better for the user);
        infinite from where it failed. The last rung is a full training.
    costs : ndarray, shape (trials, rungs)
        What it costs to train up to each rung; full trainings cost 1 on average.
    eta : int
        The rungs are ``eta`` times as far as those below them.
    curves : LearningCurves, optional
        The whole curves, which the median stopping rule needs.

    Examples
    --------
    >>> import numpy as np
    >>> from nqjax.search import curve_table
    >>> curves = [np.linspace(1, end, 9) for end in (0.1, 0.5, 0.2)]
    >>> table = curve_table(curves, rungs=3, minimize=True)
    >>> table.scores.round(3).tolist(), table.costs[0].round(3).tolist()
    ([[1.0, 0.775, 0.1], [1.0, 0.875, 0.5], [1.0, 0.8, 0.2]], [0.111, 0.333, 1.0])
    """

    scores: Floats
    costs: Floats
    eta: int
    curves: LearningCurves | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def rungs(self) -> int:
        """The number of rungs."""
        return self.scores.shape[1]

    def cdf(self, y: ArrayLike) -> Floats:
        """Return the share of trials whose full training scores less than ``y``; ties count half.

        With it the table is a baseline of `nqjax.worth`: searches on the table draw from exactly this distribution. Its
        intervals allow for the ties (`cdf_ends`).
        """
        less, as_good = self.cdf_ends(y)
        return (less + as_good) / 2

    def cdf_ends(self, y: ArrayLike) -> tuple[Floats, Floats]:
        """Return the shares of trials that score less than ``y``, and at most ``y``."""
        final = np.sort(self.scores[:, -1])
        less, as_good = (np.asarray(np.searchsorted(final, y, side), np.float64) for side in ("left", "right"))
        return less / len(final), as_good / len(final)


def curve_table(
    source: Any,
    *,
    rungs: int | None = None,
    eta: int = 3,
    rounds: ArrayLike | None = None,
    shares: Sequence[ArrayLike] | None = None,
    lengths: ArrayLike | None = None,
    minimize: bool | None = None,
) -> CurveTable:
    """Return what trials score and cost at each rung, from their learning curves.

    Parameters
    ----------
    source : Trials, StudyTable, or a sequence of array_like
        A random search whose trials were trained to their ends, or the values of each trial.
    rungs : int, optional
        How many; by default as many as the longest curve has room for.
    eta : int
        A rung is ``eta`` times as far as the one below it.
    rounds, shares, lengths, minimize : optional
        As for `nqjax.fidelity_report`. Without ``lengths``, a round costs the same in all trials.

    Raises
    ------
    InputError
        There are no curves, or trials were stopped early.
    """
    curves = learning_curves(source, rounds=rounds, shares=shares, lengths=lengths, minimize=minimize)
    eta = as_count("eta", eta, least=2)
    if rungs is None:
        longest, rungs = max(map(len, curves.values)), 1
        while eta**rungs <= longest:
            rungs += 1
    if as_count("rungs", rungs) > 60:
        raise InputError(f"rungs is {rungs}: give a few, such as 4")
    fractions = [1 / eta**above for above in reversed(range(rungs))]
    first = np.array([one[0] if len(one) else 0.0 for one in curves.shares])
    reached = np.maximum(np.array(fractions)[None], first[:, None])
    return CurveTable(curves.at(fractions), reached * curves.lengths[:, None], eta, curves)
