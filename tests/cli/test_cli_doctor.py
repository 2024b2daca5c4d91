"""`nqjax doctor`: what nqjax runs on, for people and for machines."""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import jax
import pytest

from nqjax import cli
from nqjax.cli import doctor


@pytest.fixture
def cache(tmp_path):
    """Use an empty compilation cache."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    yield tmp_path
    jax.config.update("jax_compilation_cache_dir", before)


def document(capsys) -> dict:
    assert cli.main(["doctor", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_what_it_finds(capsys):
    found = document(capsys)
    assert found["versions"]["jax"] == metadata.version("jax")
    assert found["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert None not in found["versions"].values()
    assert [device["platform"] for device in found["devices"]] == [device.platform for device in jax.local_devices()]
    assert found["float64"] is True
    assert 1 <= found["cores"] <= os.cpu_count()


def test_the_cache_is_counted(cache, capsys):
    assert document(capsys)["cache"] == {"folder": str(cache), "entries": 0, "bytes": 0}
    (cache / "jit_f-1-cache").write_bytes(b"x" * 100)
    (cache / "jit_f-1-atime").write_bytes(b"x" * 8)
    assert document(capsys)["cache"] == {"folder": str(cache), "entries": 1, "bytes": 100}
    jax.config.update("jax_compilation_cache_dir", None)
    assert document(capsys)["cache"]["folder"] is None
    jax.config.update("jax_compilation_cache_dir", str(cache / "not yet made"))
    assert document(capsys)["cache"]["entries"] == 0


def test_text_names_what_is_missing(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setattr(doctor, "_PACKAGES", ("nqjax", "no-such-package"))
    assert cli.main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "search    missing scikit-learn: pip install 'nqjax[search]'" in lines
    assert "parquet   installed" in lines
    assert "no-such-package not installed" in lines
    assert "float64   yes" in lines
    assert any(line.startswith("device    cpu: ") for line in lines)


def test_a_platform_that_is_not_there():
    done = subprocess.run(
        [sys.executable, "-m", "nqjax", "doctor"],
        env={**os.environ, "JAX_PLATFORMS": "nothing"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "device    none: " in done.stdout
    assert "float64   no" in done.stdout


def test_extras_are_those_of_the_package():
    path = Path(cli.__file__).parents[2] / "pyproject.toml"
    extras = tomllib.loads(path.read_text())["project"]["optional-dependencies"]
    names = {"PIL": "pillow", "orbax": "orbax-checkpoint", "sklearn": "scikit-learn", "umap": "umap-learn"}
    apart = {"landscape", "optuna"}  # heavy, or for users of that tool only
    assert extras["all"] == [f"nqjax[{','.join(sorted(doctor._EXTRAS.keys() - apart))}]"]
    for extra, modules in doctor._EXTRAS.items():
        assert [re.split("[<>=]", part)[0] for part in extras[extra]] == [names.get(name, name) for name in modules]
