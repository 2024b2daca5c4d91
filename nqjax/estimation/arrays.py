"""Fitting as a pure function from arrays to arrays, for use inside programs that are compiled themselves."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from nqjax.errors import InputError
from nqjax.estimation.constraints import Constraint, Constraints, read_constraints
from nqjax.estimation.spacings import LARGEST_ERROR, ROUNDING_ULPS, SMALLEST_SHARE
from nqjax.estimation.study import reachable, standard_box
from nqjax.inputs import as_count, as_flag, shortened
from nqjax.solver.knots import families
from nqjax.solver.newton import Options
from nqjax.solver.pieces import BEYOND, PIECE, Problems, num_pieces
from nqjax.solver.program import fit_program

#: Scores this many units in the last place apart are one point, as in `nqjax.spacing`.
_TIE_ULPS = 8


#: The largest number of pieces that are evaluated side by side.
_WIDEST = 2**20


class Estimate(NamedTuple):
    """Fits of searches; every field has the leading axes of the scores.

    NaN (gamma 0) where a search has fewer than three different scores inside the limits.
    """

    alpha: Array
    beta: Array
    gamma: Array  # whole numbers
    sigma: Array
    loss: Array
    gradient_norm: Array
    losses: Array  # (..., gammas): of each gamma


def fit_arrays(
    scores: Array,
    limits: tuple[ArrayLike, ArrayLike] = (-jnp.inf, jnp.inf),
    *,
    minimize: bool = True,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
    width: int = 16,
) -> Estimate:
    """Fit the noisy quadratic distribution to searches of one size.

    A pure function: it can be jitted, vmapped, sharded and called from other compiled code; the shapes, ``minimize``,
    the constraints and ``width`` are static. It runs on the default device, in the precision of the scores. What
    `nqjax.fit` raises as an error is NaN here. No gradient is defined through it.

    Parameters
    ----------
    scores : Array, shape (..., num_scores), float32 or float64
        One score a trial. NaN and infinite scores are failed runs: they count on the losing side.
    limits : pair of array_like, shape (...) or ()
        The regime, see `nqjax.fit`; may be traced.
    minimize, alpha, beta, gamma, sigma
        As for `nqjax.fit`. ``sigma`` must allow some noise.
    width : int
        Pieces of 64 scores that are evaluated side by side: about 16 on a CPU, thousands on an accelerator.

    Returns
    -------
    Estimate

    Raises
    ------
    InputError
        Constraints that cannot be met, scores of another type, or none.

    Notes
    -----
    The estimator of `nqjax.fit` (Lourie, He, Cho 2025), with the noiseless limit left out: where that fits best, sigma
    ends at a millionth of the scores' range; where all small noise levels fit equally well, at one of them. Many
    searches in one call share the program's turns, which is faster than mapping it over them with `jax.vmap`.
    """
    constraints = read_constraints(alpha, beta, gamma, sigma, as_flag("minimize", minimize))
    width = as_count("width", width, most=_WIDEST)
    if constraints.sigma[1] == 0:
        raise InputError("sigma = 0 is not for compiled programs: allow some noise, or use nqjax.fit_many")
    scores = _as_array("scores", scores)
    if jnp.issubdtype(scores.dtype, jnp.integer):
        scores = scores.astype(float)
    if scores.dtype.name not in ("float32", "float64"):
        raise InputError(f"scores are {scores.dtype.name}: convert them to float32 or float64")
    if scores.ndim == 0 or scores.size == 0:
        raise InputError(f"scores have shape {scores.shape}: give at least one search with at least one score")
    low, high = _as_limits(limits, scores.dtype)
    if minimize:
        return _fit_oriented(scores, low, high, constraints=constraints, width=width)
    found = _fit_oriented(-scores, -high, -low, constraints=constraints, width=width)
    return found._replace(alpha=-found.beta, beta=-found.alpha)


def _as_array(name: str, values: ArrayLike) -> Array:
    """Return an array of JAX, which may be traced; raise InputError, which names it, for what is none."""
    try:
        return values if isinstance(values, Array) else jnp.asarray(np.asarray(values))
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"the {name} are not numbers: {shortened(error, quoted=False)}") from None


def _as_limits(limits: tuple[ArrayLike, ArrayLike], dtype: jnp.dtype) -> tuple[Array, Array]:
    if not isinstance(limits, tuple | list) or len(limits) != 2:
        raise InputError(f"the limits are {shortened(limits)}: give a pair, such as (-inf, 0.5)")
    low, high = (_as_array("limits", limit).astype(dtype) for limit in limits)
    return low, high


# Compiled here, too: operation by operation a call outside of `jax.jit` would take minutes.
@functools.partial(jax.jit, static_argnames=("constraints", "width"))
def _fit_oriented(scores: Array, low: Array, high: Array, *, constraints: Constraints, width: int) -> Estimate:
    """Fit searches whose scores are minimised."""
    *lead, size = scores.shape
    rows = scores.reshape(-1, size)
    ends = (jnp.broadcast_to(limit, tuple(lead)).reshape(-1) for limit in (low, high))
    problems, location, scale, valid = _prepare(rows, *ends)
    for fits in reachable(constraints, location, scale):
        valid = valid & fits
    gammas = np.arange(constraints.gamma[0], constraints.gamma[1] + 1, dtype=scores.dtype)
    box = jax.vmap(lambda x, s: standard_box(constraints, x, s))(location, scale)
    box = jax.tree.map(lambda a: a.astype(scores.dtype), box)
    options = Options(
        active=valid,
        gammas=jnp.ones(len(gammas), bool),
        noiseless=jnp.asarray(False),
        coarse=jnp.asarray(True),
        skipped=jnp.asarray(0),
        every_gamma=jnp.asarray(True),
    )
    warm = jnp.zeros((len(rows), len(gammas), 3), scores.dtype)
    bits = int(constraints.gamma[1] + 1).bit_length()
    solution, _ = fit_program(
        problems, jax.tree.map(jnp.asarray, families(gammas)), box, options, warm, bits=bits, width=width
    )
    best = jnp.argmin(solution.loss, axis=1)
    theta, loss, norm = (
        a[jnp.arange(len(rows)), best] for a in (solution.theta, solution.loss, solution.gradient_norm)
    )
    first = location + scale * theta[:, 0]
    other = first + scale * jnp.exp(theta[:, 1])
    good = valid & jnp.isfinite(loss)
    alphas, betas, sigmas, loss, norm = (
        jnp.where(good, a, jnp.nan).reshape(lead) for a in (first, other, scale * jnp.exp(theta[:, 2]), loss, norm)
    )
    whole = jnp.where(good, best + constraints.gamma[0], 0).reshape(lead)
    losses = jnp.where(good[:, None], solution.loss, jnp.nan).reshape(*lead, len(gammas))
    return Estimate(alphas, betas, whole, sigmas, loss, norm, losses)


def _prepare(y: Array, low: Array, high: Array) -> tuple[Problems, Array, Array, Array]:
    """Return the spacings in pieces, on the scale of their knots.

    Also return location and scale, and whether there are three different scores.
    """
    knots, shares, gaps, location, scale, used, valid = jax.vmap(_spacings)(y, low, high)
    size, count = shares.shape
    pieces = num_pieces(count)
    pad = pieces * PIECE - count
    knots = jnp.pad(knots, ((0, 0), (0, pad)), constant_values=BEYOND)
    shares, gaps = (jnp.pad(a, ((0, 0), (0, pad))) for a in (shares, gaps))
    place = jnp.concatenate([jnp.zeros((size, 1), int), 1 + jax.vmap(_thinned_ranks)(used), used[:, None] + 1], axis=1)
    below = jnp.pad(jnp.cumsum(shares, axis=1), ((0, 0), (1, 0)))
    thin = jnp.take_along_axis(knots, place, axis=1)
    thin_shares = jnp.diff(jnp.take_along_axis(below, place, axis=1))
    starts, ends = knots[:, :-1].reshape(size, pieces, PIECE), knots[:, PIECE::PIECE, None]

    def together(first: Array, others: Array) -> Array:
        return jnp.concatenate([first[:, None], others], axis=1).reshape(-1, first.shape[-1])

    problems = Problems(
        together(thin, jnp.concatenate([starts, ends], axis=-1)),  # type: ignore[arg-type]
        together(thin_shares, shares.reshape(size, pieces, PIECE)),  # type: ignore[arg-type]
        together(jnp.diff(thin), gaps.reshape(size, pieces, PIECE)),  # type: ignore[arg-type]
        jnp.arange(size) * (1 + pieces),  # type: ignore[arg-type]
        used // PIECE + 1,  # type: ignore[arg-type]
        jnp.take_along_axis(knots, used[:, None], axis=1)[:, 0],  # type: ignore[arg-type]
    )
    return problems, location, scale, valid


def _spacings(y: Array, low: Array, high: Array) -> tuple[Array, ...]:
    """Return the spacings of one study, as `nqjax.estimation.spacings.spacings` does, in arrays of fixed lengths.

    Also return location and scale, the number of knots without the ends (-BEYOND and BEYOND), and whether there are
    three different values.
    """
    y = jnp.sort(jnp.where(jnp.isfinite(y), y, jnp.inf))
    between = (y > low) & (y <= high) & jnp.isfinite(y)
    tie = _tie_distance(jnp.min(jnp.where(between, y, jnp.inf)), jnp.max(jnp.where(between, y, -jnp.inf)))
    low_tolerance, high_tolerance = (jnp.maximum(_tolerance(limit), tie) for limit in (low, high))
    below, above = y <= low + low_tolerance, y > high + high_tolerance
    inside = ~below & ~above
    after, inside_after = jnp.append(y[1:], jnp.inf), jnp.append(inside[1:], False)
    apart = after - y > jnp.maximum(_TIE_ULPS * jnp.maximum(_ulp(after), _ulp(y)), tie)
    values = jnp.where(inside & (apart | ~inside_after), y, jnp.inf)
    num_below, num_above = jnp.sum(below), jnp.sum(above)
    worst = jnp.max(jnp.where(jnp.isfinite(values), values, -jnp.inf))
    to_high = (num_above > 0) & jnp.isfinite(high) & (worst < high - high_tolerance)
    limits = jnp.stack([jnp.where(num_below > 0, low, jnp.inf), jnp.where(to_high, high, jnp.inf)])
    knots = jnp.sort(jnp.concatenate([values, limits]))
    used = jnp.sum(jnp.isfinite(knots))
    # All that is at infinity, failed runs included, ends the first interval after the last knot.
    counts = jnp.diff(jnp.searchsorted(y, knots, side="right"), prepend=0, append=len(y))
    counts = counts.at[jnp.where((num_below > 0) & (num_above == 0), 0, used)].add(1)
    location = knots[0]
    scale = knots[jnp.maximum(used - 1, 0)] - location
    valid = jnp.sum(jnp.isfinite(values)) >= 3
    location, scale = jnp.where(valid, location, 0.0), jnp.where(valid, scale, 1.0)
    knots = jnp.where(jnp.isfinite(knots) & valid, knots, jnp.inf)
    lengths = jnp.where(jnp.isfinite(knots[1:]), jnp.diff(knots) / scale, BEYOND)
    gaps = jnp.pad(lengths, 1, constant_values=BEYOND)
    place = jnp.where(jnp.isfinite(knots), (knots - location) / scale, BEYOND)
    ends = jnp.full(1, BEYOND, y.dtype)
    shares = counts.astype(y.dtype) / (len(y) + 1)
    return jnp.concatenate([-ends, place, ends]), shares, gaps, location, scale, jnp.maximum(used, 1), valid


def _ulp(x: Array) -> Array:
    finite = jnp.where(jnp.isfinite(x), jnp.abs(x), 0.0)
    return jnp.nextafter(finite, jnp.full_like(finite, jnp.inf)) - finite


def _tie_distance(best: Array, worst: Array) -> Array:
    """Do the same as `nqjax.estimation.spacings.tie_distance`."""
    rounding, span = ROUNDING_ULPS * _ulp(jnp.maximum(jnp.abs(best), jnp.abs(worst))), worst - best
    share = jnp.maximum(SMALLEST_SHARE * span, jnp.minimum(rounding, LARGEST_ERROR * span))
    distance = jnp.where(span <= rounding, rounding, share)
    return jnp.where(jnp.isfinite(span), distance, 0.0)  # without any score


def _tolerance(limit: Array) -> Array:
    return jnp.where(jnp.isfinite(limit), _TIE_ULPS * _ulp(limit), 0.0)


def _thinned_ranks(count: Array) -> Array:
    """Do the same as `nqjax.solver.pieces.thinned_ranks`, for a traced number of knots."""
    third = PIECE // 3
    last = jnp.maximum(count - 1, PIECE).astype(float)

    def halve(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        middle = (ends[0] + ends[1]) / 2
        more = last * jnp.sinh(middle / third) > jnp.sinh(middle)
        return jnp.where(more, middle, ends[0]), jnp.where(more, ends[1], middle)

    growth, _ = jax.lax.fori_loop(0, 60, halve, (jnp.full_like(last, 1e-3), jnp.full_like(last, 40.0)))
    dense = last * jnp.sinh(growth * jnp.linspace(0, 1, third + 1)[1:-1]) / jnp.sinh(growth)
    even = jnp.linspace(0.0, last, PIECE - 1 - 2 * len(dense))
    many = jnp.sort(jnp.rint(jnp.concatenate([even, dense, last - dense]))).astype(int)
    return jnp.where(count < PIECE, jnp.minimum(jnp.arange(PIECE - 1), count - 1), many)
