"""Fit the noisy quadratic to the scores of a random search by censored maximum product of spacings."""

import functools
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import jax
import numpy as np
from numpy.typing import ArrayLike

from nqjax.errors import InputError
from nqjax.estimation.solve import is_minimum, solve_prepared
from nqjax.estimation.spacings import Spacings, spacings
from nqjax.estimation.study import ScaledStudy, Study
from nqjax.inputs import as_quantile, as_trials, oriented_limits
from nqjax.solver.batch import BatchSettings, chunk_shape
from nqjax.solver.newton import Solution
from nqjax.special.chunked import best_of, noisy_cdf
from nqjax.types import Floats

if TYPE_CHECKING:
    from nqjax.distributions.quadratic import NoisyQuadratic, Quadratic

#: Fewer scores are not fitted.
_FEWEST = 3


@dataclass(frozen=True)
class Fit:
    """A noisy quadratic fitted to the scores of one search.

    Attributes
    ----------
    alpha, beta : float
        Ends of the noiseless scores. The best score of the fitted regime is alpha if minimising, beta if maximising.
    gamma : int
        Effective number of hyperparameters.
    sigma : float
        Standard deviation of the noise of one run, on the scale of the scores.
    loss : float
        The objective at the optimum (lower is better; comparable between fits of the same scores and limits).
    converged : bool
        Whether the optimiser ended at a minimum.
    gradient_norm : float
        Largest slope of the loss there in (alpha in units of the smaller scale, log(beta - alpha), log sigma).
    losses_by_gamma : dict of int to float
        The best loss for each gamma that was allowed.
    parameters_by_gamma : dict of int to (float, float, float)
        The best alpha, beta and sigma for each gamma.
    minimize : bool
        Whether lower scores are better.
    limits : pair of float
        The regime that was fitted. If runs failed and the losing side has no limit, it ends at the worst score.
    num_scores, num_used, num_censored, num_failed : int
        All scores; scores inside the limits; finite scores outside; failed runs (NaN or infinite).
    best_score : float
        The best score that was seen.
    p_value : float
        Of the tests whether the scores inside the limits follow the fitted distribution; NaN where it was not tested.
        A threshold that was chosen has passed two tests (see `nqjax.find_regime`), a given one is tested once.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48)
    >>> fit = nqjax.fit(scores, threshold=None, gamma=2, sigma=0)
    >>> 0 <= fit.regime_probability <= 1
    True
    >>> fit.quantile_tuning_curve([1, 10, 100]).shape
    (3,)
    """

    alpha: float
    beta: float
    gamma: int
    sigma: float
    loss: float
    converged: bool
    gradient_norm: float
    losses_by_gamma: dict[int, float] = field(repr=False)
    parameters_by_gamma: dict[int, tuple[float, float, float]] = field(repr=False)
    minimize: bool
    limits: tuple[float, float]
    num_scores: int
    num_used: int
    num_censored: int
    num_failed: int
    best_score: float
    p_value: float = math.nan

    @property
    def threshold(self) -> float | None:
        """The losing end of the regime; None where it has none."""
        end = self.limits[1] if self.minimize else self.limits[0]
        return end if math.isfinite(end) else None

    @property
    def distribution(self) -> "NoisyQuadratic | Quadratic":
        """The fitted distribution, in the caller's precision; without noise a `Quadratic`."""
        # NumPyro takes as long to import as JAX itself, and the numbers below do not need it.
        from nqjax.distributions.quadratic import NoisyQuadratic, Quadratic

        if self.sigma == 0:
            return Quadratic(self.alpha, self.beta, float(self.gamma), convex=self.minimize)
        return NoisyQuadratic(self.alpha, self.beta, float(self.gamma), self.sigma, convex=self.minimize)

    @property
    def _unit(self) -> float:
        """A power of two close to the range or the noise, as a unit in which nothing over- or underflows."""
        return math.ldexp(1.0, math.frexp(max(self.beta - self.alpha, self.sigma))[1] - 1)

    @property
    def _parameters(self) -> tuple[np.float64, ...]:
        """Parameters of the distribution of the distance from the best score: delta and sigma in units, and gamma."""
        return *(np.array([self.beta - self.alpha, self.sigma]) / self._unit), np.float64(self.gamma)

    def _distance(self, score: ArrayLike) -> Floats:
        """Return distances from the best score, in units; larger is worse."""
        score = np.asarray(score, np.float64)
        return (score - self.alpha if self.minimize else self.beta - score) / self._unit

    def _score(self, distance: ArrayLike) -> Floats:
        """Return the score at a distance from the best one."""
        distance = self._unit * np.asarray(distance, np.float64)
        return self.alpha + distance if self.minimize else self.beta - distance

    @functools.cached_property
    def _tails(self) -> tuple[float, float]:
        """The two probabilities that a score is at least as good as the winning limit, and as the losing limit."""
        winning, losing = self.limits if self.minimize else self.limits[::-1]
        tails = noisy_cdf(self._distance([winning, losing]), *self._parameters)
        return float(tails[0]), float(tails[1])

    @property
    def regime_probability(self) -> float:
        """Probability that one trial's score falls within the limits, under the fitted distribution."""
        return self._tails[1] - self._tails[0]

    @property
    def regime_start(self) -> float:
        """Number of trials from which the regime governs the median tuning curve: log 0.5 / log(1 - F(threshold))."""
        probability = self._tails[1]
        if probability in (0.0, 1.0):
            return math.inf if probability == 0 else 0.0
        return math.log(0.5) / math.log1p(-probability)

    def quantile_tuning_curve(self, n: ArrayLike, q: float = 0.5) -> Floats:
        """Return a quantile of the best score after ``n`` trials, the median by default.

        Parameters
        ----------
        n : array_like
            Numbers of trials, positive and not necessarily whole.
        q : float
            Probability of the quantile, between 0 and 1.

        Returns
        -------
        ndarray, shape of n
            Scores, in float64.

        Raises
        ------
        InputError
            ``n`` is not positive, or ``q`` not between 0 and 1.
        """
        n, q = as_trials(n), as_quantile(q)
        # The lowest distance is the best; a quantile of scores that are maximised is one of 1 - q.
        return self._score(best_of(n, q if self.minimize else 1 - q, *self._parameters))

    def average_tuning_curve(self, n: ArrayLike) -> Floats:
        """Return the expected best score after ``n`` trials (positive), in float64, shape of n."""
        n = as_trials(n)
        delta, sigma, _ = map(float, self._parameters)
        standard = replace(self, alpha=0.0, beta=delta, sigma=sigma, minimize=True)
        with jax.enable_x64(True):
            return self._score(standard.distribution.average_tuning_curve(n))


def point_mass(study: Study) -> Fit | None:
    """Return the fit without noise and without width where all scores are equal; None if that is not the fit.

    Its loss is 0 for every gamma, and the lowest gamma is reported. It is no fit if scores are censored or failed, or
    if the constraints do not allow it.
    """
    data, (alphas, betas, gammas, sigmas) = spacings(*study[:3]), study.constraints
    if data.num_scores < _FEWEST or data.num_used < data.num_scores or data.num_distinct > 1:
        return None
    place = data.best
    if not (alphas[0] <= place <= alphas[1] and betas[0] <= place <= betas[1] and sigmas[0] == 0):
        return None
    score = (place if study.minimize else -place) + 0.0  # no negative zero
    return Fit(
        alpha=score,
        beta=score,
        gamma=gammas[0],
        sigma=0.0,
        loss=0.0,
        converged=True,
        gradient_norm=0.0,
        losses_by_gamma=dict.fromkeys(study.gammas, 0.0),
        parameters_by_gamma=dict.fromkeys(study.gammas, (score, score, 0.0)),
        minimize=study.minimize,
        limits=oriented_limits(study.ends, study.minimize),
        num_scores=data.num_scores,
        num_used=data.num_used,
        num_censored=0,
        num_failed=0,
        best_score=score,
    )


def fit_prepared(scaled: ScaledStudy) -> Fit:
    """Fit one study on the user's default device, as a batch that holds only this study."""
    device = jax.config.values.get("jax_default_device") or jax.local_devices()[0]
    shape = chunk_shape(device)
    ((solution,), _) = solve_prepared([scaled], BatchSettings(scaled.study.constraints.gamma), shape, device)
    return finish(solution, scaled)


def finish(solution: Solution, scaled: ScaledStudy) -> Fit:
    """Return a fit, on the scale of the scores and in the caller's direction."""
    data, study = scaled.data, scaled.study
    best = int(np.argmin(solution.loss))
    gammas = study.gammas
    if not math.isfinite(solution.loss[best]):
        raise InputError("no parameters within the constraints give the data any probability: widen the constraints")

    def parameters(theta: Floats) -> tuple[float, float, float]:
        alpha, beta, sigma = scaled.restore(theta[0], math.exp(theta[1]), math.exp(theta[2]))
        return float(alpha), float(beta), float(sigma)

    by_gamma = {gamma: parameters(theta) for gamma, theta in zip(gammas, solution.theta, strict=True)}
    alpha, beta, sigma = by_gamma[gammas[best]]
    return Fit(
        alpha=alpha,
        beta=beta,
        gamma=gammas[best],
        sigma=sigma,
        loss=float(solution.loss[best]),
        converged=bool(is_minimum(solution)[best]),
        gradient_norm=float(solution.gradient_norm[best]),
        losses_by_gamma=dict(zip(gammas, map(float, solution.loss), strict=True)),
        parameters_by_gamma=by_gamma,
        minimize=study.minimize,
        limits=_regime(data, study),
        num_scores=data.num_scores,
        num_used=data.num_used,
        num_censored=data.num_censored,
        num_failed=data.num_failed,
        best_score=_best(study),
    )


def _best(study: Study) -> float:
    """Return the best finite score, in the caller's direction."""
    finite = study.scores[np.isfinite(study.scores)]
    return float(np.min(finite) if study.minimize else np.max(finite))


def _regime(data: Spacings, study: Study) -> tuple[float, float]:
    """Return the limits; a losing limit that is infinite becomes the worst score where runs failed."""
    low, high = study.ends
    return oriented_limits((low, data.worst if data.num_failed and math.isinf(high) else high), study.minimize)
