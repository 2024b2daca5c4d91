"""Derivatives of the optimum that a training has reached, by its regularisers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from nqjax.search.gradients.training import Steps
from nqjax.search.gradients.unrolled import Found, compiled, timed, trained

#: Most iterations of conjugate gradients.
_ITERATIONS = 500

#: The linear equations count as solved at this residual, relative to the right-hand side; in single precision, too.
_SOLVED = 1e-4

#: Share of a regulariser's pull on the parameters that may be left as the gradient of the objective.
_CONVERGED = 0.01


class Solution(NamedTuple):
    """The end of conjugate gradients.

    Attributes
    ----------
    x : Array, shape (size,)
    residual : Array
        Relative to the right-hand side.
    curvature : Array
        The least curvature along any direction that was taken; negative away from a minimum.
    """

    x: Array
    residual: Array
    curvature: Array


def conjugate_gradients(product: Any, b: Array, tolerance: float, iterations: int) -> Solution:
    """Solve ``product(x) = b`` for a symmetric product (Hestenes and Stiefel 1952), and watch its curvature.

    Parameters
    ----------
    product : callable
        From an array of shape (size,) to one of the same shape; linear and symmetric.
    b : Array, shape (size,)
    tolerance : float
        It ends at this residual, relative to ``b``.
    iterations : int
        It ends after this many.
    """
    goal = tolerance**2 * jnp.vdot(b, b)

    def go_on(carry: Any) -> Array:
        _, r, _, curvature, count = carry
        return (jnp.vdot(r, r) > goal) & (count < iterations) & (curvature > 0)

    def step(carry: Any) -> Any:
        x, r, p, curvature, count = carry
        q = product(p)
        bend, square = jnp.vdot(p, q), jnp.vdot(r, r)
        curvature = jnp.minimum(curvature, bend / jnp.vdot(p, p))
        length = square / bend
        x, left = x + length * p, r - length * q
        return x, left, left + jnp.vdot(left, left) / square * p, curvature, count + 1

    start = jnp.zeros_like(b), b, b, jnp.asarray(jnp.inf, b.dtype), 0
    x, _, _, curvature, _ = jax.lax.while_loop(go_on, step, start)
    # The residual that the recursion keeps drifts from the true one.
    size = jnp.linalg.norm(b)
    residual = jnp.where(size > 0, jnp.linalg.norm(product(x) - b) / jnp.where(size > 0, size, 1), 0.0)
    return Solution(x, residual, curvature)


class _AtOptimum(NamedTuple):
    """Results of one seed.

    Attributes
    ----------
    score : Array
    slopes : dict of Array
    left : Array
        Norm of the objective's gradient.
    pulls : dict of Array
        Norm of the derivative of that gradient by the logarithm of each regulariser: how hard it pulls.
    residual, curvature : Array
        Of the linear equations.
    """

    score: Array
    slopes: dict[str, Array]
    left: Array
    pulls: dict[str, Array]
    residual: Array
    curvature: Array


def implicit(steps: Steps, config: Mapping[str, Any], names: tuple[str, ...], keys: Array, damping: float) -> Found:
    """Differentiate the score at the optimum of the training's objective by regularisers, for each seed.

    With the objective L, the score V, the parameters w at the optimum and a regulariser h, the derivative is
    dV/dh - (d2L/dh dw)' (d2L/dw2 + damping)^-1 dV/dw. The inverse is applied by conjugate gradients.

    Parameters
    ----------
    steps : Steps
        With an objective.
    config : mapping
        The values that are traced.
    names : tuple of str
        The regularisers.
    keys : Array of keys, shape (seeds,)
    damping : float
        0 or more.
    """
    chosen = {name: jnp.asarray(config[name]) for name in names}
    rest = {name: jnp.asarray(value) for name, value in config.items() if name not in names}
    each = jax.vmap(lambda *values: _one(steps, *values), in_axes=(None, None, 0, None, None))
    plain = jax.vmap(lambda *values: _plain(steps, *values), in_axes=(None, None, 0, None, None))
    arguments = chosen, rest, keys, jnp.asarray(damping, jnp.result_type(float))
    seconds, found = timed(compiled(steps, ("implicit", names, len(keys)), each, *arguments), *arguments, steps.data)
    once, _ = timed(compiled(steps, ("plain", names, len(keys)), plain, *arguments), *arguments, steps.data)
    slopes = np.stack([np.asarray(found.slopes[name], np.float64) for name in names], axis=-1)
    notes = tuple(_note(found, name) for name in names)
    return Found(slopes, np.asarray(found.score, np.float64), seconds / once, notes)


def _plain(steps: Steps, chosen: Any, rest: Any, key: Array, damping: Array, data: Any) -> Array:  # noqa: ARG001
    config = {**chosen, **rest}
    score: Array = steps.score(trained(steps, config, key, data), config, data)
    return score


def _one(steps: Steps, chosen: Any, rest: Any, key: Array, damping: Array, data: Any) -> _AtOptimum:
    state = trained(steps, {**chosen, **rest}, key, data)
    w, restore = ravel_pytree(steps.params(state))  # type: ignore[no-untyped-call]

    def objective(w: Array, values: Any) -> Array:
        value: Array = steps.objective(restore(w), {**values, **rest}, data)  # type: ignore[misc]
        return value

    score, (by_state, direct) = jax.value_and_grad(
        lambda state, values: steps.score(state, {**values, **rest}, data), argnums=(0, 1), allow_int=True
    )(state, chosen)
    toward, _ = ravel_pytree(steps.params(by_state))  # type: ignore[no-untyped-call]
    slope = jax.grad(objective)

    def product(v: Array) -> Array:
        bent: Array = jax.jvp(lambda w: slope(w, chosen), (w,), (v,))[1]
        return bent + damping.astype(v.dtype) * v

    solved = conjugate_gradients(product, toward, _SOLVED, _ITERATIONS)
    # (d2L/dh dw)' x for all regularisers is one more derivative.
    mixed = jax.grad(lambda values: jnp.vdot(slope(w, values), solved.x))(chosen)
    cross = jax.jacfwd(lambda values: slope(w, values))(chosen)
    return _AtOptimum(
        score,
        {name: direct[name] - mixed[name] for name in chosen},
        jnp.linalg.norm(slope(w, chosen)),
        {name: jnp.linalg.norm(cross[name]) * jnp.abs(chosen[name]) for name in chosen},
        solved.residual,
        solved.curvature,
    )


def _note(found: _AtOptimum, name: str) -> str:
    """Return why the derivative by a regulariser is refused, or nothing."""
    seeds = len(found.score)
    share = np.asarray(found.left) / np.maximum(np.asarray(found.pulls[name]), np.finfo(np.float32).tiny)
    far = ~(share <= _CONVERGED)
    if far.any():
        return (
            f"refused: the training has not converged: the objective's gradient is {np.median(share):.2g} times the "
            f"pull of {name} (at most {_CONVERGED:g}); train longer, or use method='unrolled'"
        )
    bent = ~(np.asarray(found.curvature) > 0)
    if bent.any():
        return f"refused: {np.count_nonzero(bent)} of {seeds} seeds have ended at no minimum: a curvature is negative"
    open_ones = ~(np.asarray(found.residual) <= 10 * _SOLVED)
    if open_ones.any():
        return (
            f"refused: the linear equations of {np.count_nonzero(open_ones)} of {seeds} seeds are not solved; give "
            "more damping"
        )
    return ""
