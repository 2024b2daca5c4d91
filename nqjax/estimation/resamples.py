"""Fits to resamples of one study's scores.

A resample is given by how often each score occurs in it. A warm start begins at the fit to the scores themselves.
"""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from nqjax.estimation.fit import Fit, finish
from nqjax.estimation.solve import is_as_good, is_minimum, is_needless, solve_prepared, without_noise
from nqjax.estimation.study import ScaledStudy, Study, pooled_at_bounds, prepare
from nqjax.runtime.parallel import in_parallel, num_workers
from nqjax.solver.batch import BatchSettings, ChunkShape, Packed, ScaledProblem, chunk_shape, solve, solve_chunk
from nqjax.solver.newton import Box, Solution
from nqjax.solver.pieces import BEYOND, PIECE, Problems, cut, num_pieces, thinned_ranks

#: Sigma of a warm start where the fit to the scores has no noise, in units of the range of the scores.
_START_SIGMA = 1e-4

#: Number of resamples that are fitted from all starts, to check that warm starts find the same optima.
AUDITED = 256

#: A warm start that ends with a loss higher by more than this missed the optimum.
_SAME_LOSS = 1e-6

#: Names of the results of one fit.
COLUMNS = ("alpha", "beta", "gamma", "sigma", "loss", "gradient_norm", "converged")


#: A sample: knots, and the shares of the scores between them.
_Sample = tuple[NDArray[np.float64], NDArray[np.float64]]


class _Categories(NamedTuple):
    """Categories of scores: below the limits, equal to one of the values inside, or above the limits.

    Scores are oriented to minimisation. ``candidates`` are the knots that resamples can have, scaled:
    the lower limit, the values, the upper limit.
    """

    of_score: NDArray[np.intp]  # (num_scores,)
    candidates: NDArray[np.float64]  # (knots,)
    has_low: bool  # whether the first candidate is the lower limit
    has_high: bool  # whether the last candidate is the upper limit
    last_is_high: bool  # whether the worst value inside the limits equals the upper limit


def _categorise(study: ScaledStudy) -> _Categories:
    data = study.data
    low, high = study.study.ends
    y = study.study.orient(study.study.scores)
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


class _Ends(NamedTuple):
    """The optimum of each sample at the gamma that fits it best."""

    solution: Solution  # leading axis: samples
    best: NDArray[np.intp]  # (samples,): which of the gammas

    @classmethod
    def of(cls, solution: Solution) -> "_Ends":
        """Choose the best gamma of each sample; the arrays of ``solution`` have shape (samples, gammas, ...)."""
        best = np.argmin(solution.loss, axis=1)
        every = np.arange(len(best))
        return cls(jax.tree.map(lambda a: a[every, best].copy(), solution), best)

    def put(self, place: int, solution: Solution, best: np.intp) -> None:
        """Replace the optimum of sample ``place`` by row ``best`` of ``solution``, whose rows are gammas."""
        self.best[place] = best
        for column, values in zip(self.solution, solution, strict=True):
            column[place] = values[best]


@dataclass(frozen=True, eq=False)
class Resampler:
    """Draws resamples of one study and refits them."""

    fit: Fit
    scaled: ScaledStudy
    categories: _Categories
    key: Array
    settings: BatchSettings
    shape: ChunkShape
    each: int  # pieces of a sample, the thinned one included
    most: int  # samples in a chunk
    devices: tuple[jax.Device, ...]
    warm: NDArray[np.floating]  # (gammas, 3)

    @classmethod
    def make(
        cls,
        study: Study,
        key: Array,
        dtype: str,
        devices: tuple[jax.Device, ...],
        most: int | None = None,
    ) -> "Resampler":
        """Prepare to refit at most ``most`` resamples at a time, and fit the scores themselves."""
        whole = prepare(study)
        categories = _categorise(whole)
        each = 1 + num_pieces(len(categories.candidates) + 1)
        shape = chunk_shape(devices[0]).holding(each)
        most = min(most or shape.size, shape.size, shape.capacity // each)
        settings = BatchSettings(study.constraints.gamma, dtype=dtype)
        ((solution,), _) = solve_prepared([whole], settings, shape, devices[0])
        fit = finish(solution, whole)
        # A warm start needs a little noise even if the fit has none.
        warm = np.where(np.isfinite(solution.theta), solution.theta, math.log(_START_SIGMA))
        settings = settings._replace(noiseless=study.constraints.sigma[1] == 0, every_gamma=False)
        return cls(fit, whole, categories, key, settings, shape, each, most, devices, warm)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out devices and key, which are of no use in another process."""
        return {**self.__dict__, "devices": None, "key": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Use the local devices; a restored object has no key, and draws no more resamples."""
        self.__dict__.update({**state, "devices": tuple(jax.local_devices())})

    def resampled(self, num_resamples: int) -> Iterator[tuple[int, NDArray[np.float64], float]]:
        """Refit all resamples in chunks.

        For each chunk, yield the index of its first resample, the results (columns, resamples), and the number of
        evaluations.

        The first `AUDITED` are fitted from all starts; if warm starts find the same optima, the others use warm starts.
        """
        first = min(AUDITED, num_resamples)
        same: list[bool] = []

        def work(part: tuple[int, int, bool], device: jax.Device) -> tuple[int, NDArray[np.float64], float]:
            start, end, audit = part
            counts = self.draw(start, end - start)
            warm = not audit and all(same)
            rows, evaluations = self.refit(counts, device, warm)
            if audit and num_resamples > AUDITED:
                again, more = self.refit(counts, device, warm=True)
                loss = COLUMNS.index("loss")
                same.append(not np.any(again[loss] > rows[loss] + _SAME_LOSS))
                evaluations += more
            return start, rows, evaluations

        for begin, end in ((0, first), (first, num_resamples)):
            step = self.step(end - begin)
            parts = [(i, min(i + step, end), begin == 0) for i in range(begin, end, step)]
            if begin > 0:  # every host checks the warm starts, then fits its share
                parts = parts[jax.process_index() :: jax.process_count()]
            yield from in_parallel(work, parts, self.devices)

    def step(self, count: int) -> int:
        """Return the number of samples in a chunk, small enough that every worker gets one."""
        return max(1, min(self.most, -(-count // num_workers(self.devices))))

    def draw(self, start: int, count: int) -> NDArray[np.int64]:
        """Draw resamples from number ``start`` on; return their scores in each category, shape (count, categories)."""
        of_score = self.categories.of_score
        # As many rows for each chunk, so that one program draws them all: the last chunk may be shorter.
        ranks = np.asarray(_draw(self.key, start, count=max(count, self.most), size=len(of_score)))[:count]
        width = self.scaled.data.num_distinct + 2
        flat = of_score[ranks] + width * np.arange(count)[:, None]
        return np.bincount(flat.ravel(), minlength=count * width).reshape(count, width)

    def refit(self, counts: NDArray[np.int64], device: jax.Device, warm: bool) -> tuple[NDArray[np.float64], float]:
        """Fit at most a chunk of samples, given by their counts (samples, categories).

        Return the results as in `_columns`, and the number of evaluations.
        """
        knots, weights, used = self._knots(counts)
        possible = np.sum(counts[:, 1:-1] > 0, axis=1) >= 3
        packed = self._pack(knots, weights, used, possible, warm)
        solution, evaluations = solve_chunk(packed, self.settings, self.shape, device, warm)
        solution = jax.tree.map(lambda a: a[: len(counts)], solution)
        if self.settings.noiseless:
            solution = without_noise(solution)
        ends = _Ends.of(solution)
        samples = [(knots[i, 1 : n + 1], weights[i, : n + 1]) for i, n in enumerate(used)]
        if self.scaled.study.constraints.sigma[0] == 0 and not self.settings.noiseless:
            (places,) = np.nonzero(is_needless(ends.solution) & possible)
            evaluations += self._without_noise([samples[i] for i in places], places, ends, device)
        (places,) = np.nonzero(~is_minimum(ends.solution) & possible)
        evaluations += self._from_the_start([samples[i] for i in places], places, ends, device)
        return self._columns(ends.solution, self.scaled.study.constraints.gamma[0] + ends.best, possible), evaluations

    def _knots(self, counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Return each sample's knots with an end on either side, the shares between them, and the number of knots.

        The rule is that of `nqjax.estimation.spacings.spacings`: knots are the values that occur, and limits beyond
        which scores are censored; one extra count goes to the censored side.
        """
        kinds, most = self.categories, PIECE * (self.each - 1)
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
        if self.settings.noiseless:
            for row, ends, n in zip(weights, knots, used, strict=True):
                row[: n + 1] = pooled_at_bounds(ends[1 : n + 1], row[: n + 1], self.scaled.problem.box)
        return knots, weights / np.sum(weights, axis=1, keepdims=True), used

    def _pack(
        self,
        knots: NDArray[np.float64],
        shares: NDArray[np.float64],
        used: NDArray[np.int64],
        possible: NDArray[np.bool_],
        warm: bool,
    ) -> Packed:
        """Return the arrays of a chunk; with a warm start the thinned pieces are not used and stay empty."""
        size, here, each = self.shape.size, len(knots), self.each
        all_knots = np.full((self.shape.capacity, PIECE + 1), BEYOND)
        all_shares = np.zeros((self.shape.capacity, PIECE))
        mine, parts = (a[: here * each].reshape(here, each, -1) for a in (all_knots, all_shares))  # views
        mine[:, 1:, :-1] = knots[:, :-1].reshape(here, each - 1, PIECE)
        mine[:, 1:, -1] = knots[:, PIECE::PIECE]
        parts[:, 1:] = shares.reshape(here, each - 1, PIECE)
        if here and not warm:
            # As `nqjax.solver.pieces.cut` does it; impossible samples have too few knots to thin.
            ranks = np.stack([thinned_ranks(max(int(n), 1)) for n in used])
            place = np.concatenate([np.zeros((here, 1), int), 1 + ranks, used[:, None] + 1], axis=1)
            below = np.concatenate([np.zeros((here, 1)), np.cumsum(shares, axis=1)], axis=1)
            mine[:, 0] = np.take_along_axis(knots, place, axis=1)
            parts[:, 0] = np.diff(np.take_along_axis(below, place, axis=1))
        first, pieces, active = np.zeros(size, np.int32), np.zeros(size, np.int32), np.zeros(size, bool)
        first[:here] = np.arange(here) * each
        pieces[:here], active[:here] = used // PIECE + 1, possible
        last = np.zeros(size)
        last[:here] = knots[np.arange(here), used]
        problems = Problems(all_knots, all_shares, None, first, pieces, last)
        box = (np.broadcast_to(bound, (size, 4)) for bound in self.scaled.problem.box)
        return Packed(problems, Box(*box), active, np.broadcast_to(self.warm, (size, *self.warm.shape)))  # type: ignore[arg-type]

    def _without_noise(
        self, samples: list[_Sample], places: NDArray[np.intp], ends: _Ends, device: jax.Device
    ) -> float:
        """Fit samples without noise at the same gamma, and keep these fits where they are as good.

        Return the number of evaluations.
        """
        if not samples:
            return 0.0
        settings = self.settings._replace(noiseless=True)
        others, evaluations = solve([self._standard(s) for s in samples], settings, self.shape, device)
        for i, other in zip(places, others, strict=True):
            if is_as_good(other.loss[ends.best[i]], ends.solution.loss[i]):
                ends.put(i, without_noise(other), ends.best[i])
        return evaluations

    def _from_the_start(
        self, samples: list[_Sample], places: NDArray[np.intp], ends: _Ends, device: jax.Device
    ) -> float:
        """Fit samples from all starts, as `nqjax.fit` does, and keep the results; return the number of evaluations."""
        if not samples:
            return 0.0
        studies = [self.scaled._replace(problem=self._standard(s)) for s in samples]
        solutions, evaluations = solve_prepared(studies, self.settings, self.shape, device)
        for i, solution in zip(places, solutions, strict=True):
            ends.put(i, solution, np.argmin(solution.loss))
        return evaluations

    def _standard(self, sample: _Sample) -> ScaledProblem:
        return ScaledProblem(cut(*sample), self.scaled.problem.box)

    def _columns(self, ends: Solution, gamma: NDArray[np.integer], possible: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the results of fits, shape (columns, samples): row i has the values of ``COLUMNS[i]``.

        They are on the scale of the scores and in the caller's direction; NaN where a sample cannot be fitted.
        """
        place, log_delta, log_sigma = ends.theta.T
        alpha, beta, sigma = self.scaled.restore(place, np.exp(log_delta), np.exp(log_sigma))
        converged = is_minimum(ends)
        columns = np.stack([alpha, beta, gamma, sigma, ends.loss, ends.gradient_norm, converged])
        columns[:, ~possible | ~np.isfinite(ends.loss)] = math.nan
        return columns


@functools.partial(jax.jit, static_argnames=("count", "size"))
def _draw(key: Array, start: Array, *, count: int, size: int) -> Array:
    """Draw ranks with replacement; row i depends on the key and ``start + i`` alone."""

    def row(i: Array) -> Array:
        return jax.random.randint(jax.random.fold_in(key, i), (size,), 0, size, dtype=jnp.int32)

    return jax.vmap(row)(start + jnp.arange(count, dtype=jnp.uint32))
