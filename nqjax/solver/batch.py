"""Batches of studies: chunks of one shape, several at once, on all local devices.

A chunk holds a fixed number of studies and of pieces, filled up with padding that costs nothing, so that studies of
all sizes share one compiled program. Chunks are worked on by a few threads: compiled code runs without Python's lock,
and the next chunk is prepared meanwhile. A device takes the next chunk when it has done its last: no device waits for
another, and as each runs the same program, results are the same to the last digit on any number of them. (One program
partitioned over the devices would wait for the slowest in every chunk, and its sums are compiled in another order.)
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from nqjax.runtime.compiled import Compiled, made_once
from nqjax.solver.knots import families
from nqjax.solver.newton import Box, Options, Solution
from nqjax.solver.pieces import Problem, Problems, pack, to_single
from nqjax.solver.program import fit_program

#: Studies in a chunk on a CPU.
_CPU_STUDIES = 32
#: Pieces in a chunk on a CPU: with their intermediate results they fit in the cache of a core.
_CPU_PIECES = 1024

#: Studies in a chunk on an accelerator, which needs tens of thousands of threads.
_ACCELERATOR_STUDIES = 4096
#: Pieces in a chunk on an accelerator: about 1 GB.
_ACCELERATOR_PIECES = 65536

#: Pieces evaluated side by side on a CPU.
_CPU_WIDTH = 16
#: Pieces evaluated side by side on an accelerator.
_ACCELERATOR_WIDTH = 16384

#: A study with more pieces than this is large: wider evaluations keep all cores of a CPU busy with it alone.
_LARGE_STUDY = 4096
#: Pieces of a large study evaluated side by side.
_LARGE_STUDY_WIDTH = 512

#: The capacity of a chunk grows by this factor until it holds its study: few sizes mean few compilations.
_GROWTH = 8

#: Ranges of gamma are widened to end at one of these, also for few compilations; the added gammas cost nothing.
LARGEST_GAMMAS = (6, 10, 50)

#: Initial points of each start that are left out where only the best gamma matters.
_SKIPPED_POINTS = 2


class ScaledProblem(NamedTuple):
    """Pieces of a study and bounds on its parameters, on the scale of its knots."""

    problem: Problem
    box: Box  # fields of shape (4,)


class BatchSettings(NamedTuple):
    """Settings that all studies of a batch share."""

    gamma: tuple[int, int]
    noiseless: bool = False
    every_gamma: bool = True  # or only those that may be the best, with fewer initial points
    dtype: str = "float64"  # of the starts; single-precision ends are refined in double precision on the host


class ChunkShape(NamedTuple):
    """Size of the arrays of a chunk."""

    size: int  # studies
    capacity: int  # pieces
    width: int  # pieces evaluated side by side

    def holding(self, pieces: int) -> "ChunkShape":
        """Return this shape, or a larger one if it cannot hold a single study with that number of pieces."""
        capacity = self.capacity
        while capacity < pieces:
            capacity *= _GROWTH
        wide = max(self.width, _LARGE_STUDY_WIDTH) if capacity > _LARGE_STUDY else self.width
        return self._replace(capacity=capacity, width=wide)


def chunk_shape(device: jax.Device) -> ChunkShape:
    """Return the shape of a chunk that keeps a device busy; it does not depend on the number of studies."""
    if device.platform == "cpu":
        return ChunkShape(_CPU_STUDIES, _CPU_PIECES, _CPU_WIDTH)
    return ChunkShape(_ACCELERATOR_STUDIES, _ACCELERATOR_PIECES, _ACCELERATOR_WIDTH)


def chunks(pieces: Sequence[int], shape: ChunkShape, workers: int) -> Iterator[list[int]]:
    """Yield the indices of each chunk's studies.

    Studies of a chunk have similar sizes, and there is a chunk for every worker if possible.

    Parameters
    ----------
    pieces : sequence of int
        Number of pieces of each study, the thinned one included.
    """
    share = -(-sum(pieces) // workers)
    chunk: list[int] = []
    held = 0
    for i in sorted(range(len(pieces)), key=pieces.__getitem__):
        if chunk and (held + pieces[i] > shape.capacity or len(chunk) == shape.size or held >= share):
            yield chunk
            chunk, held = [], 0
        chunk.append(i)
        held += pieces[i]
    if chunk:
        yield chunk


@functools.lru_cache(maxsize=8)
def _families(largest: int, dtype: str) -> Any:
    return families(np.arange(1, largest + 1, dtype=dtype))


@made_once
def _program(platform: str, bits: int, width: int) -> Compiled:
    return Compiled(functools.partial(fit_program, bits=bits, width=width), platform)


class Packed(NamedTuple):
    """The arrays of a chunk, as arguments of the compiled program."""

    problems: Problems
    box: Box  # fields of shape (size, 4)
    active: NDArray[np.bool_]  # (size,): whether a study is real or padding
    warm: NDArray[np.floating]  # (size, gammas, 3)


def run(
    packed: Packed, settings: BatchSettings, shape: ChunkShape, device: jax.Device, warm_start: bool = False
) -> tuple[Solution, float]:
    """Run the program on a chunk in the dtype of the settings.

    Returns
    -------
    solution : Solution
        NumPy arrays, for all places of the chunk, padding included.
    evaluations : float
        Number of pieces evaluated.
    """
    low, high = settings.gamma
    largest = next(limit for limit in LARGEST_GAMMAS if high <= limit)
    gammas = np.arange(1, largest + 1)
    program = _program(device.platform, (largest + 1).bit_length(), shape.width)
    with jax.enable_x64(settings.dtype == "float64"):
        skipped = 0 if settings.every_gamma or settings.noiseless else _SKIPPED_POINTS
        options = Options(
            packed.active,  # type: ignore[arg-type]
            (gammas >= low) & (gammas <= high),  # type: ignore[arg-type]
            np.bool_(settings.noiseless),  # type: ignore[arg-type]
            np.bool_(not warm_start),  # type: ignore[arg-type]
            np.int32(skipped),  # type: ignore[arg-type]
            np.bool_(settings.every_gamma),  # type: ignore[arg-type]
        )
        warm = np.pad(packed.warm, ((0, 0), (low - 1, largest - high), (0, 0)), mode="edge")
        arguments = packed.problems, _families(largest, settings.dtype), packed.box, options, warm
        solution, evaluations = jax.tree.map(np.asarray, program(device, *arguments))
    return jax.tree.map(lambda a: a[:, low - 1 : high], solution), float(evaluations)


def solve_chunk(
    packed: Packed, settings: BatchSettings, shape: ChunkShape, device: jax.Device, warm_start: bool = False
) -> tuple[Solution, float]:
    """Run the program in double precision.

    Alternatively, run it in single precision and refine the optima in double precision on a CPU.
    """
    if settings.dtype == "float64":
        return run(packed, settings, shape, device, warm_start)
    box, warm = Box(*(a.astype(np.float32) for a in packed.box)), packed.warm.astype(np.float32)  # type: ignore[union-attr]
    single = Packed(to_single(packed.problems), box, packed.active, warm)  # type: ignore[arg-type]
    rough, evaluations = run(single, settings, shape, device, warm_start)
    double, host = settings._replace(dtype="float64"), _host(device)
    packed = packed._replace(warm=np.asarray(rough.theta, np.float64))
    width = shape.width if device.platform == "cpu" else chunk_shape(host).width
    solution, more = run(packed, double, shape._replace(width=width), host, warm_start=True)
    return solution, evaluations + more


def _host(device: jax.Device) -> jax.Device:
    """Return a CPU, or the device itself where JAX was started without one (`JAX_PLATFORMS`)."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        return device


def solve(
    studies: Sequence[ScaledProblem], settings: BatchSettings, shape: ChunkShape, device: jax.Device
) -> tuple[list[Solution], float]:
    """Fit the studies of one chunk.

    Returns
    -------
    solutions : list of Solution
        For each study in order, NumPy arrays with a leading axis of gammas.
    evaluations : float
        Number of pieces evaluated.
    """
    shape = shape.holding(sum(len(s.problem.knots) for s in studies))
    packed = _pack(studies, shape.size, shape.capacity, settings.gamma[1] - settings.gamma[0] + 1)
    solution, evaluations = solve_chunk(packed, settings, shape, device)
    return [jax.tree.map(lambda a, i=i: a[i], solution) for i in range(len(studies))], evaluations


def _pack(studies: Sequence[ScaledProblem], size: int, capacity: int, num_gammas: int) -> Packed:
    """Return the arrays of a chunk, padded to ``size`` studies."""
    problems = pack([s.problem for s in studies], size, capacity)
    padded = [*studies, *[studies[0]] * (size - len(studies))]
    box = Box(*(np.stack(bound) for bound in zip(*(s.box for s in padded), strict=True)))  # type: ignore[arg-type]
    return Packed(problems, box, np.arange(size) < len(studies), np.zeros((size, num_gammas, 3)))
