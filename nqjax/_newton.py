"""Damped Newton method for three parameters in a box: alpha, beta and sigma each between bounds.

It works on (alpha, log(beta - alpha), log sigma), in which the loss is close to quadratic, with the bounds on beta kept
by an active set: while beta sits at a bound, alpha moves at fixed beta. One evaluation of loss, gradient and Hessian a
turn; pure, so that `jax.vmap` runs many problems as one program. The 3 x 3 algebra is written out in scalars: XLA then
makes a few elementwise loops over problems of it, where small matrices would be dozens of kernels.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from nqjax._objective import Objective, Symmetric, Theta

#: The iteration ends when the scaled, projected gradient is below the first (rounding noise is about 1e-13), when the
#: Newton model promises less than the second, or after some turns that gain less than the third.
_TOLERANCE = 1e-11
_SMALL_DECREASE = 1e-17
_SMALL_GAIN = 1e-10
_PATIENCE = 4
_LONGEST = 1.5
_FIRST_DAMPING = 1e-2

Bounds = tuple[Array, Array]


class Box(NamedTuple):
    """Lower and upper bounds, each a scalar array."""

    alpha: Bounds
    beta: Bounds
    log_sigma: Bounds
    log_delta: Bounds


class Solution(NamedTuple):
    """Where the iteration ended."""

    theta: Theta
    loss: Array
    gradient_norm: Array  # of the projected gradient; alpha in units of the smaller of sigma and delta
    num_steps: Array


class _Local(NamedTuple):
    """An iterate, and the objective there in the coordinates that are free to move."""

    theta: Theta
    loss: Array
    gradient: Theta  # 0 where held
    hessian: Symmetric  # rows and columns of what is held are those of the identity
    free: Theta  # 1 or 0
    beta_held: Array
    norm: Array


def clip_to_box(theta: Theta, box: Box) -> Theta:
    """A point of the box near ``theta``: alpha first, then beta."""
    # alpha must leave room for a positive delta below the upper bound of beta.
    room = box.beta[1] - jnp.exp(box.log_delta[0])
    alpha = jnp.minimum(jnp.clip(theta.alpha, *box.alpha), room)
    beta = jnp.clip(alpha + jnp.exp(theta.log_delta), *box.beta)
    free_beta = jnp.isinf(box.beta[0]) & jnp.isinf(box.beta[1])
    log_delta = jnp.where(free_beta, theta.log_delta, jnp.log(jnp.maximum(beta - alpha, 1e-300)))
    return Theta(alpha, jnp.clip(log_delta, *box.log_delta), jnp.clip(theta.log_sigma, *box.log_sigma))


def _pushed(value: Array, slope: Array, bounds: Bounds) -> Array:
    """Whether descent along ``-slope`` would leave the bounds from here."""
    at_low, at_high = (jnp.isfinite(b) & (jnp.abs(value - b) <= 1e-13 * (1 + jnp.abs(b))) for b in bounds)
    return (at_low & (slope >= 0)) | (at_high & (slope <= 0))


def _localise(theta: Theta, value: Objective, box: Box) -> _Local:
    g, h = value.gradient, value.hessian
    delta = jnp.exp(theta.log_delta)
    beta_held = _pushed(theta.alpha + delta, g.log_delta, box.beta)
    # At fixed beta, d(log delta)/d(alpha) = -1 / delta and its derivative is -1 / delta**2.
    lean = jnp.where(beta_held, -1 / delta, 0.0)
    ga = g.alpha + lean * g.log_delta
    aa = h.aa + 2 * lean * h.ad + lean**2 * (h.dd - g.log_delta)
    as_ = h.as_ + lean * h.ds
    delta_held = beta_held | _pushed(theta.log_delta, g.log_delta, box.log_delta)
    held = (_pushed(theta.alpha, ga, box.alpha), delta_held, _pushed(theta.log_sigma, g.log_sigma, box.log_sigma))
    fa, fd, fs = (jnp.where(x, 0.0, 1.0).astype(delta.dtype) for x in held)
    gradient = Theta(*(jnp.where(x, 0.0, y) for x, y in zip(held, (ga, g.log_delta, g.log_sigma), strict=True)))
    keep = (fa, fa * fd, fa * fs, fd, fd * fs, fs)
    diagonal = (1.0, 0.0, 0.0, 1.0, 0.0, 1.0)
    entries = (aa, h.ad, as_, h.dd, h.ds, h.ss)
    hessian = Symmetric(
        *(jnp.where((k > 0) & jnp.isfinite(x), x, (1 - k) * d) for k, x, d in zip(keep, entries, diagonal, strict=True))
    )
    unit = jnp.exp(jnp.minimum(theta.log_delta, theta.log_sigma))
    norm = jnp.maximum(jnp.abs(gradient[0]) * unit, jnp.maximum(jnp.abs(gradient[1]), jnp.abs(gradient[2])))
    loss = jnp.where(jnp.isnan(norm + value.loss), jnp.inf, value.loss)
    return _Local(theta, loss, gradient, hessian, Theta(fa, fd, fs), beta_held, norm)


def _lowest_eigenvalue(h: Symmetric) -> Array:
    """Of a symmetric 3 x 3 matrix, by the trigonometric solution of its cubic."""
    mean = (h.aa + h.dd + h.ss) / 3
    a, d, s = h.aa - mean, h.dd - mean, h.ss - mean
    radius = jnp.sqrt(jnp.maximum((a**2 + d**2 + s**2 + 2 * (h.ad**2 + h.as_**2 + h.ds**2)) / 6, 1e-60))
    determinant = a * (d * s - h.ds**2) - h.ad * (h.ad * s - h.ds * h.as_) + h.as_ * (h.ad * h.ds - d * h.as_)
    angle = jnp.arccos(jnp.clip(determinant / (2 * radius**3), -1.0, 1.0)) / 3
    return mean + 2 * radius * jnp.cos(angle + 2 * jnp.pi / 3)


def _newton_step(at: _Local, damping: Array) -> tuple[Theta, Array]:
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
    return Theta(*(scale * x * r * f for x, r, f in zip((xa, xd, xs), (ra, rd, rs), at.free, strict=True))), promise


class _State(NamedTuple):
    count: Array
    at: _Local
    proposal: Theta
    damping: Array
    stretch: Array
    promise: Array
    idle: Array


def minimize(objective: Callable[[Theta], Objective], starts: Theta, box: Box, max_steps: int) -> Solution:
    """Minimise from the best of some starts, which are moved into the box first.

    A step is taken when it lowers the loss; otherwise the damping grows. Never raises: a problem that cannot be
    evaluated returns an infinite loss.

    Parameters
    ----------
    objective : callable
        Loss, gradient and Hessian at one point.
    starts : Theta, fields of shape (starts,)
        They are evaluated one a turn, by the same code as the steps.
    box : Box
    max_steps : int
        Turns after the starts.
    """
    starts = clip_to_box(starts, box)
    num_starts = starts.alpha.shape[0]

    def propose(at: _Local, damping: Array, stretch: Array) -> tuple[Theta, Array]:
        step, promise = _newton_step(at, damping)
        # No more than a factor in delta and sigma, and as many units of the larger scale in alpha, at once.
        unit = jnp.exp(jnp.maximum(at.theta.log_delta, at.theta.log_sigma))
        size = jnp.maximum(jnp.abs(step[0]) / unit, jnp.maximum(jnp.abs(step[1]), jnp.abs(step[2])))
        factor = jnp.minimum(stretch, _LONGEST / jnp.maximum(size, 1e-30))
        # Where noise hides the range, only its mean is known: alpha then follows delta, not log(delta), down a valley.
        follow = jnp.where(at.hessian.aa > 0, -at.hessian.ad / jnp.where(at.hessian.aa > 0, at.hessian.aa, 1.0), 0.0)
        bent = follow * (jnp.expm1(factor * step.log_delta) - factor * step.log_delta)
        alpha = jnp.clip(at.theta.alpha + factor * step.alpha + bent, *box.alpha)
        kept = jnp.log(jnp.maximum(at.theta.alpha + jnp.exp(at.theta.log_delta) - alpha, 1e-300))
        log_delta = jnp.where(at.beta_held, kept, at.theta.log_delta + factor * step.log_delta)
        return clip_to_box(Theta(alpha, log_delta, at.theta.log_sigma + factor * step.log_sigma), box), promise

    # One evaluation of the objective a turn, the first included: its code is compiled once.
    def turn(state: _State) -> _State:
        at = state.at
        new = _localise(state.proposal, objective(state.proposal), box)
        # At the bottom the loss cannot show progress any more, but the gradient still can.
        level = (new.loss <= at.loss + 1e-14 * (1 + jnp.abs(at.loss))) & (new.norm < at.norm)
        take = jnp.isfinite(new.loss) & ((new.loss < at.loss) | level)
        gain = jnp.where(take, at.loss - new.loss, 0.0)
        # Slow but steady, as where a parameter runs off to infinity: take longer steps.
        steady = take & (new.norm > 0.1 * at.norm) & (state.damping < 1e-3)
        stretch = jnp.where(steady, jnp.minimum(state.stretch * 2, 64.0), 1.0)
        damping = jnp.where(take, state.damping / 8, jnp.where(state.stretch > 1, state.damping, state.damping * 10))
        damping = jnp.where(take, jnp.where(damping < 1e-9, 0.0, damping), jnp.maximum(damping, 1e-3))
        at = jax.tree.map(lambda a, b: jnp.where(take, a, b), new, at)
        # A turn that is refused still learns something: the damping.
        idle = state.idle + jnp.where(take, 1.0, 0.3)
        # While starts are left, the next one is the proposal.
        waiting = state.count + 1 < num_starts
        stretch, damping = jnp.where(waiting, 1.0, stretch), jnp.where(waiting, _FIRST_DAMPING, damping)
        proposal, promise = propose(at, damping, stretch)
        following = jnp.minimum(state.count + 1, num_starts - 1)
        proposal = jax.tree.map(lambda s, p: jnp.where(waiting, s[following], p), starts, proposal)
        return _State(
            state.count + 1, at, proposal, damping, stretch, promise, jnp.where((gain > _SMALL_GAIN) | waiting, 0.0, idle)
        )

    def more(state: _State) -> Array:
        promised = (state.promise > _SMALL_DECREASE) | (state.damping > 1e-2)
        moving = (state.at.norm > _TOLERANCE) & promised & (state.idle < _PATIENCE) & jnp.isfinite(state.at.loss)
        return (state.count < num_starts) | ((state.count < max_steps + num_starts) & moving)

    start = jax.tree.map(lambda s: s[0], starts)
    zero, one = jnp.zeros_like(start.alpha), jnp.ones_like(start.alpha)
    infinite = one * jnp.inf
    nowhere = _Local(
        start,
        infinite,
        Theta(zero, zero, zero),
        Symmetric(one, zero, zero, one, zero, one),
        Theta(one, one, one),
        zero > 0,
        infinite,
    )
    none = jnp.zeros_like(start.alpha, jnp.int32)
    end = jax.lax.while_loop(more, turn, _State(none, nowhere, start, _FIRST_DAMPING * one, one, infinite, zero))
    return Solution(end.at.theta, end.at.loss, end.at.norm, end.count)
