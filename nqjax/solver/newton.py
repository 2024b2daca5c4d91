"""Damped Newton method for three parameters in a box: alpha, beta and sigma each between bounds.

It works on (alpha, log(beta - alpha), log sigma), in which the loss is close to quadratic. The bounds on beta are kept
by an active set: while beta is held at a bound, alpha moves at fixed beta. Each turn evaluates loss, gradient and
Hessian once. Several *starts* compete for each gamma of each problem, and all of them run in one compiled program.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from nqjax.solver.competition import distinct_ends, hopeless
from nqjax.solver.knots import Symmetric
from nqjax.solver.newton_step import Local, newton_step


class _Precision(NamedTuple):
    """Thresholds at which a start ends, in one dtype.

    A start ends when the scaled, projected gradient is below ``tolerance`` (rounding noise is about 1e-13 in float64),
    when the Newton model predicts a decrease below ``small_decrease``, or after some turns that gain less than
    ``small_gain``.
    """

    tolerance: float
    small_decrease: float
    small_gain: float
    noise: float  # relative rounding error of the loss
    slack: float  # relative distance within which a parameter is at a bound
    least: float  # positive number


_PRECISION = {
    "float64": _Precision(1e-11, 1e-20, 1e-10, 1e-14, 1e-13, 1e-300),
    "float32": _Precision(1e-6, 1e-10, 1e-7, 1e-6, 1e-6, 1e-37),
}

#: `_Precision.small_decrease` of the coarse objective, below its own error.
_COARSE_SMALL_DECREASE = 1e-7

#: `_Precision.small_gain` of the coarse objective, below its own error.
_COARSE_SMALL_GAIN = 1e-6

#: Where a start's loss is above the lowest one, gains below this share of the difference are small, too.
_SMALL_SHARE_BEHIND = 1e-5

#: Turns with small gains after which a start ends.
_PATIENCE = 4

#: Above this norm of the gradient a start has three times the patience.
_STEEP_NORM = 1e-7

#: Longest step in log delta and log sigma, and in alpha in units of the larger of delta and sigma.
_LONGEST_STEP = 1.5

#: Largest factor by which a step is lengthened where progress is slow and steady.
_LARGEST_STRETCH = 64.0

_INITIAL_DAMPING = 1e-2


class Box(NamedTuple):
    """Bounds of alpha, beta, log(beta - alpha) and log sigma; both arrays have shape (4,)."""

    low: Array
    high: Array


class Options(NamedTuple):
    """Options of the optimiser; they are traced, so another choice does not compile the program again."""

    active: Array  # (problems,): whether a problem is real or padding
    gammas: Array  # (gammas,): those that are allowed
    noiseless: Array  # (): whether sigma is 0
    coarse: Array  # (): whether to begin with the coarse objective, or with the fine one at the warm points
    skipped: Array  # (): number of each start's initial points to leave out
    every_gamma: Array  # (): whether each gamma is followed to its end, or only while it may be the best


class Starts(NamedTuple):
    """Initial points of the competing starts for each gamma of each problem; a start goes on from its best one."""

    theta: Array  # (points, problems, starts, gammas, 3)
    number: Array  # (): number of each start's points to use
    used: Array  # (starts,): which starts to use


class Solution(NamedTuple):
    """The end point with the lowest loss of all starts."""

    theta: Array  # (3,): alpha, log delta, log sigma
    loss: Array
    gradient_norm: Array  # of the projected gradient; alpha in units of the smaller of sigma and delta
    promise: Array  # decrease of the loss that the Newton model still predicts
    noise_matters: Array  # size of the loss's gradient and curvature in log sigma


def clip_to_box(theta: Array, box: Box) -> Array:
    """Return a point of the box near ``theta``, shape (3,); alpha is moved into its bounds before beta."""
    (a_low, b_low, d_low, s_low), (a_high, b_high, d_high, s_high) = box.low, box.high
    # alpha must leave room for a positive delta below the upper bound of beta.
    alpha = jnp.minimum(jnp.clip(theta[0], a_low, a_high), b_high - jnp.exp(d_low))
    beta = jnp.clip(alpha + jnp.exp(theta[1]), b_low, b_high)
    unbounded = (b_low == -jnp.inf) & (b_high == jnp.inf)
    log_delta = jnp.where(unbounded, theta[1], jnp.log(jnp.maximum(beta - alpha, _PRECISION[theta.dtype.name].least)))
    return jnp.stack([alpha, jnp.clip(log_delta, d_low, d_high), jnp.clip(theta[2], s_low, s_high)])


def _localise(theta: Array, value: Array, box: Box) -> Local:
    """Return the objective in the coordinates that are not held at a bound.

    ``value``, shape (10,), has loss, gradient and Hessian at ``theta``, shape (3,).
    """
    ga, gd, gs, *entries = (value[i] for i in range(1, 10))
    h = Symmetric(*entries)
    delta = jnp.exp(theta[1])
    place = jnp.stack([theta[0], theta[0] + delta, theta[1], theta[2]])
    # Where beta - alpha follows from bounds on alpha and beta, it has their rounding errors.
    relative = _PRECISION[theta.dtype.name].slack
    slack = (relative * (1 + jnp.abs(place))).at[2].add(0.01 * relative * (1 + jnp.abs(theta[0])) / delta)
    at_low, at_high = jnp.abs(place - box.low) <= slack, jnp.abs(place - box.high) <= slack

    def pushed(i: int, slope: Array) -> Array:
        """Return whether coordinate ``i`` is at a bound that a descent step would cross."""
        return (at_low[i] & (slope >= 0)) | (at_high[i] & (slope <= 0))

    beta_held = pushed(1, gd)
    # At fixed beta, d(log delta)/d(alpha) = -1 / delta and its derivative is -1 / delta**2.
    lean = jnp.where(beta_held, -1 / delta, 0.0)
    aa = h.aa + 2 * lean * h.ad + lean**2 * (h.dd - gd)
    as_ = h.as_ + lean * h.ds
    ga = ga + lean * gd
    # At fixed delta, beta moves with alpha; at fixed beta, delta shrinks as alpha rises.
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
    return Local(gradient, hessian, (fa, fd, fs), beta_held, norm)


class _State(NamedTuple):
    """State of each start; leading axes: problems, starts, gammas, or these three as one."""

    theta: Array  # (..., 3), the best point so far
    value: Array  # (..., 10), the objective there
    proposal: Array  # (..., 3), inside the box
    damping: Array
    stretch: Array  # factor by which the next step is lengthened
    promise: Array  # decrease of the loss that the Newton model predicts
    idle: Array  # turns with a small gain
    norm: Array  # of the projected gradient


#: Columns of the packed state: gathering and scattering one start's row is then one kernel each.
_COLUMNS = _State(slice(3), slice(3, 13), slice(13, 16), *range(16, 21))  # type: ignore[arg-type]


def _to_columns(state: _State) -> Array:
    return jnp.concatenate([*state[:3], jnp.stack(state[3:], axis=-1)], axis=-1)


def _from_columns(columns: Array) -> _State:
    return _State(*(columns[..., part] for part in _COLUMNS))


def _propose(theta: Array, at: Local, damping: Array, stretch: Array, box: Box) -> tuple[Array, Array]:
    """Return the next point to try, and the decrease of the loss that is predicted there."""
    (sa, sd, ss), promise = newton_step(at, damping)
    # One step changes delta and sigma by no more than a factor, and alpha by as many units of the larger scale.
    unit = jnp.exp(jnp.maximum(theta[1], theta[2]))
    size = jnp.maximum(jnp.abs(sa) / unit, jnp.maximum(jnp.abs(sd), jnp.abs(ss)))
    factor = jnp.minimum(stretch, _LONGEST_STEP / jnp.maximum(size, 1e-30))
    # Where noise hides the range, the scores determine little but its mean: along that valley alpha is linear in delta.
    curved = at.hessian.aa > 0
    follow = jnp.where(curved, -at.hessian.ad / jnp.where(curved, at.hessian.aa, 1.0), 0.0)
    alpha = theta[0] + factor * sa + follow * (jnp.expm1(factor * sd) - factor * sd)
    alpha = jnp.clip(alpha, box.low[0], box.high[0])
    kept = jnp.log(jnp.maximum(theta[0] + jnp.exp(theta[1]) - alpha, _PRECISION[theta.dtype.name].least))
    log_delta = jnp.where(at.beta_held, kept, theta[1] + factor * sd)
    return jnp.stack([alpha, log_delta, theta[2] + factor * ss]), promise


def _turn(
    columns: Array, value: Array, lowest: Array, waiting: Array, fine: Array, initial: Array, more: Array, box: Box
) -> tuple[Array, Array]:
    """Take or refuse the point that one start proposed, and propose another; on the columns of its state.

    ``lowest`` is the lowest loss of all starts of the problem. While ``waiting``, the next proposal is the point
    ``initial``. ``more`` is whether turns are left. Also returns whether the start goes on.
    """
    state = _from_columns(columns)
    point, precision = state.proposal, _PRECISION[value.dtype.name]
    norm = _localise(point, value, box).norm
    value = value.at[0].set(jnp.where(jnp.isnan(norm + value[0]), jnp.inf, value[0]))
    loss, best = value[0], state.value[0]
    # Near the optimum the loss is flat to rounding, but the gradient still falls.
    level = (loss <= best + precision.noise * (1 + jnp.abs(best))) & (norm < state.norm)
    take = jnp.isfinite(loss) & ((loss < best) | level)
    gain = jnp.where(take, best - loss, 0.0)
    # Where progress is slow and steady, as on the way to an infinite parameter, steps are lengthened.
    steady = take & (norm > 0.1 * state.norm) & (state.damping < 1e-3)
    stretch = jnp.where(steady, jnp.minimum(state.stretch * 2, _LARGEST_STRETCH), 1.0)
    damping = jnp.where(take, state.damping / 8, jnp.where(state.stretch > 1, state.damping, state.damping * 10))
    damping = jnp.where(take, jnp.where(damping < 1e-9, 0.0, damping), jnp.maximum(damping, 1e-3))
    behind = best - lowest
    small = jnp.maximum(
        jnp.where(fine, precision.small_gain, _COARSE_SMALL_GAIN),
        _SMALL_SHARE_BEHIND * jnp.where(jnp.isfinite(behind), behind, 0.0),
    )
    # A refused turn counts less, because it still adapts the damping.
    idle = jnp.where(gain > small, 0.0, state.idle + jnp.where(take, 1.0, 0.3))
    theta, value = jnp.where(take, point, state.theta), jnp.where(take, value, state.value)
    stretch, damping = jnp.where(waiting, 1.0, stretch), jnp.where(waiting, _INITIAL_DAMPING, damping)
    proposal, promise = _propose(theta, _localise(theta, value, box), damping, stretch, box)
    proposal = clip_to_box(jnp.where(waiting, initial, proposal), box)
    idle, norm = jnp.where(waiting, 0.0, idle), jnp.where(take, norm, state.norm)
    promised = (promise > jnp.where(fine, precision.small_decrease, _COARSE_SMALL_DECREASE)) | (damping > 1e-2)
    patience = jnp.where(norm > _STEEP_NORM, 3 * _PATIENCE, _PATIENCE)
    moving = waiting | (more & (norm > precision.tolerance) & promised & (idle < patience) & jnp.isfinite(value[0]))
    return _to_columns(_State(theta, value, proposal, damping, stretch, promise, idle, norm)), moving


def _begin(proposal: Array) -> Array:
    """Return the initial state of starts, before their first evaluation."""
    zero = jnp.zeros_like(proposal[..., 0])
    nothing = jnp.zeros((*zero.shape, 10), proposal.dtype).at[..., 0].set(jnp.inf)
    infinite = zero + jnp.inf
    return _to_columns(_State(proposal, nothing, proposal, zero + _INITIAL_DAMPING, zero + 1, infinite, zero, infinite))


def _numbers_of(moving: Array) -> Array:
    """Return the indices of the true elements, then ``len(moving)`` in the other places.

    The same as ``jnp.nonzero(moving, size=count, fill_value=count)`` in half the time.
    """
    count = len(moving)
    place = jnp.where(moving, jnp.cumsum(moving) - 1, count)
    return jnp.full(count, count).at[place].set(jnp.arange(count), mode="drop", unique_indices=True)


#: From all points (problems * starts * gammas, 3), the indices of those to evaluate (at the front of an array), their
#: number, and whether the fine objective is meant, to loss, gradient and Hessian (problems * starts * gammas, 10).
Objective = Callable[[Array, Array, Array, Array], Array]


@dataclasses.dataclass(frozen=True)
class _Task:
    """Arguments of `minimize`, with problems, starts and gammas on one axis of ``count`` elements."""

    objective: Objective
    shape: tuple[int, int, int]  # problems, starts, gammas
    points: Array  # (points, count, 3), the initial points
    num_points: Array  # (): number of the initial points to use
    used: Array  # (problems, starts, gammas), bool
    box: Box  # fields of shape (count, 4)
    options: Options
    max_steps: int
    width: int

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    def apart(self, a: Array) -> Array:
        """Return the array with its first axis split into three: problems, starts and gammas."""
        return a.reshape(*self.shape, *a.shape[1:])


def minimize(
    objective: Objective, starts: Starts, warm: Array, box: Box, options: Options, max_steps: int, width: int
) -> tuple[Solution, Array]:
    """Minimise coarsely in competing starts, each from the best of its points, then finely from the best ends.

    A step is taken when it lowers the loss; otherwise the damping grows. A start far behind the best is followed less
    closely. Never raises: a problem that cannot be evaluated returns an infinite loss. No problem's result depends on
    the others.

    Parameters
    ----------
    objective : callable
        See `Objective`; an element of its result is what `nqjax.solver.objective.mps` returns.
    starts : Starts
        Their points are moved into the box and evaluated one a turn, by the same code as the steps.
    warm : Array, shape (problems, gammas, 3)
        Points at which to begin when the coarse objective is left out.
    box : Box, fields of shape (problems, 4)
    options : Options
    max_steps : int
        Turns after the initial points, with the coarse and with the fine objective.
    width : int
        Starts that take their turns side by side.

    Returns
    -------
    Solution
        Leading axes: problems, gammas.
    evaluations : Array, shape (2,)
        Numbers of evaluations of the coarse and of the fine objective.
    """
    _, *shape, _ = starts.theta.shape
    count = math.prod(shape)
    points = starts.theta.reshape(-1, count, 3)
    used = options.active[:, None, None] & starts.used[:, None] & options.gammas
    boxes = jax.tree.map(lambda a: jnp.repeat(a, count // shape[0], axis=0), box)
    task = _Task(objective, tuple(shape), points, starts.number, used, boxes, options, max_steps, width)  # type: ignore[arg-type]
    # From warm points there is one start for each gamma.
    cold = jnp.broadcast_to(options.coarse, (shape[1],)).at[0].set(True)
    moving = jnp.broadcast_to(used & cold[:, None], shape).reshape(count)
    warm = jnp.broadcast_to(warm[:, None], (*shape, 3)).reshape(count, 3)
    begin = jax.vmap(clip_to_box)(jnp.where(options.coarse, points[options.skipped], warm), boxes)
    first = jnp.where(options.coarse, 0, 1)
    # Two rounds of one loop, so that the code of the objective is compiled once.
    evaluations, columns, _ = jax.lax.fori_loop(
        first, 2, functools.partial(_stage, task), (jnp.zeros(2, int), _begin(begin), moving)
    )
    columns = task.apart(columns)
    best = jnp.argmin(_from_columns(columns).value[..., 0], axis=1)
    end = _from_columns(jnp.take_along_axis(columns, best[:, None, :, None], axis=1)[:, 0])
    noise_matters = jnp.abs(end.value[..., 3]) + jnp.abs(end.value[..., 9])
    return Solution(end.theta, end.value[..., 0], end.norm, end.promise, noise_matters), evaluations


def _stage(task: _Task, number: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
    """Follow all starts to their ends, with the coarse objective (number 0) or the fine one (number 1)."""
    evaluations, columns, moving = carry
    fine = number == 1

    def refined(columns: Array) -> tuple[Array, Array]:
        state = _from_columns(task.apart(columns))
        theta, moving = jax.vmap(distinct_ends)(state.theta, state.value[..., 0])
        moving = moving & task.used
        return _begin(theta.reshape(task.count, 3)), moving.reshape(task.count)

    columns, moving = jax.lax.cond(fine & task.options.coarse, refined, lambda columns: (columns, moving), columns)
    first = jnp.where(fine, task.num_points, task.options.skipped + 1)
    going: tuple[Array, ...] = (first, evaluations, columns, moving)
    _, evaluations, columns, moving = jax.lax.while_loop(
        lambda carry: jnp.any(carry[3]), functools.partial(_turns, task, fine), going
    )
    return evaluations, columns, moving


def _turns(task: _Task, fine: Array, carry: tuple[Array, ...]) -> tuple[Array, ...]:
    """Let every start that moves take its turn, then give up those that cannot win."""
    turns, evaluations, columns, moving = carry
    each = task.count // task.shape[0]
    state = _from_columns(columns)
    initial = jax.lax.dynamic_index_in_dim(task.points, jnp.minimum(turns, task.num_points - 1), 0, keepdims=False)
    waiting, more = turns < task.num_points, turns < task.num_points + task.max_steps
    lowest = jnp.min(state.value[:, 0].reshape(task.shape[0], -1), axis=1)
    order, num_moving = _numbers_of(moving), jnp.sum(moving)
    evaluations = evaluations.at[fine.astype(int)].add(num_moving)
    values = task.objective(state.proposal, order, num_moving, fine)
    take_turns = jax.vmap(_turn, in_axes=(0, 0, 0, None, None, 0, None, 0))

    # Only the starts that move, a few at a time.
    def some(i: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        columns, moving = carry
        start = jax.lax.dynamic_slice_in_dim(order, i * task.width, task.width)
        here, value, begin, box = jax.tree.map(
            lambda a: a.at[start].get(mode="clip"), (columns, values, initial, task.box)
        )
        low = lowest.at[start // each].get(mode="clip")
        new, on = take_turns(here, value, low, waiting, fine, begin, more, box)
        return columns.at[start].set(new, mode="drop"), moving.at[start].set(on, mode="drop")

    order = jnp.pad(order, (0, -task.count % task.width), constant_values=task.count)
    columns, moving = jax.lax.fori_loop(0, (num_moving + task.width - 1) // task.width, some, (columns, moving))
    state = _from_columns(task.apart(columns))
    given_up = jax.vmap(hopeless, in_axes=(0, 0, 0, None, None))(
        state.theta, state.value[..., 0], state.promise, fine, task.options.every_gamma
    ).reshape(task.count)
    return turns + 1, evaluations, columns, moving & (waiting | ~given_up)
