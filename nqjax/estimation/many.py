"""Fits of many studies at once."""

import math
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nqjax.errors import InputError
from nqjax.estimation.constraints import Constraints
from nqjax.estimation.fit import Fit, finish, point_mass
from nqjax.estimation.solve import solve_prepared
from nqjax.estimation.study import ScaledStudy, Study, prepare
from nqjax.inputs import Limits, as_devices
from nqjax.runtime.hosts import from_all_hosts
from nqjax.runtime.parallel import in_parallel, num_workers
from nqjax.runtime.progress import Progress
from nqjax.solver.batch import BatchSettings, ChunkShape, chunk_shape, chunks
from nqjax.solver.pieces import num_pieces


@dataclass(frozen=True)
class Failure:
    """A study that could not be fitted, with the reason.

    Examples
    --------
    >>> import nqjax
    >>> (failure,) = nqjax.fit_many([[0.1, 0.2]], threshold=None)
    >>> failure.reason
    '2 scores are too few to fit: give at least 3, better 24 or more'
    """

    reason: str


class Fits(Sequence["Fit | Failure"]):
    """Fits of many studies, in their order, with the attributes of `Fit` as arrays.

    Indexing gives one study's `Fit`, or its `Failure`. The arrays hold NaN (gamma 0) for studies that failed.

    Examples
    --------
    >>> import nqjax
    >>> fits = nqjax.fit_many([[0.1, 0.2], []], threshold=None)
    >>> len(fits), fits.gamma.tolist()
    (2, [0, 0])
    >>> fits.failures[1]
    '0 scores are too few to fit: give at least 3, better 24 or more'
    """

    def __init__(self, results: Sequence["Fit | Failure"]) -> None:
        self._results = list(results)

    def __len__(self) -> int:
        return len(self._results)

    @overload
    def __getitem__(self, index: int) -> "Fit | Failure": ...
    @overload
    def __getitem__(self, index: slice) -> "Fits": ...
    def __getitem__(self, index: int | slice) -> "Fit | Failure | Fits":
        return Fits(self._results[index]) if isinstance(index, slice) else self._results[index]

    def __repr__(self) -> str:
        failed = sum(reason is not None for reason in self.failures)
        return f"Fits({len(self)} studies, {failed} failed, {int(np.sum(self.converged))} converged)"

    def _column(self, name: str) -> NDArray[np.float64]:
        values = [getattr(r, name) if isinstance(r, Fit) else None for r in self._results]
        return np.array([math.nan if value is None else value for value in values], np.float64)

    @property
    def alpha(self) -> NDArray[np.float64]:
        """Fitted alpha of each study, shape (studies,)."""
        return self._column("alpha")

    @property
    def beta(self) -> NDArray[np.float64]:
        """Fitted beta of each study, shape (studies,)."""
        return self._column("beta")

    @property
    def gamma(self) -> NDArray[np.int64]:
        """Fitted gamma of each study, 0 for failures, shape (studies,)."""
        return np.nan_to_num(self._column("gamma")).astype(np.int64)

    @property
    def sigma(self) -> NDArray[np.float64]:
        """Fitted sigma of each study, shape (studies,)."""
        return self._column("sigma")

    @property
    def loss(self) -> NDArray[np.float64]:
        """Loss of each fit, shape (studies,)."""
        return self._column("loss")

    @property
    def gradient_norm(self) -> NDArray[np.float64]:
        """Gradient norm of each fit, shape (studies,)."""
        return self._column("gradient_norm")

    @property
    def threshold(self) -> NDArray[np.float64]:
        """Where each study's regime ends; NaN where all scores were used, shape (studies,)."""
        return self._column("threshold")

    @property
    def p_value(self) -> NDArray[np.float64]:
        """The p-value of each fit, see `Fit`, shape (studies,)."""
        return self._column("p_value")

    @property
    def best_score(self) -> NDArray[np.float64]:
        """Best score that was seen in each study, shape (studies,)."""
        return self._column("best_score")

    @property
    def converged(self) -> NDArray[np.bool_]:
        """Whether each fit ended at a minimum, shape (studies,)."""
        return self._column("converged") == 1

    @property
    def failures(self) -> list[str | None]:
        """The reason why each study could not be fitted; None for fitted ones."""
        return [r.reason if isinstance(r, Failure) else None for r in self._results]


def fit_studies(
    studies: Sequence[ArrayLike],
    regimes: Sequence[Limits],
    minimize: bool,
    constraints: Constraints,
    dtype: str = "float64",
    devices: tuple[jax.Device, ...] | None = None,
    progress: bool = False,
) -> Fits:
    """Fit many studies, each within its limits, on all local devices by default; see `nqjax.fit_many`."""
    devices = as_devices(devices)
    mine = range(jax.process_index(), len(studies), jax.process_count())
    results: list[Fit | Failure] = [Failure("not fitted")] * len(mine)
    with Progress("studies", len(mine), show=progress) as bar:
        some = [studies[i] for i in mine]
        for places, fits in fit_stream(some, [regimes[i] for i in mine], minimize, constraints, dtype, devices):
            for place, fit in zip(places, fits, strict=True):
                results[place] = fit
            bar.advance(len(places))
    return Fits(results if jax.process_count() == 1 else _gather(results, len(studies)))


def fit_stream(
    studies: Sequence[ArrayLike],
    limits: Sequence[Limits],
    minimize: bool,
    constraints: Constraints,
    dtype: str,
    devices: tuple[jax.Device, ...],
) -> Iterator[tuple[list[int], list["Fit | Failure"]]]:
    """Fit studies in chunks; when a chunk is done, yield the indices of its studies and their fits."""
    shape = chunk_shape(devices[0])
    settings = BatchSettings(constraints.gamma, dtype=dtype)

    def work(places: list[int], device: jax.Device) -> tuple[list[int], list[Fit | Failure]]:
        some = [(studies[i], limits[i]) for i in places]
        return places, fit_chunk(some, minimize, constraints, settings, shape, device)

    # Knots are scores and limits.
    pieces = [1 + num_pieces(_size(study) + 3) for study in studies]
    yield from in_parallel(work, chunks(pieces, shape, num_workers(devices)), devices)


def _size(study: ArrayLike) -> int:
    """Return the number of scores; 0 for an invalid array, which becomes a Failure later."""
    try:
        return int(np.size(study))
    except ValueError:
        return 0


def fit_chunk(
    studies: list[tuple[ArrayLike, Limits]],
    minimize: bool,
    constraints: Constraints,
    settings: BatchSettings,
    shape: ChunkShape,
    device: jax.Device,
) -> list["Fit | Failure"]:
    """Fit the studies of one chunk, given with their limits."""
    results: list[Fit | Failure] = [Failure("not fitted")] * len(studies)
    good: dict[int, ScaledStudy] = {}
    for i, (scores, limits) in enumerate(studies):
        try:
            study = Study.constrained(scores, limits, minimize, constraints)
            point = point_mass(study)
            if point is None:
                good[i] = prepare(study)
            else:
                results[i] = point
        except InputError as error:
            results[i] = Failure(str(error))
    if not good:
        return results
    solutions, _ = solve_prepared(list(good.values()), settings, shape, device)
    for (i, one), solution in zip(good.items(), solutions, strict=True):
        try:
            results[i] = finish(solution, one)
        except InputError as error:
            results[i] = Failure(str(error))
    return results


def _gather(results: list["Fit | Failure"], count: int) -> list["Fit | Failure"]:
    """Return the results of all studies in order; each of n hosts has computed every n-th study."""
    lists = [pickle.loads(data) for data in from_all_hosts(pickle.dumps(results))]
    return [lists[i % len(lists)][i // len(lists)] for i in range(count)]
