"""What every test module shares: a CPU backend, precision as a fixture, and where the reference data lie."""

import os
from collections.abc import Iterator
from pathlib import Path

# Before the first import of JAX: it reads the platform once. A platform that the user asks for is left alone.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")

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
