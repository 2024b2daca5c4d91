"""Population training: a fixed number of trials side by side in one compiled program, a round at a time.

A tile has lanes, and each lane holds a trial. All lanes train for a round (such as an epoch) together. Between rounds
the host checks every lane: if its trial has done all of its rounds, or if the loss or a metric is no longer finite, the
lane is given to the next trial. So trials of different lengths share a program and none waits for another.

The width, which is the number of lanes, is the same for all tiles, whatever the population, because a program that is
compiled for another width may round differently, and training amplifies that. Within one width a trial's numbers depend
neither on its lane nor on the other lanes.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from nqjax.runtime.compiled import Compiled
from nqjax.search.engine.trial import Part, Trial
from nqjax.search.sources import Arrays, blocks
from nqjax.search.task import Task

#: A trial's key is folded with this number for its initial state.
_INIT = 0

#: From this number on, paused trials are copied together, with all lanes of the program.
_MANY = 4

#: A trial's key is folded with this number plus the round's for each of its rounds.
_FIRST_ROUND = 1


class Program:
    """The compiled functions of the trials that share their static hyperparameters.

    Parameters
    ----------
    task : Task
        The task; the program refers to it weakly, so the caller must hold it.
    static : dict
        The values of the static hyperparameters.
    dtypes : dict
        The types of the other hyperparameters, float32 or int32.
    lanes : int
        The number of trials side by side.
    platform : str
        The platform of the devices that it runs on.
    """

    def __init__(
        self, task: Task, static: dict[str, Any], dtypes: Mapping[str, Any], lanes: int, platform: str
    ) -> None:
        self._task = weakref.ref(task)  # programs are kept as long as their task, which they must not keep
        self.static, self.dtypes, self.lanes = static, dict(dtypes), lanes
        self.batch_size, self.steps = int(task.batch_size(static)), int(task.steps_per_round(static))
        compiled = functools.partial(Compiled, platform=platform)
        self._start = compiled(self._start_function, donate=(0,))
        self._place = compiled(self._place_function, donate=(0,))
        self._merge = compiled(self._merge_function, donate=(0,))
        self._slice = compiled(self._slice_function)
        self._train = compiled(self._train_function, donate=(0,))
        self._step = compiled(self._step_function, donate=(0,))
        self._evaluate = compiled(self._evaluate_function)
        self._evaluate_batch = compiled(self._evaluate_batch_function)
        self._data: dict[Any, Any] = {}
        self._needed: dict[jax.Device, int] = {}

    @property
    def task(self) -> Task:
        """The task that is trained."""
        task = self._task()
        if task is None:
            raise ReferenceError("the task of this program no longer exists")
        return task

    # --- called by the host -----------------------------------------------------------------------------------------

    def configs(self, trials: Sequence[Trial]) -> dict[str, NDArray[Any]]:
        """Return the traced hyperparameters and ``num_rounds``, one array of shape (lanes,) for each."""
        traced = {name: np.array([t.config[name] for t in trials], dtype) for name, dtype in self.dtypes.items()}
        return {**traced, "num_rounds": np.array([trial.rounds for trial in trials], np.int32)}

    def bytes(self, device: jax.Device) -> int:
        """Return the most memory that any part of training takes on a device, as the compiler reports it.

        The programs are compiled, but no trial's state is allocated.
        """
        if device not in self._needed:
            most = 0
            with jax.enable_x64(False):
                for program, arguments in self._parts(device):
                    memory = program.compiled(device, *arguments).memory_analysis()
                    if memory is not None:
                        kept = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
                        most = max(most, int(kept + memory.temp_size_in_bytes))
            self._needed[device] = most
        return self._needed[device]

    def _parts(self, device: jax.Device) -> Iterator[tuple[Compiled, tuple[Any, ...]]]:
        """Yield the programs that a trial runs, with the shapes of their arguments."""
        dtypes = {**self.dtypes, "num_rounds": np.int32}
        configs = {name: self._each(dtype) for name, dtype in dtypes.items()}
        words, numbers = self._each(np.uint32, 2), self._each(np.int32)
        state = self._shapes(configs, words)
        yield self._start, (state, configs, words, self._each(np.bool_))
        train: Any = self.task.train
        if isinstance(train, Arrays):
            yield self._train, (state, configs, words, numbers, self._on(device, "train"))
        else:
            one = train.batch((0, 0), 0, 0, self.batch_size)
            batch = {name: self._each(array.dtype, *array.shape) for name, array in one.items()}
            yield self._step, ((state, self._each(np.float32)), configs, words, numbers, np.int32(0), batch)
        valid: Any = self.task.valid
        if isinstance(valid, Arrays):
            yield self._evaluate, (state, configs, self._on(device, "valid"))
        else:
            batch, weights = next(iter(valid.evaluation_batches(self.task.evaluation_size)))
            yield self._evaluate_batch, (state, configs, batch, np.asarray(weights, np.float32))

    def _each(self, dtype: Any, *shape: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((self.lanes, *shape), dtype)

    def _shapes(self, configs: Any, words: Any) -> Any:
        return jax.eval_shape(jax.vmap(self.initial), configs, words)

    def empty_state(self, configs: Any, words: NDArray[np.uint32]) -> Any:
        """Return a state of zeros for all lanes."""
        return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), self._shapes(configs, words))

    def start(self, device: jax.Device, state: Any, configs: Any, words: Any, fresh: NDArray[np.bool_]) -> Any:
        """Return the state with the fresh lanes set to their trials' initial states."""
        return self._start(device, state, configs, words, fresh)

    def place(self, device: jax.Device, state: Any, paused: Mapping[int, Any]) -> Any:
        """Return the state with some lanes set to the states of paused trials."""
        if len(paused) < _MANY:
            for lane, own in paused.items():
                state = self._place(device, state, own, np.int32(lane))
            return state
        mask = np.zeros(self.lanes, bool)
        mask[list(paused)] = True

        def together(*leaves: Any) -> Any:
            whole = np.zeros((self.lanes, *leaves[0].shape), leaves[0].dtype)
            whole[mask] = leaves
            return whole

        return self._merge(device, state, jax.tree.map(together, *(paused[i] for i in sorted(paused))), mask)

    def slices(self, device: jax.Device, state: Any, lanes: Sequence[int]) -> list[Any]:
        """Return the states of some lanes as NumPy arrays."""
        if len(lanes) < _MANY:
            return [jax.device_get(self._slice(device, state, np.int32(lane))) for lane in lanes]
        whole = jax.device_get(state)
        return [jax.tree.map(lambda leaf, lane=lane: np.array(leaf[lane]), whole) for lane in lanes]

    def train_round(
        self,
        device: jax.Device,
        state: Any,
        configs: Any,
        words: Any,
        rounds: Any,
        part: Part,
        pause: Callable[[], bool],
    ) -> tuple[Any, Part, NDArray[Any] | None]:
        """Train to the end of the round, or, with a stream, until ``pause`` is true after a step.

        Returns
        -------
        state : pytree
            The new state of all lanes.
        part : Part
            The progress in the round; if the round has ended, the start of the next one.
        loss : ndarray or None
            Mean loss of each lane over the round's steps, not finite if the loss of any step is not finite; None if
            training paused.
        """
        if isinstance(self.task.train, Arrays):
            state, loss = self._train(device, state, configs, words, rounds, self._on(device, "train"))
            return state, part, np.asarray(loss)
        step, total = part
        while step < self.steps:
            batch = self._batches(words, rounds, step)
            state, total = self._step(device, (state, total), configs, words, rounds, np.int32(step), batch)
            step += 1
            if step < self.steps and pause():
                return state, Part(step, total), None
        return state, Part.none(self.lanes), np.asarray(total) / np.float32(self.steps)

    def evaluate(self, device: jax.Device, state: Any, configs: Any) -> dict[str, Any]:
        """Return the mean of each metric over the examples, for each lane."""
        if isinstance(self.task.valid, Arrays):
            sums, weight = self._evaluate(device, state, configs, self._on(device, "valid"))
        else:
            sums, weight = {}, 0.0
            for batch, weights in self.task.valid.evaluation_batches(self.task.evaluation_size):
                new, more = self._evaluate_batch(device, state, configs, batch, np.asarray(weights, np.float32))
                sums = jax.tree.map(jnp.add, sums, new) if sums else new
                weight = weight + more
        return {name: np.asarray(value) / np.asarray(weight) for name, value in sums.items()}

    def _on(self, device: jax.Device, name: str) -> Any:
        """Return the task's examples in memory, copied to a device once."""
        if (device, name) not in self._data:
            arrays = getattr(self.task, name).arrays
            if name == "valid":
                arrays = blocks(arrays, min(self.task.evaluation_size, len(self.task.valid)))
            self._data[device, name] = jax.device_put(arrays, device)
        return self._data[device, name]

    def _batches(self, words: NDArray[np.uint32], rounds: NDArray[np.int32], step: int) -> dict[str, NDArray[Any]]:
        source: Any = self.task.train
        parts = [
            source.batch(tuple(map(int, words[i])), int(rounds[i]), step, self.batch_size) for i in range(self.lanes)
        ]
        return {name: np.stack([part[name] for part in parts]) for name in parts[0]}

    # --- compiled, for one lane -------------------------------------------------------------------------------------

    def _config(self, config: dict[str, jax.Array]) -> dict[str, Any]:
        return {**self.static, **config}

    def initial(self, config: dict[str, jax.Array], words: jax.Array) -> Any:
        """Return the state before training."""
        return self.task.init(self._config(config), jax.random.fold_in(_key(words), _INIT))

    def one_step(self, state: Any, config: Any, words: jax.Array, round_index: Any, step: Any, batch: Any) -> Any:
        """Return the state after a step of a round, and the loss."""
        key = jax.random.fold_in(jax.random.fold_in(_key(words), round_index + _FIRST_ROUND), step + 1)
        return self.task.step(state, self._config(config), batch, key)

    def order(self, words: jax.Array, round_index: jax.Array) -> jax.Array:
        """Return the indices of the examples of each step of a round, of shape (steps, batch_size)."""
        key = jax.random.fold_in(jax.random.fold_in(_key(words), round_index + _FIRST_ROUND), 0)
        length, wanted = len(self.task.train), self.steps * self.batch_size
        passes = [shuffled(jax.random.fold_in(key, i), length) for i in range(-(-wanted // length))]
        return jnp.concatenate(passes)[:wanted].reshape(self.steps, self.batch_size)

    def metric_sums(self, state: Any, config: Any, batch: Any, weights: jax.Array) -> Any:
        """Return the weighted sum of each metric over a batch."""
        metrics = self.task.evaluate(state, self._config(config), batch)
        weighed = {name: jnp.where(weights > 0, weights * value, 0) for name, value in metrics.items()}
        return {name: value.astype(jnp.float32).sum() for name, value in weighed.items()}

    # --- compiled, for all lanes ------------------------------------------------------------------------------------

    def _place_function(self, state: Any, own: Any, lane: jax.Array) -> Any:
        return jax.tree.map(lambda all_lanes, one: all_lanes.at[lane].set(one), state, own)

    def _merge_function(self, state: Any, own: Any, mask: jax.Array) -> Any:
        return jax.tree.map(lambda n, s: jnp.where(mask.reshape(-1, *[1] * (n.ndim - 1)), n, s), own, state)

    def _slice_function(self, state: Any, lane: jax.Array) -> Any:
        return jax.tree.map(lambda all_lanes: all_lanes[lane], state)

    def _start_function(self, state: Any, configs: Any, words: Any, fresh: jax.Array) -> Any:
        return self._merge_function(state, jax.vmap(self.initial)(configs, words), fresh)

    def _train_function(self, state: Any, configs: Any, words: Any, rounds: Any, data: Any) -> Any:
        order = jax.vmap(self.order, out_axes=1)(words, rounds)  # (steps, lanes, batch_size)
        one_step = jax.vmap(self.one_step, in_axes=(0, 0, 0, 0, None, 0))

        def step(carry: Any, at: Any) -> tuple[Any, None]:
            (state, total), (index, number) = carry, at
            batch = jax.tree.map(lambda a: a[index], data)
            state, loss = one_step(state, configs, words, rounds, number, batch)
            return (state, total + loss), None

        start = state, jnp.zeros(self.lanes, jnp.float32)
        (state, total), _ = jax.lax.scan(step, start, (order, jnp.arange(self.steps)))
        return state, total / self.steps

    def _step_function(self, carry: Any, configs: Any, words: Any, rounds: Any, number: Any, batch: Any) -> Any:
        state, total = carry
        state, loss = jax.vmap(self.one_step, in_axes=(0, 0, 0, 0, None, 0))(
            state, configs, words, rounds, number, batch
        )
        return state, total + loss

    def _evaluate_function(self, state: Any, configs: Any, data: Any) -> Any:
        batches, weights = data
        if len(weights) == 1:
            return self._evaluate_batch_function(state, configs, jax.tree.map(lambda a: a[0], batches), weights[0])

        def add(total: Any, block: Any) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, total, self._evaluate_batch_function(state, configs, *block)), None

        first = self._evaluate_batch_function(state, configs, jax.tree.map(lambda a: a[0], batches), weights[0])
        rest = jax.tree.map(lambda a: a[1:], batches), weights[1:]
        return jax.lax.scan(add, first, rest)[0]

    def _evaluate_batch_function(self, state: Any, configs: Any, batch: Any, weights: jax.Array) -> Any:
        sums = jax.vmap(self.metric_sums, in_axes=(0, 0, None, None))(state, configs, batch, weights)
        return sums, weights.sum()


def _key(words: jax.Array) -> jax.Array:
    return jax.random.wrap_key_data(words, impl="threefry2x32")


def shuffled(key: jax.Array, length: int) -> jax.Array:
    """Return the numbers below ``length`` in random order."""
    if length > 4096:
        return jax.random.permutation(key, length)
    # Random high bits above the number's own bits: sorting single words is several times as fast as sorting pairs.
    bits = (length - 1).bit_length()
    words = (jax.random.bits(key, (length,)) >> bits << bits) | jnp.arange(length, dtype=jnp.uint32)
    return (jnp.sort(words) & ((1 << bits) - 1)).astype(jnp.int32)
