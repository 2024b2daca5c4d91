"""Compiled programs kept in the folder of JAX's cache, from where another process loads them without tracing.

JAX's cache finds a program by its text, for which it has to be traced and lowered first: half a second or more for the
large ones. Here a program is found by the name of its function, the package's own source, the versions of what compiled
it, and the shapes of its arguments.
"""

import contextlib
import functools
import hashlib
import importlib
import os
import pickle
import platform
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import jax

from nqjax.runtime.files import written_whole

_PACKAGE = __name__.partition(".")[0]

#: The folder in that of JAX's cache.
FOLDER = "nqjax"

#: Seconds after which a program that was not loaded is removed: it is of an earlier version of the source.
_KEPT = 30 * 24 * 3600

#: Settings that change what a function is traced or compiled to.
_SETTINGS = (
    "jax_enable_x64",
    "jax_default_matmul_precision",
    "jax_numpy_dtype_promotion",
    "jax_numpy_rank_promotion",
    "jax_default_prng_impl",
    "jax_threefry_partitionable",
    "jax_debug_nans",
    "jax_debug_infs",
    "jax_disable_jit",
    "jax_enable_checks",
    "jax_check_tracer_leaks",
)


def name_of(function: Callable[..., Any]) -> str | None:
    """Return a name that says all about a function that its module's source does not.

    Returns
    -------
    str or None
        None for methods and functions made inside others, which may hold any values, for bound arguments other than
        numbers and texts by name, and for functions of other packages, whose source is not known here.
    """
    bare, bound = function, {}
    if isinstance(function, functools.partial):
        if function.args:
            return None
        bare, bound = function.func, function.keywords
    name, module = getattr(bare, "__qualname__", "<"), getattr(bare, "__module__", None) or ""
    if hasattr(bare, "__self__") or "<" in name or module.partition(".")[0] != _PACKAGE:
        return None
    if not all(isinstance(value, bool | int | float | str) for value in bound.values()):
        return None
    return f"{module}.{name} {sorted(bound.items())!r}"


def place(name: str, options: Any, device: jax.Device, arguments: tuple[Any, ...]) -> Path | None:
    """Return the file of a program, or None where none is kept: without JAX's cache, and on other devices than CPUs.

    Parameters
    ----------
    name : str
        From `name_of`.
    options : dict or None
        Options of the compiler.
    device : Device
    arguments : tuple
        Of the program; their values are not read.
    """
    folder = _folder()
    if folder is None or device.platform != "cpu":
        return None
    shapes = jax.eval_shape(lambda *these: these, *arguments)
    leaves, structure = jax.tree.flatten(shapes)
    said = (
        name,
        _source(),
        _machine(device),
        sorted((options or {}).items()),
        [getattr(jax.config, setting, None) for setting in _SETTINGS],
        os.environ.get("XLA_FLAGS"),
        [(leaf.shape, str(leaf.dtype), leaf.weak_type) for leaf in leaves],
        str(structure),
    )
    return folder / f"{hashlib.blake2b(repr(said).encode(), digest_size=20).hexdigest()}.program"


def load(path: Path, device: jax.Device, arguments: tuple[Any, ...]) -> Callable[..., Any] | None:
    """Return the program in a file, or None if there is none that can be used."""
    from jax.experimental import serialize_executable

    try:
        data = path.read_bytes()
        digest, content = data[:20], data[20:]
        if hashlib.blake2b(content, digest_size=20).digest() != digest:
            return None
        binary, result, calls = pickle.loads(content)  # the user's own folder, trusted like JAX's cache
        if calls == "LAPACK":
            _get_lapack_ready()
        inputs = jax.tree.structure((arguments, {}))
        outputs = jax.tree.structure(result)
        loaded = serialize_executable.deserialize_and_load(
            binary, inputs, outputs, backend=device.client, execution_devices=[device]
        )
        with contextlib.suppress(OSError):  # the folder may be another user's
            if time.time() - path.stat().st_mtime > _KEPT / 30:
                os.utime(path)
    except Exception:  # noqa: BLE001 - whatever is wrong with a kept program, it can be compiled again
        return None
    return loaded


#: What the program calls that is not in it, if it can be kept at all.
Calls = Literal["nothing", "LAPACK"]


@functools.cache
def _get_lapack_ready() -> None:
    """Let JAX find the functions of LAPACK, which it does when it lowers a call of one of them.

    Without them, loading a program that calls them would end the process.
    """
    jax.jit(jax.numpy.linalg.cholesky).lower(jax.ShapeDtypeStruct((1, 1), "float32"))


def compiled_here(lowered: Any) -> tuple[Any, Calls | None]:
    """Return a compiled program, and what it calls; None if it cannot be kept.

    It cannot where it was found in JAX's cache: XLA's CPU programs that were loaded once lose their code when they are
    written again. Nor where it calls libraries other than LAPACK.
    """
    _count_hits()
    before = getattr(_hits, "number", 0)
    program = lowered.compile()
    if getattr(_hits, "number", 0) != before:
        return program, None
    text = lowered.as_text()
    if "custom_call" not in text:
        return program, "nothing"
    return program, "LAPACK" if text.count("custom_call") == text.count("custom_call @lapack_") else None


#: The programs that each thread has found in JAX's cache.
_hits = threading.local()


@functools.cache
def _count_hits() -> None:
    def listen(event: str, **_: str | int) -> None:
        if event == "/jax/compilation_cache/cache_hits":
            _hits.number = getattr(_hits, "number", 0) + 1

    jax.monitoring.register_event_listener(listen)


def store(path: Path, program: Any, calls: Calls) -> None:
    """Keep a program; nothing happens if it cannot be kept."""
    from jax.experimental import serialize_executable

    try:
        binary, _, outputs = serialize_executable.serialize(program)
        # The structure itself cannot be pickled where it has named tuples; a result of that structure can.
        content = pickle.dumps((binary, jax.tree.unflatten(outputs, range(outputs.num_leaves)), calls))
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _remove_old(path.parent)
        with written_whole(path, "wb") as file:
            file.write(hashlib.blake2b(content, digest_size=20).digest() + content)
    except Exception:  # noqa: BLE001 - a full disk, a backend that cannot: the program itself is there
        return


def _folder() -> Path | None:
    """Return the folder of the kept programs: they are kept where, and only where, JAX keeps its own."""
    config: Any = jax.config
    folder = config.jax_compilation_cache_dir
    if not folder or "://" in str(folder) or not config.jax_enable_compilation_cache or config.jax_disable_jit:
        return None
    return None if jax.process_count() > 1 else Path(folder) / FOLDER


def _remove_old(folder: Path) -> None:
    now = time.time()
    for path in folder.iterdir():  # drafts of killed processes, too
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime > _KEPT:
                path.unlink()


@functools.cache
def _source() -> str:
    """Return a digest of the package's own source."""
    found = hashlib.blake2b(digest_size=20)
    root = Path(__file__).parents[1]
    for path in sorted(root.rglob("*.py")):
        found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


@functools.cache
def _machine(device: jax.Device) -> tuple[Any, ...]:
    """Return what a program is compiled by and for."""
    features: dict[str, bool] = {}
    with contextlib.suppress(ImportError, AttributeError):
        features = importlib.import_module("numpy._core._multiarray_umath").__cpu_features__
    flags: set[str] = set()  # all that Linux knows, while NumPy knows those it uses
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        flags = {line for line in lines if line.startswith(("flags", "Features", "model name"))}
    client: Any = device.client
    versions = [version(package) for package in ("jax", "jaxlib", "numpy", "numpyro")]
    there = device.platform, device.device_kind, device.id, client.platform_version, len(client.devices())
    return (
        *versions,
        *there,
        platform.machine(),
        *sorted(name for name, has in features.items() if has),
        *sorted(flags),
    )
