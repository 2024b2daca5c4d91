"""Batches of studies: chunks of one shape, several at once, on all local devices.

A chunk holds a fixed number of studies and of pieces, filled up with padding that costs nothing, so that studies of
all sizes share one compiled program. Chunks are worked on by a few threads: compiled code runs without Python's lock,
and the next chunk is prepared meanwhile. With several devices a chunk is sharded over them along its studies.
"""

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from numpy.typing import NDArray

from nqjax._newton import Box, Options, Solution
from nqjax._objective import families
from nqjax._pieces import Problem, Problems, pack
from nqjax._program import fit_program

_T = TypeVar("_T")
_R = TypeVar("_R")
_AXIS = "studies"
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
    dtype: str = "float64"


class Shape(NamedTuple):
    """Of a chunk, on each device."""

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


def power_of_two(count: int) -> int:
    """The lowest that is at least ``count``."""
    return 1 << (count - 1).bit_length()


def chunks(pieces: Sequence[int], shape: Shape, num_devices: int) -> Iterator[list[list[int]]]:
    """Numbers of the studies of each chunk, for each device; neighbours in size together.

    Parameters
    ----------
    pieces : sequence of int
        How many pieces each study has, the thinned one included.
    """
    chunk: list[list[int]] = [[]]
    room = shape.capacity
    for i in sorted(range(len(pieces)), key=pieces.__getitem__):
        if chunk[-1] and (pieces[i] > room or len(chunk[-1]) == shape.size):
            if len(chunk) == num_devices:
                yield chunk
                chunk = []
            chunk.append([])
            room = shape.capacity
        chunk[-1].append(i)
        room -= pieces[i]
    if chunk[-1]:
        yield chunk


@functools.lru_cache(maxsize=64)
def _families(gamma: tuple[int, int], dtype: str) -> Any:
    return families(np.arange(gamma[0], gamma[1] + 1, dtype=dtype))


@functools.lru_cache(maxsize=64)
def _program(devices: tuple[jax.Device, ...], bits: int, noiseless: bool, width: int) -> Callable[..., Any]:
    """The compiled program on some devices, each with studies of its own: nothing is communicated.

    One device takes the same path as several, so that the compiler makes the same code of it, and the results are the
    same to the last digit.
    """
    fit = functools.partial(fit_program, bits=bits, noiseless=noiseless, width=width)
    # Where there are such registers, they are used: a fifth faster.
    options = {"xla_cpu_prefer_vector_width": 512} if devices[0].platform == "cpu" else None

    def local(problems: Any, families: Any, box: Any, options: Any, warm: Any) -> Any:
        mine, box, active, warm = jax.tree.map(lambda a: a[0], (problems, box, options.active, warm))
        result = fit(mine, families, box, options._replace(active=active), warm)
        return jax.tree.map(lambda a: a[None], result)

    split, whole = PartitionSpec(_AXIS), PartitionSpec()
    specs = (split, whole, split, Options(split, *[whole] * 3), split)  # type: ignore[arg-type]
    mesh = Mesh(np.array(devices), (_AXIS,))
    program = jax.shard_map(local, mesh=mesh, in_specs=specs, out_specs=split, check_vma=False)
    return jax.jit(program, compiler_options=options)


class Packed(NamedTuple):
    """What the program reads of the studies of one device."""

    problems: Problems
    box: Box  # fields of shape (size, 4)
    active: NDArray[np.bool_]  # (size,): those that are no padding
    warm: NDArray[np.floating]  # (size, gammas, 3)


def run(
    packed: Sequence[Packed], setup: Setup, shape: Shape, devices: tuple[jax.Device, ...], warm_start: bool = False
) -> tuple[Solution, NDArray[np.floating]]:
    """Run the program: NumPy arrays for all places of all devices, padding included, and evaluations of each device."""
    bits = int(setup.gamma[1] + 1).bit_length()
    program = _program(devices, bits, setup.noiseless, shape.width)
    with jax.enable_x64(setup.dtype == "float64"):
        of_gamma = _families(setup.gamma, setup.dtype)
        skipped = 0 if setup.every_gamma or setup.noiseless else _SKIPPED
        flags = np.bool_(not warm_start), np.int32(skipped), np.bool_(setup.every_gamma)
        problems, box, active, warm = jax.tree.map(lambda *a: np.stack(a), *packed)
        options = Options(active, *flags)  # type: ignore[arg-type]
        result = program(problems, of_gamma, box, options, warm)
        result = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), jax.tree.map(np.asarray, result))
        solution, evaluations = result
    return solution, evaluations


def solve(
    parts: Sequence[Sequence[Standard]], setup: Setup, shape: Shape, devices: tuple[jax.Device, ...]
) -> tuple[list[Solution], float]:
    """Fit the studies of one chunk.

    Parameters
    ----------
    parts : sequence of sequence of Standard
        The studies of each device, no more devices than there are.

    Returns
    -------
    solutions : list of Solution
        For each study in order, NumPy arrays with a leading axis of gammas.
    evaluations : float
        How many pieces were evaluated.
    """
    largest = max(sum(len(s.problem.knots) for s in part) for part in parts)
    capacity = shape.capacity if largest <= shape.capacity else power_of_two(largest)
    parts = [*parts, *[parts[0][:0]] * (len(devices) - len(parts))]
    num_gammas = setup.gamma[1] - setup.gamma[0] + 1
    packed = [_pack(part, parts[0][0], shape.size, capacity, num_gammas) for part in parts]
    solution, evaluations = run(packed, setup, shape, devices)
    places = [d * shape.size + i for d, part in enumerate(parts) for i in range(len(part))]
    return [jax.tree.map(lambda a, i=i: a[i], solution) for i in places], float(evaluations.sum())


def _pack(part: Sequence[Standard], example: Standard, size: int, capacity: int, num_gammas: int) -> Packed:
    """Arrays for one device, padded to ``size`` studies."""
    spare = size - len(part)
    studies = [*part, *[example] * spare]
    problems = pack([s.problem for s in part], size, capacity, example.problem)
    box = Box(*(np.stack(bound) for bound in zip(*(s.box for s in studies), strict=True)))  # type: ignore[arg-type]
    warm = np.zeros((size, num_gammas, 3), problems.knots.dtype)
    return Packed(problems, box, np.arange(size) < len(part), warm)


def num_workers(devices: Sequence[jax.Device]) -> int:
    """Chunks to have in hand at once: one for each core of a CPU; with accelerators one runs, one is prepared."""
    if devices[0].platform != "cpu":
        return 2
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, 16) // len(devices))


def in_parallel(function: Callable[[_T], _R], items: Iterable[_T], workers: int) -> Iterator[_R]:
    """Results of a function as they come, from a few threads; no more items are taken than are worked on.

    An exception, Ctrl-C included, lets what runs end, and drops what does not.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="nqjax") as pool:
        running: set[Future[_R]] = set()
        try:
            for item in items:
                running.add(pool.submit(function, item))
                if len(running) > workers:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            for future in running:
                future.cancel()


def from_all_hosts(data: bytes) -> list[bytes]:
    """What each of the processes of `jax.distributed` gives, in their order; all of them must call this."""
    from jax.experimental.multihost_utils import process_allgather

    sizes = np.asarray(process_allgather(np.array([len(data)], np.int32))).reshape(-1)
    padded = np.zeros(int(sizes.max()), np.uint8)
    padded[: len(data)] = np.frombuffer(data, np.uint8)
    everyone = np.asarray(process_allgather(padded)).reshape(len(sizes), -1)
    return [row[:size].tobytes() for row, size in zip(everyone, sizes, strict=True)]
