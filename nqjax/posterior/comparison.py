"""Which of two searches wins, at equal numbers of trials or at equal cost."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import jax
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from nqjax.confidence.region import tails
from nqjax.errors import InputError
from nqjax.inputs import as_probability, as_trials

if TYPE_CHECKING:
    from nqjax.posterior.posterior import Posterior


Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Comparison:
    """How two searches compare; arrays have the shape of the numbers of trials.

    Attributes
    ----------
    trials_a, trials_b : ndarray
        How many trials each search makes.
    probability : ndarray
        That the best of new trials of the first beats the best of new trials of the second: luck is part of it.
    probability_median : ndarray
        That the first has the better median tuning curve: what more repetitions would show.
    difference : ndarray, shape (draws, *trials.shape)
        Draws of the best score of the first minus that of the second, luck included.
    median_difference : ndarray, shape (draws, *trials.shape)
        Draws of the difference of the median tuning curves.
    minimize : bool
    """

    trials_a: Floats
    trials_b: Floats
    probability: Floats
    probability_median: Floats
    difference: Floats = field(repr=False)
    median_difference: Floats = field(repr=False)
    minimize: bool

    def interval(self, confidence: float = 0.9, *, median: bool = False) -> tuple[Floats, Floats]:
        """Return the central credible interval of the difference.

        Parameters
        ----------
        confidence : float
            Probability of the interval, between 0 and 1.
        median : bool
            Whether the difference is that of the median tuning curves, without luck.

        Returns
        -------
        lower, upper : ndarray, shape of the numbers of trials

        Raises
        ------
        InputError
            Invalid confidence.
        """
        confidence = as_probability("confidence", confidence, "such as 0.9")
        draws = self.median_difference if median else self.difference
        low, high = np.quantile(draws, tails(confidence), axis=0)
        return low, high


def compare(
    a: "Posterior", b: "Posterior", n: ArrayLike, *, cost: tuple[float, float] = (1.0, 1.0), key: Array | None = None
) -> Comparison:
    """Compare two searches that were run independently of each other.

    Parameters
    ----------
    a, b : Posterior
        See `nqjax.sample_posterior`; or two of one `SharedPosterior`, whose draws stay together.
    n : array_like
        Numbers of trials of the first search.
    cost : pair of float
        What a trial of each costs. The second search makes ``n * cost[0] / cost[1]`` trials, which need not be whole:
        by default as many as the first.
    key : Array, optional
        A JAX random key; by default one that is made from those of the posteriors.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        One search minimises and the other maximises; numbers of trials or costs that are not positive.
    """
    if a.minimize != b.minimize:
        raise InputError("one search minimises and the other maximises: they cannot be compared")
    first = as_trials(n)
    try:
        costs = np.array([float(c) for c in cost])
    except (TypeError, ValueError):
        costs = np.zeros(0)
    if costs.shape != (2,) or not np.all((costs > 0) & np.isfinite(costs)):
        raise InputError(f"the costs are {cost!r}: give two positive numbers")
    second = first * costs[0] / costs[1]
    seed = [a._draws.seed, b._draws.seed] if key is None else [int(jax.random.bits(key, dtype=np.uint32))]
    rng = np.random.default_rng([*seed, 3])
    draws = min(a.alpha.size, b.alpha.size)
    if a._group is not None and a._group is b._group:
        rows = [np.arange(draws)] * 2  # gamma and the noise level are common: draws belong together
    else:
        # The two posteriors are independent: any draw of one goes with any of the other.
        rows = [rng.permutation(post.alpha.size)[:draws] for post in (a, b)]
    luck = [rng.random((draws, *[1] * first.ndim)) for _ in rows]
    parameters = [post._parameters(row) for post, row in zip((a, b), rows, strict=True)]
    lucky = [post._curves(p, m, u) for post, p, m, u in zip((a, b), parameters, (first, second), luck, strict=True)]
    median = [post._curves(p, m, 0.5) for post, p, m in zip((a, b), parameters, (first, second), strict=True)]
    sign = -1 if a.minimize else 1
    difference, middle = lucky[0] - lucky[1], median[0] - median[1]
    return Comparison(
        first,
        second,
        _share(sign * difference),
        _share(sign * middle),
        difference,
        middle,
        a.minimize,
    )


def _share(better: Floats) -> Floats:
    """The share of the draws in which a number is positive; equal ones count half."""
    return np.asarray(np.mean((better > 0) + 0.5 * (better == 0), axis=0))
