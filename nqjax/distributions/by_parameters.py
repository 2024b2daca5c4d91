"""Representation and equality of distributions by their parameters."""

from typing import Any

import jax
import numpy as np

#: Arrays of more elements are shortened in a representation.
_LONGEST = 20


class ByParameters:
    """Mixin for distributions that are their family, their direction and their parameters."""

    arg_constraints: dict[str, Any]
    batch_shape: tuple[int, ...]
    convex: bool

    def __repr__(self) -> str:
        names = [*self.arg_constraints, "convex"]
        return f"{type(self).__name__}({', '.join(f'{name}={_shown(getattr(self, name, None))}' for name in names)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        same = self.convex == other.convex and self.batch_shape == other.batch_shape  # type: ignore[attr-defined]
        pairs = ((getattr(self, name), getattr(other, name)) for name in self.arg_constraints)
        return same and all(_equal(a, b, self.batch_shape) for a, b in pairs)

    def __hash__(self) -> int:
        return hash((type(self), self.convex, self.batch_shape))


def _shown(x: Any) -> str:
    if isinstance(x, jax.core.Tracer) or not hasattr(x, "dtype"):
        return repr(x)
    return " ".join(np.array2string(np.asarray(x), separator=", ", threshold=_LONGEST).split())


def _equal(a: Any, b: Any, shape: tuple[int, ...]) -> bool:
    """Return whether two parameters are equal; traced ones are if they are the same object."""
    if isinstance(a, jax.core.Tracer) or isinstance(b, jax.core.Tracer):
        return a is b
    return np.array_equal(np.broadcast_to(np.asarray(a), shape), np.broadcast_to(np.asarray(b), shape))
