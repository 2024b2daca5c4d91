"""Set up every test module: a CPU backend, a cache of compiled programs, precision as a fixture, reference data."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

# Before the first import of JAX: it reads the platform once. A platform that the user asks for is left alone.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")

# Nine tenths of the tests' time would be compilation. A program is found again only if it is identical, so this hides
# no change. As environment variables, so that both workers and all subprocesses share it.
from support import cache

cache.use()

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

from support import programs

_DATA_VARIABLE = "NQJAX_SHARED_DATA"


#: Tests between two looks at the number of compiled programs.
_TESTS_A_LOOK = 20

_finished = itertools.count(1)


@pytest.fixture(autouse=True)
def _few_programs() -> Iterator[None]:
    """Keep the process below the number of memory maps that Linux allows."""
    yield
    if next(_finished) % _TESTS_A_LOOK == 0:
        programs.release_if_many()


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


@pytest.fixture
def without_cache(monkeypatch, tmp_path) -> Iterator[None]:
    """Compile every program anew, here, and let subprocesses choose their cache as a user's processes do."""
    for name in cache.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))  # never the developer's own
    before = jax.config.jax_enable_compilation_cache
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()  # JAX asks once whether there is one
    yield
    jax.config.update("jax_enable_compilation_cache", before)
    compilation_cache.reset_cache()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of reference searches; skip the test where there is none."""
    override = os.environ.get(_DATA_VARIABLE)
    folder = Path(override) if override else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the reference data are not at {folder} (set {_DATA_VARIABLE} to the folder that holds them)")
    return folder


@pytest.fixture(scope="session")
def shared_cases(shared_data) -> Path:
    """Return the folder of small inputs on which the package failed; skip the test where there is none."""
    folder = shared_data.parent / "cases"
    if not folder.is_dir():
        pytest.skip(f"the cases are not at {folder}")
    return folder
