"""Searches on several hosts of `jax.distributed`: each writes its own file, and the first host joins them at the end.

Host ``h`` of ``n`` trains the trials ``h``, ``h + n``, ``h + 2 n`` and so on. If one host raises an InputError,
all hosts raise it.
"""

from __future__ import annotations

import contextlib
import glob
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax

from nqjax.errors import InputError
from nqjax.runtime.hosts import from_all_hosts
from nqjax.search.engine.checkpoint import checkpoints_of
from nqjax.search.trials_file import TrialsFile
from nqjax.trials.search_lines import Row

#: What the name of one host's file adds to the stem of the joined file's name.
_PART = re.compile(r"\.host\d+\.[a-z]+")


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Raise an InputError of one host on all hosts, so that none waits for a host that has ended."""
    if jax.process_count() == 1:
        yield
        return
    own: InputError | None = None
    try:
        yield
    except InputError as error:
        own = error
    texts = [text.decode() for text in from_all_hosts(str(own or "").encode())]
    if own is not None:
        raise own
    for host, text in enumerate(texts):
        if text:
            raise InputError(f"host {host}: {text}")


def part_of(out: Path, host: int) -> Path:
    """Return the path of one host's file."""
    return out.with_name(f"{out.stem}.host{host}{out.suffix}")


def adopt(file: Any, out: Path, settings: Mapping[str, Any], hosts: int) -> None:
    """Move the trials of hosts that took part in an earlier run, but not in this one, into this host's file."""
    own = [part_of(out, host) for host in range(hosts)] if hosts > 1 else []
    for path in sorted(out.parent.glob(f"{glob.escape(out.stem)}.host*{out.suffix}")):
        if path in own or not _PART.fullmatch(path.name[len(out.stem) :]):
            continue
        with TrialsFile(path, settings, {}) as part:
            new = [row for number, row in part.rows.items() if number not in file.rows]
            if new:
                if "lanes" not in file.made_by:
                    file.begin(part.made_by["lanes"])
                file.add(new)
        checkpoints_of(file.path, settings).take_over(checkpoints_of(path, settings).folder)
        path.unlink()


def shared(file: Any, out: str | Path | None, settings: Mapping[str, Any]) -> tuple[dict[int, Row], int | None]:
    """Return the rows of all hosts' files, and the number of lanes of their programs (None if no host has rows).

    The first host also reads the joined file of an earlier run.
    """
    rows, lanes = dict(file.rows), file.made_by.get("lanes")
    if jax.process_count() == 1:
        return rows, lanes
    with together():
        if out is not None and jax.process_index() == 0 and Path(out).exists():
            with TrialsFile(out, settings, {}) as whole:
                rows.update(whole.rows)
                lanes = whole.made_by.get("lanes") or lanes
    parts = [json.loads(part) for part in from_all_hosts(json.dumps([lanes, list(rows.values())]).encode())]
    known = [width for width, _ in parts if width]
    return {row["trial"]: row for _, some in parts for row in some}, known[0] if known else None


def joined(
    file: Any, out: str | Path | None, settings: Mapping[str, Any], made_by: Mapping[str, Any]
) -> dict[int, Row]:
    """Return the rows of all hosts; the first host writes them to one file, and each removes its own file."""
    rows, lanes = shared(file, out, settings)
    if out is not None:
        with together():  # no host removes its file before the joined file exists
            if jax.process_index() == 0:
                with TrialsFile(out, settings, made_by) as whole:
                    whole.begin(lanes or 0)
                    whole.add(row for number, row in rows.items() if number not in whole.rows)
                    whole.finish()
                checkpoints_of(Path(out), settings).clear()  # from an earlier run on one host
        if file.path is not None:
            file.path.unlink(missing_ok=True)
    return rows
