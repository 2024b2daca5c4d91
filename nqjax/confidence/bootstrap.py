"""The bootstrap: refits of resamples of one study's scores."""

import functools
import math
from dataclasses import dataclass, field
from typing import Literal

import jax
import numpy as np
import scipy  # its parts are imported when they are used
from numpy.typing import ArrayLike, NDArray

from nqjax.confidence.region import PARAMETERS, Region, tails
from nqjax.errors import InputError
from nqjax.estimation.fit import Fit
from nqjax.estimation.resamples import COLUMNS, Resampler
from nqjax.estimation.study import Study
from nqjax.inputs import as_choice, as_probability, as_quantile, as_trials, oriented_limits
from nqjax.runtime.hosts import from_all_hosts
from nqjax.runtime.memory import check_memory
from nqjax.runtime.parallel import in_parallel
from nqjax.runtime.progress import Progress
from nqjax.special.chunked import best_of, standard_cdf
from nqjax.types import Floats

Method = Literal["percentile", "bca"]


_PARAMETERS = (*PARAMETERS, "loss")


#: A gamma is listed if it fits best in more than this times (1 - confidence) of the resamples.
_LISTED_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class Bootstrap(Region):
    """Refits of resamples of one study; also a `Region` of percentile intervals.

    Attributes
    ----------
    fit : Fit
        The fit to the scores themselves.
    confidence : float
        Coverage of the intervals, unless another is asked for.
    alpha, beta, gamma, sigma, loss, gradient_norm : ndarray, shape (num_resamples,)
        The attributes of `Fit` for each resample; NaN (gamma 0) where it could not be fitted.
    converged : ndarray, shape (num_resamples,)
        Whether the refit ended at a minimum.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48)
    >>> boot = nqjax.bootstrap(scores, 40, key=jax.random.key(0), threshold=None, gamma=2, sigma=0)
    >>> low, high = boot.interval("alpha", 0.9)
    >>> low < high
    True
    >>> boot.quantile_tuning_curves([1, 10]).shape
    (40, 2)
    """

    fit: Fit
    confidence: float
    alpha: NDArray[np.float64] = field(repr=False)
    beta: NDArray[np.float64] = field(repr=False)
    gamma: NDArray[np.int64] = field(repr=False)
    sigma: NDArray[np.float64] = field(repr=False)
    loss: NDArray[np.float64] = field(repr=False)
    gradient_norm: NDArray[np.float64] = field(repr=False)
    converged: NDArray[np.bool_] = field(repr=False)
    _left_out: "_LeftOut" = field(repr=False)
    _evaluations: float = field(repr=False)

    @property
    def study(self) -> Study:
        """The scores that were resampled, with limits, direction and constraints."""
        return self._left_out.resampler.scaled.study

    @property
    def num_scores(self) -> int:  # type: ignore[override]
        """Number of scores."""
        return self.fit.num_scores

    @property
    def limits(self) -> tuple[float, float]:  # type: ignore[override]
        """The regime that was fitted."""
        return self.fit.limits

    @property
    def minimize(self) -> bool:  # type: ignore[override]
        """Whether lower scores are better."""
        return self.fit.minimize

    @property
    def gammas(self) -> tuple[int, ...]:  # type: ignore[override]
        """Every gamma that fits best in more than half of (1 - confidence) of the resamples."""
        shares = self.gamma_probabilities
        least = min(_LISTED_SHARE * (1 - self.confidence), 0.999 * max(shares.values()))
        return tuple(g for g, share in shares.items() if share > least)

    @property
    def num_resamples(self) -> int:
        """Number of resamples."""
        return len(self.alpha)

    @property
    def num_failed(self) -> int:
        """Number of resamples with fewer than three different scores inside the limits."""
        return int(np.sum(self.gamma == 0))

    @property
    def gamma_probabilities(self) -> dict[int, float]:
        """Share of the fitted resamples in which each gamma fits best."""
        allowed = self.fit.losses_by_gamma
        found = self.gamma[self.gamma > 0]
        return {gamma: float(np.mean(found == gamma)) if found.size else math.nan for gamma in allowed}

    @property
    def regime_probability(self) -> NDArray[np.float64]:
        """Probability of a score within the limits under each refit, without resamples that could not be fitted."""
        good = self.gamma > 0
        low, high = self.fit.limits
        sign, best = (1, self.alpha) if self.fit.minimize else (-1, self.beta)
        delta = np.maximum(self.beta - self.alpha, 1e-300)[good]

        def cdf(end: float) -> NDArray[np.float64]:
            """Return the probability of a score better than ``end`` under each refit; oriented to minimisation."""
            if math.isinf(end):
                return np.full(len(delta), float(end > 0))
            return standard_cdf((end - sign * best[good]) / delta, self.sigma[good] / delta, self.gamma[good])

        first, last = oriented_limits((low, high), self.fit.minimize)
        return cdf(last) - cdf(first)

    def interval(
        self, name: str, confidence: float | None = None, method: Method = "percentile"
    ) -> tuple[float, float]:
        """Return the confidence interval of a parameter.

        Parameters
        ----------
        name : {"alpha", "beta", "gamma", "sigma", "regime_probability", "loss"}
        confidence : float, optional
            Nominal coverage, between 0 and 1; the attribute ``confidence`` by default.
        method : {"percentile", "bca"}
            Quantiles of the resamples, or bias-corrected and accelerated ones (Efron 1987), which refit the study
            without each of its scores, too. Not for gamma, which is discrete, nor for the regime's probability.

        Raises
        ------
        InputError
            Unknown name or method, invalid confidence; too few resamples for the confidence, or for where a BCa
            interval ends; a study that cannot be fitted without one of its scores.
        """
        as_choice("parameter", name, _PARAMETERS)
        as_choice("method", method, ("percentile", "bca"))
        shares = self._tails(confidence)
        values = self.regime_probability if name == "regime_probability" else getattr(self, name)[self.gamma > 0]
        if method == "bca":
            if name == "gamma":
                raise InputError("gamma is discrete: use method='percentile', or gamma_probabilities")
            if name == "regime_probability":
                raise InputError("the regime's probability has no BCa interval: use method='percentile'")
            shares = _bca(shares, values, getattr(self.fit, name), *self._left_out.influence(name))
        low, high = np.quantile(values, shares, method="nearest" if name == "gamma" else "linear")
        return float(low), float(high)

    def _tails(self, confidence: float | None) -> Floats:
        confidence = self.confidence if confidence is None else as_probability("confidence", confidence)
        fitted = int(np.sum(self.gamma > 0))
        if fitted < fewest_resamples(confidence):
            counted = "" if fitted == self.num_resamples else f" (of {self.num_resamples}) that could be fitted"
            more = math.ceil(fewest_resamples(confidence) * self.num_resamples / max(fitted, 1))
            raise InputError(
                f"{fitted} resamples{counted} are too few for the confidence {confidence:g}: make about {more}"
            )
        return np.array(tails(confidence))

    def quantile_tuning_curve(self, n: ArrayLike, q: float = 0.5) -> Floats:
        """Return the tuning curve of the fit to the scores themselves, see `Fit.quantile_tuning_curve`."""
        return self.fit.quantile_tuning_curve(n, q)

    def quantile_tuning_curves(self, n: ArrayLike, q: float = 0.5) -> Floats:
        """Return a quantile of the best score after ``n`` trials under each refit, the median by default.

        Returns
        -------
        ndarray, shape ``(num_resamples, *n.shape)``
            NaN for resamples that could not be fitted.

        Raises
        ------
        InputError
            ``n`` is not positive, or ``q`` not between 0 and 1.
        """
        n, q = as_trials(n), as_quantile(q)
        curves = np.full((self.num_resamples, n.size), math.nan)
        good = self.gamma > 0
        q = q if self.fit.minimize else 1 - q
        parameters = (self.beta - self.alpha, self.sigma, self.gamma.astype(np.float64))
        r = best_of(n.reshape(1, -1), q, *(a[good][:, None] for a in parameters))
        curves[good] = self.alpha[good][:, None] + r if self.fit.minimize else self.beta[good][:, None] - r
        return curves.reshape(self.num_resamples, *n.shape)

    def quantile_tuning_curve_band(
        self, n: ArrayLike, q: float = 0.5, confidence: float | None = None
    ) -> tuple[Floats, Floats]:
        """Return pointwise percentiles of the tuning curves, see `Region.quantile_tuning_curve_band`.

        Raises
        ------
        InputError
            As for `Region.quantile_tuning_curve_band`, or too few resamples for the confidence.
        """
        curves = self.quantile_tuning_curves(n, q)
        low, high = np.quantile(curves[self.gamma > 0], self._tails(confidence), axis=0)
        return np.asarray(low), np.asarray(high)


def check_resamples(num_resamples: int) -> None:
    """Raise InputError if the memory does not hold the estimates of all resamples."""
    check_memory("num_resamples", num_resamples, 8 * len(COLUMNS) + 1)


def refit_all(
    resampler: Resampler,
    num_resamples: int,
    confidence: float,
    progress: bool = False,
    on_interrupt: Literal["raise", "return"] = "raise",
) -> Bootstrap:
    """Refit resamples, see `nqjax.bootstrap`."""
    check_resamples(num_resamples)
    columns = np.full((len(COLUMNS), num_resamples), math.nan)
    done = np.zeros(num_resamples, bool)
    evaluations = 0.0
    with Progress("resamples", num_resamples, show=progress) as bar:
        try:
            for start, rows, some in resampler.resampled(num_resamples):
                here = slice(start, start + rows.shape[1])
                columns[:, here], done[here] = rows, True
                evaluations += some
                bar.advance(rows.shape[1])
        except KeyboardInterrupt:
            if on_interrupt == "raise" or not np.any(done) or jax.process_count() > 1:
                raise
            columns = columns[:, done]
    if jax.process_count() > 1:
        parts = [np.frombuffer(data).reshape(columns.shape) for data in from_all_hosts(columns.tobytes())]
        columns = np.fmax.reduce(parts)  # resamples of other hosts are NaN
    named = dict(zip(COLUMNS, columns, strict=True))
    named["gamma"] = np.nan_to_num(named["gamma"]).astype(np.int64)
    named["converged"] = named["converged"] == 1
    left_out = _LeftOut(resampler)
    return Bootstrap(resampler.fit, confidence, **named, _left_out=left_out, _evaluations=evaluations)  # type: ignore[arg-type]


def fewest_resamples(confidence: float) -> int:
    """Return the least number of resamples for which one lies beyond each end of a percentile interval."""
    return math.ceil(2 / (1 - confidence) - 1e-9)


class _LeftOut:
    """Refits of the study with one score left out at a time, computed when they are first needed."""

    def __init__(self, resampler: Resampler) -> None:
        self.resampler = resampler

    @functools.cached_property
    def _columns(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        resampler = self.resampler
        whole = np.bincount(resampler.categories.of_score, minlength=resampler.scaled.data.num_distinct + 2)
        (there,) = np.nonzero(whole)
        step = resampler.step(len(there))

        def work(some: NDArray[np.intp], device: jax.Device) -> tuple[int, NDArray[np.float64]]:
            counts = np.tile(whole, (len(some), 1))
            counts[np.arange(len(some)), some] -= 1
            return int(some[0]), resampler.refit(counts, device, warm=False)[0]

        parts = [there[i : i + step] for i in range(0, len(there), step)]
        found: dict[int, NDArray[np.float64]] = dict(in_parallel(work, parts, resampler.devices))
        return np.concatenate([found[int(part[0])] for part in parts], axis=1), whole[there]

    def influence(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return estimates of a parameter, each with one score of a category left out, and the categories' sizes.

        Scores of one category are equal for the fit, so one refit for each category is enough.
        """
        columns, counts = self._columns
        values = columns[COLUMNS.index(name)]
        if not np.all(np.isfinite(values)):
            raise InputError("BCa needs a fit without each score, and some is impossible: use method='percentile'")
        return values, counts


def _bca(
    shares: NDArray[np.float64],
    values: NDArray[np.float64],
    estimate: float,
    without: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the quantile levels of the resamples that are the ends of Efron's BCa interval (1987)."""
    # Ties with the estimate, as at a bound, count half.
    lower = np.mean(values < estimate) + np.mean(values == estimate) / 2
    lower = np.clip(lower, 0.5 / len(values), 1 - 0.5 / len(values))
    bias = scipy.special.ndtri(lower)
    pull = np.average(without, weights=counts) - without
    spread = np.sum(counts * pull**2)
    acceleration = np.sum(counts * pull**3) / (6 * spread**1.5) if spread > 0 else 0.0
    z = bias + scipy.special.ndtri(shares)
    ends = scipy.special.ndtr(bias + z / (1 - acceleration * z))
    if np.any(acceleration * z >= 1) or min(ends[0], 1 - ends[1]) * len(values) < 0.5:
        raise InputError(
            f"the BCa interval ends beyond what {len(values)} resamples can tell: make more, or use method='percentile'"
        )
    return ends
