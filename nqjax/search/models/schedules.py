"""Learning-rate schedules as shares of the peak learning rate; the lengths may be traced.

Every schedule takes the same arguments:

count : scalar
    How many updates are done, 0 for the first.
total : scalar
    How many updates there are, traced or not.
warmup : scalar
    Over how many of them the rate rises linearly to its peak, traced or not.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def warmup_stable_decay(
    count: jax.Array, total: jax.Array | float, warmup: jax.Array | float, decay: float = 0.2
) -> jax.Array:
    """Return a linear warmup, then a plateau, then a linear fall to 0.

    ``decay`` is the share of all updates, at the end, over which the rate falls. A warmup that is not over by then goes
    on rising, to a lower peak.
    """
    rise = (count + 1) / jnp.maximum(warmup, 1)
    fall = (total - count) / jnp.maximum(decay * total, 1)
    return jnp.clip(jnp.minimum(rise, 1) * jnp.minimum(fall, 1), 0, 1)


def warmup_linear(count: jax.Array, total: jax.Array | float, warmup: jax.Array | float) -> jax.Array:
    """Return a linear warmup, then a linear fall to 0 at the end."""
    rise = (count + 1) / jnp.maximum(warmup, 1)
    fall = (total - count) / jnp.maximum(total - warmup, 1)
    return jnp.clip(jnp.minimum(rise, fall), 0, 1)


def warmup_cosine(count: jax.Array, total: jax.Array | float, warmup: jax.Array | float) -> jax.Array:
    """Return a linear warmup, then half a cosine to 0 at the end."""
    rise = (count + 1) / jnp.maximum(warmup, 1)
    phase = jnp.clip((count - warmup) / jnp.maximum(total - warmup, 1), 0, 1)
    return jnp.minimum(rise, 0.5 + 0.5 * jnp.cos(jnp.pi * phase))
