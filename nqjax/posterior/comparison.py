"""Comparison of two searches, at equal numbers of trials or at equal cost."""

from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from nqjax.confidence.region import region_behind, tails
from nqjax.errors import InputError
from nqjax.inputs import as_key, as_probability, as_trials, read_number, shortened
from nqjax.posterior.averaged import AveragedPosterior
from nqjax.posterior.averaged_fit import AveragedFit
from nqjax.posterior.posterior import Posterior
from nqjax.types import Floats

#: A posterior that can be compared with another.
Comparable = Posterior | AveragedPosterior


@dataclass(frozen=True, eq=False)
class Comparison:
    """Comparison of two searches, a and b; arrays have the shape of the numbers of trials.

    Attributes
    ----------
    trials_a, trials_b : ndarray
        Numbers of trials of each search.
    probability : ndarray
        Probability that the best of new trials of a beats the best of new trials of b, chance in the trials included.
    probability_median : ndarray
        Probability that a has the better median tuning curve, which no longer depends on chance in the trials.
    difference : ndarray, shape ``(draws, *trials.shape)``
        Draws of the best score of a minus that of b, on the scale of the scores, chance in the trials included.
    median_difference : ndarray, shape ``(draws, *trials.shape)``
        Draws of the median tuning curve of a minus that of b.
    minimize : bool

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(24)
    >>> post = nqjax.sample_posterior(scores, threshold=None, gamma=2, key=jax.random.key(0), method="quadrature")
    >>> found = nqjax.compare(post, post, [8.0, 16.0])
    >>> low, high = found.interval(0.9)
    >>> low.shape, bool(np.all(low < high))
    ((2,), True)
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
            Whether the difference is that of the median tuning curves, without the chance in the trials.

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
    a: Comparable | AveragedFit,
    b: Comparable | AveragedFit,
    n: ArrayLike,
    *,
    cost: tuple[float, float] = (1.0, 1.0),
    key: Array | None = None,
) -> Comparison:
    """Compare two searches, a and b, that were run independently of each other.

    Parameters
    ----------
    a, b : AveragedFit, AveragedPosterior or Posterior
        From `nqjax.fit`, `nqjax.sample_posterior` or `nqjax.confidence_region`, or two of one `SharedPosterior`, whose
        draws are paired. Without thresholds that are known, take averaged ones.
    n : array_like
        Numbers of trials of search a.
    cost : pair of float
        Costs of a trial of a and of b. Search b makes ``n * cost[0] / cost[1]`` trials, not necessarily whole.
    key : Array, optional
        A JAX random key; by default one made from the keys of the posteriors.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        One search minimises and the other maximises; numbers of trials or costs are not positive.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(24)
    >>> post, other = (nqjax.sample_posterior(y, key=jax.random.key(0)) for y in (scores, scores - 1))
    >>> float(nqjax.compare(post, other, 16).probability) < 0.01
    True
    """
    one: Any = region_behind(a)
    other: Any = region_behind(b)
    for name, post in (("first", one), ("second", other)):
        if not isinstance(post, Comparable):
            raise InputError(f"the {name} search is {shortened(post)}: give a posterior from nqjax.sample_posterior")
    if one.minimize != other.minimize:
        raise InputError("one search minimises and the other maximises: they cannot be compared")
    first = as_trials(n)
    try:
        costs = np.array([read_number(c) for c in cost])
    except TypeError:
        costs = np.zeros(0)
    if costs.shape != (2,) or not np.all((costs > 0) & np.isfinite(costs)):
        raise InputError(f"the costs are {shortened(cost)}: give two positive numbers")
    second = first * costs[0] / costs[1]
    seed = [_seed(one), _seed(other)] if key is None else [int(jax.random.bits(as_key(key), dtype=np.uint32))]
    rng = np.random.default_rng([*seed, 3])
    draws = min(one.alpha.size, other.alpha.size)
    # Draws of independent posteriors can be paired in any order; those with gamma in common are paired as they are.
    rows = [
        np.arange(draws) if _is_paired(one, other) else rng.permutation(post.alpha.size)[:draws]
        for post in (one, other)
    ]
    luck = [rng.random((draws, *[1] * first.ndim)) for _ in rows]
    parameters = [post.parameters(row) for post, row in zip((one, other), rows, strict=True)]
    drawn = [
        post.curves(p, m, u) for post, p, m, u in zip((one, other), parameters, (first, second), luck, strict=True)
    ]
    median = [post.curves(p, m, 0.5) for post, p, m in zip((one, other), parameters, (first, second), strict=True)]
    sign = -1 if one.minimize else 1
    difference, middle = drawn[0] - drawn[1], median[0] - median[1]
    return Comparison(
        first,
        second,
        _share(sign * difference),
        _share(sign * middle),
        difference,
        middle,
        one.minimize,
    )


def _seed(post: Comparable) -> int:
    return post.draws.seed if isinstance(post, Posterior) else post.seed


def _is_paired(a: Comparable, b: Comparable) -> bool:
    """Return whether two posteriors are of searches that share gamma."""
    return isinstance(a, Posterior) and isinstance(b, Posterior) and a.group is not None and a.group == b.group


def _share(better: Floats) -> Floats:
    """Return the share of the draws in which a number is positive; ties count half."""
    return np.asarray(np.mean((better > 0) + 0.5 * (better == 0), axis=0))
