"""The posterior of one search averaged over the threshold of its regime."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.special
from jax import Array
from numpy.typing import ArrayLike, NDArray

from nqjax.confidence.region import PARAMETERS, Region, tails
from nqjax.estimation.study import Study
from nqjax.inputs import as_choice, as_probability, as_quantile, as_trials
from nqjax.posterior.averaging import average
from nqjax.posterior.curves import curves_of, quantiles_of
from nqjax.posterior.draws import Request
from nqjax.posterior.prior import Prior
from nqjax.special.chunked import noisy_cdf
from nqjax.types import Floats

#: Largest gamma of the default prior.
_MOST_GAMMA = 50

#: Fewest scores in the regime, on average, for answers about the parameters to be relied on.
_ENOUGH_SCORES = 12.0


@functools.cache
def averaged_prior() -> Prior:
    """Return the default prior: that of `nqjax.Prior`, with the probability of gamma in proportion to 1 / gamma.

    Where the data cannot tell, a uniform prior of gamma pulls a small gamma upwards, and the best score with it.
    """
    return Prior(gamma={gamma: 1.0 / gamma for gamma in range(1, _MOST_GAMMA + 1)})


@dataclass(frozen=True, eq=False)
class AveragedPosterior(Region):
    """Draws of the posterior of one search, averaged over the threshold; also a `Region` of credible intervals.

    Attributes
    ----------
    alpha, beta, sigma, threshold : ndarray, shape (num_chains, num_samples)
        Draws, on the scale of the scores; all draws are independent.
    gamma : ndarray of int, shape (num_chains, num_samples)
    threshold_probabilities, gamma_probabilities : dict
        Posterior probabilities, by quadrature, without Monte Carlo error.
    prior : Prior
    minimize : bool
    limits : pair of float
        The regime of the most probable threshold.
    num_scores : int
        All scores.
    mean_used : float
        Posterior mean of the number of scores in the regime.
    confidence : float
        Probability of the intervals, unless another is asked for.
    error : float
        Error of the log evidences, as `nqjax.sample_posterior` has it.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(24)
    >>> region = nqjax.confidence_region(scores, method="averaged", gamma=2, key=jax.random.key(0))
    >>> low, high = region.interval("best")
    >>> low < high
    True
    >>> round(sum(region.threshold_probabilities.values()), 6)
    1.0
    """

    alpha: Floats = field(repr=False)
    beta: Floats = field(repr=False)
    gamma: NDArray[np.int64] = field(repr=False)
    sigma: Floats = field(repr=False)
    threshold: Floats = field(repr=False)
    threshold_probabilities: dict[float, float]
    gamma_probabilities: dict[int, float]
    prior: Prior = field(repr=False)
    minimize: bool
    limits: tuple[float, float]
    num_scores: int
    mean_used: float
    confidence: float
    error: float
    study: Study = field(repr=False)

    @property
    def gammas(self) -> tuple[int, ...]:  # type: ignore[override]
        """The most probable gammas, which together have the probability ``confidence``, in order."""
        ranked = sorted(self.gamma_probabilities, key=self.gamma_probabilities.__getitem__, reverse=True)
        total = np.cumsum([self.gamma_probabilities[gamma] for gamma in ranked])
        return tuple(sorted(ranked[: int(np.searchsorted(total, self.confidence)) + 1]))

    @property
    def regime_probability(self) -> Floats:
        """Draws of the probability that one trial's score is in the regime, shape (num_chains, num_samples)."""
        delta = self.beta - self.alpha
        distance = self.threshold - self.alpha if self.minimize else self.beta - self.threshold
        return noisy_cdf(distance / delta, 1.0, self.sigma / delta, self.gamma.astype(float))

    @property
    def regime_start(self) -> float:
        """Number of trials from which the median best score lies in the regime, see `Fit.regime_start`."""
        share = float(np.median(self.regime_probability))
        return math.log(0.5) / math.log1p(-share) if 0 < share < 1 else 0.0

    @property
    def warnings(self) -> list[str]:
        """What limits the answer, in sentences; empty where nothing is known to."""
        if self.mean_used >= _ENOUGH_SCORES:
            return []
        few = f"about {self.mean_used:.0f} scores shape the fit, too few to tell the parameters"
        return [f"{few}: rely on the band of nqjax.confidence_bands (nqjax bands)"]

    def interval(self, name: str, confidence: float | None = None) -> tuple[float, float]:
        """Return the central credible interval of a parameter.

        Parameters
        ----------
        name : {"best", "alpha", "beta", "gamma", "sigma", "regime_probability", "threshold"}
            ``best`` is the best reachable score: alpha when minimising, beta when maximising.
        confidence : float, optional
            Probability of the interval; the attribute ``confidence`` by default.

        Raises
        ------
        InputError
            Unknown name, or invalid confidence.
        """
        as_choice("parameter", name, ("best", *PARAMETERS, "threshold"))
        if name == "best":
            name = "alpha" if self.minimize else "beta"
        ends = self._tails(confidence)
        if name in ("gamma", "threshold"):
            low, high = np.quantile(getattr(self, name), ends, method="nearest")
        elif name in ("alpha", "beta"):
            low, high = quantiles_of(getattr(self, name), ends, self.minimize)
        else:
            low, high = np.quantile(getattr(self, name), ends)
        return float(low), float(high)

    def _tails(self, confidence: float | None) -> Sequence[float]:
        return tails(self.confidence if confidence is None else as_probability("confidence", confidence))

    @property
    def _unit(self) -> float:
        finite = self.study.scores[np.isfinite(self.study.scores)]
        return float(np.ptp(finite))

    def quantile_tuning_curves(self, n: ArrayLike, q: float = 0.5) -> Floats:
        """Return a quantile of the best score after ``n`` trials for each draw, the median by default.

        Returns
        -------
        ndarray, shape (num_chains, num_samples, *n.shape)

        Raises
        ------
        InputError
            ``n`` is not positive, or ``q`` not between 0 and 1.
        """
        n, q = as_trials(n), as_quantile(q)
        best = self.alpha if self.minimize else self.beta
        arrays = best, self.beta - self.alpha, self.sigma, self.gamma.astype(np.float64)
        curves = curves_of(tuple(a.ravel() for a in arrays), n, q, self._unit, self.minimize)
        return curves.reshape(*self.alpha.shape, *n.shape)

    def quantile_tuning_curve(self, n: ArrayLike, q: float = 0.5) -> Floats:
        """Return the posterior median of a quantile of the best score after ``n`` trials, the median by default."""
        (curve,) = quantiles_of(self.quantile_tuning_curves(n, q), [0.5], self.minimize)
        return np.asarray(curve)

    def quantile_tuning_curve_band(
        self, n: ArrayLike, q: float = 0.5, confidence: float | None = None
    ) -> tuple[Floats, Floats]:
        """Return a pointwise credible band of the tuning curve, see `Region.quantile_tuning_curve_band`."""
        lower, upper = quantiles_of(self.quantile_tuning_curves(n, q), self._tails(confidence), self.minimize)
        return np.asarray(lower), np.asarray(upper)


def averaged_posterior(study: Study, key: Array, request: Request) -> AveragedPosterior:
    """Sample the posterior of a study over all thresholds; the limits of the study are not used.

    Raises
    ------
    InputError
        Fewer than five different scores; constraints or a prior that exclude the data.
    """
    found = average(study, key, request)
    of_threshold = np.exp(scipy.special.logsumexp(found.log_probability, axis=1))
    of_gamma = np.exp(scipy.special.logsumexp(found.log_probability, axis=0))
    ends = [r.data.worst if math.isinf(r.limits[1]) else r.limits[1] for r in found.regimes]
    most = ends[int(np.argmax(of_threshold))]
    sign = 1 if study.minimize else -1
    return AveragedPosterior(
        alpha=found.theta[..., 0],
        beta=found.theta[..., 1],
        gamma=found.gamma,
        sigma=found.theta[..., 2],
        threshold=found.threshold,
        threshold_probabilities={sign * end: float(p) for end, p in zip(ends, of_threshold, strict=True)},
        gamma_probabilities={gamma: float(p) for gamma, p in zip(study.gammas, of_gamma, strict=True)},
        prior=request.prior,
        minimize=study.minimize,
        limits=(-math.inf, most) if study.minimize else (-most, math.inf),
        num_scores=len(study.scores),
        mean_used=float(sum(p * r.data.num_used for p, r in zip(of_threshold, found.regimes, strict=True))),
        confidence=request.confidence,
        error=found.error,
        study=study,
    )
