"""Compiled programs of a test process: each takes some of the memory maps that Linux allows a process."""

import gc
from pathlib import Path

import jax

#: Linux allows 65,530 maps by default; a process that needs one more is aborted.
_MOST_MAPS = 25_000

_MAPS = Path("/proc/self/maps")


def release_if_many() -> None:
    """Drop all compiled programs if they take too many memory maps; those still needed come from the cache on disk."""
    try:
        with _MAPS.open("rb") as lines:
            count = sum(1 for _ in lines)
    except OSError:  # no Linux, no such limit
        return
    if count > _MOST_MAPS:
        jax.clear_caches()
        gc.collect()
