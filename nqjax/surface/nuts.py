"""Draws of response surfaces by NumPyro's No-U-Turn sampler, on the same density as the sampler of this package."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from nqjax.surface.model import Data
from nqjax.surface.slopes import values_and_slopes
from nqjax.types import Floats

#: Chains of each group, their draws that are thrown away, and those that are kept.
_CHAINS = 2
_WARMUP = 40
_KEPT = 120


@jax.custom_vjp
def _log_density(x: Array, threshold: Array, data: Data) -> Array:
    return values_and_slopes(x[None], threshold[None], data)[0][0]


def _forward(x: Array, threshold: Array, data: Data) -> tuple[Array, Array]:
    value, slope = values_and_slopes(x[None], threshold[None], data)
    return value[0], slope[0]


def _backward(slope: Array, given: Array) -> tuple[Array, None, None]:
    return given * slope, None, None


_log_density.defvjp(_forward, _backward)


def draw_by_nuts(key: Array, x: Floats, factor: Floats, threshold: Floats, data: Data) -> Floats:
    """Return draws, shape (draws, groups, chains, parameters).

    Parameters
    ----------
    key : Array
    x : ndarray, shape (groups, chains, parameters)
        Where the groups are.
    factor : ndarray, shape (groups, parameters, parameters)
        Times its transpose: the scale on which the sampler moves.
    threshold : ndarray, shape (groups,)
    data : Data
    """
    import numpyro
    from numpyro.distributions import ImproperUniform, constraints
    from numpyro.infer import MCMC, NUTS

    def model(factor: Array, threshold: Array, data: Data) -> None:
        u = numpyro.sample("u", ImproperUniform(constraints.real_vector, (), x.shape[-1:]))
        numpyro.factor("density", _log_density(factor @ u, threshold, data))

    chains = MCMC(
        NUTS(model, max_tree_depth=5, adapt_mass_matrix=False),  # the mass is in the factor
        num_warmup=_WARMUP,
        num_samples=_KEPT,
        num_chains=_CHAINS,
        chain_method="vectorized",
        progress_bar=False,
        jit_model_args=True,  # one program for all groups
    )
    found = []
    placed = jax.tree.map(jnp.asarray, data)
    _, first, which = np.unique(threshold, return_index=True, return_inverse=True)
    for group, one in zip(first, jax.random.split(key, len(first)), strict=True):
        begin = np.linalg.solve(factor[group], x[group, :_CHAINS].T).T
        given = jnp.asarray(factor[group]), jnp.asarray(threshold[group]), placed
        chains.run(one, *given, init_params={"u": jnp.asarray(begin)})
        found.append(np.asarray(chains.get_samples(group_by_chain=True)["u"]) @ factor[group].T)
    # Groups of one threshold have the same draws: their number is its weight.
    return np.moveaxis(np.array(found)[which], 2, 0)
