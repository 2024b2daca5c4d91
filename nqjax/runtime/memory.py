"""The memory of this host, and whether a count of things fits into it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from nqjax.errors import InputError

#: Bytes of a system that does not report its memory.
_HOST_DEFAULT = 2**32

#: Files of a control group, by its version: its limit, its use, and the part of its use that can be freed at once.
_GROUP_FILES = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}

#: Counts above this are described, because texts of whole numbers may have thousands of digits.
_LARGEST_SHOWN = 10**15


def check_memory(name: str, count: int, each: int) -> None:
    """Raise InputError, which names the count, if things of ``each`` bytes do not fit the memory in that number.

    Without this check, an array of terabytes would be asked for after minutes of other work.
    """
    most = available() // each
    if count > most:
        given = f"{count:,}" if count <= _LARGEST_SHOWN else f"above {_LARGEST_SHOWN:,}"
        raise InputError(f"{name} is {given}, which the memory does not hold: give at most {most:,}")


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
