"""Advice which configurations to run again, where a search does not tell gamma from noise."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from nqjax.estimation.fit import Fit
from nqjax.inputs import Limits, as_scores
from nqjax.runtime.text import as_sure, listed, significant

#: Gammas compete if their log-likelihoods are within this of the best one's.
_RIVAL_LOG_LIKELIHOOD = 2.0

#: Their noise levels are apart if they differ by this factor.
_FACTOR = 2.0

#: Runs that are asked of each configuration.
_RUNS = 3

#: Fewest configurations that are named.
_FEWEST = 4

#: Most configurations that are named.
_MOST = 8

#: Two noise levels can be told with this many standard errors of the logarithm of a standard deviation between them.
_STANDARD_ERRORS = 3.3


def best_used(fit: Fit, scores: ArrayLike, count: int) -> list[int]:
    """Return the places of the best scores within the limits of a fit, the best first."""
    return best_within(fit.limits, fit.minimize, scores, count)


def best_within(limits: Limits, minimize: bool, scores: ArrayLike, count: int) -> list[int]:
    """Return the places of the best scores within some limits, the best first."""
    y = as_scores(scores)
    low, high = limits
    inside = np.isfinite(y) & ((y > low) & (y <= high) if minimize else (y >= low) & (y < high))
    order = np.argsort(np.where(inside, y if minimize else -y, math.inf), kind="stable")
    return order[: min(count, int(np.sum(inside)))].tolist()


def undecided_noise(fit: Fit) -> tuple[int, int] | None:
    """Return two gammas between which measured noise would decide; None if there are none.

    Both fit nearly as well as the best one, and their noise levels are far apart: those with the lowest and the highest
    sigma.
    """
    # The loss is a mean over num_scores + 1 spacings, so this is nearly a difference of log-likelihoods.
    sigmas = {
        gamma: fit.parameters_by_gamma[gamma][2]
        for gamma, loss in fit.losses_by_gamma.items()
        if (loss - fit.loss) * (fit.num_scores + 1) <= _RIVAL_LOG_LIKELIHOOD
    }
    least, most = min(sigmas, key=sigmas.__getitem__), max(sigmas, key=sigmas.__getitem__)
    return (most, least) if sigmas[most] > _FACTOR * sigmas[least] else None


def rerun_advice(fit: Fit, scores: ArrayLike, names: Sequence[str] | None = None) -> str | None:
    """Return a sentence that names the configurations whose reruns would decide between noise levels, or None.

    Parameters
    ----------
    fit : Fit
    scores : array_like, shape (num_scores,)
        The scores that were fitted.
    names : sequence of str, optional
        What to call each row; by default ``row 1``, ``row 2`` and so on.
    """
    pair = undecided_noise(fit)
    if pair is None:
        return None
    sigmas = [fit.parameters_by_gamma[gamma][2] for gamma in pair]
    # The logarithm of a standard deviation has the variance 1 / (2 degrees of freedom).
    apart = math.log(sigmas[0] / sigmas[1]) if sigmas[1] > 0 else math.inf
    freedom = 0.5 * (_STANDARD_ERRORS / apart) ** 2
    count = min(max(math.ceil(freedom / (_RUNS - 1)), _FEWEST), _MOST)
    which = _named(best_used(fit, scores, count), names)
    found = [f"gamma {gamma} with sigma {significant(sigma, 2)}" for gamma, sigma in zip(pair, sigmas, strict=True)]
    return (
        f"the scores hardly tell noise from gamma ({found[0]} fits about as well as {found[1]}): {_RUNS} more runs "
        f"each of {which} would decide it; give their file with --noise"
    )


def advice_on_intervals(
    gamma: tuple[float, float],
    sigma: tuple[float, float],
    limits: Limits,
    minimize: bool,
    scores: ArrayLike,
    names: Sequence[str] | None = None,
) -> str | None:
    """Return the same sentence where gamma and sigma have wide intervals, or None."""
    if gamma[1] < _FACTOR * gamma[0] or sigma[1] < _FACTOR**2 * sigma[0]:
        return None
    which = _named(best_within(limits, minimize, scores, (_FEWEST + _MOST) // 2), names)
    # The lowest sigma may be a hundredth of the highest: each end has digits of its own.
    first, second = " to ".join(as_sure(gamma, *gamma)), " to ".join(significant(end, 2) for end in sigma)
    return (
        f"the scores hardly tell noise from gamma (gamma {first}, sigma {second}): {_RUNS} more runs each of {which} "
        "would measure the noise, and often narrow the interval of the best score; give their file with --noise"
    )


def _named(rows: Sequence[int], names: Sequence[str] | None) -> str:
    """Return rows as words: "rows 3, 5 and 8" instead of "row 3, row 5 and row 8"."""
    which = [f"row {row + 1}" if names is None else names[row] for row in rows]
    words = which[0].rpartition(" ")[0]
    if all(one.startswith(f"{words} ") for one in which):
        which = [one.removeprefix(f"{words} ") for one in which]
        which[0] = f"{words}s {which[0]}"
    return listed(which)
