"""The core alone: every command works without the optional packages, or names the extra it needs in one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nqjax import cli
from nqjax.data import digits_mlp_path
from nqjax.errors import InputError
from nqjax.posterior import predictive
from nqjax.runtime.extras import require

ROOT = Path(cli.__file__).parents[2]

OPTIONAL = ["arviz", "pandas", "xarray", "matplotlib", "jinja2", "pyarrow", "sklearn", "PIL", "evosax"]

# Runs commands in a process where the optional packages are not to be found, and prints what came of each.
PROGRAM = f"""
import contextlib, io, json, sys

class Missing:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {OPTIONAL}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
from nqjax.cli import main

found = []
for argv in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(argv)
    found.append([status, out.getvalue(), err.getvalue()])
print(json.dumps(found))
"""


def run(folder: Path, commands: list[str]) -> list[tuple[int, str, str]]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps([command.split() for command in commands])],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [tuple(one) for one in json.loads(done.stdout)]


@pytest.fixture
def folder(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    scores = rng.random(48) ** 2 + 0.01 * rng.standard_normal(48)
    (tmp_path / "t.csv").write_text("loss,id\n" + "".join(f"{y},{i % 6}\n" for i, y in enumerate(scores.tolist())))
    (tmp_path / "t.jsonl").write_text("".join(json.dumps({"loss": y}) + "\n" for y in scores.tolist()))
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    grid = [f"{i},{j},{scores[4 * i + j]},{scores[4 * i + j] + 0.01}\n" for i in range(6) for j in range(4)]
    (tmp_path / "g.csv").write_text("lr,width,loss_0,loss_1\n" + "".join(grid))
    curves = [f"{i},{k},{y + 1 / k}\n" for i, y in enumerate(scores.tolist()) for k in range(1, 10)]
    (tmp_path / "c.csv").write_text("id,epoch,loss\n" + "".join(curves))
    return tmp_path


NEEDS = {
    "fit t.parquet --metric loss": "parquet",
    "fit t.csv --metric loss --plot t.png": "plot",
    "regime t.csv --metric loss --plot t.png": "plot",
    "noise t.csv --metric loss --config id --plot t.png": "plot",
    "landscape g.csv --metric loss_0 --plot g.png": "plot",
    "bootstrap t.csv --metric loss --save t.parquet": "parquet",
    "bootstrap t.csv --metric loss --plot t.svg": "plot",
    "posterior t.csv --metric loss --draws t.parquet": "parquet",
    "posterior t.csv --metric loss --report t.html": "report",
    "analyze t.csv --metric loss --report t.html": "report",
    "surface g.csv --metric loss_0 --report t.html": "report",
    "worth t.csv --against t.csv --metric loss --report t.html": "report",
    "replay c.csv --metric loss --per-trial last --methods random --replications 4 --report t.html": "report",
    "worth branin --methods random cma_es --replications 1 --trials 8 --baseline-trials 8": "optimize",
    "fit-many t.csv --metric loss --out f.parquet": "parquet",
    "search digits-mlp --trials 8 --out s.jsonl": "search",
    f"residual {digits_mlp_path()} --out r.jsonl": "search",
    f"ablation {digits_mlp_path()} --out-dir a --trials 8": "search",
}

WORKS = [
    "doctor",
    "--help",
    "--version",
    "search --list",
    "bands t.csv --metric loss",
    "noise t.csv --metric loss --config id",
    "landscape g.csv --metric loss_0 loss_1",
    "similarity g.csv --metric loss_0 loss_1",
    "worth t.csv --against t.csv --metric loss",
    "fit t.jsonl --metric loss --threshold 0.7",
]

WORKS_SLOWLY = [
    "demo",
    "analyze t.csv --metric loss",
    "regime t.csv --metric loss",
    "surface g.csv --metric loss_0",
    "region t.csv --metric loss --threshold 0.7",
    "region t.csv --metric loss --threshold 0.7 --method consonance",
    "region t.csv --metric loss --threshold 0.7 --method posterior",
    "posterior t.csv --metric loss --threshold 0.7",
    "posterior t.csv --metric loss --threshold 0.7 --method quadrature",
    "compare t.csv t.csv --metric loss --threshold 0.7 --method quadrature",
    "bootstrap t.csv --metric loss --threshold 0.7 --resamples 40",
    "plan t.csv --metric loss --threshold 0.7 --score 0.1 --probability 0.9",
    "replay c.csv --metric loss --per-trial last --methods random halving --replications 4 --cost 2",
]


def test_every_command_is_tried():
    tried = {command.split()[0] for command in [*NEEDS, *WORKS, *WORKS_SLOWLY]}
    help_text = run(Path.cwd(), ["--help"])[0][1]
    listed = {line.split()[0] for line in help_text.splitlines() if line.startswith("    ") and line[4] != " "}
    assert listed == {name for name in tried if not name.startswith("-")}


def test_a_missing_extra_is_named(folder):
    for (command, extra), (status, out, err) in zip(NEEDS.items(), run(folder, list(NEEDS)), strict=True):
        assert (command, status, out) == (command, 2, "")
        assert err.count("\n") == 1, err
        assert f": pip install 'nqjax[{extra}]'" in err, err


@pytest.mark.parametrize("commands", [WORKS, pytest.param(WORKS_SLOWLY, marks=pytest.mark.slow)])
def test_commands_need_no_extra(folder, commands):
    for command, (status, out, err) in zip(commands, run(folder, commands), strict=True):
        said = [line for line in err.splitlines() if not line.startswith("nqjax: note: ")]
        assert (command, status, said) == (command, 0, [])
        assert out


def test_require():
    assert require("json", "none", "this") is json
    message = r"this needs no_such_module: pip install 'nqjax\[x\]'"
    with pytest.raises(InputError, match=message):
        require("no_such_module.part", "x", "this")


def test_arviz_is_named_where_a_posterior_is_asked_for_its_data(monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz", None)
    with pytest.raises(InputError, match=r"post.idata needs ArviZ: pip install 'nqjax\[report\]'"):
        predictive.to_arviz(*[None] * 5)


def test_a_broken_package_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("import a_dependency_of_it\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_dependency_of_it"):
        require("broken_package", "x", "this")
