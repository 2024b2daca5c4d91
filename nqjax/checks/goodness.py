"""Goodness of fit inside the regime: the Anderson-Darling test of scores, given that they are inside.

Statistics of spacings such as Moran's fail on tied scores (accuracies are multiples of one over the test set's size);
statistics of the empirical CDF do not.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np
import scipy.special
from jax import Array
from numpy.typing import ArrayLike

from nqjax.checks.null_distributions import p_value
from nqjax.confidence.bands import order_statistic_band
from nqjax.errors import InputError
from nqjax.estimation.candidates import FEWEST
from nqjax.estimation.constraints import Constraint, Constraints, read_constraints
from nqjax.estimation.fit import Fit
from nqjax.estimation.many import fit_studies
from nqjax.inputs import as_count, as_flag, as_key, as_limits, as_probability, as_scores, oriented_limits, shortened
from nqjax.special.chunked import standard_cdf, standard_quantile
from nqjax.types import Floats

if TYPE_CHECKING:
    from nqjax.distributions.quadratic import NoisyQuadratic, Quadratic


# Conditional probabilities are kept this far from 0 and 1, as their logarithms are needed.
_FROM_ZERO = 1e-300
_FROM_ONE = 2.0**-53


class Parameters(NamedTuple):
    """Parameters of a noisy quadratic, oriented to minimisation."""

    alpha: float
    delta: float
    sigma: float
    gamma: float

    @classmethod
    def of(cls, fit: "Fit | NoisyQuadratic | Quadratic") -> "Parameters":
        """Return the parameters of a fit, or of a distribution with scalar parameters."""
        alpha, beta, gamma = float(fit.alpha), float(fit.beta), float(fit.gamma)
        minimize = fit.minimize if isinstance(fit, Fit) else fit.convex
        return cls(alpha if minimize else -beta, beta - alpha, float(getattr(fit, "sigma", 0.0)), gamma)

    def noise_in(self, end: float) -> float:
        """Return the ratio of noise to the width of a regime that ends at ``end``, which may be infinite."""
        width = min(end - self.alpha, self.delta) if math.isfinite(end) else self.delta
        return self.sigma / width if width > 0 else math.inf


def anderson_darling(z: Floats) -> float:
    """Return the statistic A**2 of values that are uniform on [0, 1] under the null (Anderson, Darling 1954)."""
    z = np.clip(np.sort(z), _FROM_ZERO, 1 - _FROM_ONE)
    i = np.arange(1, len(z) + 1)
    return float(-len(z) - np.mean((2 * i - 1) * (np.log(z) + np.log1p(-z[::-1]))))


def conditional_probabilities(
    fits: Sequence[Parameters], scores: Sequence[Floats], limits: Sequence[tuple[float, float]]
) -> list[Floats]:
    """Return the conditional CDF of each fit at its scores inside the limits, given that a score is inside.

    Everything is oriented to minimisation. Scores equal to the threshold are left out: where a score was chosen as the
    threshold, only the scores before it are draws from the regime. All fits are computed together.
    """
    inside = [np.sort(y[(y > low) & (y < high)]) for y, (low, high) in zip(scores, limits, strict=True)]
    columns = []
    for parameters, y, ends in zip(fits, inside, limits, strict=True):
        delta = max(parameters.delta, 1e-300)
        places = (np.concatenate([y, ends]) - parameters.alpha) / delta
        columns.append(np.stack(np.broadcast_arrays(places, parameters.sigma / delta, parameters.gamma)))
    u, s, gamma = np.concatenate(columns, axis=1)
    finite = np.clip(np.nan_to_num(u, posinf=0.0, neginf=0.0), -1e9, 1e9)
    cdf = np.where(np.isinf(u), (u > 0) * 1.0, standard_cdf(finite, s, gamma))
    found, place = [], 0
    for y in inside:
        *before, low, high = cdf[place : place + len(y) + 2]
        found.append(np.clip((np.array(before) - low) / max(high - low, _FROM_ZERO), 0.0, 1.0))
        place += len(y) + 2
    return found


class GoodnessOfFit(NamedTuple):
    """Test of a distribution against the scores inside the regime, with the points of plots.

    ``scores``, ``expected``, ``low`` and ``high`` are the points of a Q-Q plot, ``empirical`` and ``fitted`` those of a
    P-P plot. If the distribution is true, all scores lie between ``low`` and ``high`` with probability ``confidence``.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48)
    >>> found = nqjax.goodness_of_fit(scores, nqjax.Quadratic(0.0, 1.0, 2.0), estimated=False)
    >>> found.num_used, found.scores.shape
    (48, (48,))
    """

    statistic: float  # Anderson and Darling's A**2, given that a score is inside
    p_value: float
    num_used: int
    confidence: float
    scores: Floats  # (num_used,), sorted, inside the regime and not equal to the threshold
    expected: Floats  # medians of their order statistics
    low: Floats
    high: Floats
    fitted: Floats  # P(no worse than each score | inside) when minimising
    empirical: Floats  # medians of the uniform order statistics


def goodness_of_fit(
    scores: ArrayLike,
    distribution: "Fit | NoisyQuadratic | Quadratic",
    limits: tuple[float, float] | None = None,
    *,
    estimated: bool = True,
    key: Array | None = None,
    num_simulations: int = 1000,
    confidence: float = 0.95,
    gamma: Constraint = (1, 5),
) -> GoodnessOfFit:
    """Test whether the scores inside the regime follow a noisy quadratic.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        One score a trial, as for `nqjax.fit`.
    distribution : Fit, NoisyQuadratic or Quadratic
        With scalar parameters.
    limits : pair of float, optional
        The regime, see `nqjax.fit`; by default that of the fit, or everything.
    estimated : bool
        Whether the parameters were fitted to these scores, which makes the statistic smaller. If not, it has the
        distribution of Anderson and Darling 1952.
    key : Array, optional
        A JAX random key. With a key the p-value comes from a parametric bootstrap: searches are drawn from the fit and
        fitted, and their statistics compared. Without a key it comes from a table of such simulations.
    num_simulations : int
        Number of searches of the bootstrap.
    confidence : float
        Confidence of the bands of the plots.
    gamma
        The constraint on gamma in the fit, for the bootstrap.

    Returns
    -------
    GoodnessOfFit

    Raises
    ------
    InputError
        Fewer than five scores inside the limits, or invalid limits or confidence.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = 0.2 + 0.5 * np.random.default_rng(0).random(48)
    >>> nqjax.goodness_of_fit(scores, nqjax.Quadratic(0.2, 0.7, 2.0), estimated=False).p_value > 0.01
    True
    >>> nqjax.goodness_of_fit(scores, nqjax.Quadratic(0.2, 0.7, 1.0), estimated=False).p_value < 0.01
    True
    """
    estimated, confidence = as_flag("estimated", estimated), as_probability("confidence", confidence)
    num_simulations = as_count("num_simulations", num_simulations)
    allowed = read_constraints(None, None, gamma, None, True)
    minimize = _direction(distribution)
    if limits is None:
        limits = distribution.limits if isinstance(distribution, Fit) else (-math.inf, math.inf)
    low, high = oriented_limits(as_limits(limits), minimize)
    y = as_scores(scores)
    y = np.where(np.isfinite(y), y if minimize else -y, math.inf)
    parameters = Parameters.of(distribution)
    (z,) = conditional_probabilities([parameters], [y], [(low, high)])
    if len(z) < FEWEST:
        raise InputError(f"{len(z)} scores inside the limits are too few to test: widen the limits, or run more trials")
    statistic = anderson_darling(z)
    if not estimated:
        p = float(1 - _anderson_darling_cdf(statistic))
    elif key is None:
        p = p_value("misfit", statistic, parameters.noise_in(high), parameters.gamma, len(z) + math.isfinite(high))
    else:
        p = _by_simulation(statistic, parameters, len(y), (low, high), as_key(key), num_simulations, allowed)
    inside = np.sort(y[(y > low) & (y < high)])
    band = order_statistic_band(len(z), confidence)
    middle = scipy.special.betaincinv(np.arange(1, len(z) + 1), len(z) - np.arange(len(z)), 0.5)
    places = _quantiles(parameters, (low, high), np.stack([middle, band.low, band.high]))
    if not minimize:
        inside, z, places, middle = -inside[::-1], 1 - z[::-1], -places[[0, 2, 1], ::-1], 1 - middle[::-1]
    expected, lowest, highest = places
    return GoodnessOfFit(statistic, p, len(z), confidence, inside, expected, lowest, highest, z, middle)


def _direction(distribution: "Fit | NoisyQuadratic | Quadratic") -> bool:
    """Return whether lower scores are better under a fit or a distribution; raise InputError for anything else."""
    if isinstance(distribution, Fit):
        return distribution.minimize
    from nqjax.distributions.quadratic import NoisyQuadratic, Quadratic

    if not isinstance(distribution, NoisyQuadratic | Quadratic) or distribution.batch_shape:
        raise InputError(f"{shortened(distribution)} cannot be tested: give a fit, or one noisy quadratic")
    return bool(distribution.convex)


def misfit_p_values(fits: Sequence[Fit], scores: Sequence[Floats]) -> Floats:
    """Return the p-value of each fit's test against its own scores, from the table; NaN for too few scores."""
    ends = [oriented_limits(fit.limits, fit.minimize) for fit in fits]
    oriented = [
        np.where(np.isfinite(y), y if fit.minimize else -y, math.inf) for fit, y in zip(fits, scores, strict=True)
    ]
    found = np.full(len(fits), math.nan)
    parameters = [Parameters.of(fit) for fit in fits]
    for i, z in enumerate(conditional_probabilities(parameters, oriented, ends) if fits else ()):
        if len(z) >= FEWEST:
            about = parameters[i].noise_in(ends[i][1]), parameters[i].gamma, len(z) + math.isfinite(ends[i][1])
            found[i] = p_value("misfit", anderson_darling(z), *about)
    return found


def _anderson_darling_cdf(statistic: float) -> float:
    """Return the limiting CDF of A**2, accurate to 0.001 for five scores or more (Marsaglia 2004)."""
    if statistic < 1e-3:
        return 0.0
    j = np.arange(40)
    # Anderson and Darling 1952, equation 4.35, each integral by the midpoint rule in x = tan(t).
    t = (np.arange(4000) + 0.5) / 4000 * (np.pi / 2)
    w, jacobian = np.tan(t), 1 / np.cos(t) ** 2
    a = (4 * j + 1) ** 2 * np.pi**2 / (8 * statistic)
    integrals = np.sum(np.exp(statistic / (8 * (w**2 + 1)) - np.outer(a, w**2)) * jacobian, axis=1) * (np.pi / 2 / 4000)
    signs = scipy.special.binom(-0.5, j) * (4 * j + 1)
    return float(np.clip(math.sqrt(2 * math.pi) / statistic * np.sum(signs * np.exp(-a) * integrals), 0, 1))


def _quantiles(parameters: Parameters, limits: tuple[float, float], p: Floats) -> Floats:
    """Return the scores with conditional probability p inside the limits."""
    delta, s = max(parameters.delta, 1e-300), parameters.sigma / max(parameters.delta, 1e-300)
    ends = np.clip((np.array(limits) - parameters.alpha) / delta, -1e9, 1e9)
    first, last = standard_cdf(ends, s, parameters.gamma)
    log_tail = np.log1p(-np.clip(first + p * (last - first), _FROM_ZERO, 1 - _FROM_ONE))
    return parameters.alpha + delta * standard_quantile(log_tail, s, parameters.gamma)


def _by_simulation(
    statistic: float,
    parameters: Parameters,
    size: int,
    limits: tuple[float, float],
    key: Array,
    count: int,
    constraints: Constraints,
) -> float:
    """Return the p-value: the share of searches that fit no better, among the simulated ones and the search itself."""
    with jax.enable_x64(True):
        noise, place = jax.random.split(key)
        v = np.asarray(jax.random.uniform(place, (count, size), np.float64)) ** (2 / parameters.gamma)
        y = (
            parameters.alpha
            + parameters.delta * v
            + parameters.sigma * np.asarray(jax.random.normal(noise, (count, size), np.float64))
        )
    fits = fit_studies(list(y), [limits] * count, True, constraints)
    good = [i for i, fit in enumerate(fits) if isinstance(fit, Fit)]
    found = [Parameters.of(fit) for fit in fits if isinstance(fit, Fit)]
    inside = conditional_probabilities(found, [y[i] for i in good], [limits] * len(good))
    statistics = np.array([anderson_darling(one) for one in inside if len(one) >= FEWEST])
    return float((1 + np.sum(statistics >= statistic)) / (1 + len(statistics)))
