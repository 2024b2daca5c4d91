"""How much memory training may take."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import jax

#: The share of the memory that is free that may be used.
_SHARE = 0.7


#: What a control group says of its memory, by version: its limit, its use, and which of that can be had at once.
_GROUP = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def free(device: jax.Device) -> int:
    """Return the bytes that training may use on a device; on a CPU, on all of them together."""
    if device.platform == "cpu":
        return int(_SHARE * available())
    stats = device.memory_stats() or {}
    return int(_SHARE * (stats.get("bytes_limit", 2**33) - stats.get("bytes_in_use", 0)))


def available(root: Path = Path("/")) -> int:
    """Return the bytes of the host that a process can have without others being pushed out.

    That is more than what is free: the system keeps files in memory for as long as nobody else wants it. The limits of
    containers and batch jobs count, too.
    """
    return max(0, min(_system(root), *_groups(root), 2**63))


def _system(root: Path) -> int:
    try:
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 2**32


def _groups(root: Path) -> Iterator[int]:
    """What each control group that the process is in has left."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, kind, path = line.split(":", 2)
        if kind not in _GROUP:
            continue
        top = root / "sys/fs/cgroup" / kind
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(top) and (left := _left(folder, *_GROUP[kind])) is not None:
                yield left


def _left(folder: Path, limit: str, use: str, cached: str) -> int | None:
    try:
        most, used = (int((folder / name).read_text()) for name in (limit, use))
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # not there, or no limit: "max"
        return None
    return most - used + int(statistics.get(cached, 0))
