"""The bootstrap: refit resamples of one study's scores, all at once."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import jax
import numpy as np
import scipy.stats
from jax import Array
from numpy.typing import ArrayLike, NDArray

from nqjax.confidence.region import Region, check_name
from nqjax.errors import InputError
from nqjax.estimation.constraints import Constraint, read_constraints
from nqjax.estimation.fit import Fit
from nqjax.estimation.resamples import COLUMNS, Plan
from nqjax.inputs import as_count, as_devices, as_dtype, as_key, as_trials, oriented_limits
from nqjax.runtime.hosts import from_all_hosts
from nqjax.runtime.parallel import in_parallel
from nqjax.runtime.progress import Progress
from nqjax.special.best_of import best_of
from nqjax.special.chunked import standard_cdf
from nqjax.types import Floats

Method = Literal["percentile", "bca"]


_PARAMETERS = ("alpha", "beta", "gamma", "sigma", "loss")


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Refits of resamples of one study.

    Attributes
    ----------
    fit : Fit
        Of the scores themselves.
    alpha, beta, gamma, sigma, loss, gradient_norm : ndarray, shape (num_resamples,)
        What the attributes of `Fit` are, for each resample; NaN (gamma 0) where it could not be fitted.
    converged : ndarray, shape (num_resamples,)
        Whether the refit ended at a minimum.
    """

    fit: Fit
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
    def num_resamples(self) -> int:
        """How many resamples there are."""
        return len(self.alpha)

    @property
    def num_failed(self) -> int:
        """Resamples with fewer than three different scores inside the limits."""
        return int(np.sum(self.gamma == 0))

    @property
    def gamma_probabilities(self) -> dict[int, float]:
        """The share of the resamples, of those that could be fitted, in which each gamma fits best."""
        allowed = self.fit.losses_by_gamma
        found = self.gamma[self.gamma > 0]
        return {gamma: float(np.mean(found == gamma)) if found.size else math.nan for gamma in allowed}

    @property
    def regime_probability(self) -> NDArray[np.float64]:
        """Probability of a score within the limits under each refit that could be made."""
        good = self.gamma > 0
        low, high = self.fit.limits
        sign, best = (1, self.alpha) if self.fit.minimize else (-1, self.beta)
        delta = np.maximum(self.beta - self.alpha, 1e-300)[good]

        def cdf(end: float) -> NDArray[np.float64]:
            """Probability of a score better than one end; oriented to minimisation."""
            if math.isinf(end):
                return np.full(len(delta), float(end > 0))
            return standard_cdf((end - sign * best[good]) / delta, self.sigma[good] / delta, self.gamma[good])

        first, last = oriented_limits((low, high), self.fit.minimize)
        return cdf(last) - cdf(first)

    def interval(self, name: str, level: float = 0.95, method: Method = "percentile") -> tuple[float, float]:
        """Confidence interval of a parameter.

        Parameters
        ----------
        name : {"alpha", "beta", "gamma", "sigma", "loss"}
        level : float
            Nominal coverage, between 0 and 1.
        method : {"percentile", "bca"}
            Quantiles of the resamples, or bias-corrected and accelerated ones (Efron 1987), which refit the study
            without each of its scores, too. Not for gamma, which is discrete.

        Raises
        ------
        InputError
            Another name, level or method; too few resamples for the level, or for where a BCa interval ends; a study
            that cannot be fitted without one of its scores.
        """
        if name not in _PARAMETERS:
            raise InputError(f"there is no parameter {name!r}: choose one of {', '.join(_PARAMETERS)}")
        if method not in ("percentile", "bca"):
            raise InputError(f"there is no method {method!r}: choose percentile or bca")
        tails = self._tails(level)
        values = getattr(self, name)[self.gamma > 0]
        if method == "bca":
            if name == "gamma":
                raise InputError("gamma is discrete: use method='percentile', or gamma_probabilities")
            tails = _bca(tails, values, getattr(self.fit, name), *self._left_out.influence(name))
        low, high = np.quantile(values, tails, method="nearest" if name == "gamma" else "linear")
        return float(low), float(high)

    def _tails(self, level: float) -> NDArray[np.float64]:
        if not 0 < level < 1:
            raise InputError(f"level is {level}: give a number between 0 and 1, such as 0.95")
        fitted = int(np.sum(self.gamma > 0))
        if fitted < fewest_resamples(level):
            whose = "" if fitted == self.num_resamples else f" (of {self.num_resamples}) that could be fitted"
            more = math.ceil(fewest_resamples(level) * self.num_resamples / max(fitted, 1))
            raise InputError(f"{fitted} resamples{whose} are too few for the level {level:g}: make about {more}")
        return np.array([(1 - level) / 2, (1 + level) / 2])

    def quantile_tuning_curve(self, n: ArrayLike, q: float = 0.5) -> NDArray[np.float64]:
        """Quantile of the best score after ``n`` trials under each refit, shape (num_resamples, *n.shape).

        Raises
        ------
        InputError
            ``n`` is not positive, or ``q`` not between 0 and 1.
        """
        n = np.atleast_1d(np.asarray(n, np.float64))
        self.fit.quantile_tuning_curve(n, q)  # raises what is to be raised
        curves = np.full((self.num_resamples, n.size), math.nan)
        good = self.gamma > 0
        q = q if self.fit.minimize else 1 - q
        parameters = (self.beta - self.alpha, self.sigma, self.gamma.astype(np.float64))
        with jax.enable_x64(True):
            r = np.asarray(best_of(n.reshape(1, -1), np.float64(q), *(a[good][:, None] for a in parameters)))
        curves[good] = self.alpha[good][:, None] + r if self.fit.minimize else self.beta[good][:, None] - r
        return curves.reshape(self.num_resamples, *n.shape)

    def tuning_curve_band(self, n: ArrayLike, level: float = 0.95, q: float = 0.5) -> NDArray[np.float64]:
        """Pointwise percentile interval of the tuning curve, shape (2, *n.shape)."""
        curves = self.quantile_tuning_curve(n, q)
        return np.quantile(curves[self.gamma > 0], self._tails(level), axis=0)


def bootstrap(
    scores: ArrayLike,
    num_resamples: int = 1000,
    *,
    key: Array,
    limits: tuple[float, float] = (-math.inf, math.inf),
    minimize: bool = True,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
    dtype: str = "float64",
    devices: Sequence[jax.Device] | None = None,
    progress: bool = False,
    on_interrupt: Literal["raise", "return"] = "raise",
) -> Bootstrap:
    """Refit resamples of the scores, drawn with replacement.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        One score a trial, as for `nqjax.fit`. Failed runs and scores outside the limits are resampled, too.
    num_resamples : int
        How many.
    key : Array
        A JAX random key. The i-th resample depends on it and on i alone.
    limits, minimize, alpha, beta, gamma, sigma
        As for `nqjax.fit`.
    dtype : {"float64", "float32"}
        Precision of the computation, see `nqjax.fit_many`.
    devices : sequence of jax.Device, optional
        Where to compute; all local devices by default. Results do not depend on it.
    progress : bool
        Whether to show a progress bar on stderr.
    on_interrupt : {"raise", "return"}
        What Ctrl-C does: raise KeyboardInterrupt, or return the resamples that are done, if there are any. On several
        hosts it raises, as what one of them lacks the others cannot know.

    Returns
    -------
    Bootstrap

    Raises
    ------
    InputError
        As `nqjax.fit`, a number of resamples below 1, or a key that is none.

    Notes
    -----
    A gamma is followed while it may still be the best: it is dropped when its loss less ten times the decrease that
    Newton's model promises is above the best loss of another. The first 256 resamples are fitted from all starts, as by
    `nqjax.fit`, and again from the optimum of the scores themselves for every gamma. If these warm starts found the
    same losses to 1e-6 every time, the other resamples have one as well, which is several times as fast; otherwise
    (small studies have many local optima) all are fitted from all starts.
    """
    num_resamples, key = as_count("num_resamples", num_resamples), as_key(key)
    constraints = read_constraints(alpha, beta, gamma, sigma, minimize)
    plan = Plan.make(scores, key, limits, minimize, constraints, as_dtype(dtype), as_devices(devices))
    columns = np.full((len(COLUMNS), num_resamples), math.nan)
    done = np.zeros(num_resamples, bool)
    evaluations = 0.0
    with Progress("resamples", num_resamples, show=progress) as bar:
        try:
            for start, rows, some in plan.resampled(num_resamples):
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
        columns = np.fmax.reduce(parts)  # each has what the others lack
    named = dict(zip(COLUMNS, columns, strict=True))
    named["gamma"] = np.nan_to_num(named["gamma"]).astype(np.int64)
    named["converged"] = named["converged"] == 1
    return Bootstrap(plan.fit, **named, _left_out=_LeftOut(plan), _evaluations=evaluations)  # type: ignore[arg-type]


def fewest_resamples(level: float) -> int:
    """So many that at least one lies beyond either end of a percentile interval."""
    return math.ceil(2 / (1 - level) - 1e-9)


class _LeftOut:
    """Refits of the study without each of its scores, computed when somebody asks."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    @functools.cached_property
    def _columns(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        plan = self.plan
        whole = np.bincount(plan.categories.of_score, minlength=plan.study.data.num_distinct + 2)
        (there,) = np.nonzero(whole)
        step = plan.step(len(there))

        def work(some: NDArray[np.intp], device: jax.Device) -> tuple[int, NDArray[np.float64]]:
            counts = np.tile(whole, (len(some), 1))
            counts[np.arange(len(some)), some] -= 1
            return int(some[0]), plan.refit(counts, device, warm=False)[0]

        parts = [there[i : i + step] for i in range(0, len(there), step)]
        found: dict[int, NDArray[np.float64]] = dict(in_parallel(work, parts, plan.devices))
        return np.concatenate([found[int(part[0])] for part in parts], axis=1), whole[there]

    def influence(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The parameter without a score of each category, and how many scores that is."""
        columns, counts = self._columns
        values = columns[COLUMNS.index(name)]
        if not np.all(np.isfinite(values)):
            raise InputError("BCa needs a fit without each score, and some is impossible: use method='percentile'")
        return values, counts


def _bca(
    tails: NDArray[np.float64],
    values: NDArray[np.float64],
    estimate: float,
    without: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> NDArray[np.float64]:
    """The shares of the resamples at which Efron's bias-corrected and accelerated interval ends."""
    # Ties with the estimate, as at a bound, count half.
    lower = np.mean(values < estimate) + np.mean(values == estimate) / 2
    lower = np.clip(lower, 0.5 / len(values), 1 - 0.5 / len(values))
    bias = scipy.stats.norm.ppf(lower)
    pull = np.average(without, weights=counts) - without
    spread = np.sum(counts * pull**2)
    acceleration = np.sum(counts * pull**3) / (6 * spread**1.5) if spread > 0 else 0.0
    z = bias + scipy.stats.norm.ppf(tails)
    ends = scipy.stats.norm.cdf(bias + z / (1 - acceleration * z))
    if np.any(acceleration * z >= 1) or min(ends[0], 1 - ends[1]) * len(values) < 0.5:
        raise InputError(
            f"the BCa interval ends beyond what {len(values)} resamples can tell: make more, or use method='percentile'"
        )
    return ends


#: Gammas that fit best in fewer of the resamples than this share of what the confidence leaves out are not listed.
_RARE = 0.5


@dataclass(frozen=True, eq=False)
class BootstrapRegion(Region):
    """Percentile intervals of a bootstrap, see `Region`."""

    confidence: float
    num_scores: int
    limits: tuple[float, float]
    minimize: bool
    boot: Bootstrap = field(repr=False)

    @property
    def gammas(self) -> tuple[int, ...]:  # type: ignore[override]
        """Those that fit best in resamples, but for the rarest."""
        shares = self.boot.gamma_probabilities
        rare = min(_RARE * (1 - self.confidence), 0.999 * max(shares.values()))
        return tuple(g for g, share in shares.items() if share > rare)

    def interval(self, name: str) -> tuple[float, float]:
        """Percentiles of a parameter, see `Region.interval`."""
        check_name(name)
        if name != "regime_probability":
            return self.boot.interval(name, self.confidence)
        low, high = np.quantile(self.boot.regime_probability, self._tails)
        return float(low), float(high)

    def quantile_tuning_curve_bands(self, n: ArrayLike, q: float = 0.5) -> tuple[Floats, Floats]:
        """Percentiles of the tuning curve, see `Region.quantile_tuning_curve_bands`."""
        shape = as_trials(n).shape
        low, high = self.boot.tuning_curve_band(n, self.confidence, q)
        return low.reshape(shape), high.reshape(shape)

    @property
    def _tails(self) -> list[float]:
        return [(1 - self.confidence) / 2, (1 + self.confidence) / 2]
