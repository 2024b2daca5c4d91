"""NUTS for many short chains at once, each for one gamma of one study.

The sampler is NumPyro's. It works in the coordinates of `nqjax._coordinates`, straightened by the quadrature's
map, and starts from draws of the quadrature: what remains to be adapted is one step size.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from nqjax._batch import in_parallel
from nqjax._compiled import Compiled
from nqjax._coordinates import to_parameters
from nqjax._density import Model, log_density, stacked_families
from nqjax._objective import Family
from nqjax._straighten import Map, straight

Floats = NDArray[np.float64]
#: Iterations between two reports of progress.
_BLOCK = 250


class Settings(NamedTuple):
    """Of the sampler; hashable."""

    num_warmup: int
    num_samples: int
    target_accept_prob: float = 0.9
    max_tree_depth: int = 8


class Lanes(NamedTuple):
    """Where some chains run; all with a leading axis of chains."""

    study: NDArray[np.integer]
    gamma: NDArray[np.integer]
    shape: Map
    start: Floats  # (chains, 3), straightened


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

    family: Family
    model: Model
    shape: Map


def _potential(lane: _Lane, bits: int) -> Callable[[Array], Array]:
    def potential(x: Array) -> Array:
        z, volume = straight(x, lane.shape)
        value, _ = log_density(z, lane.family, lane.model, jnp.ones(()), jnp.asarray(False), bits)
        value = value + volume
        # NUTS takes an energy that is not finite as a divergence, but needs a gradient that is.
        return jnp.where(jnp.isfinite(value), -value, 1e10)

    return potential


class _Programs(NamedTuple):
    begin: Compiled
    go_on: Compiled


@functools.lru_cache(maxsize=16)
def _programs(settings: Settings, bits: int) -> _Programs:
    from numpyro.infer.hmc import hmc

    init_kernel, sample_kernel = hmc(potential_fn_gen=functools.partial(_potential, bits=bits), algo="NUTS")

    def lanes_of(those: Family, model: Model, lanes: Lanes) -> tuple[_Lane, Any]:
        mine = {
            name: jax.tree.map(lambda a: a[lanes.study], getattr(model, name))
            for name in ("data", "place", "log_scale")
        }
        lane = _Lane(jax.tree.map(lambda a: a[lanes.gamma - 1], those), model._replace(**mine), lanes.shape)
        axes = _Lane(0, model._replace(data=0, pooled=None, place=0, log_scale=0, parts=None), 0)  # type: ignore[arg-type]
        return lane, axes

    def begin(those: Family, model: Model, lanes: Lanes, keys: Array) -> Any:
        lane, axes = lanes_of(those, model, lanes)

        def one(lane: _Lane, start: Array, key: Array) -> Any:
            return init_kernel(
                start,
                settings.num_warmup,
                step_size=0.5,
                adapt_mass_matrix=False,
                target_accept_prob=settings.target_accept_prob,
                max_tree_depth=settings.max_tree_depth,
                model_args=(lane,),
                rng_key=key,
            )

        return jax.vmap(one, in_axes=(axes, 0, 0))(lane, jnp.asarray(lanes.start), keys)

    def go_on(those: Family, model: Model, lanes: Lanes, state: Any) -> tuple[Any, Any]:
        lane, axes = lanes_of(those, model, lanes)

        def one(lane: _Lane, state: Any) -> Any:
            def step(state: Any, _: None) -> tuple[Any, Any]:
                state = sample_kernel(state, (lane,), {})
                theta = to_parameters(straight(state.z, lane.shape)[0], lane.family.gamma, lane.model.place).theta
                kept = theta, -state.potential_energy, state.diverging, state.num_steps, state.accept_prob, state.energy
                return state, kept

            return jax.lax.scan(step, state, length=_BLOCK)

        return jax.vmap(one, in_axes=(axes, 0))(lane, state)

    return _Programs(Compiled(begin), Compiled(go_on))


def sample(
    model: Model, lanes: Lanes, keys: Array, settings: Settings, bits: int, group: int
) -> Iterator[tuple[NDArray[np.integer], Any]]:
    """Run chains in groups, and yield the numbers of some chains with their draws as they are done.

    Parameters
    ----------
    model : Model
    lanes : Lanes
    keys : Array, shape (chains,)
    settings : Settings
    bits : int
        Of the largest gamma.
    group : int
        Chains that go in step; the last group is filled up.
    """
    programs, those = _programs(settings, bits), stacked_families(2**bits - 2)
    model = model._replace(pooled=None)  # type: ignore[arg-type]
    total = settings.num_warmup + settings.num_samples

    def work(start: int, device: jax.Device) -> tuple[NDArray[np.integer], Any]:
        places = np.arange(start, min(start + group, len(lanes.study)))
        padded = np.resize(places, group)
        some = jax.tree.map(lambda a: a[padded], lanes)
        with jax.enable_x64(True):
            state = programs.begin(device, those, model, some, keys[padded])
            blocks = []
            for _ in range(-(-total // _BLOCK)):
                state, kept = programs.go_on(device, those, model, some, state)
                blocks.append(jax.tree.map(np.asarray, kept))
        draws = jax.tree.map(
            lambda *parts: np.concatenate(parts, axis=1)[: len(places), settings.num_warmup : total], *blocks
        )
        return places, draws

    yield from in_parallel(work, range(0, len(lanes.study), group), jax.local_devices()[:1])
