"""NUTS for many short chains at once, each for one gamma of one study.

The sampler is NumPyro's. It works in the coordinates of `nqjax.posterior.density.coordinates`, straightened by the
quadrature's map, and starts from draws of the quadrature: what remains to be adapted is one step size.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from nqjax.posterior.density.coordinates import to_parameters
from nqjax.posterior.density.log_density import Model, Target, log_density, stacked_families, with_slopes
from nqjax.posterior.prior import Parts
from nqjax.posterior.quadrature.straighten import Map, identity, stack, straight
from nqjax.runtime.compiled import Compiled, made_once
from nqjax.runtime.parallel import in_parallel

Floats = NDArray[np.float64]


#: Iterations of one call of the program.
_BLOCK = 50


#: Groups for each further device.
_PER_DEVICE = 2


class Settings(NamedTuple):
    """Of the sampler; hashable."""

    num_warmup: int
    target_accept_prob: float = 0.9
    # In straightened coordinates seven steps are enough, and all chains that go in step wait for the longest.
    max_tree_depth: int = 3


class Lanes(NamedTuple):
    """Where some chains run; all with a leading axis of chains."""

    study: NDArray[np.integer]
    gamma: NDArray[np.integer]
    shape: Map
    start: Floats  # (chains, 3), straightened
    energy: Floats  # (chains,), minus the log density there


class Chains(NamedTuple):
    """What the sampler returns; leading axes: chains, samples."""

    theta: Floats  # (..., 3), on the scale of the regime
    log_density: Floats
    diverging: NDArray[np.bool_]
    num_steps: NDArray[np.integer]
    accept_prob: Floats
    energy: Floats


class _Lane(NamedTuple):
    """One chain's target."""

    target: Target
    shape: Map


# Compiled by itself it is traced once, and not in every turn of the tracing of nested loops.
@functools.partial(jax.jit, static_argnames="bits")
def _energy(x: Array, lane: _Lane, bits: int) -> tuple[Array, Array]:
    """Minus the log density of straightened coordinates, and its gradient."""

    def place(x: Array) -> tuple[Array, Array]:
        return straight(x, lane.shape)

    (z, volume), (slopes, slope) = with_slopes(place, x)
    value, gradient = log_density(z, lane.target, jnp.asarray(False), bits)
    value, gradient = value + volume, gradient @ slopes + slope
    # NUTS takes an energy that is not finite as a divergence, but needs a gradient that is.
    possible = jnp.isfinite(value)
    return jnp.where(possible, -value, 1e10), jnp.where(possible, -gradient, 0.0)


def _potential(lane: _Lane, bits: int) -> Callable[[Array], Array]:
    """The energy, with its gradient made in one go with it: a shorter program than one for either."""

    @jax.custom_vjp
    def potential(x: Array) -> Array:
        return _energy(x, lane, bits)[0]

    potential.defvjp(lambda x: _energy(x, lane, bits), lambda gradient, change: (change * gradient,))
    return potential


class _Programs(NamedTuple):
    begin: Compiled
    go_on: Compiled


@made_once
def _programs(settings: Settings, bits: int) -> _Programs:
    from numpyro.infer.hmc import hmc
    from numpyro.infer.util import ParamInfo

    init_kernel, sample_kernel = hmc(potential_fn_gen=functools.partial(_potential, bits=bits), algo="NUTS")

    def begin(starts: Array, energies: Array, keys: Array) -> Any:
        def one(start: Array, energy: Array, key: Array) -> Any:
            # The gradient is that of a standard normal density, which straightened coordinates nearly have: for the
            # first half of a step of the warmup it need not be better.
            return init_kernel(
                ParamInfo(start, energy, start),
                settings.num_warmup,
                step_size=0.5,
                adapt_mass_matrix=False,
                target_accept_prob=settings.target_accept_prob,
                max_tree_depth=settings.max_tree_depth,
                model_args=(None,),
                rng_key=key,
            )

        return jax.vmap(one)(starts, energies, keys)

    def go_on(lanes: _Lane, parts: Parts, state: Any) -> tuple[Any, Any]:
        def one(lane: _Lane, state: Any) -> Any:
            family, model = lane.target
            lane = lane._replace(target=Target(family, model._replace(parts=parts)))

            def step(state: Any, _: None) -> tuple[Any, Any]:
                state = sample_kernel(state, (lane,), {})
                kept = (
                    state.z,
                    -state.potential_energy,
                    state.diverging,
                    state.num_steps,
                    state.accept_prob,
                    state.energy,
                )
                return state, kept

            return jax.lax.scan(step, state, length=_BLOCK)

        return jax.vmap(one)(lanes, state)

    return _Programs(Compiled(begin), Compiled(go_on))


def _targets(model: Model, lanes: Lanes, bits: int) -> _Lane:
    """Each lane with its own data: programs do not depend on the number of studies."""
    mine = {
        name: jax.tree.map(lambda a: np.asarray(a)[lanes.study], getattr(model, name))
        for name in ("data", "place", "log_scale")
    }
    family = jax.tree.map(lambda a: np.asarray(a)[lanes.gamma - 1], stacked_families(2**bits - 2))
    return _Lane(Target(family, Model(**mine, pooled=None, parts=None)), lanes.shape)  # type: ignore[arg-type]


def sample(
    model: Model, lanes: Lanes, keys: Array, lengths: NDArray[np.integer], settings: Settings, bits: int, group: int
) -> Iterator[tuple[NDArray[np.integer], Any]]:
    """Run chains in groups, and yield the numbers of some chains with their draws as they are done.

    Parameters
    ----------
    model : Model
    lanes : Lanes
    keys : Array, shape (chains,)
    lengths : ndarray of int, shape (chains,)
        Draws that each needs at least, after warmup.
    settings : Settings
    bits : int
        Of the largest gamma.
    group : int
        Chains that go in step; those of a length go together, and groups are filled up.
    """
    programs = _programs(settings, bits)
    order = np.argsort(-lengths, kind="stable")

    def work(start: int, device: jax.Device) -> tuple[NDArray[np.integer], Any]:
        places = order[start : start + group]
        padded = np.resize(places, group)
        some = jax.tree.map(lambda a: a[padded], lanes)
        total = settings.num_warmup + int(lengths[places].max())
        with jax.enable_x64(True):
            state = programs.begin(device, some.start, some.energy, keys[padded])
            targets = _targets(model, some, bits)
            blocks = []
            for _ in range(-(-total // _BLOCK)):
                state, kept = programs.go_on(device, targets, model.parts, state)
                blocks.append(jax.tree.map(np.asarray, kept))
        x, *others = jax.tree.map(
            lambda *parts: np.concatenate(parts, axis=1)[: len(places), settings.num_warmup : total], *blocks
        )
        return places, (_parameters(x, model, some), *others)

    starts = range(0, len(lanes.study), group)
    # A further device compiles its own programs: only where there is work for it.
    devices = jax.local_devices()[: max(1, len(starts) // _PER_DEVICE)]
    yield from in_parallel(work, starts, devices)


def _parameters(x: Floats, model: Model, lanes: Lanes) -> Floats:
    """Of straightened coordinates, shape (chains, samples, 3)."""
    theta = np.empty_like(x)
    for i, some in enumerate(x):
        shape = jax.tree.map(lambda a, i=i: a[i], lanes.shape)
        place = jax.tree.map(lambda a, i=i: np.asarray(a)[lanes.study[i]], model.place)
        theta[i] = to_parameters(straight(some, shape, np)[0], np.float64(lanes.gamma[i]), place, np).theta
    return theta


def prepare(model: Model, settings: Settings, bits: int, group: int) -> None:
    """Compile the programs for groups of a size."""
    programs, zeros = _programs(settings, bits), np.zeros(group, int)
    some = Lanes(zeros, zeros + 1, stack([identity()] * group), np.zeros((group, 3)), np.zeros(group))
    device = jax.local_devices()[0]
    with jax.enable_x64(True):
        state = programs.begin(device, some.start, some.energy, jax.random.split(jax.random.key(0), group))
        programs.go_on.compiled(device, _targets(model, some, bits), model.parts, state)
