"""Fits of many studies at once."""

import math
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import jax
import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from nqjax.errors import InputError
from nqjax.estimation.constraints import Constraint, Constraints, read_constraints
from nqjax.estimation.fit import Fit, finish, point_mass
from nqjax.estimation.solve import solve_prepared
from nqjax.estimation.study import ScaledStudy, Study, prepare
from nqjax.inputs import Limits, as_devices, as_dtype, as_regimes
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
    >>> (failure,) = nqjax.fit_many([[0.1, 0.2]])
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
    >>> fits = nqjax.fit_many([[0.1, 0.2], []])
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
        return np.array([getattr(r, name) if isinstance(r, Fit) else math.nan for r in self._results], np.float64)

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
    def converged(self) -> NDArray[np.bool_]:
        """Whether each fit ended at a minimum, shape (studies,)."""
        return self._column("converged") == 1

    @property
    def failures(self) -> list[str | None]:
        """The reason why each study could not be fitted; None for fitted ones."""
        return [r.reason if isinstance(r, Failure) else None for r in self._results]


def fit_many(
    studies: Sequence[ArrayLike],
    *,
    limits: Limits | Sequence[Limits] = (-math.inf, math.inf),
    minimize: bool = True,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
    dtype: DTypeLike = "float64",
    devices: Sequence[jax.Device] | None = None,
    progress: bool = False,
) -> Fits:
    """Fit the noisy quadratic distribution to each of many studies.

    Parameters
    ----------
    studies : sequence of array_like
        The scores of each study, one score a trial; lengths may differ.
    limits : pair of float, or a sequence of such pairs
        The regime, one for all studies or one for each; see `nqjax.fit` and `nqjax.quantile_limits`.
    minimize, alpha, beta, gamma, sigma
        As for `nqjax.fit`, for all studies.
    dtype : {"float64", "float32"}
        Precision of the optimisation. Single precision is for accelerators that are slow in double; optima are then
        refined in double on the host's CPU, so that estimates differ by far less than their statistical error.
    devices : sequence of jax.Device, optional
        Where to compute; all local devices by default. Results do not depend on it. Where JAX runs on several hosts
        (`jax.distributed`), call this on all of them with the same studies: each fits its share, and all return the
        fits of all studies.
    progress : bool
        Whether to show a progress bar on stderr.

    Returns
    -------
    Fits
        With a `Failure` for each study that cannot be fitted. A study whose scores are all equal is a point mass:
        alpha and beta are that score, sigma is 0, and gamma, which cannot be told, is the lowest one allowed.

    Raises
    ------
    InputError
        Invalid constraints or options, or a number of limits that is not the number of studies.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> rng = np.random.default_rng(0)
    >>> fits = nqjax.fit_many([rng.random(48), rng.random(32)], gamma=2, sigma=0)
    >>> fits
    Fits(2 studies, 0 failed, 2 converged)
    """
    constraints = read_constraints(alpha, beta, gamma, sigma, minimize)
    regimes = as_regimes(limits, len(studies))
    return fit_studies(studies, regimes, minimize, constraints, as_dtype(dtype), as_devices(devices), progress)


def fit_studies(
    studies: Sequence[ArrayLike],
    regimes: Sequence[Limits],
    minimize: bool,
    constraints: Constraints,
    dtype: str = "float64",
    devices: tuple[jax.Device, ...] | None = None,
    progress: bool = False,
) -> Fits:
    """Fit many studies, each within its limits, on all local devices by default; see `fit_many`."""
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
