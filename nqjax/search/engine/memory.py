"""The memory that training may take."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import jax

#: The share of the free memory that training may use.
_USABLE_SHARE = 0.7

#: Bytes of an accelerator that does not report its memory.
_DEVICE_DEFAULT = 2**33

#: Bytes of a system that does not report its memory.
_HOST_DEFAULT = 2**32

#: Files of a control group, by its version: its limit, its use, and the part of its use that can be freed at once.
_GROUP_FILES = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def free(device: jax.Device) -> int:
    """Return the bytes that training may use on a device, or on all CPU devices together."""
    if device.platform == "cpu":
        return int(_USABLE_SHARE * available())
    stats = device.memory_stats() or {}
    return int(_USABLE_SHARE * (stats.get("bytes_limit", _DEVICE_DEFAULT) - stats.get("bytes_in_use", 0)))


def available(root: Path = Path("/")) -> int:
    """Return the bytes that a process can take on this host without swapping.

    That is more than the free memory, because the system also uses memory to cache files. The limits of containers and
    batch jobs are taken into account.
    """
    return max(0, min(_system(root), *_groups(root), 2**63))


def _system(root: Path) -> int:
    try:
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return _HOST_DEFAULT


def _groups(root: Path) -> Iterator[int]:
    """Yield the bytes that each control group of the process has left."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not on Linux
        return
    for line in lines:
        _, kind, path = line.split(":", 2)
        if kind not in _GROUP_FILES:
            continue
        top = root / "sys/fs/cgroup" / kind
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(top) and (left := _left(folder, *_GROUP_FILES[kind])) is not None:
                yield left


def _left(folder: Path, limit: str, use: str, cached: str) -> int | None:
    try:
        most, used = (int((folder / name).read_text()) for name in (limit, use))
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # not there, or no limit: "max"
        return None
    return most - used + int(statistics.get(cached, 0))
