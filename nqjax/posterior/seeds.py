"""Seeds of random numbers on the host."""

import jax
import numpy as np
from jax import Array


def make_seed(key: Array) -> int:
    """Return a seed for NumPy from a JAX key, without compiling anything."""
    words = np.asarray(jax.random.key_data(key)).ravel().tolist()
    return int(np.random.SeedSequence(words).generate_state(1)[0])
