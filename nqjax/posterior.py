"""The Bayesian posterior of the four parameters."""

import functools
import math
import operator
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import jax
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from nqjax import _diagnostics
from nqjax._evaluate import noisy_cdf
from nqjax._joint import log_joint
from nqjax._progress import Progress
from nqjax._sampling import Draws, Request, sample_studies
from nqjax._study import Study, check_bounds, make_study
from nqjax.constraints import Constraint, Constraints, read_constraints
from nqjax.errors import InputError
from nqjax.estimate import best_of, prepare
from nqjax.many import Failure, as_regimes
from nqjax.priors import Prior
from nqjax.region import Region, check_name
from nqjax.spacing import as_scores, as_trials, oriented_limits

Floats = NDArray[np.float64]
PosteriorMethod = Literal["nuts", "quadrature"]
METHODS = ("nuts", "quadrature")


class SamplingWarning(UserWarning):
    """The draws of a posterior cannot be relied on; the message says why and what to do."""


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
        Logarithm of the probability density of the scores, averaged over the prior; where the prior of the width is
        flat, up to a constant that is the same for all models of the same regime.
    method : {"nuts", "quadrature"}
    prior : Prior
    minimize : bool
    limits : pair of float
        The regime. A limit beyond which no score lies is infinite; failed runs without a limit are beyond the worst
        score.
    num_scores, num_used : int
        All scores, and those inside the limits.
    confidence : float
        Probability of the intervals, unless another is asked for.
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
    _draws: Draws = field(repr=False)
    _study: Study = field(repr=False)
    _bounds: Constraints = field(repr=False)
    _scores: Floats = field(repr=False)
    _settings: dict[str, Any] = field(repr=False)

    @property
    def gammas(self) -> tuple[int, ...]:  # type: ignore[override]
        """The fewest gammas that hold the probability ``confidence`` together."""
        return self.likely_gammas(self.confidence)

    def likely_gammas(self, prob: float) -> tuple[int, ...]:
        """The fewest gammas that hold a probability together."""
        ordered = sorted(self.gamma_probabilities, key=self.gamma_probabilities.__getitem__, reverse=True)
        held = np.cumsum([self.gamma_probabilities[g] for g in ordered])
        return tuple(sorted(ordered[: 1 + int(np.searchsorted(held, prob - 1e-12))]))

    @property
    def regime_probability(self) -> Floats:
        """Probability of a score within the limits, for each draw."""
        low, high = oriented_limits(self.limits, self.minimize)
        ends = [self._cdf(x) if math.isfinite(x) else np.full(self.alpha.shape, float(x > 0)) for x in (low, high)]
        return ends[1] - ends[0]

    def _cdf(self, y: float) -> Floats:
        """Probability of a score at or on the winning side of one, oriented to minimisation."""
        best = self.alpha if self.minimize else -self.beta
        delta = self.beta - self.alpha
        return noisy_cdf((y - best) / delta, 1.0, self.sigma / delta, self.gamma.astype(float))

    def interval(self, name: str, prob: float | None = None) -> tuple[float, float]:
        """Central credible interval of a parameter.

        Parameters
        ----------
        name : {"alpha", "beta", "gamma", "sigma", "regime_probability"}
        prob : float, optional
            Its probability; ``confidence`` by default.

        Raises
        ------
        InputError
            Another name, or a probability that is none.
        """
        check_name(name)
        tails = self._tails(prob)
        values = getattr(self, name)
        if name == "gamma":
            low, high = np.quantile(values, tails, method="nearest")
        elif name in ("alpha", "beta"):
            low, high = self._quantiles(values, tails)
        else:
            low, high = np.quantile(values, tails)
        return float(low), float(high)

    def _quantiles(self, scores: Floats, tails: list[float]) -> Floats:
        """Quantiles over the draws of what is on the scale of the scores; mirror images to the last digit."""
        if self.minimize:
            return np.asarray(np.quantile(scores, tails, axis=(0, 1)))
        return -np.asarray(np.quantile(-scores, [1 - t for t in tails], axis=(0, 1)))

    def _tails(self, prob: float | None) -> list[float]:
        prob = self.confidence if prob is None else prob
        if not 0 < prob < 1:
            raise InputError(f"the probability is {prob}: give a number between 0 and 1, such as 0.9")
        return [(1 - prob) / 2, (1 + prob) / 2]

    def tuning_curves(self, n: ArrayLike, q: float = 0.5) -> Floats:
        """Quantile of the best score after ``n`` trials for each draw, shape (num_chains, num_samples, *n.shape).

        Raises
        ------
        InputError
            ``n`` is not positive, or ``q`` not between 0 and 1.
        """
        n = as_trials(n)
        if not 0 < q < 1:
            raise InputError(f"q is {q}: give a number between 0 and 1, 0.5 for the median")
        curves = self._curves(self._parameters(slice(None)), n, q)
        return curves.reshape(*self.alpha.shape, *n.shape)

    def _parameters(self, rows: Any) -> tuple[Floats, ...]:
        """The best reachable score, the range, the noise and gamma of some draws, each of shape (draws,)."""
        best = self.alpha if self.minimize else self.beta
        arrays = best, self.beta - self.alpha, self.sigma, self.gamma.astype(np.float64)
        return tuple(a.ravel()[rows] for a in arrays)

    def _curves(self, parameters: tuple[Floats, ...], n: Floats, q: ArrayLike) -> Floats:
        """Quantiles of the best of n trials for some draws, shape (draws, *n.shape); q may differ between the draws."""
        unit = self._study.scale
        best, delta, sigma, gamma = (a.reshape(-1, *[1] * n.ndim) for a in parameters)
        with jax.enable_x64(True):
            side = np.asarray(q if self.minimize else 1 - np.asarray(q), np.float64)
            arrays = np.broadcast_arrays(n[None], side, delta / unit, sigma / unit, gamma)
            r = unit * np.asarray(best_of(*arrays))
        return best + r if self.minimize else best - r

    def quantile_tuning_curve(
        self, n: ArrayLike, prob: float | None = None, q: float = 0.5
    ) -> tuple[Floats, Floats, Floats]:
        """Quantile of the best score after ``n`` trials, the median by default, with a pointwise credible band.

        Returns
        -------
        lower, median, upper : ndarray, shape of n
            Of the posterior of the curve.
        """
        tails = self._tails(prob)
        lower, median, upper = self._quantiles(self.tuning_curves(n, q), [tails[0], 0.5, tails[1]])
        return lower, median, upper

    def quantile_tuning_curve_bands(self, n: ArrayLike, q: float = 0.5) -> tuple[Floats, Floats]:
        """The band alone, see `Region.quantile_tuning_curve_bands`."""
        lower, _, upper = self.quantile_tuning_curve(n, q=q)
        return lower, upper

    def probability_below(self, score: ArrayLike, n: ArrayLike = 1) -> Floats:
        """Posterior probability that the best score of ``n`` more trials is at most ``score``.

        The best is the lowest when minimising, and the highest when maximising. Arguments broadcast.
        """
        score, n = np.broadcast_arrays(np.asarray(score, np.float64), as_trials(n))
        out = np.empty(score.shape)
        for place in np.ndindex(score.shape):
            if self.minimize:
                out[place] = np.mean(1 - (1 - np.minimum(self._cdf(float(score[place])), 1.0)) ** n[place])
            else:
                out[place] = np.mean((1 - self._cdf(-float(score[place]))) ** n[place])
        return out

    def log_joint(self, alpha: ArrayLike, beta: ArrayLike, gamma: ArrayLike, sigma: ArrayLike) -> Floats:
        """Unnormalised log posterior density with respect to (alpha, beta, sigma); arguments broadcast.

        -inf outside of the bounds and of the prior's support, and for a gamma out of its range.
        """
        arrays = np.broadcast_arrays(*(np.asarray(a, np.float64) for a in (alpha, beta, gamma, sigma)))
        shape = arrays[0].shape
        a, b, g, s = (x.ravel() for x in arrays)
        if not self.minimize:
            a, b = -b, -a
        low, high = self._bounds.gamma
        weights = self.prior.log_gamma(low, high)
        known = (g == np.round(g)) & (g >= low) & (g <= high)
        of_gamma = np.where(known, weights[np.where(known, g - low, 0).astype(int)], -np.inf)
        points = np.stack([a, b, np.where(known, g, low), s], axis=1)
        value = log_joint(points, self._study, self._bounds, self.prior.parts)
        return np.asarray((value + of_gamma).reshape(shape))

    @functools.cached_property
    def diagnostics(self) -> "_diagnostics.Diagnostics":
        """Convergence of the chains: R-hat, effective sample sizes and divergences, with a verdict in words."""
        draws = {name: getattr(self, name) for name in ("alpha", "beta", "sigma")}
        return _diagnostics.diagnose(draws, self._draws)

    @property
    def _is_good(self) -> bool:
        return _diagnostics.surely_good(self._draws) or self.diagnostics.good

    @functools.cached_property
    def idata(self) -> Any:
        """The draws as ArviZ has them: posterior, sample_stats, observed_data and posterior_predictive.

        An `arviz.InferenceData`, or an `xarray.DataTree` from ArviZ 1 on. Scores outside of the limits are at the limit
        they are beyond, failed ones at the losing one, in the data as in the predictions.
        """
        return _diagnostics.to_arviz(self)

    def predict(self, num: int | None = None, key: Array | None = None) -> Floats:
        """Replicated searches of the same size, shape (num, num_scores), censored as the data are.

        Parameters
        ----------
        num : int, optional
            How many; as many as there are draws by default, or what fits in memory.
        key : Array, optional
            A JAX random key; by default the one of the sampler, so that pictures come out the same.
        """
        return _diagnostics.replicate(self, num, key)


def sample_posterior(
    scores: ArrayLike,
    *,
    limits: tuple[float, float] = (-math.inf, math.inf),
    minimize: bool = True,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
    prior: Prior | None = None,
    key: Array,
    method: PosteriorMethod = "nuts",
    num_chains: int = 4,
    num_warmup: int = 500,
    num_samples: int = 1000,
    confidence: float = 0.95,
    progress: bool = False,
) -> Posterior:
    """Sample the posterior of the parameters of the noisy quadratic distribution.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        One score a trial, as for `nqjax.fit`.
    limits, minimize
        The regime and the direction, as for `nqjax.fit`. A limit beyond which there is no score is no threshold.
    alpha, beta, sigma : pair of float, optional
        Bounds: the prior is cut off there.
    gamma : int or pair of int
        The range of the effective number of hyperparameters.
    prior : Prior, optional
        See `nqjax.Prior`.
    key : Array
        A JAX random key.
    method : {"nuts", "quadrature"}
        ``nuts``: NumPyro's sampler for each gamma, in the proportions that quadrature gives the gammas.
        ``quadrature``: independent draws of the quadrature's grid, with a Metropolis step; faster.
    num_chains, num_warmup, num_samples : int
        Chains, and draws of each before and after adaptation.
    confidence : float
        Probability of the intervals, unless another is asked for.
    progress : bool
        Whether to show a progress bar on stderr.

    Returns
    -------
    Posterior

    Raises
    ------
    InputError
        As `nqjax.fit`; a parameter that is fixed; a prior that excludes the data.

    Notes
    -----
    Likelihood: the density of each score inside the limits, the probability of lying outside for the others (Lourie,
    He, Cho 2025). Every gamma has its own posterior over (alpha, beta, sigma), a mode apart from the others; its
    probability is its evidence, an integral over three dimensions by quadrature, whose error is in the diagnostics.
    Computed in float64 whatever the process's setting.
    """
    request = read_request(prior, method, num_chains, num_warmup, num_samples, confidence)
    constraints = read_constraints(alpha, beta, gamma, sigma, minimize)
    study = prepare_study(scores, limits, minimize, constraints)
    with Progress("stages", 2, show=progress) as bar:
        (draws,) = sample_studies([study], constraints, request, [key], bar.advance, stages=True)
    if isinstance(draws, str):
        raise InputError(draws)
    post = finish_draws(draws, study, as_scores(scores), minimize, constraints, request)
    if not post._is_good:
        warnings.warn(post.diagnostics.verdict, SamplingWarning, stacklevel=2)
    return post


def sample_posterior_many(
    studies: Sequence[ArrayLike],
    *,
    limits: tuple[float, float] | Sequence[tuple[float, float]] = (-math.inf, math.inf),
    minimize: bool = True,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
    prior: Prior | None = None,
    key: Array,
    method: PosteriorMethod = "nuts",
    num_chains: int = 4,
    num_warmup: int = 500,
    num_samples: int = 1000,
    confidence: float = 0.95,
    progress: bool = False,
) -> list[Posterior | Failure]:
    """Sample the posteriors of many searches at once.

    Parameters
    ----------
    studies : sequence of array_like
        The scores of each.
    limits : pair of float, or one for each study
    key : Array
        A JAX random key; study i gets the i-th of ``jax.random.split(key, len(studies))``.

    The others are those of `sample_posterior`.

    Returns
    -------
    list of Posterior or Failure
        In the order of the studies. A study that cannot be used spoils no other.

    Raises
    ------
    InputError
        Options that no study could use.
    """
    request = read_request(prior, method, num_chains, num_warmup, num_samples, confidence)
    constraints = read_constraints(alpha, beta, gamma, sigma, minimize)
    regimes = as_regimes(limits, len(studies))
    results: list[Posterior | Failure] = [Failure("not sampled")] * len(studies)
    good: dict[int, Study] = {}
    for i, (scores, pair) in enumerate(zip(studies, regimes, strict=True)):
        try:
            good[i] = prepare_study(scores, pair, minimize, constraints)
        except InputError as error:
            results[i] = Failure(str(error))
    keys = jax.random.split(key, max(len(studies), 1))
    with Progress("studies", len(good), show=progress) as bar:
        found = sample_studies(list(good.values()), constraints, request, [keys[i] for i in good], bar.advance)
        for i, draws in zip(good, found, strict=True):
            results[i] = (
                Failure(draws)
                if isinstance(draws, str)
                else finish_draws(draws, good[i], as_scores(studies[i]), minimize, constraints, request)
            )
    poor = [i for i, post in enumerate(results) if isinstance(post, Posterior) and not post._is_good]
    if poor:
        some = ", ".join(map(str, poor[:5])) + (", ..." if len(poor) > 5 else "")
        text = f"{len(poor)} of {len(results)} posteriors cannot be relied on (studies {some}): see their diagnostics"
        warnings.warn(text, SamplingWarning, stacklevel=2)
    return results


def read_request(
    prior: Prior | None, method: str, num_chains: int, num_warmup: int, num_samples: int, confidence: float
) -> Request:
    """Check options; raises InputError."""
    prior = Prior() if prior is None else prior
    if not isinstance(prior, Prior):
        raise InputError(f"the prior is {prior!r}: give a nqjax.Prior")
    if method not in METHODS:
        raise InputError(f"there is no method {method!r}: choose one of {', '.join(METHODS)}")
    numbers = {"num_chains": (num_chains, 1), "num_warmup": (num_warmup, 50), "num_samples": (num_samples, 4)}
    for name, (value, least) in numbers.items():
        try:
            enough = operator.index(value) >= least
        except TypeError:
            raise InputError(f"{name} is {value!r}: give a whole number") from None
        if not enough:
            raise InputError(f"{name} is {value}: give at least {least}")
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}: give a number between 0 and 1, such as 0.95")
    return Request(prior, method, num_chains, num_warmup, num_samples, confidence)


def prepare_study(scores: ArrayLike, limits: tuple[float, float], minimize: bool, constraints: Constraints) -> Study:
    """Check a search; raises InputError."""
    data = prepare(scores, limits, minimize, constraints).data
    study = make_study(data, *oriented_limits(limits, minimize))
    check_bounds(study, constraints, minimize)
    return study


def finish_draws(
    draws: Draws,
    study: Study,
    scores: Floats,
    minimize: bool,
    constraints: Constraints,
    request: Request,
) -> Posterior:
    """Draws on the scale of the scores."""
    first = study.data.best + study.scale * draws.theta[..., 0]
    delta, sigma = study.scale * np.exp(draws.theta[..., 1]), study.scale * np.exp(draws.theta[..., 2])
    # From its end, where rounding must not carry it past a bound.
    low, high = first, first + delta
    low, high = np.clip(low, *constraints.alpha), np.clip(high, *constraints.beta)
    if not minimize:
        low, high = -high, -low
    end = study.limits[1] if study.has_threshold else math.inf
    regime = oriented_limits((study.limits[0], end), True)
    numbers = range(constraints.gamma[0], constraints.gamma[1] + 1)
    return Posterior(
        alpha=low,
        beta=high,
        gamma=draws.gamma,
        sigma=np.clip(sigma, *constraints.sigma),
        gamma_probabilities={g: float(p) for g, p in zip(numbers, np.exp(draws.log_probability), strict=True)},
        log_evidence=draws.log_evidence,
        method=request.method,
        prior=request.prior,
        minimize=minimize,
        limits=oriented_limits(regime, minimize),
        num_scores=study.data.num_scores,
        num_used=study.data.num_used,
        confidence=request.confidence,
        _draws=draws,
        _study=study,
        _bounds=constraints,
        _scores=scores,
        _settings=request.settings,
    )
