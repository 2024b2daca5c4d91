"""The estimation program: every start, every gamma, every problem of a chunk, one jitted computation.

For each gamma of each problem a few starts compete, each at its own noise level: a start evaluates its initial points,
then runs Newton's method from the best of them. This happens on the thinned problem. On all knots, Newton's method then
continues from each gamma's best end, and from other ends that may yet win. A warm start skips the first part.

The objective is a loop over the pieces of those starts that still move, a few at a time. A start that has ended costs
nothing, and both stages, every number of knots and every number of problems run the same code.
"""

import jax
import jax.numpy as jnp
from jax import Array

from nqjax.solver.knots import Family, highest_out_of_reach, num_nodes
from nqjax.solver.newton import Box, Options, Solution, Starts, minimize
from nqjax.solver.objective import BY_POLYNOMIALS, BY_QUADRATURE, WITHOUT_NOISE, mps_of_pieces
from nqjax.solver.pieces import Problems
from nqjax.special.power_moments import LARGEST_GAMMA

#: Noise levels of the starts, in units of the range of the knots: one for each of the competing starts.
_SIGMAS = (0.0005, 0.004, 0.02, 0.1, 0.4)

#: Where alpha starts: this number of sigmas above where it would be without noise (True), or above the best score. The
#: last two are enough in all but one of two thousand problems.
_OFFSETS = ((-1.0, True), (5.0, False), (0.5, True), (2.0, False))

#: Without noise: how far below the best score alpha starts, in units of the range of the knots (points, starts).
_BELOW = ((1e-4, 0.03, 0.4), (1e-3, 0.1, 1.0), (0.01, 0.2, 3.0))

#: Without noise: where delta starts, in units of the shortest that is possible; each with all of `_BELOW`.
_STRETCH = (1.0, 1.02, 1.2)

#: Turns of Newton's method on the thinned problems, and again on the whole ones.
_STEPS = 80


def starting_values(problems: Problems, gammas: Array, box: Box, options: Options) -> Starts:
    """Return starting values with or without noise, in arrays of one shape: one program serves both."""
    with_noise, bare = _noisy_starts(problems, gammas, box), _noiseless_starts(problems, gammas)
    number, num_starts = len(bare), with_noise.shape[2]
    with_noise = jnp.pad(with_noise, [(0, number - len(with_noise))] + [(0, 0)] * 4, mode="edge")
    bare = jnp.pad(bare, [(0, 0), (0, 0), (0, num_starts - bare.shape[2]), (0, 0), (0, 0)], mode="edge")
    theta = jnp.where(options.noiseless, bare, with_noise)
    used = jnp.arange(num_starts) < jnp.where(options.noiseless, len(_BELOW[0]), num_starts)
    return Starts(theta, jnp.where(options.noiseless, number, len(_OFFSETS)), used)


def _noisy_starts(problems: Problems, gammas: Array, box: Box) -> Array:
    """Return starting values, shape (points, problems, starts, gammas, 3), with alpha near the best score."""
    low, high, best, mass = _summary(problems)
    levels = jnp.asarray(_SIGMAS, low.dtype)[:, None] * (high - low)
    sigma = jnp.exp(jnp.clip(jnp.log(levels), box.low[:, 3, None, None], box.high[:, 3, None, None]))
    shift = jnp.minimum(sigma, (high - low) / 3)
    # Without noise the quantiles of V at the best score and at the last knot say where v = 0 is.
    share = (0.7 * best) ** (2 / gammas)
    bare = low - (high - low) * share / jnp.maximum(mass ** (2 / gammas) - share, 0.1)
    alpha = jnp.stack([jnp.where(from_bare, bare, low) + x * shift for x, from_bare in _OFFSETS])
    alpha = jnp.clip(alpha, box.low[:, 0, None, None], box.high[:, 0, None, None])
    # delta such that the noiseless CDF at the last knot is the share of scores up to there.
    delta = jnp.maximum(high - alpha, 0.05 * (high - low)) * mass ** (-2 / gammas)
    return _thetas(alpha, delta, sigma)


def _noiseless_starts(problems: Problems, gammas: Array) -> Array:
    """Return starting values without noise: alpha must lie below the best score."""
    low, high, _, mass = _summary(problems)
    below, stretch = jnp.asarray(_BELOW, low.dtype), jnp.asarray(_STRETCH, low.dtype)
    alpha = low - (high - low) * below[:, None, :, None]
    delta = (high - alpha) * mass ** (-2 / gammas) * stretch[:, None, None, None, None]
    theta = _thetas(alpha, delta, jnp.ones_like(low))
    return theta.reshape(-1, *theta.shape[2:])


def _thetas(*parameters: Array) -> Array:
    alpha, delta, sigma = jnp.broadcast_arrays(*parameters)
    return jnp.stack([alpha, jnp.log(delta), jnp.log(sigma)], axis=-1)


def _summary(problems: Problems) -> tuple[Array, Array, Array, Array]:
    """The first and the last real knot, and the shares of the scores up to them.

    Each has shape (problems, 1, 1), to broadcast against starts and gammas.
    """
    knots, shares = problems.knots[problems.first], problems.shares[problems.first]
    mass = jnp.clip(1 - shares[:, -1], 0.01, 0.99)
    return tuple(a[:, None, None] for a in (knots[:, 1], knots[:, -2], shares[:, 0], mass))  # type: ignore[return-value]


def _easy_first(starts: Array, count: Array, easy: Array) -> tuple[Array, Array]:
    """Reorder the first ``count`` numbers, easy ones first; also return how many are easy.

    Pieces of easy starts are then evaluated together, by the faster formula. ``easy`` has an element for each number
    that may occur.
    """
    valid = jnp.arange(len(starts)) < count
    first = valid & easy[jnp.minimum(starts, len(easy) - 1)]
    second, number = valid & ~first, jnp.sum(first)
    place = jnp.where(first, jnp.cumsum(first) - 1, number + jnp.cumsum(second) - 1)
    return starts.at[jnp.where(valid, place, len(starts))].set(starts, mode="drop", unique_indices=True), number


def fit_program(
    problems: Problems,
    families: Family,
    box: Box,
    options: Options,
    warm: Array,
    *,
    bits: int,
    width: int,
) -> tuple[Solution, Array]:
    """Fit every gamma to every set of spacings.

    Parameters
    ----------
    problems : Problems
    families : Family, fields with a leading axis of gammas
        Of whole gammas below ``2**bits - 1``.
    box : Box, fields of shape (problems, 4)
        Bounds on the scale of the knots.
    options : Options
    warm : Array, shape (problems, gammas, 3)
        Where to start, near the optimum, when the thinned problems are to be left out.
    width : int
        Pieces evaluated side by side.

    Returns
    -------
    Solution
        The best for each gamma; leading axes: problems, gammas.
    evaluations : Array, shape ()
        How many pieces were evaluated, rough sums in proportion to their nodes.
    """
    starts = starting_values(problems, families.gamma, box, options)
    _, _, num_starts, num_gammas, _ = starts.theta.shape
    most = jnp.max(problems.num_pieces)
    each = num_starts * num_gammas

    def objective(theta: Array, moving: Array, count: Array, fine: Array) -> Array:
        """Evaluate every piece of every start that moves, on the whole problem or on the thinned one."""
        pieces = jnp.where(fine, most, 1)
        # Each start by its own best formula, whatever the others need: no result depends on the rest of the chunk.
        easy = highest_out_of_reach(theta) >= jnp.repeat(problems.last, each)
        easy = easy & (families.gamma <= LARGEST_GAMMA)[jnp.arange(len(theta)) % num_gammas]
        # Not on the thinned problem: there rough sums are wanted, and a change to exact ones would look like progress.
        moving, num_easy = _easy_first(moving, count, easy & fine & ~options.noiseless)
        easy_groups = (num_easy * pieces + width - 1) // width
        hard_groups = ((count - num_easy) * pieces + width - 1) // width

        def add(i: Array, total: Array) -> Array:
            hard = i >= easy_groups
            begin, number = jnp.where(hard, num_easy, 0), jnp.where(hard, count - num_easy, num_easy)
            job = (i - jnp.where(hard, easy_groups, 0)) * width + jnp.arange(width)
            start = moving[begin + jnp.minimum(job // pieces, number - 1)]
            piece = job % pieces + fine
            problem, gamma = start // each, start % num_gammas
            # Problems with fewer pieces than the largest take no part in the last ones.
            used = (job < number * pieces) & (piece <= problems.num_pieces[problem])
            place = problems.first[problem] + jnp.where(used, piece, 0)
            its = jax.tree.map(lambda a: a[gamma], families)
            piece_of = jax.tree.map(lambda a: a[place], (problems.knots, problems.shares, problems.gaps))
            formula = jnp.where(options.noiseless, WITHOUT_NOISE, jnp.where(hard, BY_QUADRATURE, BY_POLYNOMIALS))
            part = mps_of_pieces(theta[start], its, *piece_of, fine, formula, bits)  # type: ignore[arg-type,call-arg]
            return total.at[jnp.where(used, start, total.shape[0])].add(part, mode="drop")

        nothing = jnp.zeros((theta.shape[0], 10), theta.dtype)
        return jax.lax.fori_loop(0, easy_groups + hard_groups, add, nothing)

    solution, (coarse, fine) = minimize(objective, starts, warm, box, options, _STEPS, width)
    rough_nodes, nodes = num_nodes(box.low.dtype)
    return solution, coarse * (rough_nodes / nodes) + fine * (1.0 * most)
