"""The choice of a formula at run time, because a traced program does not know the numbers it will be called with.

An elementwise function of the noisy quadratic has up to three implementations: polynomials for whole gammas and narrow
noise, quadrature with products for whole gammas, and quadrature for any gamma. One of them computes all elements of a
call. The choice and its cost are the same for eager calls, inside `jit` and under `vmap`.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from nqjax.special import narrow_noise

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


def three_ways(narrow: Function, by_quadrature: Function, beyond: bool) -> Function:
    """Return the function that calls the fastest implementation that serves all elements.

    Parameters
    ----------
    narrow : callable
        A function of (r, delta, sigma, gamma) for whole gammas and narrow noise; see `nqjax.special.narrow_noise`.
    by_quadrature : callable
        A function of the same and of ``bits``, which is `WHOLE_BITS` where all gammas are whole, else 0.
    beyond : bool
        Whether ``narrow`` is inaccurate far beyond the upper end.
    """
    ways = narrow, functools.partial(by_quadrature, bits=WHOLE_BITS), functools.partial(by_quadrature, bits=0)

    def chosen(r: Array, delta: Array, sigma: Array, gamma: Array) -> Any:
        number = jnp.where(narrow_noise.applies(delta, sigma, gamma), 0, jnp.where(_whole(gamma), 1, 2))
        if beyond:
            reached = jnp.all((r <= delta + narrow_noise.REACH * sigma) | jnp.isinf(r))
            number = jnp.where((number == 0) & ~reached, 1, number)
        return jax.lax.switch(number, ways, r, delta, sigma, gamma)

    return elementwise(chosen)


def _whole(gamma: Array) -> Array:
    return jnp.all((gamma == jnp.round(gamma)) & (gamma >= 1) & (gamma <= LARGEST_WHOLE))
