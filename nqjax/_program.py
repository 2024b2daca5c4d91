"""The estimation program: every start, every gamma, one jitted computation.

For each gamma a few searches run side by side, each at its own range of noise levels: a search evaluates its starts,
then follows Newton's method from the best of them. This happens on a thinned set of knots, which pools neighbouring
intervals and leaves a statistically almost equal problem at a fraction of the cost; Newton on all knots then goes on
from each gamma's best end, and from other ends that may yet win.

The knots come in pieces of one size, of which the thinned set is the first. The objective is a loop over as many pieces
as there are, so both stages and every number of knots run the same code, and compile it once.
"""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jax import Array
from numpy.typing import NDArray

from nqjax._newton import Box, Solution, minimize
from nqjax._objective import NODES, Family, mps
from nqjax._quadrature import exact_jacobi_rule

#: Intervals in a piece.
PIECE = 64
#: Noise levels of the starts, in units of the range of the knots: one a search.
_SIGMAS = (0.0005, 0.004, 0.02, 0.1, 0.4)
#: Where alpha starts: so many sigmas above where it would be without noise, then so many above the best score.
_OFFSETS = (-1.0, 0.5), (2.0, 5.0)
_STEPS = 80
#: Searches evaluated at once.
_LANES = 8


class Problem(NamedTuple):
    """Spacings in pieces that share their end knots: the thinned problem, then the whole one."""

    knots: NDArray[np.float64]  # (1 + pieces, PIECE + 1)
    shares: NDArray[np.float64]  # (1 + pieces, PIECE)
    num_pieces: int  # how many pieces of the whole problem hold anything


class Problems(NamedTuple):
    """Problems of one size."""

    knots: Array  # (problems, 1 + pieces, PIECE + 1)
    shares: Array  # (problems, 1 + pieces, PIECE)
    num_pieces: Array  # of the largest


def stack(problems: Sequence[Problem]) -> Problems:
    """Gather problems that were cut to the same number of pieces."""
    knots, shares, num_pieces = zip(*problems, strict=True)
    return Problems(jnp.asarray(np.stack(knots)), jnp.asarray(np.stack(shares)), jnp.int32(max(num_pieces)))


def cut(knots: NDArray[np.float64], counts: NDArray[np.float64]) -> Problem:
    """Cut spacings to pieces.

    Parameters
    ----------
    knots : ndarray, shape (intervals + 1,)
        Standardised to span about [0, 1], with an end on either side beyond all mass.
    counts : ndarray, shape (intervals,)
        Scores in each interval.
    """
    shares = counts / counts.sum()
    place = np.concatenate([[0], 1 + _thinned(len(knots) - 2), [len(knots) - 1]])
    below = np.concatenate([[0.0], np.cumsum(shares)])
    # Few sizes, so few compilations; what is padded holds nothing and is never looked at.
    full = -(-len(shares) // PIECE)
    spare = (PIECE << math.ceil(math.log2(full))) - len(shares)
    padded = np.append(knots, np.full(spare, knots[-1]))
    starts, ends = padded[:-1].reshape(-1, PIECE), padded[PIECE::PIECE, None]
    pieces = np.concatenate([knots[None, place], np.hstack([starts, ends])])
    rest = np.append(shares, np.zeros(spare)).reshape(-1, PIECE)
    thinned_shares = np.diff(below[place])[None]
    return Problem(pieces, np.concatenate([thinned_shares, rest]), full)


def _thinned(count: int) -> NDArray[np.int64]:
    """``PIECE - 1`` of the ranks from 0 to ``count - 1``, not decreasing.

    A third are evenly spaced; the others begin at either end, rank by rank, and then grow geometrically, because what
    tells sigma from alpha and beta is there.
    """
    if count < PIECE:
        return np.minimum(np.arange(PIECE - 1), count - 1)
    third, last = PIECE // 3, count - 1
    growth = scipy.optimize.brentq(lambda c: last * math.sinh(c / third) - math.sinh(c), 1e-3, 100.0)
    dense = last * np.sinh(growth * np.linspace(0, 1, third + 1)[1:-1]) / math.sinh(growth)
    even = np.linspace(0, last, PIECE - 1 - 2 * len(dense))
    return np.sort(np.rint(np.concatenate([even, dense, last - dense]))).astype(np.int64)


def families(gammas: NDArray[np.float64]) -> Family:
    """Prepare whole gammas, shape (gammas,)."""
    rules = [exact_jacobi_rule(gamma / 2 - 1, NODES) for gamma in gammas]
    nodes, log_weights = (jnp.asarray(np.stack(a)[:, None]) for a in zip(*rules, strict=True))
    return Family(jnp.asarray(gammas), (nodes, log_weights))


def starting_values(problem: Problem, gammas: NDArray[np.float64], box: Box) -> NDArray[np.float64]:
    """Starting values, shape (starts, searches, gammas, 3): noise levels, and alpha some sigmas from the best score."""
    low, high, mass = _summary(problem)
    levels = np.array(_SIGMAS)[:, None] * (high - low)
    sigma = np.exp(np.clip(np.log(levels), box.low[3], box.high[3]))
    shift = np.minimum(sigma, (high - low) / 3)
    # Without noise the quantiles of V at the best score and at the last knot say where v = 0 is.
    best = (0.7 * problem.shares[0, 0]) ** (2 / gammas)
    bare = low - (high - low) * best / np.maximum(mass ** (2 / gammas) - best, 0.1)
    alpha = np.stack(
        [*(bare + x * shift for x in _OFFSETS[0]), *(low + x * shift + np.zeros_like(bare) for x in _OFFSETS[1])]
    )
    alpha = np.clip(alpha, box.low[0], box.high[0])
    # delta such that the noiseless CDF at the last knot is the share of scores up to there.
    delta = np.maximum(high - alpha, 0.05 * (high - low)) * mass ** (-2 / gammas)
    return _thetas(alpha, delta, sigma)


def noiseless_starting_values(problem: Problem, gammas: NDArray[np.float64]) -> NDArray[np.float64]:
    """As `starting_values`, without noise: alpha must lie below the best score."""
    low, high, mass = _summary(problem)
    below = np.array([[1e-4, 1e-3, 0.01], [0.03, 0.1, 0.2], [0.4, 1.0, 3.0]]).T[:, :, None]
    alpha = low - (high - low) * below
    delta = (high - alpha) * mass ** (-2 / gammas) * np.array([1.0, 1.02, 1.2])[:, None, None, None]
    theta = _thetas(alpha, delta, np.ones(1))
    return theta.reshape(-1, *theta.shape[2:])


def _thetas(*parameters: NDArray[np.float64]) -> NDArray[np.float64]:
    alpha, delta, sigma = np.broadcast_arrays(*parameters)
    return np.stack([alpha, np.log(delta), np.log(sigma)], axis=-1)


def _summary(problem: Problem) -> tuple[float, float, float]:
    """The first and the last real knot, and the share of the scores up to the last."""
    knots, shares = problem.knots[0], problem.shares[0]
    return float(knots[1]), float(knots[-2]), float(np.clip(1 - shares[-1], 0.01, 0.99))


@functools.partial(jax.jit, static_argnames=("bits", "noiseless"))
def fit_program(
    problems: Problems, families: Family, starts: Array, box: Box, coarse: Array, *, bits: int, noiseless: bool
) -> Solution:
    """Fit every gamma to every set of spacings.

    Parameters
    ----------
    problems : Problems
    families : Family, fields with a leading axis of gammas
        Of whole gammas below ``2**bits - 1``.
    starts : Array, shape (starts, problems, searches, gammas, 3)
    box : Box, fields of shape (problems, 4)
        Bounds on the scale of the knots.
    coarse : Array, shape ()
        Whether to search on the thinned problems first; without, the starts must be near the optimum.

    Returns
    -------
    Solution
        The best for each gamma; leading axes: problems, gammas.
    """
    piece_sums = jax.vmap(functools.partial(mps, bits=bits, noiseless=noiseless))
    _, *shape, _ = starts.shape
    width = min(_LANES, math.prod(shape))

    def objective(theta: Array, fine: Array, moving: Array) -> Array:
        """On the whole problem or on the thinned one, for those searches that move."""
        order = jnp.argsort(~moving.reshape(-1))
        pieces = jnp.where(fine, problems.num_pieces, 1)
        # Every piece of every search that moves, a few at a time.
        count = jnp.sum(moving) * pieces
        flat = theta.reshape(-1, 3)

        def add(i: Array, total: Array) -> Array:
            job = i * width + jnp.arange(width)
            lane, piece = order[jnp.minimum(job, count - 1) // pieces], job % pieces + fine
            problem, gamma = lane // (shape[1] * shape[2]), lane % shape[2]
            its = jax.tree.map(lambda a: a[gamma], families)
            part = piece_sums(flat[lane], its, problems.knots[problem, piece], problems.shares[problem, piece])
            return total.at[jnp.where(job < count, lane, total.shape[0])].add(part, mode="drop")

        nothing = jnp.zeros((flat.shape[0], 10), theta.dtype)
        total = jax.lax.fori_loop(0, (count + width - 1) // width, add, nothing)
        return total.reshape(*shape, 10)

    return minimize(objective, starts, box, _STEPS, coarse)
