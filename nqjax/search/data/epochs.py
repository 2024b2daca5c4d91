"""Examples in memory, as a stream whose rounds may end in the middle of an epoch."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nqjax.search.sources import Arrays, Batch, blocks


class Epochs:
    """Examples as a `nqjax.search.sources.Stream`: each epoch has every example once, whatever the length of a round.

    Parameters
    ----------
    round_steps : int
        Steps in a round; if an epoch has fewer whole batches, a round has one step for each of them, at least one.
    **arrays : array_like, shape (examples, ...)
        Arrays with one row for each example; a batch has the same names.
    """

    def __init__(self, round_steps: int, **arrays: ArrayLike) -> None:
        self.round_steps, self.arrays = round_steps, Arrays(**arrays).arrays
        self._order = functools.lru_cache(maxsize=64)(self._shuffled)

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(next(iter(self.arrays.values())))

    def steps_per_round(self, batch_size: int) -> int:
        """Return the number of steps in a round."""
        return min(self.round_steps, max(len(self) // batch_size, 1))

    def batch(self, words: tuple[int, ...], round_index: int, step: int, batch_size: int) -> Batch:
        """Return one batch of shuffled examples; at the end of an epoch, the next epoch fills up the batch."""
        start = (round_index * self.steps_per_round(batch_size) + step) * batch_size
        places = np.arange(start, start + batch_size)
        index = np.concatenate(
            [
                self._order(tuple(words), int(epoch))[places[places // len(self) == epoch] % len(self)]
                for epoch in np.unique(places // len(self))
            ]
        )
        return {name: array[index] for name, array in self.arrays.items()}

    def evaluation_batches(self, batch_size: int) -> Iterator[tuple[Batch, NDArray[np.float32]]]:
        """Yield all examples once, in order, and their weights, which are 0 for padding of the last batch."""
        cut, weights = blocks(self.arrays, batch_size)
        for number, weight in enumerate(weights):
            yield {name: array[number] for name, array in cut.items()}, weight

    def _shuffled(self, words: tuple[int, ...], epoch: int) -> NDArray[Any]:
        seed = np.random.SeedSequence([*words, epoch])
        return np.random.Generator(np.random.Philox(seed)).permutation(np.arange(len(self), dtype=np.int32))
