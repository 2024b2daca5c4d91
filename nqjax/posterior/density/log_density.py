"""The posterior density in the coordinates of `nqjax.posterior.density.coordinates`, at one point or at many."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import SingleDeviceSharding
from numpy.typing import NDArray

from nqjax.posterior.density.coordinates import Place, Point, to_parameters
from nqjax.posterior.density.likelihood import SearchData, likelihood, likelihood_and_gradient
from nqjax.posterior.prior import Parts, log_prior
from nqjax.runtime.compiled import Compiled, made_once
from nqjax.runtime.parallel import in_parallel
from nqjax.solver.knots import Family, families
from nqjax.types import Floats

#: Points in a chunk.
_POINTS = 1024

#: Number of scores times number of points that are evaluated at the same time.
_SIDE_BY_SIDE = 1024

#: Chunks per device: with fewer, a further device does not save the time that its compilation takes.
_CHUNKS_PER_DEVICE = 8


class Model(NamedTuple):
    """Data and prior of several studies; arrays have a leading axis of studies."""

    data: SearchData
    pooled: SearchData | None  # with neighbouring scores joined, for approximate densities
    place: Place
    log_scale: Array  # (studies,)
    parts: Parts  # the same for all studies


class Target(NamedTuple):
    """One gamma of one study: the tables of the gamma, and the study's data and prior."""

    family: Family
    model: Model


def log_density(z: Array, target: Target, fine: Array, bits: int) -> tuple[Array, Array]:
    """Return the log posterior density at the coordinates ``z``, shape (3,), and its gradient.

    The density is likelihood times prior times the Jacobian of the coordinates; it is not normalised.
    """
    family, model = target

    def rest(z: Array) -> tuple[Array, Array]:
        """Return theta, and the log prior plus the log of the Jacobian.

        The likelihood is left out because it computes its own gradient.
        """
        point = to_parameters(z, family.gamma, model.place)
        return point.theta, _log_prior(point, family.gamma, model) + point.log_jacobian

    (theta, value), (slopes, slope) = with_slopes(rest, z)
    known, change = likelihood_and_gradient(theta, family, model.data, fine, bits)
    return known + value, change @ slopes + slope


def with_slopes(function: Callable[[Array], Any], z: Array) -> tuple[Any, Any]:
    """Return the function's values and its derivatives in the coordinates, which are the last axis.

    Forward mode is used because it compiles to shorter programs.
    """
    return jax.vmap(lambda t: jax.jvp(function, (z,), (t,)), out_axes=(None, -1))(jnp.eye(3, dtype=z.dtype))


def _log_prior(point: Point, gamma: Array, model: Model) -> Array:
    return log_prior(model.parts, point.theta, point.log_width, gamma, model.place.has_threshold, model.log_scale)


@functools.lru_cache(maxsize=8)
def stacked_families(most: int) -> Any:
    """Return the tables of the gammas from 1 to ``most``, with a leading axis of gammas: see `families`."""
    with jax.enable_x64(True):
        return families(np.arange(1.0, most + 1))


@made_once
def _program(bits: int, batch: int) -> Compiled:
    # Fewer compiler passes give code of the same speed sooner.
    cpu = jax.default_backend() == "cpu"
    options = {"xla_backend_optimization_level": 1, "xla_llvm_disable_expensive_passes": True} if cpu else {}
    return Compiled(functools.partial(_densities, bits=bits, batch=batch), options=options)


def _densities(
    point: Point,
    study: Array,
    number: Array,
    temper: Array,
    those: Family,
    model: Model,
    *,
    bits: int,
    batch: int,
) -> Array:
    def one(args: tuple[Point, Array, Array, Array]) -> Array:
        point, which, gamma, power = args
        mine = model._replace(
            **{name: jax.tree.map(lambda a: a[which], getattr(model, name)) for name in ("data", "place", "log_scale")}
        )
        family = jax.tree.map(lambda a: a[gamma], those)
        # Errors of 1e-6 of a score's probability are far below those of a grid.
        value = likelihood(point.theta, family, mine.data, False, bits)
        return power * value + _log_prior(point, family.gamma, mine) + point.log_jacobian

    value = jax.lax.map(one, (point, study, number, temper), batch_size=batch)
    return jnp.where(jnp.isnan(value), -jnp.inf, value)


class Evaluator:
    """Evaluates densities at many points in chunks, on all cores and local devices."""

    def __init__(self, model: Model, gamma: tuple[int, int]) -> None:
        self._place = jax.tree.map(np.asarray, model.place)
        self._bits = int(gamma[1] + 1).bit_length()
        self._devices = jax.local_devices()
        # Copying what all points share to a device takes as long as five hundred points, so it is done once.
        with jax.enable_x64(True):
            those = stacked_families(2**self._bits - 2)
            self._shared = {
                device: [
                    jax.device_put((those, Model(data, None, *model[2:])), SingleDeviceSharding(device))
                    for data in (model.pooled or model.data, model.data)
                ]
                for device in self._devices
            }

    def __call__(
        self, z: Floats, study: NDArray[np.integer], gamma: NDArray[np.integer], temper: Floats, exact: bool
    ) -> tuple[Floats, Floats]:
        """Return log densities and parameters; z has shape (points, 3), the other arrays have (points,).

        Without ``exact``, neighbouring scores are joined.
        """
        value, theta = np.empty(len(z)), np.empty((len(z), 3))
        starts = range(0, len(z), _POINTS)

        def work(start: int, device: jax.Device) -> tuple[int, Floats, Floats]:
            mine = slice(start, start + _POINTS)
            program, shared = self._program(device, exact)
            arguments, parameters = self._arguments(z[mine], study[mine], gamma[mine], temper[mine])
            with jax.enable_x64(True):
                found = program.at(device, *arguments, *shared)
            return start, np.asarray(found), parameters

        # A further device compiles its own program, so it needs enough chunks.
        devices = self._devices[: max(1, len(starts) // _CHUNKS_PER_DEVICE)]
        for start, v, t in in_parallel(work, starts, devices):
            value[start : start + _POINTS], theta[start : start + _POINTS] = v[: len(z) - start], t[: len(z) - start]
        return value, theta

    def prepare(self) -> None:
        """Compile the exact program; called in a thread while the approximate program runs."""
        one = np.zeros(1, int)
        device = self._devices[0]
        program, shared = self._program(device, exact=True)
        arguments, _ = self._arguments(np.zeros((1, 3)), one, one + 1, np.ones(1))
        with jax.enable_x64(True):
            program.compiled(device, *arguments, *shared)

    def _program(self, device: jax.Device, exact: bool) -> tuple[Compiled, Any]:
        shared = self._shared[device][int(exact)]
        return _program(self._bits, max(1, _SIDE_BY_SIDE // shared[1].data.scores.shape[-1])), shared

    def _arguments(
        self, z: Floats, study: NDArray[np.integer], gamma: NDArray[np.integer], temper: Floats
    ) -> tuple[tuple[Point, Any, Any, Floats], Floats]:
        """Return the program's arguments for the points, padded to a whole chunk, and the parameters at the points."""
        points, which, number, power = (
            np.pad(a, [(0, _POINTS - len(a))] + [(0, 0)] * (a.ndim - 1), mode="edge") for a in (z, study, gamma, temper)
        )
        # Computing the parameters on the host takes a third of the likelihood's time, and needs no compilation.
        with np.errstate(all="ignore"):
            place = jax.tree.map(lambda a: a[which], self._place)
            point = to_parameters(points, number.astype(np.float64), place, np)
        return (point, which, number - 1, power), point.theta
