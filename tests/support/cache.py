"""Compiled programs of the tests are kept in one folder; `python tests/support/cache.py` prints its path.

This file must not import JAX, which reads the environment once.
"""

import hashlib
import importlib.metadata
import os
import platform
from pathlib import Path

#: A subprocess without these variables uses JAX's cache as a user's process does.
VARIABLES = (
    "JAX_COMPILATION_CACHE_DIR",
    "JAX_ENABLE_COMPILATION_CACHE",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES",
)


def machine() -> str:
    """Return a name for what a compiled program depends on besides its text: jaxlib, Python and the processor."""
    info = Path("/proc/cpuinfo")
    flags = [line for line in info.read_text().splitlines() if line.startswith("flags")][:1] if info.exists() else []
    parts = [importlib.metadata.version("jaxlib"), platform.python_version(), platform.machine(), *flags]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def folder() -> Path:
    """Return the folder of compiled programs: the caller's, or one of this machine."""
    chosen = os.environ.get("NQJAX_TEST_CACHE") or Path(__file__).parents[2] / ".cache" / "jax"
    return Path(os.environ.get("JAX_COMPILATION_CACHE_DIR") or Path(chosen) / machine())


def use() -> None:
    """Let this process and its subprocesses keep compiled programs, or keep none if NQJAX_TEST_CACHE is `off`."""
    if os.environ.get("NQJAX_TEST_CACHE") == "off":
        os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
    # With `off`, too: the command line would use the user's own folder otherwise.
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder()))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


if __name__ == "__main__":
    print(folder())
