"""The posterior of one search averaged over the threshold of its regime."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nqjax.confidence.region import PARAMETERS, Region, wider_tails
from nqjax.estimation.noise_data import Noise
from nqjax.estimation.rounding import rounding_unit
from nqjax.estimation.study import Study
from nqjax.inputs import as_choice, as_probability, as_quantile, as_trials
from nqjax.posterior.averaging.average import Average, average
from nqjax.posterior.averaging.reliability import Untold, warnings_of, why_untold
from nqjax.posterior.curves import curves_of, paired_curves, quantiles_of
from nqjax.special.chunked import noisy_cdf
from nqjax.types import Floats

if TYPE_CHECKING:
    from nqjax.posterior.prior import Prior

#: Noise below this share of the most probable regime cannot be told from none, unless reruns or many scores tell it:
#: then the interval begins above this share of the estimate.
_NO_NOISE = 0.02
_SPREAD = 0.25


class Curve(NamedTuple):
    """A tuning curve: the best score after some numbers of trials, and the interval of each."""

    estimate: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False)
class AveragedPosterior(Region):
    """Draws of the posterior of one search, averaged over the threshold; also a `Region` of credible intervals.

    Attributes
    ----------
    alpha, beta, sigma, gamma, threshold : ndarray, shape (num_chains, num_samples)
        Draws, on the scale of the scores; gamma is a real number.
    threshold_probabilities : dict of float to float
        Posterior probability of each threshold, the largest regime first.
    gamma_probabilities : dict of int to float
        Posterior probability of the whole numbers to which gamma rounds.
    prior : Prior or None
        None for the default prior.
    minimize : bool
    limits : pair of float
        The regime of the most probable threshold.
    num_scores : int
        All scores.
    mean_used : float
        Posterior mean of the number of scores in the regime.
    rounding : float
        The unit to which the scores are rounded, 0 for exact scores.
    confidence : float
        Probability of the intervals, unless another is asked for.
    effective_draws : float
        Number of independent draws that tell as much.
    untold : "", "few" or "steep"
        Why the scores do not tell the parameters: too few are in the regime, or they get worse faster than any
        quadratic. Then only a distribution-free band is to be relied on. Empty where they do.
    warnings : list of str
        What limits the answer, in sentences; empty where nothing is known to.
    study, seed
        What the draws were made from, for comparisons.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> rng = np.random.default_rng(0)
    >>> scores = 0.1 + rng.random(64) + 0.02 * rng.normal(size=64)  # gamma = 2
    >>> region = nqjax.confidence_region(scores)
    >>> low, high = region.interval("best")
    >>> bool(low < 0.1 < high)
    True
    >>> round(sum(region.threshold_probabilities.values()), 6)
    1.0
    >>> curve = region.curve([10, 100, 1000])
    >>> bool(np.all(curve.low < curve.estimate))
    True
    """

    alpha: Floats = field(repr=False)
    beta: Floats = field(repr=False)
    gamma: Floats = field(repr=False)
    sigma: Floats = field(repr=False)
    threshold: Floats = field(repr=False)
    threshold_probabilities: dict[float, float]
    gamma_probabilities: dict[int, float]
    prior: "Prior | None" = field(repr=False)
    minimize: bool
    limits: tuple[float, float]
    num_scores: int
    mean_used: float
    rounding: float
    confidence: float
    effective_draws: float
    untold: Untold
    warnings: list[str]
    study: Study = field(repr=False)
    seed: int = field(repr=False)

    @property
    def tells_parameters(self) -> bool:
        """Whether the scores tell the parameters; if not, only a distribution-free band is to be relied on."""
        return not self.untold

    @property
    def gammas(self) -> tuple[int, ...]:  # type: ignore[override]
        """The whole numbers to which gamma rounds within its interval."""
        low, high = self.interval("gamma")
        return tuple(range(max(1, round(low)), max(1, round(high)) + 1))

    @property
    def regime_probability(self) -> Floats:
        """Draws of the probability that one trial's score is in the regime, shape (num_chains, num_samples)."""
        delta = self.beta - self.alpha
        distance = self.threshold - self.alpha if self.minimize else self.beta - self.threshold
        return noisy_cdf(distance / delta, 1.0, self.sigma / delta, self.gamma)

    @property
    def regime_start(self) -> float:
        """Number of trials from which the median best score lies in the regime, see `Fit.regime_start`."""
        share = float(np.median(self.regime_probability))
        return math.log(0.5) / math.log1p(-share) if 0 < share < 1 else 0.0

    def estimate(self, name: str) -> float:
        """Return the posterior median of a parameter; names are those of `interval`."""
        (value,) = self._ends(name, [0.5])
        return value

    def interval(self, name: str, confidence: float | None = None) -> tuple[float, float]:
        """Return the interval of a parameter: the central part of the draws, a little wider than the confidence.

        95 % intervals have 95.6 % of the draws, 80 % ones 86.7 %, so that they hold the truth at the stated rate in
        kinds of searches that the prior describes less well, too; docs/coverage.md measures it. That of sigma begins at
        its lowest value, 0 by default, where its draws reach below a fiftieth of the regime and are widely spread: so
        little noise cannot be told from none.

        Parameters
        ----------
        name : {"best", "alpha", "beta", "gamma", "sigma", "regime_probability", "threshold"}
            ``best`` is the best score of the fitted regime: alpha when minimising, beta when maximising.
        confidence : float, optional
            Probability of the interval; the attribute ``confidence`` by default.

        Raises
        ------
        InputError
            Unknown name, or invalid confidence.
        """
        low, high = self._ends(name, self._tails(confidence))
        if name == "sigma" and self._may_be_none(low):
            low = float(self.study.constraints.sigma[0])
        return low, high

    def _may_be_none(self, sigma: float) -> bool:
        """Return whether so little noise cannot be told from none: it is small, and its draws are widely spread."""
        regime = abs(self.best_score - self.limits[self.minimize])
        return sigma < _NO_NOISE * regime and sigma < _SPREAD * self.estimate("sigma")

    def _ends(self, name: str, shares: Sequence[float]) -> list[float]:
        """Return quantiles of a parameter; those of mirrored searches are mirrored to the last digit."""
        as_choice("parameter", name, ("best", *PARAMETERS, "threshold"))
        if name == "best":
            name = "alpha" if self.minimize else "beta"
        if name == "threshold":
            found = np.quantile(self.threshold, shares, method="nearest")
        elif name in ("alpha", "beta"):
            found = quantiles_of(getattr(self, name), shares, self.minimize)
        else:
            found = np.quantile(getattr(self, name), shares)
        return [float(x) for x in found]

    def _tails(self, confidence: float | None) -> Sequence[float]:
        return wider_tails(self.confidence if confidence is None else as_probability("confidence", confidence))

    @property
    def best_score(self) -> float:
        """The best score that was seen."""
        finite = self.study.scores[np.isfinite(self.study.scores)]
        return float(np.min(finite) if self.minimize else np.max(finite))

    @property
    def _unit(self) -> float:
        finite = self.study.scores[np.isfinite(self.study.scores)]
        return float(np.ptp(finite))

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
        return tuple(a.ravel()[rows] for a in (best, self.beta - self.alpha, self.sigma, self.gamma))

    def curves(self, parameters: tuple[Floats, ...], n: Floats, q: ArrayLike) -> Floats:
        """Return quantiles of the best of n trials for some draws, ``(draws, *n.shape)``; q may differ for each."""
        return curves_of(parameters, n, q, self._unit, self.minimize)

    def paired_curves(self, n: Floats) -> Floats:
        """Return the median tuning curve of every draw at numbers of trials of its own, both of shape (draws, k)."""
        return paired_curves(self.parameters(slice(None)), n, 0.5, self._unit, self.minimize)

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

    def curve(self, n: ArrayLike, confidence: float | None = None, q: float = 0.5) -> Curve:
        """Return a quantile of the best score after ``n`` trials, the median by default, and its interval.

        Parameters
        ----------
        n : array_like
            Numbers of trials.
        confidence : float, optional
            Probability of the interval; the attribute ``confidence`` by default.
        q : float

        Raises
        ------
        InputError
            ``n`` is not positive, ``q`` not between 0 and 1, or an invalid confidence.
        """
        low, high = self._tails(confidence)
        curves = self.quantile_tuning_curves(n, q)
        return Curve(*(np.asarray(one) for one in quantiles_of(curves, [0.5, low, high], self.minimize)))


def averaged_posterior(
    study: Study,
    seed: int,
    *,
    prior: "Prior | None" = None,
    rounding: float | None = None,
    shape: tuple[int, int] = (4, 1000),
    confidence: float = 0.95,
    noise: Noise | None = None,
) -> AveragedPosterior:
    """Return the posterior of a study over all thresholds; the limits of the study are not used.

    Parameters
    ----------
    study : Study
    seed : int
    prior : Prior, optional
    rounding : float, optional
        The unit to which the scores are rounded, 0 for exact scores; found from the scores by default.
    shape : pair of int
        Numbers of chains and of draws of each.
    confidence : float
    noise : Noise, optional
        What reruns say of sigma: a factor of the likelihood.

    Raises
    ------
    InputError
        Fewer than five different scores; bounds or a prior that exclude the data.
    """
    unit = rounding_unit(study.scores) if rounding is None else rounding
    rng = np.random.default_rng(seed)
    found = average(study, prior, unit, rng, noise=noise)
    which = _resample(found.weight, shape, rng)
    kind = _choose(found.thresholds[which], rng)
    search = found.search
    sign = 1 if study.minimize else -1
    of_threshold = found.weight @ found.thresholds
    most = sign * float(search.thresholds[int(np.argmax(of_threshold))])
    alpha, beta, sigma = study.restore(found.alpha[which], found.beta[which], found.sigma[which])
    return AveragedPosterior(
        alpha=alpha,
        beta=beta,
        gamma=found.gamma[which],
        sigma=sigma,
        threshold=sign * search.thresholds[kind],
        threshold_probabilities={
            sign * float(end): float(p) for end, p in zip(search.thresholds, of_threshold, strict=True)
        },
        gamma_probabilities=_rounded_gammas(found),
        prior=prior,
        minimize=study.minimize,
        limits=(-math.inf, most) if study.minimize else (most, math.inf),
        num_scores=len(study.scores),
        mean_used=float(of_threshold @ search.used),
        rounding=unit,
        confidence=confidence,
        effective_draws=found.effective,
        untold=why_untold(found),
        warnings=warnings_of(found),
        study=study,
        seed=seed,
    )


def _resample(weight: Floats, shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return indices of draws in random order, each as often as its weight says, up to one."""
    count = shape[0] * shape[1]
    steps = (np.arange(count) + rng.random()) / count
    chosen = np.minimum(np.searchsorted(np.cumsum(weight), steps), len(weight) - 1)
    return rng.permutation(chosen).reshape(shape)


def _choose(probabilities: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return one index of the last axis for each set of probabilities."""
    below = np.cumsum(probabilities, axis=-1) < rng.random(probabilities.shape[:-1])[..., None]
    return np.minimum(below.sum(axis=-1), probabilities.shape[-1] - 1)


def _rounded_gammas(found: Average) -> dict[int, float]:
    whole = np.maximum(np.rint(found.gamma).astype(int), 1)
    low, high = max(1, round(found.gamma_range[0])), max(1, round(found.gamma_range[1]))
    return {gamma: float(found.weight[whole == gamma].sum()) for gamma in range(low, high + 1)}
