"""The posterior's density in its coordinates, for one point or for very many."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from nqjax._batch import in_parallel
from nqjax._compiled import Compiled
from nqjax._coordinates import Place, to_parameters
from nqjax._likelihood import SearchData, log_likelihood
from nqjax._objective import Family, families
from nqjax.priors import Parts, log_prior

Floats = NDArray[np.float64]
#: Points of a chunk, and scores times points side by side.
_POINTS, _SIDE_BY_SIDE = 2048, 1024


class Model(NamedTuple):
    """What the density is of, for some studies; arrays have a leading axis of studies."""

    data: SearchData
    pooled: SearchData  # neighbours joined, to look around
    place: Place
    log_scale: Array  # (studies,)
    parts: Parts  # the same for all


def log_density(z: Array, family: Family, model: Model, temper: Array, fine: Array, bits: int) -> tuple[Array, Array]:
    """Log of likelihood times prior as a density of the coordinates, for one study; and the parameters."""
    point = to_parameters(z, family.gamma, model.place)
    likelihood = log_likelihood(point.theta, family, model.data, fine, bits)
    prior = log_prior(
        model.parts, point.theta, point.log_width, family.gamma, model.place.has_threshold, model.log_scale
    )
    value = temper * likelihood + prior + point.log_jacobian
    return jnp.where(jnp.isnan(value), -jnp.inf, value), point.theta


@functools.lru_cache(maxsize=8)
def stacked_families(most: int) -> Any:
    """Of the gammas from 1 on."""
    with jax.enable_x64(True):
        return families(np.arange(1.0, most + 1))


@functools.lru_cache(maxsize=64)
def _program(bits: int, batch: int) -> Compiled:
    return Compiled(functools.partial(_densities, bits=bits, batch=batch))


def _densities(
    z: Array,
    study: Array,
    number: Array,
    temper: Array,
    those: Family,
    model: Model,
    fine: Array,
    *,
    bits: int,
    batch: int,
) -> tuple[Array, Array]:
    def one(args: tuple[Array, Array, Array, Array]) -> tuple[Array, Array]:
        point, which, gamma, power = args
        mine = model._replace(
            **{name: jax.tree.map(lambda a: a[which], getattr(model, name)) for name in ("data", "place", "log_scale")}
        )
        return log_density(point, jax.tree.map(lambda a: a[gamma], those), mine, power, fine, bits)

    return jax.lax.map(one, (z, study, number, temper), batch_size=batch)


class Evaluator:
    """Densities at many points, a fixed number at a time, on all cores."""

    def __init__(self, model: Model, gamma: tuple[int, int]) -> None:
        self._model, self._bits = model, int(gamma[1] + 1).bit_length()

    def __call__(
        self, z: Floats, study: NDArray[np.integer], gamma: NDArray[np.integer], temper: Floats, exact: bool
    ) -> tuple[Floats, Floats]:
        """Log densities and parameters; z has shape (points, 3), the others (points,)."""
        those = stacked_families(2**self._bits - 2)
        model = self._model if exact else self._model._replace(data=self._model.pooled)
        model = model._replace(pooled=None)  # type: ignore[arg-type]
        program = _program(self._bits, max(1, _SIDE_BY_SIDE // model.data.scores.shape[-1]))
        value, theta = np.empty(len(z)), np.empty((len(z), 3))
        arguments = z, study, gamma - 1, temper

        def work(start: int, device: jax.Device) -> tuple[int, Any]:
            some = [a[start : start + _POINTS] for a in arguments]
            some = [np.pad(a, [(0, _POINTS - len(a))] + [(0, 0)] * (a.ndim - 1), mode="edge") for a in some]
            with jax.enable_x64(True):
                result = program(device, *some, those, model, np.bool_(exact))
                return start, jax.tree.map(np.asarray, result)

        for start, (v, t) in in_parallel(work, range(0, len(z), _POINTS), jax.local_devices()[:1]):
            value[start : start + _POINTS], theta[start : start + _POINTS] = v[: len(z) - start], t[: len(z) - start]
        return value, theta
