"""Set up every test module: a CPU backend, a cache of compiled programs, precision as a fixture, reference data."""

import hashlib
import importlib.metadata
import os
import platform
from collections.abc import Iterator
from pathlib import Path

# Before the first import of JAX: it reads the platform once. A platform that the user asks for is left alone.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")


def _machine() -> str:
    """Return a name for what a compiled program depends on besides its text: jaxlib, Python and the processor."""
    info = Path("/proc/cpuinfo")
    flags = [line for line in info.read_text().splitlines() if line.startswith("flags")][:1] if info.exists() else []
    parts = [importlib.metadata.version("jaxlib"), platform.python_version(), platform.machine(), *flags]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


# Nine tenths of the tests' time would be compilation. A program is found again only if it is identical, so this hides
# no change. As environment variables, so that both workers and all subprocesses share it.
_CACHE = os.environ.get("NQJAX_TEST_CACHE") or str(Path(__file__).parents[1] / ".cache" / "jax")
if _CACHE != "off":
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(_CACHE) / _machine()))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import jax
import pytest

_DATA_VARIABLE = "NQJAX_SHARED_DATA"


# Neither precision nor rank promotion is set for the whole process. Entry points must work where a user leaves JAX in
# float32, and NumPyro's own distributions promote ranks: even Normal(zeros(3), 1).log_prob of a (5, 3) batch raises.
@pytest.fixture
def x64() -> Iterator[None]:
    """Run the test in double precision.

    Arrays made here are not fit for use after the scope has closed: outside it, even `array * 2` warns. A fixture of
    wider scope has to open `jax.enable_x64(True)` itself and return NumPy arrays.
    """
    with jax.enable_x64(True):
        yield


@pytest.fixture
def strict_ranks() -> Iterator[None]:
    """Make broadcasting between arrays of different rank an error, for code that does not go through NumPyro."""
    with jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of reference searches; skip the test where there is none."""
    override = os.environ.get(_DATA_VARIABLE)
    folder = Path(override) if override else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the reference data are not at {folder} (set {_DATA_VARIABLE} to the folder that holds them)")
    return folder
