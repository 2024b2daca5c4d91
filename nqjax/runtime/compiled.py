"""Programs that several threads use."""

import collections
import contextlib
import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import jax
from jax.sharding import SingleDeviceSharding

from nqjax.runtime import stored


class Compiled:
    """A function compiled once for each device and shapes, however many threads call it at the same time.

    `jax.jit` alone would let several threads compile the same program at the same time. Where JAX keeps compiled
    programs on the disk, these are kept as well, and found without being traced: see `nqjax.runtime.stored`.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        platform: str | None = None,
        options: Any = None,
        donate: tuple[int, ...] = (),
    ) -> None:
        # Programs are a fifth faster on CPUs with registers of 512 bits; other CPUs ignore the preference.
        wide = {"xla_cpu_prefer_vector_width": 512} if (platform or jax.default_backend()) == "cpu" else {}
        self._options = {**wide, **(options or {})} or None
        self._jitted = jax.jit(function, compiler_options=self._options, donate_argnums=donate)
        self._name = None if donate else stored.name_of(function)
        self._locks: collections.defaultdict[Any, threading.Lock] = collections.defaultdict(threading.Lock)
        self._compiled: dict[Any, Callable[..., Any]] = {}

    def __call__(self, device: jax.Device, *arguments: Any) -> Any:
        """Run on the device, to which the arguments are copied."""
        return self.compiled(device, *arguments)(*jax.device_put(arguments, SingleDeviceSharding(device)))

    def at(self, device: jax.Device, *arguments: Any) -> Any:
        """Run on the device without a copy of arguments that are there already; NumPy arrays are copied."""
        return self.compiled(device, *arguments)(*arguments)

    def compiled(self, device: jax.Device, *arguments: Any) -> Any:
        """Return the program compiled for the shapes and types of these arguments; their values are not read."""
        leaves, structure = jax.tree.flatten(arguments)
        key = device, structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        with self._locks[key]:
            if key not in self._compiled:
                self._compiled[key] = self._made(device, arguments)
        return self._compiled[key]

    def _made(self, device: jax.Device, arguments: tuple[Any, ...]) -> Callable[..., Any]:
        """Return the program from the disk, or compile it and keep it there."""
        path = None if self._name is None else stored.place(self._name, self._options, device, arguments)
        program = None if path is None else stored.load(path, device, arguments)
        if program is not None:
            return _Tried(program, lambda: self._new(device, arguments)[0])
        program, calls = self._new(device, arguments)
        if calls is not None and path is not None:
            stored.store(path, program, calls)
        return program

    def _new(self, device: jax.Device, arguments: tuple[Any, ...]) -> tuple[Any, stored.Calls | None]:
        """Return the program compiled now, and what it calls; None if it cannot be kept on the disk."""
        there = SingleDeviceSharding(device)
        shapes = jax.eval_shape(lambda *these: these, *arguments)
        placed = jax.tree.map(lambda shape: shape.update(sharding=there), shapes)
        return stored.compiled_here(self._jitted.lower(*placed))


class _Tried:
    """A program from the disk, replaced by a new one if it fails: XLA may load a program without all its code."""

    def __init__(self, program: Callable[..., Any], make: Callable[[], Callable[..., Any]]) -> None:
        self._program, self._make = program, make
        self._lock, self._is_new = threading.Lock(), False

    def __call__(self, *arguments: Any) -> Any:
        if not self._is_new:
            # Waiting costs nothing: these are programs of CPUs, whose results are read at once.
            with contextlib.suppress(jax.errors.JaxRuntimeError):
                return jax.block_until_ready(self._program(*arguments))
        with self._lock:
            if not self._is_new:
                self._program, self._is_new = self._make(), True
        return self._program(*arguments)


_Made = TypeVar("_Made")


def made_once(function: Callable[..., _Made]) -> Callable[..., _Made]:
    """Cache the results of a function, and call it once even if several threads need the same result at the same time.

    `functools.lru_cache` alone would call it once for each thread.
    """
    known, lock = functools.lru_cache(maxsize=64)(function), threading.Lock()

    @functools.wraps(function)
    def locked(*arguments: Any) -> _Made:
        with lock:
            return known(*arguments)

    locked.cache_clear = known.cache_clear  # type: ignore[attr-defined]
    return locked


def power_of_two(count: int) -> int:
    """Return the lowest power of two that is at least ``count``."""
    return 1 << (count - 1).bit_length()
