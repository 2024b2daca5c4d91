"""Programs are kept on the disk, and found there without being traced; nothing that is wrong with a file matters."""

import functools
import hashlib
import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from nqjax.runtime import stored
from nqjax.runtime.compiled import Compiled
from nqjax.special.log_probability import log_complement

#: Prints the bytes of a result, how often a function was traced, and the programs found in JAX's cache.
_PROGRAM = """
import json, sys
import jax, numpy as np
jax.config.update("jax_compilation_cache_dir", sys.argv[1])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
hits = []
jax.monitoring.register_event_listener(lambda name, **_: name.endswith("/cache_hits") and hits.append(name))
from nqjax.runtime.compiled import Compiled
from nqjax.special import at_ends, chunked
traced = []
whole = at_ends.quantile
at_ends.quantile = lambda *a: (traced.append(1), whole(*a))[1]
found = chunked.standard_quantile(np.log([0.3, 0.5, 0.9]), 0.1, 2.0)
print(json.dumps([found.tobytes().hex(), len(traced), len(hits)]))
"""


def _run(folder, **environment):
    command = [sys.executable, "-c", _PROGRAM, str(folder)]
    done = subprocess.run(
        command, env={**os.environ, "JAX_PLATFORMS": "cpu", **environment}, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def _kept(folder):
    return sorted((folder / stored.FOLDER).glob("*.program"))


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Return a folder with the programs of one process, and what it printed."""
    folder = tmp_path_factory.mktemp("programs")
    return folder, _run(folder)


def test_a_second_process_does_not_trace(first):
    folder, (result, traced, _) = first
    assert traced == 1
    assert len(_kept(folder)) == 1
    assert _run(folder, PYTHONHASHSEED="7") == [result, 0, 0]


def test_other_settings_have_programs_of_their_own(first):
    folder, (result, _, _) = first
    assert _run(folder, JAX_NUMPY_RANK_PROMOTION="raise")[:2] == [result, 1]


def test_a_broken_file_is_compiled_again(first):
    folder, (result, _, _) = first
    (path,) = _kept(folder)
    whole = path.read_bytes()
    other = b"no program"
    signed = hashlib.blake2b(other, digest_size=20).digest() + other
    for content in (b"", b"x" * 50, signed, whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1])):
        path.write_bytes(content)
        assert stored.load(path, jax.local_devices()[0], ()) is None
    found, traced, _ = _run(folder)
    assert (found, traced) == (result, 1)


def test_a_program_from_the_cache_of_jax_is_not_kept(first, tmp_path):
    """XLA cannot write a CPU program that it has loaded: the file would fail when it is run."""
    folder, (result, _, _) = first
    for path in _kept(folder):
        path.unlink()
    found, traced, hits = _run(folder)
    assert (found, traced) == (result, 1)
    assert hits > 0
    assert not _kept(folder)


def test_programs_that_call_other_libraries_than_lapack_are_not_kept(without_cache):
    factor = jax.jit(jax.numpy.linalg.cholesky).lower(jax.ShapeDtypeStruct((3, 3), "float32"))
    plain = jax.jit(jax.numpy.sin).lower(jax.ShapeDtypeStruct((3,), "float32"))
    called = jax.jit(lambda x: jax.pure_callback(np.sin, x, x)).lower(jax.ShapeDtypeStruct((3,), "float32"))
    found = [stored.compiled_here(lowered)[1] for lowered in (factor, plain, called)]
    assert found == ["LAPACK", "nothing", None]


_FACTOR = """
import sys
import jax, numpy as np
jax.config.update("jax_compilation_cache_dir", sys.argv[1])
from nqjax.runtime import compiled, stored
stored.name_of = lambda function: "factor"
traced = []
def factor(a, b):
    traced.append(1)
    return jax.scipy.linalg.cho_solve((jax.numpy.linalg.cholesky(a), True), b) + jax.numpy.linalg.eigh(a)[0]
a = np.array([[2.0, 0.5], [0.5, 1.0]], np.float32)
print(np.asarray(compiled.Compiled(factor)(jax.local_devices()[0], a, np.ones(2, np.float32))).tobytes().hex())
print(len(traced))
"""


def test_a_program_that_calls_lapack_is_loaded_by_a_process_that_has_not_traced_one(tmp_path):
    """JAX finds LAPACK's functions while it lowers: without them, loading the program would end the process."""
    found = []
    for _ in range(2):
        command = [sys.executable, "-c", _FACTOR, str(tmp_path)]
        done = subprocess.run(
            command, env={**os.environ, "JAX_PLATFORMS": "cpu"}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-500:]
        found.append(done.stdout.split())
    assert found[0][0] == found[1][0]
    assert [traced for _, traced in found] == ["1", "0"]


def test_a_loaded_program_that_fails_is_compiled_anew(monkeypatch, tmp_path):
    """XLA's loader may accept a program whose code is not there; only running it shows that."""

    def broken(*_):
        raise jax.errors.JaxRuntimeError("NOT_FOUND: Function f not found")

    monkeypatch.setattr(stored, "_folder", lambda: tmp_path)
    monkeypatch.setattr(stored, "load", lambda *_: broken)
    program = Compiled(log_complement)
    for _ in range(2):
        np.testing.assert_allclose(program(jax.local_devices()[0], np.float32(-0.5)), np.log(-np.expm1(-0.5)), 1e-6)


def test_functions_made_inside_others_have_no_name():
    def inner(x):
        return x

    assert stored.name_of(inner) is None
    assert stored.name_of(lambda x: x) is None
    assert stored.name_of(functools.partial(stored.name_of, 1)) is None
    assert stored.name_of(functools.partial(stored.name_of, function=inner)) is None
    assert stored.name_of(Compiled(log_complement).compiled) is None  # a method
    assert stored.name_of(json.dumps) is None  # of another package
    one, two = (stored.name_of(functools.partial(stored.name_of, function=k)) for k in (1, 2))
    assert one is not None
    assert one != two


def test_shapes_types_options_and_source_tell_programs_apart(monkeypatch, tmp_path):
    monkeypatch.setattr(stored, "_folder", lambda: tmp_path)
    device, x = jax.local_devices()[0], jax.ShapeDtypeStruct((3,), "float32")
    places = [
        stored.place("f", None, device, (x,)),
        stored.place("g", None, device, (x,)),
        stored.place("f", {"option": 1}, device, (x,)),
        stored.place("f", None, device, (x, x)),
        stored.place("f", None, device, ((x,),)),
        stored.place("f", None, device, (jax.ShapeDtypeStruct((4,), "float32"),)),
        stored.place("f", None, device, (jax.ShapeDtypeStruct((3,), "int32"),)),
    ]
    monkeypatch.setattr(stored, "_source", lambda: "changed")
    places.append(stored.place("f", None, device, (x,)))
    assert len(set(places)) == len(places)


def test_without_a_cache_nothing_is_kept(without_cache):
    assert stored.place("f", None, jax.local_devices()[0], ()) is None


def test_a_folder_that_cannot_be_written_does_not_matter(tmp_path):
    (tmp_path / "file").write_text("")
    stored.store(tmp_path / "file" / "x.program", jax.jit(lambda x: x + 1).lower(1.0).compile(), "nothing")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == ""


def test_files_that_were_not_used_for_a_month_are_removed(tmp_path):
    folder = tmp_path / stored.FOLDER
    folder.mkdir()
    for name in ("old.program", "old.program.1234.draft", "new.program"):
        (folder / name).write_bytes(b"")
    for name in ("old.program", "old.program.1234.draft"):
        os.utime(folder / name, (0, 0))
    stored.store(folder / "x.program", jax.jit(lambda x: x + 1).lower(1.0).compile(), "nothing")
    assert {path.name for path in folder.iterdir()} == {"new.program", "x.program"}
