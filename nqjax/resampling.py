"""The bootstrap: refit resamples of one study's scores, all at once."""

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
from jax import Array
from numpy.typing import ArrayLike, NDArray

from nqjax._batch import (
    Packed,
    Setup,
    Shape,
    Standard,
    chunk_shape,
    from_all_hosts,
    in_parallel,
    power_of_two,
    search,
    solve,
)
from nqjax._newton import Box, Solution
from nqjax._pieces import BEYOND, PIECE, Problems, best_piece, cut, num_pieces, thinned_ranks
from nqjax._progress import Progress
from nqjax.constraints import Constraint, Constraints, read_constraints
from nqjax.errors import InputError
from nqjax.estimate import (
    Fit,
    Prepared,
    best_of,
    finish,
    is_as_good,
    is_minimum,
    is_needless,
    prepare,
    solve_prepared,
    standardise,
    without_noise,
)
from nqjax.many import as_devices, as_dtype
from nqjax.spacing import oriented_limits

Method = Literal["percentile", "bca"]
_PARAMETERS = ("alpha", "beta", "gamma", "sigma", "loss")


@dataclass(frozen=True)
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
            Another name, level or method, or too few resamples for the level.
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
        if fitted * (1 - level) / 2 < 1:
            raise InputError(f"{fitted} resamples are too few for the level {level}: use {math.ceil(2 / (1 - level))}")
        return np.array([(1 - level) / 2, (1 + level) / 2])

    def quantile_tuning_curve(self, n: ArrayLike, q: float = 0.5) -> NDArray[np.float64]:
        """Quantile of the best score after ``n`` trials under each refit, shape (num_resamples, len(n)).

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
            r = np.asarray(best_of(n[None], np.float64(q), *(a[good][:, None] for a in parameters)))
        curves[good] = self.alpha[good][:, None] + r if self.fit.minimize else self.beta[good][:, None] - r
        return curves

    def tuning_curve_band(self, n: ArrayLike, level: float = 0.95, q: float = 0.5) -> NDArray[np.float64]:
        """Pointwise percentile interval of the tuning curve, shape (2, len(n))."""
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
        What Ctrl-C does: raise KeyboardInterrupt, or return the resamples that are done, if there are any.

    Returns
    -------
    Bootstrap

    Raises
    ------
    InputError
        As `nqjax.fit`, or a number of resamples below 1.

    Notes
    -----
    A gamma is followed while it may still be the best: it is dropped when its loss less ten times the decrease that
    Newton's model promises is above the best loss of another. The first 256 resamples are fitted from all starts, as by
    `nqjax.fit`, and again from the optimum of the scores themselves for every gamma. If these warm starts found the
    same losses to 1e-6 every time, the other resamples have one as well, which is several times as fast; otherwise
    (small studies have many local optima) all are fitted from all starts.
    """
    if num_resamples < 1:
        raise InputError(f"num_resamples is {num_resamples}: give at least 1")
    constraints = read_constraints(alpha, beta, gamma, sigma, minimize)
    plan = _Plan.make(scores, key, limits, minimize, constraints, as_dtype(dtype), as_devices(devices))
    columns = np.full((len(_COLUMNS), num_resamples), math.nan)
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
            if on_interrupt == "raise" or not np.any(done):
                raise
            columns = columns[:, done]
    if jax.process_count() > 1:
        parts = [np.frombuffer(data).reshape(columns.shape) for data in from_all_hosts(columns.tobytes())]
        columns = np.fmax.reduce(parts)  # each has what the others lack
    named = dict(zip(_COLUMNS, columns, strict=True))
    named["gamma"] = np.nan_to_num(named["gamma"]).astype(np.int64)
    named["converged"] = named["converged"] == 1
    return Bootstrap(plan.fit, **named, _left_out=_LeftOut(plan), _evaluations=evaluations)  # type: ignore[arg-type]


#: Where sigma starts when the scores themselves show none, in units of their range.
_LITTLE = 1e-4
#: How many resamples are fitted from all starts, and how much higher a warm start's loss may end.
_AUDITED, _SAME_LOSS = 256, 1e-6
_COLUMNS = ("alpha", "beta", "gamma", "sigma", "loss", "gradient_norm", "converged")


#: Knots and the shares between them.
_Sample = tuple[NDArray[np.float64], NDArray[np.float64]]


class _Categories(NamedTuple):
    """Where a score can fall: below the limits, at one of the knots, above; oriented to minimisation.

    Candidates are the knots of all resamples, standardised: the lower limit, the values, the upper limit.
    """

    of_score: NDArray[np.intp]  # (num_scores,)
    candidates: NDArray[np.float64]  # (knots,)
    has_low: bool  # whether the first candidate is the lower limit
    has_high: bool  # whether the last candidate is the upper limit
    last_is_high: bool  # whether the worst value inside the limits equals the upper one


def _categorise(scores: ArrayLike, limits: tuple[float, float], minimize: bool, study: Prepared) -> _Categories:
    data = study.data
    low, high = oriented_limits(limits, minimize)
    y = np.asarray(scores, np.float64)
    y = y if minimize else -y
    y = np.where(np.isfinite(y), y, math.inf)
    order = np.argsort(y, kind="stable")
    first = 1 if data.knots[0] < data.best else 0
    values = data.knots[first : first + data.num_distinct]
    # In the order of the scores: those below, the values with their ties, those above.
    sizes = data.counts[first : first + data.num_distinct].copy()
    sizes[0] = data.num_used - sizes[1:].sum()
    of_rank = np.repeat(np.arange(data.num_distinct + 2), [data.num_below, *sizes.astype(int), data.num_above])
    of_score = np.empty(len(y), np.intp)
    of_score[order] = of_rank
    has_low, has_high = data.num_below > 0, data.num_above > 0 and math.isfinite(high)
    knots = np.concatenate([[low] * has_low, values, [high] * has_high])
    # `spacings` has the rule for when a value and the limit are the same.
    last_is_high = has_high and data.knots[-1] == values[-1]
    return _Categories(of_score, (knots - study.location) / study.scale, has_low, has_high, last_is_high)


def _best(solution: Solution) -> tuple[Solution, NDArray[np.intp]]:
    """The best gamma of each sample, and which that is; from arrays of shape (samples, gammas, ...)."""
    best = np.argmin(solution.loss, axis=1)
    every = np.arange(len(best))
    return jax.tree.map(lambda a: a[every, best].copy(), solution), best


def _put(solutions: Solution, place: int, solution: Solution) -> None:
    """Put one solution in its place among others."""
    for column, value in zip(solutions, solution, strict=True):
        column[place] = value


def _chunks_of(num_intervals: int, piece: int, devices: tuple[jax.Device, ...]) -> Shape:
    """Of as many samples with so many intervals as the memory for a chunk holds."""
    shape = chunk_shape(devices[0])
    pieces = power_of_two(1 + num_pieces(num_intervals, piece))
    size = max(1, min(2 * shape.size, 8 * shape.capacity // pieces))
    return Shape(size, size * pieces, shape.width * (PIECE // piece))


@dataclass(frozen=True, eq=False)
class _Plan:
    """How to refit resamples of one study."""

    fit: Fit
    study: Prepared
    categories: _Categories
    constraints: Constraints
    minimize: bool
    key: Array
    setup: Setup
    shape: Shape
    devices: tuple[jax.Device, ...]
    warm: NDArray[np.floating]  # (gammas, 3)

    @classmethod
    def make(
        cls,
        scores: ArrayLike,
        key: Array,
        limits: tuple[float, float],
        minimize: bool,
        constraints: Constraints,
        dtype: str,
        devices: tuple[jax.Device, ...],
    ) -> "_Plan":
        study = prepare(scores, limits, minimize, constraints)
        categories = _categorise(scores, limits, minimize, study)
        # The program that fits the resamples fits the study itself, too, so that no other is compiled.
        piece = best_piece(len(categories.candidates) + 1)
        study = standardise(study.data, constraints, piece)
        shape = _chunks_of(len(categories.candidates) + 1, piece, devices)
        setup = Setup(constraints.gamma, dtype=dtype)
        ((solution,), _) = solve_prepared([study], constraints, setup, shape, devices[0])
        fit = finish(solution, study, constraints, limits, minimize)
        # Where there is no noise the start has a little.
        warm = np.where(np.isfinite(solution.theta), solution.theta, math.log(_LITTLE))
        setup = setup._replace(noiseless=constraints.sigma[1] == 0, every_gamma=False)
        return cls(fit, study, categories, constraints, minimize, key, setup, shape, devices, warm)

    @property
    def piece(self) -> int:
        """Intervals in a piece."""
        return self.study.standard.problem.shares.shape[1]

    def resampled(self, num_resamples: int) -> Iterator[tuple[int, NDArray[np.float64], float]]:
        """Yield the place of the first of some resamples, their numbers (columns, resamples), and the evaluations.

        The first ones are fitted from all starts; if a warm start finds the same optima, the others have one.
        """
        step, first = self.shape.size, min(_AUDITED, num_resamples)
        same: list[bool] = []

        def work(part: tuple[int, int, bool], device: jax.Device) -> tuple[int, NDArray[np.float64], float]:
            start, end, audit = part
            counts = self.draw(start, step)[: end - start]
            warm = not audit and all(same)
            rows, evaluations = self.refit(counts, device, warm)
            if audit and num_resamples > _AUDITED:
                again, more = self.refit(counts, device, warm=True)
                loss = _COLUMNS.index("loss")
                same.append(not np.any(again[loss] > rows[loss] + _SAME_LOSS))
                evaluations += more
            return start, rows, evaluations

        for begin, end in ((0, first), (first, num_resamples)):
            parts = [(i, min(i + step, end), begin == 0) for i in range(begin, end, step)]
            if begin > 0:  # all hosts make the same audit, then each has its share
                parts = parts[jax.process_index() :: jax.process_count()]
            yield from in_parallel(work, parts, self.devices)

    def draw(self, start: int, count: int) -> NDArray[np.int64]:
        """Scores of each category in resamples from number ``start`` on, shape (count, categories)."""
        of_score = self.categories.of_score
        ranks = np.asarray(_draw(self.key, start, count=count, size=len(of_score)))
        width = self.study.data.num_distinct + 2
        flat = of_score[ranks] + width * np.arange(count)[:, None]
        return np.bincount(flat.ravel(), minlength=count * width).reshape(count, width)

    def refit(self, counts: NDArray[np.int64], device: jax.Device, warm: bool) -> tuple[NDArray[np.float64], float]:
        """Refit samples given by their counts (samples, categories), no more than fit in a chunk."""
        knots, weights, used = self._knots(counts)
        possible = np.sum(counts[:, 1:-1] > 0, axis=1) >= 3
        packed = self._pack(knots, weights, used, possible, warm)
        solution, evaluations = search(packed, self.setup, self.shape, device, warm)
        solution = jax.tree.map(lambda a: a[: len(counts)], solution)
        if self.setup.noiseless:
            solution = without_noise(solution)
        ends, best = _best(solution)
        samples = [(knots[i, 1 : n + 1], weights[i, : n + 1]) for i, n in enumerate(used)]
        if self.constraints.sigma[0] == 0 and not self.setup.noiseless:
            (places,) = np.nonzero(is_needless(ends) & possible)
            evaluations += self._without_noise([samples[i] for i in places], places, best, ends, device)
        (places,) = np.nonzero(~is_minimum(ends) & possible)
        evaluations += self._from_the_start([samples[i] for i in places], places, best, ends, device)
        return self._columns(ends, self.constraints.gamma[0] + best, possible), evaluations

    def _knots(self, counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Each sample's own knots, with an end on either side, the shares between them, and how many knots there are.

        What `nqjax.spacing.spacings` does for one sample: knots are the values that occur, and limits beyond which
        something is censored; one more count goes to the censored side.
        """
        kinds, most = self.categories, self.piece * (self.shape.capacity // self.shape.size - 1)
        below, values, above = counts[:, 0], counts[:, 1:-1], counts[:, -1]
        low, high = below[:, None][:, : kinds.has_low], above[:, None][:, : kinds.has_high]
        at_limit = high * ~(kinds.last_is_high & (values[:, -1:] > 0))
        there = np.concatenate([low, values, at_limit], axis=1) > 0
        inside = np.concatenate([low, values, 0 * high], axis=1)
        rows, columns = np.nonzero(there)
        place = np.cumsum(there, axis=1)[rows, columns]
        used = np.sum(there, axis=1)
        knots = np.full((len(counts), most + 1), BEYOND)
        knots[:, 0] = -BEYOND
        knots[rows, place] = kinds.candidates[columns]
        weights = np.zeros((len(counts), most))
        weights[rows, place - 1] = inside[rows, columns]
        every = np.arange(len(counts))
        weights[every, used] += above
        weights[every, np.where((below > 0) & (above == 0), 0, used)] += 1
        return knots, weights / np.sum(weights, axis=1, keepdims=True), used

    def _pack(
        self,
        knots: NDArray[np.float64],
        shares: NDArray[np.float64],
        used: NDArray[np.int64],
        possible: NDArray[np.bool_],
        warm: bool,
    ) -> Packed:
        """Arrays for a chunk; with a warm start the thinned pieces stay empty, as nobody looks at them."""
        size, here, piece = self.shape.size, len(knots), self.piece
        each = self.shape.capacity // size
        all_knots, all_shares = np.full((size, each, piece + 1), BEYOND), np.zeros((size, each, piece))
        all_knots[:here, 1:, :-1] = knots[:, :-1].reshape(here, each - 1, piece)
        all_knots[:here, 1:, -1] = knots[:, piece::piece]
        all_shares[:here, 1:] = shares.reshape(here, each - 1, piece)
        if here and not warm:
            # As `nqjax._pieces.cut` does it; impossible samples have too few knots to thin.
            ranks = np.stack([thinned_ranks(max(int(n), 1), piece) for n in used])
            place = np.concatenate([np.zeros((here, 1), int), 1 + ranks, used[:, None] + 1], axis=1)
            below = np.concatenate([np.zeros((here, 1)), np.cumsum(shares, axis=1)], axis=1)
            all_knots[:here, 0] = np.take_along_axis(knots, place, axis=1)
            all_shares[:here, 0] = np.diff(np.take_along_axis(below, place, axis=1))
        first, pieces, active = np.arange(size, dtype=np.int32) * each, np.zeros(size, np.int32), np.zeros(size, bool)
        pieces[:here], active[:here] = used // piece + 1, possible
        problems = Problems(all_knots.reshape(-1, piece + 1), all_shares.reshape(-1, piece), None, first, pieces)
        box = (np.broadcast_to(bound, (size, 4)) for bound in self.study.standard.box)
        return Packed(problems, Box(*box), active, np.broadcast_to(self.warm, (size, *self.warm.shape)))  # type: ignore[arg-type]

    def _without_noise(
        self,
        samples: list[_Sample],
        places: NDArray[np.intp],
        best: NDArray[np.intp],
        ends: Solution,
        device: jax.Device,
    ) -> float:
        """Where none does as well, put it in place of the noise, at the same gamma; the evaluations that took."""
        if not samples:
            return 0.0
        standards = [Standard(cut(*s, self.piece), self.study.standard.box) for s in samples]
        others, evaluations = solve(standards, self.setup._replace(noiseless=True), self.shape, device)
        for i, other in zip(places, others, strict=True):
            if is_as_good(other.loss[best[i]], ends.loss[i]):
                _put(ends, i, jax.tree.map(lambda a, i=i: a[best[i]], without_noise(other)))
        return evaluations

    def _from_the_start(
        self,
        samples: list[_Sample],
        places: NDArray[np.intp],
        best: NDArray[np.intp],
        ends: Solution,
        device: jax.Device,
    ) -> float:
        """Fit samples as `nqjax.fit` does and put that in place; the evaluations that took."""
        if not samples:
            return 0.0
        studies = [
            self.study._replace(standard=Standard(cut(*s, self.piece), self.study.standard.box)) for s in samples
        ]
        solutions, evaluations = solve_prepared(studies, self.constraints, self.setup, self.shape, device)
        for i, solution in zip(places, solutions, strict=True):
            best[i] = np.argmin(solution.loss)
            _put(ends, i, jax.tree.map(lambda a, i=i: a[best[i]], solution))
        return evaluations

    def _columns(self, ends: Solution, gamma: NDArray[np.integer], possible: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Back to the scale of the scores and the caller's direction."""
        kept, location, scale = self.constraints, self.study.location, self.study.scale
        place, log_delta, log_sigma = ends.theta.T
        alpha = np.clip(location + scale * place, *kept.alpha)
        beta = np.clip(location + scale * (place + np.exp(log_delta)), *kept.beta)
        sigma = np.clip(scale * np.exp(log_sigma), *kept.sigma)
        alpha, beta = (alpha, beta) if self.minimize else (-beta, -alpha)
        converged = is_minimum(ends)
        columns = np.stack([alpha, beta, gamma, sigma, ends.loss, ends.gradient_norm, converged])
        columns[:, ~possible | ~np.isfinite(ends.loss)] = math.nan
        return columns


@functools.partial(jax.jit, static_argnames=("count", "size"))
def _draw(key: Array, start: Array, *, count: int, size: int) -> Array:
    """Ranks with replacement: row i from the key and ``start + i`` alone."""

    def row(i: Array) -> Array:
        return jax.random.randint(jax.random.fold_in(key, i), (size,), 0, size, dtype=jnp.int32)

    return jax.vmap(row)(start + jnp.arange(count, dtype=jnp.uint32))


class _LeftOut:
    """Refits of the study without each of its scores, computed when somebody asks."""

    def __init__(self, plan: _Plan) -> None:
        self._plan = plan

    @functools.cached_property
    def _columns(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        plan = self._plan
        whole = np.bincount(plan.categories.of_score, minlength=plan.study.data.num_distinct + 2)
        (there,) = np.nonzero(whole)
        step = plan.shape.size

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
        values = columns[_COLUMNS.index(name)]
        good = np.isfinite(values)
        return values[good], counts[good]


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
    return scipy.stats.norm.cdf(bias + z / (1 - acceleration * z))
