"""`nqjax doctor`."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from nqjax.cli import output, process
from nqjax.cli.options import add_command
from nqjax.runtime.extras import PACKAGES

if TYPE_CHECKING:
    from rich.console import Console

_EPILOG = """\
Nothing is changed. A bug report is easier to answer with the output of this command.
"""

#: Packages whose versions are shown.
_PACKAGES = ("nqjax", "jax", "jaxlib", "numpyro", "flax", "optax", "numpy")

#: Modules that each extra of nqjax installs.
_EXTRAS = {
    "plot": ("matplotlib",),
    "report": ("arviz", "jinja2", "matplotlib"),
    "parquet": ("pyarrow",),
    "search": ("orbax", "PIL", "sklearn"),
    "optimize": ("evosax",),
    "optuna": ("optuna",),
    "landscape": ("matplotlib", "umap"),
}


class Device(TypedDict):
    """A device that JAX computes on."""

    platform: str
    kind: str
    memory: int | None  # bytes that JAX may use; None where it does not say


class Cache(TypedDict):
    """The folder of compiled programs."""

    folder: str | None
    entries: int
    bytes: int


class Document(TypedDict):
    """JSON document of `nqjax doctor`."""

    versions: dict[str, str | None]
    devices: list[Device]
    devices_error: str | None
    float64: bool
    cores: int
    cache: Cache
    extras: dict[str, list[str]]  # packages that are missing from each extra


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "doctor",
        _run,
        usage="nqjax doctor [--json]",
        summary="show versions, devices, the compilation cache and the optional packages",
        description="Show what nqjax runs on: versions, devices, the compilation cache and the optional packages.",
        epilog=_EPILOG,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def _run(args: argparse.Namespace) -> None:
    process.use_compilation_cache()
    output.give(args, doctor_document(), _print)


def doctor_document() -> Document:
    """Return everything that the command shows."""
    from nqjax.runtime.parallel import num_cores

    devices, error = _devices()
    return {
        "versions": _versions(),
        "devices": devices,
        "devices_error": error,
        "float64": not error and _has_float64(),
        "cores": num_cores(),
        "cache": _cache(),
        "extras": {name: _missing(modules) for name, modules in _EXTRAS.items()},
    }


def _versions() -> dict[str, str | None]:
    import platform
    from importlib import metadata

    from nqjax._version import __version__

    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = __version__ if name == "nqjax" else metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def _devices() -> tuple[list[Device], str | None]:
    """Return the devices, or why JAX finds none."""
    import jax

    try:
        devices = jax.local_devices()
    except Exception as error:  # noqa: BLE001 - JAX raises anything, even an empty AssertionError
        asked = f"JAX_PLATFORMS is {os.environ.get('JAX_PLATFORMS', '')!r}"
        return [], str(error).partition("\n")[0] or f"JAX cannot use the platform that was asked for ({asked})"
    return [_device(device) for device in devices], None


def _device(device: Any) -> Device:
    try:
        memory = (device.memory_stats() or {}).get("bytes_limit")
    except Exception:  # noqa: BLE001 - each platform has its own way to say that it does not know
        memory = None
    return {"platform": device.platform, "kind": device.device_kind, "memory": memory}


def _has_float64() -> bool:
    """Return whether the default device computes in double precision: in single precision, 1 + 2**-40 is 1."""
    import jax
    import jax.numpy as jnp

    try:
        with jax.enable_x64(True):
            return bool(jnp.asarray(1.0) + 2.0**-40 > 1.0)
    except Exception:  # noqa: BLE001 - whatever fails here fails for lack of double precision
        return False


def _cache() -> Cache:
    import jax

    from nqjax.runtime.stored import FOLDER

    folder = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if not folder:
        return {"folder": None, "entries": 0, "bytes": 0}
    entries, size = 0, 0
    for place in (Path(folder), Path(folder) / FOLDER):
        try:
            with os.scandir(place) as files:
                for file in files:
                    # JAX keeps the time of a program's last use in a file of its own.
                    if file.is_file() and not file.name.endswith("-atime"):
                        entries += 1
                        size += file.stat().st_size
        except OSError:  # it is made when the first program is kept
            pass
    return {"folder": str(folder), "entries": entries, "bytes": size}


def _missing(modules: tuple[str, ...]) -> list[str]:
    """Return the packages whose modules cannot be found, without importing any."""
    from importlib.util import find_spec

    def is_missing(module: str) -> bool:
        try:
            return find_spec(module) is None
        except (ImportError, ValueError):
            return True

    return [PACKAGES[module] for module in modules if is_missing(module)]


def _print(document: Document, console: "Console") -> None:
    def line(name: str, text: str) -> None:
        console.print(f"{name:<9} {text}", soft_wrap=True, markup=False)

    for name, version in document["versions"].items():
        line(name, version or "not installed")
    line("cores", str(document["cores"]))
    for device in document["devices"]:
        memory = "" if device["memory"] is None else f", {device['memory'] / 2**30:.1f} GiB"
        line("device", f"{device['platform']}: {device['kind']}{memory}")
    if document["devices_error"]:
        line("device", f"none: {document['devices_error']}")
    line("float64", "yes" if document["float64"] else "no, but fits need it: use another device (JAX_PLATFORMS=cpu)")
    cache = document["cache"]
    programs = f"{cache['entries']:,} compiled programs, {cache['bytes'] / 2**20:,.1f} MiB"
    none = "none: programs are compiled in each process; set XDG_CACHE_HOME to a folder that can be written"
    line("cache", f"{cache['folder']} ({programs})" if cache["folder"] else none)
    for name, missing in document["extras"].items():
        line(name, f"missing {', '.join(missing)}: pip install 'nqjax[{name}]'" if missing else "installed")
