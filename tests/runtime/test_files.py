"""Files are written whole or not at all, have one writer at a time, and the cache folder may be missing."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nqjax.errors import InputError
from nqjax.runtime import files

KILLED = """
import os, signal, sys
from nqjax.runtime.files import written_whole
with written_whole(sys.argv[1]) as file:
    file.write("new " * 100_000)
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("mode", "old", "new"), [("w", "old", "n€w"), ("wb", b"old", b"n\xff\r\n")])
def test_a_file_is_replaced_when_its_block_ends(tmp_path, mode, old, new):
    path = tmp_path / "file"
    read = path.read_bytes if mode == "wb" else lambda: path.read_text(encoding="utf-8")
    for text, before in ((old, None), (new, old)):
        with files.written_whole(path, mode) as file:
            file.write(text)
            file.flush()
            assert (read() if path.exists() else None) == before
        assert read() == text
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_no_draft(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("old")

    def write():
        with files.written_whole(str(path)) as file:
            file.write("new")
            raise error

    with pytest.raises(error):
        write()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


@pytest.mark.skipif(os.name == "nt", reason="processes are killed by a signal")
def test_a_killed_process_leaves_the_old_file(tmp_path):
    path = tmp_path / "fi[l]e"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, timeout=120)
    assert done.returncode == -9
    assert path.read_text() == "old"
    (tmp_path / "file.other.draft").write_text("not this file's")
    assert len(names(tmp_path)) == 3
    files.remove_drafts(path)
    assert names(tmp_path) == ["fi[l]e", "file.other.draft"]


@pytest.mark.parametrize("call", [(os, "fsync"), (type(Path()), "replace")])
def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, call):
    path = tmp_path / "file"
    path.write_text("old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*call, full)
    with pytest.raises(OSError, match="No space left"), files.written_whole(path) as file:
        file.write("new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_disk_that_is_full_when_the_draft_is_flushed(tmp_path, monkeypatch):
    """The draft stands on a device without room: what is buffered fails at the end of the block."""
    path = tmp_path / "file"
    path.write_text("old")
    monkeypatch.setattr(files.uuid, "uuid4", type("Fixed", (), {"hex": "0" * 32}))
    draft = tmp_path / f"file.{'0' * 8}.draft"
    opened = type(path).open
    monkeypatch.setattr(type(path), "open", lambda self, *a, **k: opened(_onto_full(self, draft), "w", **k))
    with pytest.raises(OSError, match="No space left"), files.written_whole(path) as file:
        file.write("new")
    monkeypatch.undo()
    assert path.read_text() == "old"


def _onto_full(path, draft):
    assert path == draft
    path.symlink_to("/dev/full")
    return path


def test_of_two_writers_the_last_to_end_wins_and_nothing_is_mixed(tmp_path):
    path = tmp_path / "file"
    with files.written_whole(path) as first:
        first.write("first " * 10_000)
        with files.written_whole(path) as second:
            second.write("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first " * 10_000

    def write(letter):
        for _ in range(20):
            with files.written_whole(path) as file:
                file.write(letter * 50_000)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "ab"]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        text = path.read_text()
        assert len(set(text)) == 1 or text.startswith("first")
    assert path.read_text() in ("a" * 50_000, "b" * 50_000)
    assert names(tmp_path) == ["file"]


@pytest.mark.skipif(files.fcntl is None, reason="this system has no such locks")
def test_a_lock_keeps_a_second_writer_out_until_the_first_closes(tmp_path):
    path = tmp_path / "file"
    with path.open("w") as first, path.open("r") as second:
        files.lock(first, path)
        with pytest.raises(InputError, match=r"another process is writing .*file: wait until it is done"):
            files.lock(second.fileno(), path)
    with path.open("r") as second:
        files.lock(second, path)


def test_the_cache_folder_is_the_users(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert files.cache_folder("jax") == tmp_path / "nqjax" / "jax"
    assert (tmp_path / "nqjax" / "jax").is_dir()
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, by the XDG specification
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert files.cache_folder("jax") == tmp_path / "home" / ".cache" / "nqjax" / "jax"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert files.cache_folder("jax") is None
