"""The choice of a formula at run time, because a traced program does not know the numbers it will be called with.

An elementwise function of the noisy quadratic has up to four implementations: polynomials for whole gammas and narrow
noise, quadrature with products for whole gammas, quadrature for any gamma, and a plain formula where no element has any
noise. One of them computes all elements of a call; where only some elements have noise, it is the third, which takes
the plain formula for the others. The choice and its cost are the same for eager calls, inside `jit` and under `vmap`.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from nqjax.special import narrow_noise, without_noise

#: Whole gammas up to this one have quadratures with products instead of powers.
LARGEST_WHOLE = 50

#: Binary digits of these gammas plus one.
WHOLE_BITS = 6

Function = Callable[..., Any]


def elementwise(function: Function) -> Function:
    """Return the function with a rule for `jax.vmap` that calls it once, on arrays with the mapped axis.

    By default `jax.vmap` would turn the choice into a selection, which computes every implementation.
    """
    wrapped = jax.custom_batching.custom_vmap(function)

    @wrapped.def_vmap
    def _(size: int, batched: list[bool], *arguments: Array) -> tuple[Any, Any]:
        del size
        together = [a if has_axis else a[None] for a, has_axis in zip(arguments, batched, strict=True)]
        result = wrapped(*together)
        return result, jax.tree.map(lambda _: True, result)

    return wrapped  # type: ignore[no-any-return]


def by_case(narrow: Function, by_quadrature: Function, bare: Function, beyond: bool) -> Function:
    """Return the function that calls the fastest implementation that serves all elements.

    Parameters
    ----------
    narrow : callable
        A function of (r, delta, sigma, gamma) for whole gammas and narrow noise; see `nqjax.special.narrow_noise`.
    by_quadrature : callable
        A function of the same and of ``bits``, which is `WHOLE_BITS` where all gammas are whole, else 0.
    bare : callable
        A function of (r, delta, gamma) for no noise; see `nqjax.special.without_noise`.
    beyond : bool
        Whether ``narrow`` is inaccurate far beyond the upper end.
    """

    def without(r: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
        return jnp.broadcast_to(
            bare(r, delta, gamma), jnp.broadcast_shapes(*(a.shape for a in (r, delta, sigma, gamma)))
        )

    whole, any_gamma = (functools.partial(by_quadrature, bits=bits) for bits in (WHOLE_BITS, 0))
    ways = narrow, whole, without_noise.or_noisy(bare, any_gamma), without

    def chosen(r: Array, delta: Array, sigma: Array, gamma: Array) -> Any:
        number = jnp.where(narrow_noise.applies(delta, sigma, gamma), 0, jnp.where(_whole(gamma), 1, 2))
        if beyond:
            reached = jnp.all((r <= delta + narrow_noise.REACH * sigma) | jnp.isinf(r))
            number = jnp.where((number == 0) & ~reached, 1, number)
        # One count: inside a loop over few elements a second reduction would be felt.
        noiseless = without_noise.applies(delta, sigma)
        count = jnp.sum(noiseless)
        number = jnp.where(count == noiseless.size, 3, jnp.where(count > 0, 2, number))
        return jax.lax.switch(number, ways, r, delta, sigma, gamma)

    return elementwise(chosen)


def _whole(gamma: Array) -> Array:
    return jnp.all((gamma == jnp.round(gamma)) & (gamma >= 1) & (gamma <= LARGEST_WHOLE))
