"""Checkpoints of tiles, written by Orbax, from which long trials continue after the process has ended.

A checkpoint contains the settings of its search and the trials of its lanes. One that another search has left is
removed.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
import uuid
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nqjax.errors import InputError
from nqjax.runtime.extras import require


class Checkpoints:
    """A folder with the last checkpoint of each tile.

    Parameters
    ----------
    folder : Path
        The folder; it is made at the first save.
    settings : mapping
        The settings of the search, for JSON; checkpoints with other settings are not used.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        self.settings = json.loads(json.dumps(settings))

    def save(self, tile: str, state: Any, lanes: list[dict[str, Any] | None]) -> None:
        """Save a tile's state as arrays and its lanes as JSON, then remove its older checkpoints."""
        ocp = _orbax()
        leaves = {f"{i:04}": np.asarray(leaf) for i, leaf in enumerate(_leaves(state))}
        saved = {"settings": self.settings, "lanes": lanes}
        args = ocp.args.Composite(state=ocp.args.PyTreeSave(leaves), lanes=ocp.args.JsonSave(saved))
        older = self._of(tile)
        try:
            (self.folder / tile).mkdir(parents=True, exist_ok=True)
            with _quiet(), _checkpointer() as checkpointer:
                checkpointer.save((self.folder / tile / uuid.uuid4().hex).absolute(), args)
            for path in older:  # renamed first: a removal that is killed half-way must not leave the newest checkpoint
                shutil.rmtree(path.rename(path.with_suffix(".old")), ignore_errors=True)
        except OSError as error:
            raise InputError(
                f"{self.folder} cannot be written: {error.strerror or error}; the finished trials are safe: make room "
                "and run the same again"
            ) from error

    def tiles(self) -> list[tuple[str, list[dict[str, Any] | None]]]:
        """Return the name and lanes of each tile with a readable checkpoint.

        Tiles whose checkpoint has other settings are removed.
        """
        ocp = _orbax()
        found = []
        for folder in sorted(self.folder.glob("*")):
            for path in self._of(folder.name)[-1:]:
                with _quiet(), _checkpointer() as checkpointer:
                    try:
                        read = checkpointer.restore(path.absolute(), ocp.args.Composite(lanes=ocp.args.JsonRestore()))
                    except (OSError, ValueError, KeyError):  # incomplete: its trials start again
                        continue
                if read["lanes"].get("settings") == self.settings:
                    found.append((folder.name, read["lanes"]["lanes"]))
                else:
                    self.drop(folder.name)
        return found

    def state(self, tile: str, like: Any) -> Any:
        """Return the saved state of a tile, in the structure of ``like``.

        A ValueError is raised if shapes or dtypes differ.
        """
        import jax

        ocp = _orbax()
        leaves, structure = jax.tree.flatten(like)
        wanted = {f"{i:04}": np.asarray(leaf) for i, leaf in enumerate(leaves)}
        with _quiet(), _checkpointer() as checkpointer:
            args = ocp.args.Composite(state=ocp.args.PyTreeRestore(wanted))
            read = checkpointer.restore(self._of(tile)[-1].absolute(), args)["state"]
        restored = [np.asarray(read[name]) for name in wanted]
        if any((a.shape, a.dtype) != (b.shape, b.dtype) for a, b in zip(restored, wanted.values(), strict=True)):
            raise ValueError("the checkpoint belongs to another program")
        return jax.tree.unflatten(structure, restored)

    def drop(self, tile: str) -> None:
        """Remove a tile's checkpoint, and the folder if it is then empty."""
        shutil.rmtree(self.folder / tile, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def take_over(self, other: Path) -> None:
        """Move the checkpoints of another folder here."""
        for tile in other.glob("*"):
            self.folder.mkdir(exist_ok=True)
            tile.replace(self.folder / tile.name)
        with contextlib.suppress(OSError):
            other.rmdir()

    def clear(self) -> None:
        """Remove all checkpoints."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _of(self, tile: str) -> list[Path]:
        """Return the complete checkpoints of a tile, the newest last; Orbax renames a complete checkpoint."""
        folder = self.folder / tile
        whole = [path for path in folder.glob("*") if path.is_dir() and "." not in path.name]
        return sorted(whole, key=lambda path: path.stat().st_mtime_ns)


def checkpoints_of(path: Path, settings: Mapping[str, Any], kind: str = "checkpoints") -> Checkpoints:
    """Return the checkpoints of the search with this file; each kind has a folder of its own."""
    return Checkpoints(path.with_name(f"{path.name}.{kind}"), settings)


def _orbax() -> Any:
    """Return the module `orbax.checkpoint`; raise InputError if it is not installed."""
    return require("orbax.checkpoint", "search", "a search with a file")


def _leaves(state: Any) -> list[Any]:
    import jax

    return jax.tree.leaves(state)


#: Held while warnings are off, because Python's filters are those of the whole process.
_warnings_lock = threading.Lock()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    # Orbax warns at every save that some of its own interfaces are old.
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _checkpointer() -> Any:
    """Return a checkpointer that does not wait for other processes of `jax.distributed`, which save at other times."""
    import jax

    ocp = _orbax()
    alone: dict[str, Any] = {}
    if jax.process_count() > 1:
        index = jax.process_index()
        options = ocp.options.MultiprocessingOptions(
            primary_host=index, active_processes={index}, barrier_sync_key_prefix=f"nqjax-{index}"
        )
        alone = {"multiprocessing_options": options}
    handler = ocp.CompositeCheckpointHandler(
        composite_options=ocp.CompositeOptions(**alone),
        state=ocp.PyTreeCheckpointHandler(**alone),
        lanes=ocp.JsonCheckpointHandler(**alone),
    )
    return ocp.Checkpointer(handler, **alone)
