"""Damped Newton method for three parameters in a box: alpha, beta and sigma each between bounds.

It works on (alpha, log(beta - alpha), log sigma), in which the loss is close to quadratic, with the bounds on beta kept
by an active set: while beta sits at a bound, alpha moves at fixed beta. One evaluation of loss, gradient and Hessian a
turn; many searches run as one program. The 3 x 3 algebra is written out in scalars: XLA then makes a few elementwise
loops over searches of it, where small matrices would be dozens of kernels to compile.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from nqjax.solver.knots import Symmetric, Triple


class _Precision(NamedTuple):
    """When the iteration ends, in one dtype.

    When the scaled, projected gradient is below ``tolerance`` (rounding noise is about 1e-13 in float64), when the
    Newton model promises less than ``small_decrease``, or after some turns that gain less than ``small_gain``.
    """

    tolerance: float
    small_decrease: float
    small_gain: float
    noise: float  # of the loss
    slack: float  # relative, of what is at a bound
    least: float  # positive number


_PRECISION = {
    "float64": _Precision(1e-11, 1e-20, 1e-10, 1e-14, 1e-13, 1e-300),
    "float32": _Precision(1e-6, 1e-10, 1e-7, 1e-6, 1e-6, 1e-37),
}


#: In a search behind its rivals, turns that gain less than this times the distance are small, too.
_SMALL_SHARE = 1e-5


#: The coarse objective's own error is larger than these.
_COARSE_DECREASE, _COARSE_GAIN = 1e-7, 1e-6


_PATIENCE = 4


_STEEP = 1e-7


_LONGEST = 1.5


_FIRST_DAMPING = 1e-2


#: Ends of coarse searches are the same when their log(beta - alpha) and log sigma differ by less than the first, and
#: worth following when their losses differ by less than the second.
_SAME, _CLOSE = 0.1, 1e-2


#: One search is at another's heels when their parameters, alpha's in units of the larger scale, differ by less than the
#: first. The decrease promised is trusted up to the second, a factor; on the coarse objective, whose error it must not
#: hang on, a search is given up only when it would still be the third behind.
_HEELS, _TRUST, _COARSE_MARGIN = 0.02, 10.0, 0.01


class Box(NamedTuple):
    """Bounds of alpha, beta, log(beta - alpha) and log sigma; both arrays have shape (4,)."""

    low: Array
    high: Array


class Options(NamedTuple):
    """Choices that are traced, so that none of them compiles the program again."""

    active: Array  # (problems,): those that are no padding
    gammas: Array  # (gammas,): those that are allowed
    noiseless: Array  # (): whether sigma is 0
    coarse: Array  # (): whether to search with the coarse objective first, or start from where it is warm
    skipped: Array  # (): how many of the starts to leave out
    every_gamma: Array  # (): whether each gamma is followed to its end, or only while it may be the best


class Starts(NamedTuple):
    """Starting values of the competing searches for each gamma of each problem."""

    theta: Array  # (starts, problems, searches, gammas, 3)
    number: Array  # (): how many of the starts to use
    searches: Array  # (searches,): those to use


class Solution(NamedTuple):
    """Where the iteration ended."""

    theta: Array  # (3,): alpha, log delta, log sigma
    loss: Array
    gradient_norm: Array  # of the projected gradient; alpha in units of the smaller of sigma and delta
    promise: Array  # decrease of the loss that the Newton model still promises
    noise_matters: Array  # size of the loss's first two derivatives in log sigma


class _Local(NamedTuple):
    """The objective in the coordinates that are free to move at an iterate."""

    gradient: Triple  # 0 where held
    hessian: Symmetric  # rows and columns of what is held are those of the identity
    free: Triple  # 1 or 0
    beta_held: Array
    norm: Array


def clip_to_box(theta: Array, box: Box) -> Array:
    """A point of the box near ``theta`` (3,): alpha first, then beta."""
    (a_low, b_low, d_low, s_low), (a_high, b_high, d_high, s_high) = box.low, box.high
    # alpha must leave room for a positive delta below the upper bound of beta.
    alpha = jnp.minimum(jnp.clip(theta[0], a_low, a_high), b_high - jnp.exp(d_low))
    beta = jnp.clip(alpha + jnp.exp(theta[1]), b_low, b_high)
    unbounded = (b_low == -jnp.inf) & (b_high == jnp.inf)
    log_delta = jnp.where(unbounded, theta[1], jnp.log(jnp.maximum(beta - alpha, _PRECISION[theta.dtype.name].least)))
    return jnp.stack([alpha, jnp.clip(log_delta, d_low, d_high), jnp.clip(theta[2], s_low, s_high)])


def _localise(theta: Array, value: Array, box: Box) -> _Local:
    ga, gd, gs, *entries = (value[i] for i in range(1, 10))
    h = Symmetric(*entries)
    delta = jnp.exp(theta[1])
    place = jnp.stack([theta[0], theta[0] + delta, theta[1], theta[2]])
    # beta - alpha, where it follows from bounds on these, has their rounding errors.
    relative = _PRECISION[theta.dtype.name].slack
    slack = (relative * (1 + jnp.abs(place))).at[2].add(0.01 * relative * (1 + jnp.abs(theta[0])) / delta)
    at_low, at_high = jnp.abs(place - box.low) <= slack, jnp.abs(place - box.high) <= slack

    def pushed(i: int, slope: Array) -> Array:
        """Whether descent would leave the bounds from here."""
        return (at_low[i] & (slope >= 0)) | (at_high[i] & (slope <= 0))

    beta_held = pushed(1, gd)
    # At fixed beta, d(log delta)/d(alpha) = -1 / delta and its derivative is -1 / delta**2.
    lean = jnp.where(beta_held, -1 / delta, 0.0)
    aa = h.aa + 2 * lean * h.ad + lean**2 * (h.dd - gd)
    as_ = h.as_ + lean * h.ds
    ga = ga + lean * gd
    # At a fixed delta alpha takes beta along; at a fixed beta it takes delta the other way.
    delta_held = pushed(2, gd)
    alpha_held = pushed(0, ga) | (delta_held & pushed(1, ga)) | (beta_held & pushed(2, -ga))
    held = (alpha_held, beta_held | delta_held, pushed(3, gs))
    fa, fd, fs = (jnp.where(x, 0.0, 1.0).astype(theta.dtype) for x in held)
    gradient = (ga * fa, gd * fd, gs * fs)
    hessian = Symmetric(
        jnp.where(fa > 0, aa, 1.0),
        h.ad * (fa * fd),
        as_ * (fa * fs),
        jnp.where(fd > 0, h.dd, 1.0),
        h.ds * (fd * fs),
        jnp.where(fs > 0, h.ss, 1.0),
    )
    unit = jnp.exp(jnp.minimum(theta[1], theta[2]))
    norm = jnp.maximum(jnp.abs(gradient[0]) * unit, jnp.maximum(jnp.abs(gradient[1]), jnp.abs(gradient[2])))
    return _Local(gradient, hessian, (fa, fd, fs), beta_held, norm)


def _lowest_eigenvalue(h: Symmetric) -> Array:
    """Of a symmetric 3 x 3 matrix, by the trigonometric solution of its cubic."""
    mean = (h.aa + h.dd + h.ss) / 3
    a, d, s = h.aa - mean, h.dd - mean, h.ss - mean
    radius = jnp.sqrt(jnp.maximum((a**2 + d**2 + s**2 + 2 * (h.ad**2 + h.as_**2 + h.ds**2)) / 6, 1e-60))
    determinant = a * (d * s - h.ds**2) - h.ad * (h.ad * s - h.ds * h.as_) + h.as_ * (h.ad * h.ds - d * h.as_)
    angle = jnp.arccos(jnp.clip(determinant / (2 * radius**3), -1.0, 1.0)) / 3
    return mean + 2 * radius * jnp.cos(angle + 2 * jnp.pi / 3)


def _newton_step(at: _Local, damping: Array) -> tuple[Triple, Array]:
    """Newton step on what is free, with the Hessian made positive and damped in units of its own diagonal.

    Also the decrease of the loss that the quadratic model promises.
    """
    h = at.hessian
    ra, rd, rs = (1 / jnp.sqrt(jnp.maximum(jnp.abs(x), 1e-12)) for x in (h.aa, h.dd, h.ss))
    h = Symmetric(h.aa * ra * ra, h.ad * ra * rd, h.as_ * ra * rs, h.dd * rd * rd, h.ds * rd * rs, h.ss * rs * rs)
    shift = jnp.maximum(-1.5 * _lowest_eigenvalue(h), 0.0) + damping + 1e-10
    a, d, s = h.aa + shift, h.dd + shift, h.ss + shift
    ga, gd, gs = (g * r for g, r in zip(at.gradient, (ra, rd, rs), strict=True))
    caa, cdd, css = d * s - h.ds**2, a * s - h.as_**2, a * d - h.ad**2
    cad, cas, cds = h.ds * h.as_ - h.ad * s, h.ad * h.ds - d * h.as_, h.ad * h.as_ - a * h.ds
    scale = -1 / (a * caa + h.ad * cad + h.as_ * cas)
    xa, xd, xs = caa * ga + cad * gd + cas * gs, cad * ga + cdd * gd + cds * gs, cas * ga + cds * gd + css * gs
    promise = -0.5 * scale * (ga * xa + gd * xd + gs * xs)
    fa, fd, fs = at.free
    return (scale * xa * ra * fa, scale * xd * rd * fd, scale * xs * rs * fs), promise


class _State(NamedTuple):
    """Of every search; leading axes: problems, searches, gammas, or these as one."""

    theta: Array  # (..., 3), the best point so far
    value: Array  # (..., 10), the objective there
    proposal: Array  # (..., 3), inside the box
    damping: Array
    stretch: Array
    promise: Array
    idle: Array
    norm: Array


#: How a state lies in the columns of one array, which takes a search out of all and puts it back in one kernel each.
_COLUMNS = _State(slice(3), slice(3, 13), slice(13, 16), *range(16, 21))  # type: ignore[arg-type]


def _to_columns(state: _State) -> Array:
    return jnp.concatenate([*state[:3], jnp.stack(state[3:], axis=-1)], axis=-1)


def _from_columns(columns: Array) -> _State:
    return _State(*(columns[..., part] for part in _COLUMNS))


def _propose(theta: Array, at: _Local, damping: Array, stretch: Array, box: Box) -> tuple[Array, Array]:
    (sa, sd, ss), promise = _newton_step(at, damping)
    # No more than a factor in delta and sigma, and as many units of the larger scale in alpha, at once.
    unit = jnp.exp(jnp.maximum(theta[1], theta[2]))
    size = jnp.maximum(jnp.abs(sa) / unit, jnp.maximum(jnp.abs(sd), jnp.abs(ss)))
    factor = jnp.minimum(stretch, _LONGEST / jnp.maximum(size, 1e-30))
    # Where noise hides the range, only its mean is known: alpha then follows delta, not log(delta), down a valley.
    curved = at.hessian.aa > 0
    follow = jnp.where(curved, -at.hessian.ad / jnp.where(curved, at.hessian.aa, 1.0), 0.0)
    alpha = theta[0] + factor * sa + follow * (jnp.expm1(factor * sd) - factor * sd)
    alpha = jnp.clip(alpha, box.low[0], box.high[0])
    kept = jnp.log(jnp.maximum(theta[0] + jnp.exp(theta[1]) - alpha, _PRECISION[theta.dtype.name].least))
    log_delta = jnp.where(at.beta_held, kept, theta[1] + factor * sd)
    return jnp.stack([alpha, log_delta, theta[2] + factor * ss]), promise


def _turn(
    columns: Array, value: Array, lowest: Array, waiting: Array, fine: Array, start: Array, more: Array, box: Box
) -> tuple[Array, Array]:
    """Take or refuse the point that one search proposed, and propose another; on the columns of its state.

    ``lowest`` is the best loss of all searches; while ``waiting`` the next proposal is ``start``; ``more`` tells
    whether turns are left. Also returns whether the search goes on.
    """
    state = _from_columns(columns)
    point, precision = state.proposal, _PRECISION[value.dtype.name]
    norm = _localise(point, value, box).norm
    value = value.at[0].set(jnp.where(jnp.isnan(norm + value[0]), jnp.inf, value[0]))
    loss, best = value[0], state.value[0]
    # At the bottom the loss cannot show progress any more, but the gradient still can.
    level = (loss <= best + precision.noise * (1 + jnp.abs(best))) & (norm < state.norm)
    take = jnp.isfinite(loss) & ((loss < best) | level)
    gain = jnp.where(take, best - loss, 0.0)
    # Slow but steady, as where a parameter runs off to infinity: take longer steps.
    steady = take & (norm > 0.1 * state.norm) & (state.damping < 1e-3)
    stretch = jnp.where(steady, jnp.minimum(state.stretch * 2, 64.0), 1.0)
    damping = jnp.where(take, state.damping / 8, jnp.where(state.stretch > 1, state.damping, state.damping * 10))
    damping = jnp.where(take, jnp.where(damping < 1e-9, 0.0, damping), jnp.maximum(damping, 1e-3))
    # A turn that is refused still learns something: the damping.
    behind = best - lowest
    small = jnp.maximum(
        jnp.where(fine, precision.small_gain, _COARSE_GAIN), _SMALL_SHARE * jnp.where(jnp.isfinite(behind), behind, 0.0)
    )
    idle = jnp.where(gain > small, 0.0, state.idle + jnp.where(take, 1.0, 0.3))
    theta, value = jnp.where(take, point, state.theta), jnp.where(take, value, state.value)
    stretch, damping = jnp.where(waiting, 1.0, stretch), jnp.where(waiting, _FIRST_DAMPING, damping)
    proposal, promise = _propose(theta, _localise(theta, value, box), damping, stretch, box)
    proposal = clip_to_box(jnp.where(waiting, start, proposal), box)
    idle, norm = jnp.where(waiting, 0.0, idle), jnp.where(take, norm, state.norm)
    promised = (promise > jnp.where(fine, precision.small_decrease, _COARSE_DECREASE)) | (damping > 1e-2)
    patience = jnp.where(norm > _STEEP, 3 * _PATIENCE, _PATIENCE)
    moving = waiting | (more & (norm > precision.tolerance) & promised & (idle < patience) & jnp.isfinite(value[0]))
    return _to_columns(_State(theta, value, proposal, damping, stretch, promise, idle, norm)), moving


def _distinct_ends(state: _State) -> tuple[Array, Array]:
    """Ends of the searches for each gamma, the best first, and which to follow: the best, and what else may yet win."""
    loss = state.value[..., 0]
    order = jnp.argsort(loss, axis=0)
    loss = jnp.take_along_axis(loss, order, axis=0)
    theta = jnp.take_along_axis(state.theta, order[..., None], axis=0)
    near = jnp.max(jnp.abs(theta[:, None, :, 1:] - theta[None, :, :, 1:]), axis=-1) < _SAME
    rank = jnp.arange(loss.shape[0])
    repeated = jnp.any(near & (rank[:, None] > rank)[..., None], axis=1)
    return theta, (rank == 0)[:, None] | (~repeated & (loss < jnp.min(loss) + _CLOSE))


def _outdone(state: _State, fine: Array, every_gamma: Array) -> Array:
    """Searches of one problem to give up: at the heels of a better one, or unable to win."""
    loss = state.value[..., 0]
    unit = jnp.exp(jnp.max(state.theta[..., 1:], axis=-1))
    place = jnp.stack([state.theta[..., 0] / unit, state.theta[..., 1], state.theta[..., 2]])
    near = jnp.max(jnp.abs(place[:, :, None] - place[:, None]), axis=0) < _HEELS
    rank = jnp.arange(loss.shape[0])
    better = (loss[None] < loss[:, None]) | ((loss[None] == loss[:, None]) & (rank < rank[:, None])[..., None])
    best = jnp.min(loss, axis=0)
    best = jnp.where(every_gamma, best, jnp.min(best))
    return jnp.any(near & better, axis=1) | (
        loss - _TRUST * state.promise > best + jnp.where(fine, 0.0, _COARSE_MARGIN)
    )


def _begin(proposal: Array) -> Array:
    """Columns of searches that have seen nothing yet."""
    zero = jnp.zeros_like(proposal[..., 0])
    nothing = jnp.zeros((*zero.shape, 10), proposal.dtype).at[..., 0].set(jnp.inf)
    infinite = zero + jnp.inf
    return _to_columns(_State(proposal, nothing, proposal, zero + _FIRST_DAMPING, zero + 1, infinite, zero, infinite))


def _numbers_of(moving: Array) -> Array:
    """The numbers of those that move, the others last as their count; what `jnp.nonzero` does, in half the time."""
    count = len(moving)
    place = jnp.where(moving, jnp.cumsum(moving) - 1, count)
    return jnp.full(count, count).at[place].set(jnp.arange(count), mode="drop", unique_indices=True)


def minimize(
    objective: Callable[[Array, Array, Array, Array], Array],
    starts: Starts,
    warm: Array,
    box: Box,
    options: Options,
    max_steps: int,
    width: int,
) -> tuple[Solution, Array]:
    """Minimise coarsely in competing searches, each from the best of its starts, then finely from the best ends.

    A step is taken when it lowers the loss; otherwise the damping grows. A search that is far behind the best is
    followed less closely. Never raises: a problem that cannot be evaluated returns an infinite loss. No problem's
    result depends on the others.

    Parameters
    ----------
    objective : callable
        From all points, shape (problems * searches * gammas, 3), the numbers of those that matter (at the beginning of
        an array), their count, and whether the fine objective is meant, to what `nqjax.solver.objective.mps` returns.
    starts : Starts
        Their points are moved into the box and evaluated one a turn, by the same code as the steps.
    warm : Array, shape (problems, gammas, 3)
        Where to start instead when the coarse objective is left out.
    box : Box, fields of shape (problems, 4)
    options : Options
    max_steps : int
        Turns after the starts, coarse and fine each.
    width : int
        Searches that take their turns side by side.

    Returns
    -------
    Solution
        Leading axes: problems, gammas.
    evaluations : Array, shape (2,)
        How often the coarse and the fine objective was evaluated.
    """
    _, *shape, _ = starts.theta.shape
    count = math.prod(shape)
    num_starts, places = starts.number, starts.theta.reshape(-1, count, 3)
    lanes = options.active[:, None, None] & starts.searches[:, None] & options.gammas
    boxes = jax.tree.map(lambda a: jnp.repeat(a, count // shape[0], axis=0), box)
    take_turns = jax.vmap(_turn, in_axes=(0, 0, 0, None, None, 0, None, 0))

    def apart(a: Array) -> Array:
        return a.reshape(*shape, *a.shape[1:])

    def refined(columns: Array) -> tuple[Array, Array]:
        theta, moving = jax.vmap(_distinct_ends)(_from_columns(apart(columns)))
        moving = moving & lanes
        return _begin(theta.reshape(count, 3)), moving.reshape(count)

    def turn(fine: Array, carry: tuple[Array, ...]) -> tuple[Array, ...]:
        turns, evaluations, columns, moving = carry
        state = _from_columns(columns)
        start = jax.lax.dynamic_index_in_dim(places, jnp.minimum(turns, num_starts - 1), 0, keepdims=False)
        waiting, more = turns < num_starts, turns < num_starts + max_steps
        lowest = jnp.min(state.value[:, 0].reshape(shape[0], -1), axis=1)
        order, num_moving = _numbers_of(moving), jnp.sum(moving)
        evaluations = evaluations.at[fine.astype(int)].add(num_moving)
        values = objective(state.proposal, order, num_moving, fine)

        # Those that move, a few at a time.
        def some(i: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
            columns, moving = carry
            lane = jax.lax.dynamic_slice_in_dim(order, i * width, width)
            here, value, begin, box = jax.tree.map(
                lambda a: a.at[lane].get(mode="clip"), (columns, values, start, boxes)
            )
            low = lowest.at[lane // (count // shape[0])].get(mode="clip")
            new, on = take_turns(here, value, low, waiting, fine, begin, more, box)
            return columns.at[lane].set(new, mode="drop"), moving.at[lane].set(on, mode="drop")

        order = jnp.pad(order, (0, -count % width), constant_values=count)
        columns, moving = jax.lax.fori_loop(0, (num_moving + width - 1) // width, some, (columns, moving))
        state = _from_columns(apart(columns))
        outdone = jax.vmap(_outdone, in_axes=(0, None, None))(state, fine, options.every_gamma).reshape(count)
        return turns + 1, evaluations, columns, moving & (waiting | ~outdone)

    # Two rounds of one loop, so that the code of the objective is compiled once.
    def stage(i: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        evaluations, columns, moving = carry
        fine = i == 1
        columns, moving = jax.lax.cond(fine & options.coarse, refined, lambda columns: (columns, moving), columns)
        first = jnp.where(fine, num_starts, options.skipped + 1)
        going: tuple[Array, ...] = (first, evaluations, columns, moving)
        _, evaluations, columns, moving = jax.lax.while_loop(
            lambda carry: jnp.any(carry[3]), functools.partial(turn, fine), going
        )
        return evaluations, columns, moving

    # A warm start is one search a gamma.
    cold = jnp.broadcast_to(options.coarse, (shape[1],)).at[0].set(True)
    moving = jnp.broadcast_to(lanes & cold[:, None], shape).reshape(count)
    warm = jnp.broadcast_to(warm[:, None], (*shape, 3)).reshape(count, 3)
    begin = jax.vmap(clip_to_box)(jnp.where(options.coarse, places[options.skipped], warm), boxes)
    first = jnp.where(options.coarse, 0, 1)
    evaluations, columns, _ = jax.lax.fori_loop(first, 2, stage, (jnp.zeros(2, int), _begin(begin), moving))
    columns = apart(columns)
    best = jnp.argmin(_from_columns(columns).value[..., 0], axis=1)
    end = _from_columns(jnp.take_along_axis(columns, best[:, None, :, None], axis=1)[:, 0])
    noise_matters = jnp.abs(end.value[..., 3]) + jnp.abs(end.value[..., 9])
    return Solution(end.theta, end.value[..., 0], end.norm, end.promise, noise_matters), evaluations
