"""NumPyro distributions as pytrees whose leaves come in a fixed order.

NumPyro flattens a distribution in the order of a set of names, which follows Python's string hashes and so differs in
every process. A program that took such a pytree would never be found again in the persistent compilation cache.
"""

from typing import Any

import jax
from numpyro.distributions import Distribution


@jax.tree_util.register_pytree_node_class
class SortedLeaves:
    """A distribution that flattens in the order of its parameters' names; distributions inside it do the same."""

    def __init__(self, distribution: Distribution) -> None:
        self.distribution = distribution

    def tree_flatten(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Return the parameters in the order of their names, and the data that `tree_unflatten` needs."""
        d = self.distribution
        names = sorted(type(d).gather_pytree_data_fields())
        values = tuple(_wrapped(d.__dict__.get(name)) for name in names)
        static = tuple((name, d.__dict__.get(name)) for name in sorted(type(d).gather_pytree_aux_fields()))
        return values, (type(d), tuple(names), static)

    @classmethod
    def tree_unflatten(cls, aux: tuple[Any, ...], values: tuple[Any, ...]) -> "SortedLeaves":
        """Rebuild the distribution from its parameters."""
        kind, names, static = aux
        named = {
            name: value.distribution if isinstance(value, cls) else value
            for name, value in zip(names, values, strict=True)
        }
        fixed = dict(static)
        return cls(
            kind.tree_unflatten(
                tuple(fixed[name] for name in kind.gather_pytree_aux_fields()),
                tuple(named[name] for name in kind.gather_pytree_data_fields()),
            )
        )


def _wrapped(value: Any) -> Any:
    return SortedLeaves(value) if isinstance(value, Distribution) else value
