"""Where a task's examples come from: arrays in memory, or a stream of batches that the host prepares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nqjax.errors import InputError

Batch = dict[str, NDArray[Any]]


class Arrays:
    """Examples in memory, one a row of every array; each trial shuffles them anew for each of its rounds.

    Parameters
    ----------
    **arrays : array_like, shape (examples, ...)
        By the names that a batch has.
    """

    def __init__(self, **arrays: ArrayLike) -> None:
        self.arrays: Batch = {name: np.asarray(array) for name, array in arrays.items()}
        sizes = {name: array.shape[0] if array.ndim else None for name, array in self.arrays.items()}
        if not sizes or None in sizes.values() or len(set(sizes.values())) > 1 or 0 in sizes.values():
            raise InputError(f"arrays of examples need one length, above 0; these have {sizes}")

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))


@runtime_checkable
class Stream(Protocol):
    """Examples that are read or made batch by batch, such as image folders and token files.

    Every method is a pure function of its arguments: a search that goes on after it was killed, or whose trials run in
    another order, must see the same batches. Methods may be called from several threads at once.
    """

    def __len__(self) -> int:
        """Return how many examples there are."""
        ...

    def batch(self, words: tuple[int, ...], round_index: int, step: int, batch_size: int) -> Batch:
        """Return one batch for training.

        Parameters
        ----------
        words : tuple of int
            What the trial's randomness comes from: give them to `numpy.random.SeedSequence`, with the round.
        round_index, step : int
            The round, and the step in it, both from 0.
        batch_size : int
            The number of examples.

        Returns
        -------
        dict of ndarray, each of shape (batch_size, ...)
        """
        ...

    def evaluation_batches(self, batch_size: int) -> Iterator[tuple[Batch, NDArray[np.float32]]]:
        """Yield all examples once, for every trial the same.

        Yields
        ------
        batch : dict of ndarray, each of shape (batch_size, ...)
            The last one filled up with any examples.
        weights : ndarray, shape (batch_size,)
            1 for an example, 0 for one that only fills up.
        """
        ...


Source = Arrays | Stream


def blocks(arrays: Mapping[str, NDArray[Any]], size: int) -> tuple[Batch, NDArray[np.float32]]:
    """Return arrays cut into blocks of one size, the last filled up with repeats.

    Returns
    -------
    batches : dict of ndarray, each of shape (blocks, size, ...)
    weights : ndarray, shape (blocks, size)
        0 for an example that only fills up.
    """
    length = len(next(iter(arrays.values())))
    count = -(-length // size)
    index = np.arange(count * size)
    cut = {name: array[index % length].reshape(count, size, *array.shape[1:]) for name, array in arrays.items()}
    return cut, (index < length).astype(np.float32).reshape(count, size)
