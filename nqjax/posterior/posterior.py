"""The Bayesian posterior of the four parameters."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from nqjax.confidence.region import Region, check_name, tails
from nqjax.errors import InputError
from nqjax.estimation.study import Study
from nqjax.inputs import as_numbers, as_probability, as_quantile, as_trials, oriented_limits
from nqjax.posterior import diagnostics, predictive
from nqjax.posterior.curves import curves_of, quantiles_of
from nqjax.posterior.density.data import RegimeData
from nqjax.posterior.density.log_joint import log_joint
from nqjax.posterior.draws import Draws
from nqjax.posterior.prior import Prior
from nqjax.special.chunked import noisy_cdf
from nqjax.types import Floats


class SamplingWarning(UserWarning):
    """Warns that the draws of a posterior cannot be relied on; the message says why and what to do.

    Examples
    --------
    >>> import nqjax
    >>> issubclass(nqjax.SamplingWarning, UserWarning)
    True
    """


@dataclass(frozen=True, eq=False)
class Posterior(Region):
    """Draws of the posterior of one search; also a `Region` of central credible intervals.

    Attributes
    ----------
    alpha, beta, sigma : ndarray, shape (num_chains, num_samples)
        Draws, on the scale of the scores.
    gamma : ndarray of int, shape (num_chains, num_samples)
    gamma_probabilities : dict of int to float
        Posterior probabilities, by quadrature, without Monte Carlo error.
    log_evidence : float
        Log of the prior average of the likelihood. With the default prior of the width it is known up to a constant,
        which is the same for all models of the same regime. NaN for one of several searches that share gamma, which
        only have a joint evidence.
    method : {"nuts", "quadrature"}
    prior : Prior
    minimize : bool
    limits : pair of float
        The regime. A limit without scores beyond it is infinite. If runs failed and the losing side has no limit, it is
        the worst score.
    num_scores, num_used : int
        All scores, and scores inside the limits.
    confidence : float
        Probability of the intervals, unless another is asked for.
    draws, data, study, settings, group
        The draws as the sampler returns them, and what they were made from, for reports and comparisons.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(24)
    >>> post = nqjax.sample_posterior(scores, threshold=None, gamma=2, key=jax.random.key(0), method="quadrature")
    >>> low, high = post.interval("alpha", 0.9)
    >>> low < high
    True
    >>> post.quantile_tuning_curves([1, 10]).shape
    (4, 1000, 2)
    """

    alpha: Floats = field(repr=False)
    beta: Floats = field(repr=False)
    gamma: NDArray[np.int64] = field(repr=False)
    sigma: Floats = field(repr=False)
    gamma_probabilities: dict[int, float]
    log_evidence: float
    method: str
    prior: Prior = field(repr=False)
    minimize: bool
    limits: tuple[float, float]
    num_scores: int
    num_used: int
    confidence: float
    draws: Draws = field(repr=False)
    data: RegimeData = field(repr=False)
    study: Study = field(repr=False)
    settings: dict[str, Any] = field(repr=False)
    group: str | None = field(repr=False, default=None)

    @property
    def gammas(self) -> tuple[int, ...]:  # type: ignore[override]
        """The fewest gammas with a total probability of ``confidence``."""
        return self.likely_gammas(self.confidence)

    def likely_gammas(self, confidence: float) -> tuple[int, ...]:
        """Return the fewest gammas with a total probability of ``confidence``."""
        ordered = sorted(self.gamma_probabilities, key=self.gamma_probabilities.__getitem__, reverse=True)
        held = np.cumsum([self.gamma_probabilities[g] for g in ordered])
        return tuple(sorted(ordered[: 1 + int(np.searchsorted(held, confidence - 1e-12))]))

    @property
    def regime_probability(self) -> Floats:
        """Probability of a score within the limits, for each draw."""
        low, high = oriented_limits(self.limits, self.minimize)
        ends = [self._cdf(x) if math.isfinite(x) else np.full(self.alpha.shape, float(x > 0)) for x in (low, high)]
        return ends[1] - ends[0]

    @property
    def regime_start(self) -> float:
        """Number of trials from which the median best score lies in the regime, see `Fit.regime_start`."""
        share = float(np.median(self.regime_probability))
        return math.log(0.5) / math.log1p(-share) if 0 < share < 1 else 0.0

    @property
    def best_score(self) -> float:
        """The best score that was seen."""
        finite = self.study.scores[np.isfinite(self.study.scores)]
        return float(np.min(finite) if self.minimize else np.max(finite))

    @property
    def observed(self) -> Floats:
        """All scores as the model sees them: a score beyond a limit is replaced by the limit."""
        return predictive.censored(self.study.scores, self.limits, self.minimize)

    def _cdf(self, y: float) -> Floats:
        """Return the probability of a score no worse than ``y``, oriented to minimisation."""
        best = self.alpha if self.minimize else -self.beta
        delta = self.beta - self.alpha
        return noisy_cdf((y - best) / delta, 1.0, self.sigma / delta, self.gamma.astype(float))

    def interval(self, name: str, confidence: float | None = None) -> tuple[float, float]:
        """Return the central credible interval of a parameter.

        Parameters
        ----------
        name : {"alpha", "beta", "gamma", "sigma", "regime_probability"}
        confidence : float, optional
            Probability of the interval; the attribute ``confidence`` by default.

        Raises
        ------
        InputError
            Unknown name, or invalid confidence.
        """
        check_name(name)
        ends = self._tails(confidence)
        values = getattr(self, name)
        if name == "gamma":
            low, high = np.quantile(values, ends, method="nearest")
        elif name in ("alpha", "beta"):
            low, high = self._quantiles(values, ends)
        else:
            low, high = np.quantile(values, ends)
        return float(low), float(high)

    def _quantiles(self, scores: Floats, shares: Sequence[float]) -> Floats:
        """Return quantiles over draws of scores; for mirrored searches they are mirrored to the last digit."""
        return quantiles_of(scores, shares, self.minimize)

    def _tails(self, confidence: float | None) -> tuple[float, float]:
        return tails(self.confidence if confidence is None else as_probability("confidence", confidence, "such as 0.9"))

    def quantile_tuning_curves(self, n: ArrayLike, q: float = 0.5) -> Floats:
        """Return a quantile of the best score after ``n`` trials for each draw, the median by default.

        Returns
        -------
        ndarray, shape ``(num_chains, num_samples, *n.shape)``

        Raises
        ------
        InputError
            ``n`` is not positive, or ``q`` not between 0 and 1.
        """
        n, q = as_trials(n), as_quantile(q)
        curves = self.curves(self.parameters(slice(None)), n, q)
        return curves.reshape(*self.alpha.shape, *n.shape)

    def parameters(self, rows: Any) -> tuple[Floats, ...]:
        """Return best noiseless score, range, noise and gamma of some draws, each of shape (draws,)."""
        best = self.alpha if self.minimize else self.beta
        arrays = best, self.beta - self.alpha, self.sigma, self.gamma.astype(np.float64)
        return tuple(a.ravel()[rows] for a in arrays)

    def curves(self, parameters: tuple[Floats, ...], n: Floats, q: ArrayLike) -> Floats:
        """Return quantiles of the best of n trials for some draws, ``(draws, *n.shape)``; q may differ for each."""
        return curves_of(parameters, n, q, self.data.scale, self.minimize)

    def quantile_tuning_curve(self, n: ArrayLike, q: float = 0.5) -> Floats:
        """Return the posterior median of a quantile of the best score after ``n`` trials, the median by default.

        Raises
        ------
        InputError
            ``n`` is not positive, or ``q`` not between 0 and 1.
        """
        (curve,) = self._quantiles(self.quantile_tuning_curves(n, q), [0.5])
        return np.asarray(curve)

    def quantile_tuning_curve_band(
        self, n: ArrayLike, q: float = 0.5, confidence: float | None = None
    ) -> tuple[Floats, Floats]:
        """Return a pointwise credible band of the tuning curve, see `Region.quantile_tuning_curve_band`."""
        lower, upper = self._quantiles(self.quantile_tuning_curves(n, q), self._tails(confidence))
        return np.asarray(lower), np.asarray(upper)

    def probability_below(self, score: ArrayLike, n: ArrayLike = 1) -> Floats:
        """Return the posterior probability that the best score of ``n`` more trials is at most ``score``.

        The best score is the lowest when minimising, and the highest when maximising. Arguments broadcast; the
        probability of a score that is NaN is NaN.
        """
        score, n = np.broadcast_arrays(as_numbers("scores", score), as_trials(n))
        out = np.empty(score.shape)
        for place in np.ndindex(score.shape):
            if self.minimize:
                out[place] = np.mean(1 - (1 - np.minimum(self._cdf(float(score[place])), 1.0)) ** n[place])
            else:
                out[place] = np.mean((1 - self._cdf(-float(score[place]))) ** n[place])
        return out

    def log_joint(self, alpha: ArrayLike, beta: ArrayLike, gamma: ArrayLike, sigma: ArrayLike) -> Floats:
        """Return the unnormalised log posterior density with respect to (alpha, beta, sigma); arguments broadcast.

        It is -inf outside the bounds or the prior's support, and for a gamma outside its range.

        Raises
        ------
        InputError
            The posterior is one of several searches that share gamma, which only have a joint density.
        """
        if self.group is not None:
            raise InputError("a search that shares gamma and noise with others has no density of its own")
        arrays = np.broadcast_arrays(*(np.asarray(a, np.float64) for a in (alpha, beta, gamma, sigma)))
        shape = arrays[0].shape
        a, b, g, s = (x.ravel() for x in arrays)
        if not self.minimize:
            a, b = -b, -a
        low, high = self.study.constraints.gamma
        weights = self.prior.log_gamma(low, high)
        known = (g == np.round(g)) & (g >= low) & (g <= high)
        of_gamma = np.where(known, weights[np.where(known, g - low, 0).astype(int)], -np.inf)
        points = np.stack([a, b, np.where(known, g, low), s], axis=1)
        value = log_joint(points, self.data, self.study.constraints, self.prior.parts)
        return np.asarray((value + of_gamma).reshape(shape))

    @functools.cached_property
    def diagnostics(self) -> "diagnostics.Diagnostics":
        """Convergence of the chains: R-hat, effective sample sizes and divergences, with a verdict in words."""
        draws = {name: getattr(self, name) for name in ("alpha", "beta", "sigma")}
        return diagnostics.diagnose(draws, self.draws, self._cut_off)

    @property
    def _cut_off(self) -> list[str]:
        return diagnostics.cut_off(self.draws.theta, self.study.constraints, self.data.scale)

    @property
    def is_good(self) -> bool:
        """Whether the draws can be relied on; faster than ``diagnostics.good`` where that is clear."""
        return (diagnostics.surely_good(self.draws) and not self._cut_off) or self.diagnostics.good

    @functools.cached_property
    def idata(self) -> Any:
        """The draws as ArviZ data.

        An `arviz.InferenceData`, or an `xarray.DataTree` from ArviZ 1 on, with the groups posterior, sample_stats,
        log_likelihood (of each score), observed_data and posterior_predictive. In data and predictions, scores outside
        the limits are replaced by the limit they are beyond, and failed runs by the losing limit. If draws times scores
        exceed 20 million numbers, predictions are for fewer draws, and log_likelihood is left out.
        """
        return predictive.to_arviz(
            self._search, self.regime_probability, self.draws.stats, self.draws.seed, str(self.settings)
        )

    def predict(self, num: int | None = None, key: Array | None = None) -> Floats:
        """Draw replicated searches of the same size, censored as the data are.

        Parameters
        ----------
        num : int, optional
            Number of searches, from draws evenly spread over the chains; by default one for each draw, or fewer if that
            exceeds 20 million scores.
        key : Array, optional
            A JAX random key; by default the sampler's, so that plots are reproducible.

        Returns
        -------
        ndarray, shape (num, num_scores)

        Raises
        ------
        InputError
            A number below 1.
        """
        seed = self.draws.seed if key is None else int(jax.random.bits(key, dtype=np.uint32))
        return predictive.replicate(self._search, num, seed)

    @property
    def _search(self) -> predictive.SearchDraws:
        draws = self.alpha, self.beta, self.gamma, self.sigma
        return predictive.SearchDraws(*draws, self.study.scores, self.limits, self.minimize)
