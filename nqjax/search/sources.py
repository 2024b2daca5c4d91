"""Sources of a task's examples: arrays in memory, or a stream of batches that the host prepares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nqjax.errors import InputError

Batch = dict[str, NDArray[Any]]


class Arrays:
    """Examples in memory; each trial shuffles them anew for each of its rounds.

    Parameters
    ----------
    **arrays : array_like, shape (examples, ...)
        Arrays with one row for each example; a batch has the same names.

    Raises
    ------
    InputError
        If there are no arrays or no examples, or the arrays differ in length.

    Examples
    --------
    >>> import numpy as np
    >>> from nqjax.search import Arrays
    >>> len(Arrays(x=np.zeros((100, 28, 28)), y=np.zeros(100, int)))
    100
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

    Every method must be a pure function of its arguments, so that a search that is continued, or whose trials run in
    another order, sees the same batches. Methods may be called from several threads at once.

    Examples
    --------
    >>> import numpy as np
    >>> from nqjax.search import Stream
    >>> class Noise:
    ...     def __len__(self):
    ...         return 1000
    ...     def batch(self, words, round_index, step, batch_size):
    ...         rng = np.random.default_rng([*words, round_index, step])
    ...         return {"x": rng.normal(size=(batch_size, 3))}
    ...     def evaluation_batches(self, batch_size):
    ...         yield self.batch((0,), 0, 0, batch_size), np.ones(batch_size, np.float32)
    >>> isinstance(Noise(), Stream)
    True
    >>> Noise().batch((1, 2), 0, 0, 8)["x"].shape
    (8, 3)
    """

    def __len__(self) -> int:
        """Return how many examples there are."""
        ...

    def batch(self, words: tuple[int, ...], round_index: int, step: int, batch_size: int) -> Batch:
        """Return one batch for training.

        Parameters
        ----------
        words : tuple of int
            The words of the trial's key: seed a `numpy.random.SeedSequence` with them and the round.
        round_index, step : int
            The round, and the step in the round, both from 0.
        batch_size : int
            The number of examples.

        Returns
        -------
        dict of ndarray, each of shape (batch_size, ...)
        """
        ...

    def evaluation_batches(self, batch_size: int) -> Iterator[tuple[Batch, NDArray[np.float32]]]:
        """Yield all examples once, in the same order for every trial.

        Yields
        ------
        batch : dict of ndarray, each of shape (batch_size, ...)
            The last batch is padded with any examples.
        weights : ndarray, shape (batch_size,)
            1 for an example, 0 for padding.
        """
        ...


Source = Arrays | Stream


def blocks(arrays: Mapping[str, NDArray[Any]], size: int) -> tuple[Batch, NDArray[np.float32]]:
    """Return arrays cut into blocks of one size, the last block padded with repeated examples.

    Returns
    -------
    batches : dict of ndarray, each of shape (blocks, size, ...)
    weights : ndarray, shape (blocks, size)
        1 for an example, 0 for padding.
    """
    length = len(next(iter(arrays.values())))
    count = -(-length // size)
    index = np.arange(count * size)
    cut = {name: array[index % length].reshape(count, size, *array.shape[1:]) for name, array in arrays.items()}
    return cut, (index < length).astype(np.float32).reshape(count, size)
