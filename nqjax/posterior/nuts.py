"""NUTS for many short chains at once, each for one gamma of one study.

NumPyro's sampler runs in the coordinates of `nqjax.posterior.density.coordinates`, straightened by the map of the
quadrature, and starts from draws of the quadrature, so that only a step size is left to adapt.
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
from nqjax.types import Floats

#: Iterations in one call of the program.
_BLOCK = 50

#: Groups per device: with fewer, a further device does not save the time that its compilation takes.
_GROUPS_PER_DEVICE = 2


class Settings(NamedTuple):
    """Settings of the sampler; hashable."""

    num_warmup: int
    target_accept_prob: float = 0.9
    # Seven steps are enough in straightened coordinates, and chains that advance together wait for the longest.
    max_tree_depth: int = 3


class ChainStarts(NamedTuple):
    """Targets and starting points of some chains; all arrays have a leading axis of chains."""

    study: NDArray[np.integer]
    gamma: NDArray[np.integer]
    shape: Map
    start: Floats  # (chains, 3), straightened
    energy: Floats  # (chains,), minus the log density at the start


class _ChainTarget(NamedTuple):
    """The density that one chain samples."""

    target: Target
    shape: Map


# Compiled by itself it is traced once, and not again in each nested loop.
@functools.partial(jax.jit, static_argnames="bits")
def _energy(x: Array, chain: _ChainTarget, bits: int) -> tuple[Array, Array]:
    """Return the negative log density at straightened coordinates, and its gradient."""

    def place(x: Array) -> tuple[Array, Array]:
        return straight(x, chain.shape)

    (z, volume), (slopes, slope) = with_slopes(place, x)
    value, gradient = log_density(z, chain.target, jnp.asarray(False), bits)
    value, gradient = value + volume, gradient @ slopes + slope
    # NUTS treats a huge energy as a divergence, but needs a finite gradient.
    possible = jnp.isfinite(value)
    return jnp.where(possible, -value, 1e10), jnp.where(possible, -gradient, 0.0)


def _potential(chain: _ChainTarget, bits: int) -> Callable[[Array], Array]:
    """Return the energy as a function that computes value and gradient together, which shortens the program."""

    @jax.custom_vjp
    def potential(x: Array) -> Array:
        return _energy(x, chain, bits)[0]

    potential.defvjp(lambda x: _energy(x, chain, bits), lambda gradient, change: (change * gradient,))
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
            # The gradient of a standard normal density, which straightened coordinates nearly have, suffices for the
            # first half step of the warmup.
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

    def go_on(targets: _ChainTarget, parts: Parts, state: Any) -> tuple[Any, Any]:
        def one(chain: _ChainTarget, state: Any) -> Any:
            family, model = chain.target
            chain = chain._replace(target=Target(family, model._replace(parts=parts)))

            def step(state: Any, _: None) -> tuple[Any, Any]:
                state = sample_kernel(state, (chain,), {})
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

        return jax.vmap(one)(targets, state)

    return _Programs(Compiled(begin), Compiled(go_on))


def _targets(model: Model, chains: ChainStarts, bits: int) -> _ChainTarget:
    """Return each chain's target with its own data, so that programs do not depend on the number of studies."""
    mine = {
        name: jax.tree.map(lambda a: np.asarray(a)[chains.study], getattr(model, name))
        for name in ("data", "place", "log_scale")
    }
    family = jax.tree.map(lambda a: np.asarray(a)[chains.gamma - 1], stacked_families(2**bits - 2))
    return _ChainTarget(Target(family, Model(**mine, pooled=None, parts=None)), chains.shape)  # type: ignore[arg-type]


def sample(
    model: Model,
    chains: ChainStarts,
    keys: Array,
    lengths: NDArray[np.integer],
    settings: Settings,
    bits: int,
    group: int,
) -> Iterator[tuple[NDArray[np.integer], Any]]:
    """Run chains in groups; when a group is done, yield the indices of its chains and their draws.

    Parameters
    ----------
    model : Model
    chains : ChainStarts
    keys : Array, shape (chains,)
    lengths : ndarray of int, shape (chains,)
        Least number of draws of each chain after warmup.
    settings : Settings
    bits : int
        Number of bits of the largest gamma plus one.
    group : int
        Number of chains that advance together; chains of similar lengths are grouped, and groups are filled up.
    """
    programs = _programs(settings, bits)
    order = np.argsort(-lengths, kind="stable")

    def work(start: int, device: jax.Device) -> tuple[NDArray[np.integer], Any]:
        places = order[start : start + group]
        padded = np.resize(places, group)
        some = jax.tree.map(lambda a: a[padded], chains)
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

    starts = range(0, len(chains.study), group)
    # A further device compiles its own programs: only where there is work for it.
    devices = jax.local_devices()[: max(1, len(starts) // _GROUPS_PER_DEVICE)]
    yield from in_parallel(work, starts, devices)


def _parameters(x: Floats, model: Model, chains: ChainStarts) -> Floats:
    """Return the parameters at straightened coordinates, shape (chains, samples, 3)."""
    theta = np.empty_like(x)
    for i, some in enumerate(x):
        shape = jax.tree.map(lambda a, i=i: a[i], chains.shape)
        place = jax.tree.map(lambda a, i=i: np.asarray(a)[chains.study[i]], model.place)
        theta[i] = to_parameters(straight(some, shape, np)[0], np.float64(chains.gamma[i]), place, np).theta
    return theta


def prepare(model: Model, settings: Settings, bits: int, group: int) -> None:
    """Compile the programs for groups of a size."""
    programs, zeros = _programs(settings, bits), np.zeros(group, int)
    some = ChainStarts(zeros, zeros + 1, stack([identity()] * group), np.zeros((group, 3)), np.zeros(group))
    device = jax.local_devices()[0]
    with jax.enable_x64(True):
        state = programs.begin(device, some.start, some.energy, jax.random.split(jax.random.key(0), group))
        programs.go_on.compiled(device, _targets(model, some, bits), model.parts, state)
