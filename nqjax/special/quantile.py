"""Quantiles of the noisy quadratic: a safeguarded Newton solve with exact derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from nqjax.special import at_ends, by_quadrature, narrow_quantile, noisy_quadratic, without_noise
from nqjax.special.dispatch import elementwise

_MAX_STEPS = 200

#: Number of steps, r, its lower and upper bound, and whether it has settled.
_State = tuple[Array, Array, Array, Array, Array]


def quantile_by_newton(log_p: Array, log_q: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    """Return the quantile by a safeguarded Newton method, for all parameters; see `quantile`."""
    log_p, log_q, delta, sigma, gamma = jnp.broadcast_arrays(log_p, log_q, delta, sigma, gamma)
    dtype = log_p.dtype
    # V >= 0 and V <= 1 bound the quantile by quantiles of the noise, which Phi(-k) <= exp(-k**2 / 2) bounds.
    low = -sigma * jnp.sqrt(-2 * log_p)
    high = delta + sigma * jnp.sqrt(-2 * log_q)
    start = jnp.clip(delta * jnp.exp(2 / gamma * log_p), low, high)
    # Each Newton step squares the error, so a step that begins this close ends at rounding error.
    close = np.sqrt(np.finfo(dtype).eps)

    def step(state: _State) -> _State:
        count, r, low, high, settled = state
        log_cdf, log_sf, log_pdf = by_quadrature.masses(r, delta, sigma, gamma)
        # An increasing function of r that is 0 at the quantile, on the log scale of the shorter tail.
        gap = jnp.where(log_p < log_q, log_cdf - log_p, log_q - log_sf)
        low, high = jnp.where(gap <= 0, r, low), jnp.where(gap >= 0, r, high)
        newton = r - gap * jnp.exp(jnp.where(log_p < log_q, log_cdf, log_sf) - log_pdf)
        new = jnp.where((newton >= low) & (newton <= high), newton, (low + high) / 2)
        # Settled elements stay: with a one-sided bracket another step could be a bisection away from the quantile.
        new = jnp.where(settled, r, new)
        return count + 1, new, low, high, settled | (jnp.abs(gap) <= close) | (new == r)

    def more(state: _State) -> Array:
        return (state[0] < _MAX_STEPS) & ~jnp.all(state[-1])

    done = ~(low < high)
    r: Array = jax.lax.while_loop(more, step, (jnp.zeros((), jnp.int32), start, low, high, done))[1]
    return r


@elementwise
def _quantile_by_case(log_p: Array, log_q: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    bare = without_noise.applies(delta, sigma)
    shape = jnp.broadcast_shapes(*(a.shape for a in (log_p, log_q, delta, sigma, gamma)))

    def by_newton(log_p: Array, log_q: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
        noisy = quantile_by_newton(log_p, log_q, delta, without_noise.replaced(bare, delta, sigma), gamma)
        return jnp.where(bare, without_noise.quantile(log_p, delta, gamma), noisy)

    def without(log_p: Array, _: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
        del sigma
        return jnp.broadcast_to(without_noise.quantile(log_p, delta, gamma), shape)

    ways = narrow_quantile.quantile, by_newton, without
    number = jnp.where(narrow_quantile.serves(log_q, delta, sigma, gamma) & ~jnp.any(bare), 0, 1)
    number = jnp.where(jnp.all(bare), 2, number)
    return jax.lax.switch(number, ways, log_p, log_q, delta, sigma, gamma)  # type: ignore[no-any-return]


@jax.custom_jvp
def quantile(log_p: Array, log_q: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    """Return the distance ``r`` from alpha below which the convex noisy quadratic has probability ``exp(log_p)``.

    Parameters
    ----------
    log_p, log_q : Array
        Logarithms of the probability and of its complement. Both are needed, so that neither tail loses digits. All
        arguments have one rank and dtype; they broadcast.
    delta, sigma, gamma : Array
        As for `nqjax.special.noisy_quadratic.log_pdf`.
    """
    inside = (log_p < 0) & (log_q < 0) & (log_p > -jnp.inf) & (log_q > -jnp.inf)
    half = jnp.full_like(log_p, -0.6931471805599453)
    r = _quantile_by_case(jnp.where(inside, log_p, half), jnp.where(inside, log_q, half), delta, sigma, gamma)
    return at_ends.quantile(r, log_p, log_q, delta, without_noise.applies(delta, sigma))


@quantile.defjvp
def _quantile_jvp(primals: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Array, Array]:
    """Apply the implicit function theorem: F(r, delta, sigma, gamma) = p, so F_r dr = dp - F_delta ddelta - ..."""
    log_p, log_q, delta, sigma, gamma = primals
    dlog_p, dlog_q, ddelta, dsigma, dgamma = tangents
    r = quantile(*primals)
    finite = jnp.isfinite(r)
    place = (jnp.where(finite, r, 0.5 * delta), delta, sigma, gamma)
    log_density = noisy_quadratic.log_pdf(*place)
    left = log_p < log_q
    dp = jnp.where(left, dlog_p, -dlog_q) * jnp.exp(jnp.where(left, log_p, log_q) - log_density)
    by_delta, by_sigma, by_gamma = noisy_quadratic.ratios(((0, 1, 0), (1, 0, 0), (0, 1, 1)), *place)
    noise = noisy_quadratic.in_units(*place[:3])
    dr = dp + by_delta * ddelta - noise * by_sigma * dsigma - 2 * delta / gamma * by_gamma * dgamma
    return r, jnp.where(finite, dr, 0.0)
