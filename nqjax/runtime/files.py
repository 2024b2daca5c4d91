"""Files that are written whole, locked against a second writer, or kept in the user's cache folder."""

import contextlib
import errno
import glob
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Literal

from nqjax.errors import InputError

try:
    import fcntl
except ImportError:  # not on this system: there, nothing keeps a second process out
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def written_whole(path: str | Path, mode: Literal["w", "wb"] = "w") -> Iterator[IO[Any]]:
    """Open a file for writing that appears under its name only when it is complete and on the disk.

    The text or bytes go to a draft in the same folder, which replaces the file when the block ends. If the block, the
    disk or the process fails, the old file stays as it was; the draft is removed unless the process was killed. Each
    writer has a draft of its own, so of two writers the one that ends last wins, and the file is never a mixture.

    Parameters
    ----------
    path : str or Path
    mode : "w" or "wb"
        Text in UTF-8, or bytes.

    Yields
    ------
    file
        The open draft.

    Raises
    ------
    OSError
        If the draft cannot be written or cannot replace the file.
    """
    draft = Path(f"{path}.{uuid.uuid4().hex[:8]}.draft")
    try:
        with draft.open("xb" if mode == "wb" else "x", encoding=None if mode == "wb" else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    # The new name, too, must outlive a loss of power.
    with contextlib.suppress(OSError):
        folder = os.open(draft.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def check_writable(path: str | Path) -> None:
    """Raise InputError if a file cannot be written, before the work whose result it is to hold; write nothing to it."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder: give the name of a file in it")
    draft = Path(f"{path}.{uuid.uuid4().hex[:8]}.draft")
    try:
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        draft.touch(exist_ok=False)
        draft.unlink()
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}; give another file") from error


def remove_drafts(path: str | Path) -> None:
    """Remove the drafts that killed processes have left of a file; only its single writer may do so."""
    path = Path(path)
    for draft in path.parent.glob(f"{glob.escape(path.name)}.*.draft"):
        draft.unlink(missing_ok=True)


def lock(file: int | IO[Any], path: str | Path) -> None:
    """Lock an open file until it is closed, so that no second process writes it.

    Parameters
    ----------
    file : int or file
        A file that is open, or its descriptor.
    path : str or Path
        The file that the message names.

    Raises
    ------
    InputError
        If another process has the lock. Where the system or the file system has no locks, nothing is locked.
    """
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"another process is writing {path}: wait until it is done, or give another --out"
            ) from None
        except OSError:  # a file system without locks
            pass


def cache_folder(part: str) -> Path | None:
    """Return a folder in the user's cache folder, made if need be.

    Parameters
    ----------
    part : str
        The folder's name in ``$XDG_CACHE_HOME/nqjax``, by default ``~/.cache/nqjax``.

    Returns
    -------
    Path or None
        None if there is no home or the folder cannot be made.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        folder = (base if base.is_absolute() else Path.home() / ".cache") / "nqjax" / part
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # not writable, or no home
        return None
    return folder
