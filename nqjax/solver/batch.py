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

from nqjax.runtime.compiled import Compiled, made_once, power_of_two
from nqjax.solver.newton import Box, Options, Solution
from nqjax.solver.objective import families
from nqjax.solver.pieces import Problem, Problems, pack, to_single
from nqjax.solver.program import fit_program

#: More pieces than this keep all cores of a CPU busy with one study, when enough are evaluated side by side.
_MANY = 1024


#: Starts left out where only the best gamma matters.
_SKIPPED = 2


class Standard(NamedTuple):
    """A study on the scale of its knots."""

    problem: Problem
    box: Box  # fields of shape (4,)


class Setup(NamedTuple):
    """What all studies of a batch share; hashable."""

    gamma: tuple[int, int]
    noiseless: bool = False
    every_gamma: bool = True  # or only those that may be the best, with fewer starts
    dtype: str = "float64"  # of the search; in single precision its ends are polished in double, on the host


class Shape(NamedTuple):
    """Of a chunk."""

    size: int  # studies
    capacity: int  # pieces
    width: int  # pieces evaluated side by side


def chunk_shape(device: jax.Device) -> Shape:
    """Chunks that keep a device busy and stay within about 100 MB on a CPU, 1 GB on an accelerator."""
    # A core works best on what its nearest memory holds; an accelerator wants ten thousands of threads.
    return Shape(64, 2048, 16) if device.platform == "cpu" else Shape(4096, 65536, 16384)


def single_shape(pieces: int) -> Shape:
    """Of a chunk for one study: few sizes, so few compilations."""
    return Shape(1, power_of_two(pieces), 8 if pieces <= _MANY else 512)


def chunks(pieces: Sequence[int], shape: Shape, workers: int) -> Iterator[list[int]]:
    """Numbers of the studies of each chunk; neighbours in size together, and work for all workers if there is enough.

    Parameters
    ----------
    pieces : sequence of int
        How many pieces each study has, the thinned one included.
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


@functools.lru_cache(maxsize=64)
def _families(gamma: tuple[int, int], dtype: str) -> Any:
    return families(np.arange(gamma[0], gamma[1] + 1, dtype=dtype))


@made_once
def _program(platform: str, bits: int, noiseless: bool, width: int, single: bool) -> Compiled:
    fit = functools.partial(fit_program, bits=bits, noiseless=noiseless, width=width)
    # One fit takes milliseconds, its program seconds to compile: a little less of these is worth more.
    options = {"xla_backend_optimization_level": 1} if platform == "cpu" and single else {}
    return Compiled(fit, platform, options)


class Packed(NamedTuple):
    """What the program reads of the studies of a chunk."""

    problems: Problems
    box: Box  # fields of shape (size, 4)
    active: NDArray[np.bool_]  # (size,): those that are no padding
    warm: NDArray[np.floating]  # (size, gammas, 3)


def run(
    packed: Packed, setup: Setup, shape: Shape, device: jax.Device, warm_start: bool = False
) -> tuple[Solution, float]:
    """Run the program on a chunk in the dtype of the setup.

    Returns
    -------
    solution : Solution
        NumPy arrays, for all places of the chunk, padding included.
    evaluations : float
        How many pieces were evaluated.
    """
    bits = int(setup.gamma[1] + 1).bit_length()
    program = _program(device.platform, bits, setup.noiseless, shape.width, shape.size == 1)
    with jax.enable_x64(setup.dtype == "float64"):
        skipped = 0 if setup.every_gamma or setup.noiseless else _SKIPPED
        flags = np.bool_(not warm_start), np.int32(skipped), np.bool_(setup.every_gamma)
        options = Options(packed.active, *flags)  # type: ignore[arg-type]
        arguments = packed.problems, _families(setup.gamma, setup.dtype), packed.box, options, packed.warm
        result = program(device, *arguments)
        solution, evaluations = jax.tree.map(np.asarray, result)
    return solution, float(evaluations)


def search(
    packed: Packed, setup: Setup, shape: Shape, device: jax.Device, warm_start: bool = False
) -> tuple[Solution, float]:
    """As `run` on a chunk in double precision; in single precision search, then polish the ends in double on a CPU."""
    if setup.dtype == "float64":
        return run(packed, setup, shape, device, warm_start)
    box, warm = Box(*(a.astype(np.float32) for a in packed.box)), packed.warm.astype(np.float32)  # type: ignore[union-attr]
    single = Packed(to_single(packed.problems), box, packed.active, warm)  # type: ignore[arg-type]
    rough, evaluations = run(single, setup, shape, device, warm_start)
    double, host = setup._replace(dtype="float64"), _host(device)
    packed = packed._replace(warm=np.asarray(rough.theta, np.float64))
    width = shape.width if device.platform == "cpu" else chunk_shape(host).width
    solution, more = run(packed, double, shape._replace(width=width), host, warm_start=True)
    return solution, evaluations + more


def _host(device: jax.Device) -> jax.Device:
    """A CPU, which is good at double precision; the device itself where JAX was started without (`JAX_PLATFORMS`)."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        return device


def solve(studies: Sequence[Standard], setup: Setup, shape: Shape, device: jax.Device) -> tuple[list[Solution], float]:
    """Fit the studies of one chunk.

    Returns
    -------
    solutions : list of Solution
        For each study in order, NumPy arrays with a leading axis of gammas.
    evaluations : float
        How many pieces were evaluated.
    """
    largest = sum(len(s.problem.knots) for s in studies)
    capacity = shape.capacity if largest <= shape.capacity else power_of_two(largest)
    packed = _pack(studies, shape.size, capacity, setup.gamma[1] - setup.gamma[0] + 1)
    solution, evaluations = search(packed, setup, shape, device)
    return [jax.tree.map(lambda a, i=i: a[i], solution) for i in range(len(studies))], evaluations


def _pack(studies: Sequence[Standard], size: int, capacity: int, num_gammas: int) -> Packed:
    """Arrays for a chunk, padded to ``size`` studies."""
    problems = pack([s.problem for s in studies], size, capacity)
    padded = [*studies, *[studies[0]] * (size - len(studies))]
    box = Box(*(np.stack(bound) for bound in zip(*(s.box for s in padded), strict=True)))  # type: ignore[arg-type]
    return Packed(problems, box, np.arange(size) < len(studies), np.zeros((size, num_gammas, 3)))
