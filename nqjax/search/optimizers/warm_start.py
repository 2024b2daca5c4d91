"""Methods that begin with earlier trials in their history, which are no trials of the search."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import ndtri
from numpy.typing import NDArray

from nqjax.search.optimizers.cube import Cube, TwoTasks
from nqjax.search.optimizers.gaussian_process import GaussianProcess
from nqjax.search.optimizers.method import FromHistory, History, KeyedHistory, Method, random_point

#: Earlier trials whose mean says what to expect at a point.
_NEIGHBOURS = 5

#: Room is a multiple of this, so that few sizes are compiled.
_BLOCK = 32


@dataclass(frozen=True)
class Earlier:
    """Earlier trials as a method sees them.

    Attributes
    ----------
    u : ndarray, shape (trials, dimension)
    active : ndarray of bool, shape (trials, dimension)
    scores : ndarray, shape (trials,)
        Lower is better; infinite for failed trials.
    by_ranks : bool
        Whether their scores may be on another scale than those of the search.
    configs : tuple of dict
        The same as configurations.
    """

    u: NDArray[np.float64]
    active: NDArray[np.bool_]
    scores: NDArray[np.float64]
    by_ranks: bool
    configs: tuple[dict[str, Any], ...] = ()

    @property
    def best(self) -> NDArray[np.float64]:
        """The point with the best score; inactive coordinates are in the middle."""
        place = int(np.argmin(self.scores))
        return np.where(self.active[place], self.u[place], 0.5)


class WarmState(NamedTuple):
    """The state of the method within, and the number of earlier trials."""

    inner: KeyedHistory
    before: Array


@dataclass(frozen=True)
class FromEarlier:
    """A method whose history begins with earlier trials; those of the search follow.

    Trial ``i`` has the key that it would have without them. By ranks, a Gaussian process has one more coordinate, which
    tells earlier trials from new ones: it learns how much the two tasks are alike.

    Attributes
    ----------
    method : FromHistory
    by_ranks : bool
        Whether the method sees places instead of scores: see `levelled`.
    """

    method: FromHistory
    by_ranks: bool

    @property
    def name(self) -> str:
        """The name of the method."""
        return str(getattr(self.method, "name", "method"))

    def init(self, cube: Cube, capacity: int, key: Array) -> WarmState:
        """Return the state before the earlier trials are known."""
        inner = self.method.init(cube, capacity, key)
        if self._tells_tasks:
            inner = inner._replace(memory=self.method.start(TwoTasks.of(cube), capacity))
        return WarmState(inner, jnp.asarray(0))

    @property
    def _tells_tasks(self) -> bool:
        return self.by_ranks and isinstance(self.method, GaussianProcess)

    def _suggest(self, cube: Cube, state: KeyedHistory, before: Array, number: Array, key: Array) -> tuple[Any, Array]:
        if not self._tells_tasks:
            return self.method.suggest(cube, state, number, key)
        u, active, scores, told = state.history
        task = TwoTasks.tasks(jnp.arange(len(u)) < before)
        history = History(jnp.column_stack([u, task]), jnp.column_stack([active, jnp.ones(len(u), bool)]), scores, told)
        memory, point = self.method.suggest(TwoTasks.of(cube), state._replace(history=history), number, key)
        at_start = number < getattr(self.method, "startup", 0)  # the point that it is without the coordinate
        return memory, jnp.where(at_start, random_point(cube, key), point[:-1])

    def ask(self, cube: Cube, state: WarmState, first: Array, count: int) -> tuple[WarmState, Array]:
        """Return the state and the next points."""
        before = state.before

        def step(inner: KeyedHistory, number: Array) -> tuple[KeyedHistory, Array]:
            history = levelled(inner.history, before) if self.by_ranks else inner.history
            own = jax.random.fold_in(inner.key, number)
            memory, point = self._suggest(cube, inner._replace(history=history), before, before + number, own)
            point = cube.snap(point)
            asked = inner.history.asked(before + number, point[None])
            return KeyedHistory(inner.key, asked, memory), point

        inner, points = jax.lax.scan(step, state.inner, first + jnp.arange(count))
        return WarmState(inner, before), points

    def replaced(self, state: WarmState, first: Array, u: Array) -> WarmState:
        """Return the state with other points as the trials from ``first`` on, which were asked last."""
        return state._replace(inner=self.method.replaced(state.inner, state.before + first, u))

    def tell(self, cube: Cube, state: WarmState, first: Array, active: Array, scores: Array) -> WarmState:
        """Return the state with more scores."""
        return state._replace(inner=self.method.tell(cube, state.inner, state.before + first, active, scores))


def warmed(method: Method, earlier: Earlier) -> Method:
    """Return a method that sees earlier trials; its state is made by `begin`."""
    if isinstance(method, FromHistory):
        return FromEarlier(method, earlier.by_ranks)
    if hasattr(method, "started"):
        started: Method = method.started(tuple(earlier.best.tolist()))
        return started
    return method


def room_for(method: Method, earlier: Earlier, num_trials: int) -> int:
    """Return the capacity that holds earlier trials and those of the search."""
    if not isinstance(method, FromEarlier):
        return num_trials
    return -(-(num_trials + len(earlier.u)) // _BLOCK) * _BLOCK


def begin(method: Method, earlier: Earlier, states: Any) -> Any:
    """Return the states of searches, of which each has the earlier trials; call it with 64 bits."""
    if not isinstance(method, FromEarlier):
        return states
    capacity, count = states.inner.history.scores.shape[1], len(earlier.u)
    rest = capacity - count

    def filled(array: NDArray[Any], value: Any) -> Array:
        return jnp.asarray(np.concatenate([array, np.full((rest, *array.shape[1:]), value, array.dtype)]))

    scores = np.where(np.isnan(earlier.scores), np.inf, earlier.scores)
    told = np.ones(count, bool)
    history = History(filled(earlier.u, 0.0), filled(earlier.active, True), filled(scores, np.inf), filled(told, False))
    return _with_history(method.method, states, history, jnp.asarray(count))


@partial(jax.jit, static_argnums=0)
def _with_history(method: FromHistory, states: Any, history: History, count: Array) -> Any:
    searches = states.inner.history.scores.shape[0]
    memory = method.memory_of(jax.tree.map(lambda array: array[0], states.inner.memory), history, count)
    history, count, memory = jax.tree.map(partial(_repeated, searches), (history, count, memory))
    return WarmState(states.inner._replace(history=history, memory=memory), count)


def _repeated(searches: int, array: Array) -> Array:
    return jnp.broadcast_to(array, (searches, *jnp.shape(array)))


def levelled(history: History, before: Array) -> History:
    """Return the history with scores that earlier trials, the first ``before``, and those of the search can share.

    In each group a score becomes the standard normal quantile of its place, so the groups' scales do not matter. A
    search that learns has better points than the earlier trials had, so its places are moved to the level that the
    earlier trials lead to expect where it was: the mean score of the nearest of them. Failed trials stay infinite.
    """
    is_earlier = jnp.arange(len(history.scores)) < before
    usable = history.told & jnp.isfinite(history.scores)
    old, new = usable & is_earlier, usable & ~is_earlier
    place = jnp.where(is_earlier, _normal_scores(history.scores, old), _normal_scores(history.scores, new))
    u = jnp.where(history.active, history.u, 0.5)
    distance = jnp.sum((u[:, None] - u[None]) ** 2, axis=-1)
    distance = jnp.where(old[None], distance, jnp.inf)
    away, nearest = jax.lax.top_k(-distance, min(_NEIGHBOURS, len(u)))
    near = jnp.isfinite(away)
    expected = jnp.sum(jnp.where(near, place[nearest], 0.0), axis=1) / jnp.maximum(jnp.sum(near, axis=1), 1)
    level = jnp.sum(jnp.where(new, expected, 0.0)) / jnp.maximum(jnp.sum(new), 1)
    scores = jnp.where(usable, jnp.where(is_earlier, place, place + level), jnp.inf)
    return history._replace(scores=scores)


def _normal_scores(scores: Array, member: Array) -> Array:
    """Return the standard normal quantiles of members' places, tied ones sharing theirs; 0 for others."""
    below = jnp.sum(member[None] & (scores[None] < scores[:, None]), axis=1)
    equal = jnp.sum(member[None] & (scores[None] == scores[:, None]), axis=1)
    share = (below + 0.5 * equal) / jnp.maximum(jnp.sum(member), 1)
    return jnp.where(member, ndtri(jnp.where(member, share, 0.5)), 0.0)


def levelled_scores(earlier: Earlier, places: list[tuple[Any, Any]], scores: NDArray[np.float64]) -> Any:
    """Return the scores of earlier trials and then of a search's own, for methods on the host; NaN for failed ones.

    ``places`` are the own points, each with its active coordinates.
    """
    both = np.concatenate([earlier.scores, scores])
    both[~np.isfinite(both)] = np.inf
    if earlier.by_ranks:
        u = np.array([*earlier.u, *(point for point, _ in places)])
        active = np.array([*earlier.active, *(mask for _, mask in places)])
        with jax.enable_x64(True):
            history = History(*map(jnp.asarray, (u, active, both, np.ones(len(both), bool))))
            both = np.array(levelled(history, jnp.asarray(len(earlier.u))).scores)
    return np.where(np.isfinite(both), both, np.nan)
