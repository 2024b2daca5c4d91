"""Hostile command lines, files and machines: one line on stderr and status 2, and no traceback."""

import contextlib
import io
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nqjax
from nqjax import cli
from nqjax.errors import InputError
from nqjax.search.configurations import grid
from nqjax.search.space import LogUniform

ROOT = Path(cli.__file__).parents[2]


def run(*argv):
    """Run a command line in this process; return the status, the output and the errors."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = cli.main(list(argv))
    return status, out.getvalue(), err.getvalue()


def refused(*argv):
    """Return the error of a command line, which must be one short line that can do nothing to a terminal."""
    status, _, error = run(*argv)
    assert status == 2, argv
    assert error.endswith("\n")
    assert error[:-1].isprintable(), argv
    assert len(error) <= 500, argv
    return error


# --- random command lines -------------------------------------------------------------------------------------------

COMMANDS = (
    "fit",
    "regime",
    "region",
    "posterior",
    "compare",
    "bootstrap",
    "bands",
    "plan",
    "noise",
    "fit-many",
    "search",
    "residual",
    "ablation",
    "demo",
    "doctor",
    "fti",
)

OPTIONS = (
    "--metric",
    "--minimize",
    "--maximize",
    "--threshold",
    "--alpha",
    "--beta",
    "--gamma",
    "--sigma",
    "--trials",
    "--json",
    "--plot",
    "--confidence",
    "--level",
    "--prob",
    "--method",
    "--band",
    "--resamples",
    "--seed",
    "--chains",
    "--warmup",
    "--samples",
    "--report",
    "--draws",
    "--cost",
    "--support",
    "--score",
    "--probability",
    "--width",
    "--at",
    "--config",
    "--out",
    "--quantile",
    "--float32",
    "--retry-failed",
    "--list",
    "--grid",
    "--fix",
    "--data",
    "--population",
    "--seeds",
    "--quantiles",
    "--out-dir",
    "--order",
    "--save",
    "--version",
    "--help",
    "-h",
    "-x",
    "--maximise",
    "--nonsense",
)

VALUES = (
    "",
    "-",
    "--",
    "---",
    "=",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "0",
    "-1",
    "1",
    "0.5",
    "1,000",
    "1_0",
    "1 2",
    "2 1",
    "1 2 3",
    "1" * 100,
    "9" * 5000,
    "1000000000000",
    "a" * 3000,
    "\x1b]0;title\x07\x1b[31m",
    "naïve",
    "\udcff",
    "\u202e",
    "%s %d %",
    "{0} {}",
    "[bold]x[/]",
    "auto",
    "none",
    "nuts",
    "ks",
    "x.png",
    "no/x.png",
    "x.gif",
    "x.html",
    "x.parquet",
    "no/x.parquet",
    "x.csv",
    ".",
    "/",
    "loss",
    "a=1",
    "text.csv",
    "empty.csv",
    "bad.jsonl",
    "bad.parquet",
    "names.csv",
    "digits-mlp",
    "/dev/null",
    "\n",
    "a\nb",
)


def random_line(rng):
    line = [rng.choice(COMMANDS)] if rng.random() < 0.95 else []
    if rng.random() < 0.5:
        line += [rng.choice(VALUES), "--metric", rng.choice(VALUES)]
    for _ in range(rng.randrange(7)):
        kind = rng.random()
        if kind < 0.3:
            line.append(rng.choice(OPTIONS))
        elif kind < 0.55:
            line.append(f"{rng.choice(OPTIONS)}={rng.choice(VALUES)}")
        elif kind < 0.8:
            line += [rng.choice(OPTIONS), rng.choice(VALUES)]
        else:
            line.append(rng.choice(VALUES))
    return line


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("text.csv").write_text("loss,id\nbad,1\n")
    Path("empty.csv").touch()
    Path("bad.jsonl").write_text('{"nqjax_search": 7}\n')
    Path("bad.parquet").write_text("PAR1")
    Path("names.csv").write_text("\x1b[31mloss," + "x" * 10_000 + "\n1,2\n")
    return tmp_path


def test_five_thousand_random_command_lines(folder):
    statuses = []
    for number in range(5000):
        line = random_line(random.Random(number))
        if line == ["demo"]:  # would fit
            continue
        try:
            status, _, error = run(*line)
        except BaseException as found:
            raise AssertionError(f"command line {number}: {line}") from found
        statuses.append(status)
        assert status in (0, 2), (number, line)
        assert (status == 2) == bool(error), (number, line, error)
        assert max(map(len, error.splitlines()), default=0) <= 500, (number, line)
        assert error.rstrip("\n").isprintable(), (number, line, error)
    assert statuses.count(0) > 100


@pytest.mark.parametrize(
    "argv",
    [
        ["posterior", "t.csv", "--metric", "x", "--draws=--"],
        ["fit", "t.csv", "--metric=--"],
        ["fit", "t.csv", "--metric", "x", "--alpha=--"],
        ["ablation", "t.jsonl", "--out-dir", "x", "--trials", "3", "--order=--"],
        ["fit-many", "t.csv", "--metric", "x", "--out=--"],
    ],
)
def test_two_dashes_are_no_value(argv):
    option = argv[-1].partition("=")[0]
    assert f"argument {option}: " in refused(*argv)


# --- counts that no memory holds ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        ["bootstrap", "t.csv", "--metric", "x", "--resamples"],
        ["region", "t.csv", "--metric", "x", "--resamples"],
        ["posterior", "t.csv", "--metric", "x", "--chains"],
        ["posterior", "t.csv", "--metric", "x", "--samples"],
        ["compare", "t.csv", "u.csv", "--metric", "x", "--warmup"],
        ["search", "digits-mlp", "--out", "t.jsonl", "--trials"],
        ["search", "digits-mlp", "--out", "t.jsonl", "--grid"],
        ["residual", "t.jsonl", "--out", "u.jsonl", "--seeds"],
        ["residual", "t.jsonl", "--out", "u.jsonl", "--quantiles"],
    ],
)
@pytest.mark.parametrize("count", [10**12, 10**4000])
def test_counts_that_no_memory_holds(argv, count):
    error = refused(*argv, str(count))
    assert f"argument {argv[-1]}: " in error
    assert "which the memory does not hold: give at most " in error


def test_counts_that_no_memory_holds_in_python():
    import jax

    scores, key = np.random.default_rng(0).random(24), jax.random.key(0)
    with pytest.raises(InputError, match="num_resamples is 900,000,000,000, which the memory does not hold"):
        nqjax.bootstrap(scores, 9 * 10**11, key=key)
    for sizes in ({"num_samples": 10**11}, {"num_chains": 10**6, "num_samples": 10**6}, {"num_warmup": 10**11}):
        with pytest.raises(InputError, match="which the memory does not hold: give at most"):
            nqjax.sample_posterior(scores, key=key, **sizes)
    with pytest.raises(InputError, match="a grid of more than 1,000,000 points"):
        list(grid({"a": LogUniform(0.1, 1)}, 10**12))


# --- names ----------------------------------------------------------------------------------------------------------

ESCAPE = "\x1b]0;title\x07\x1b[31mloss"


def test_names_of_files_and_columns_cannot_steer_a_terminal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = f"{ESCAPE}.csv"
    rows = "".join(f"{ESCAPE}{i % 3},{0.1 + i / 100}\n" for i in range(30))
    Path(file).write_text(f"{ESCAPE}id,{ESCAPE}\n{rows}")
    shown = r"\x1b]0;title\x07\x1b[31mloss"
    assert shown in refused("fit", file, "--metric", "loss")
    assert shown in refused("fit", file, "--metric", f"{ESCAPE}id")
    assert shown in refused("fit", f"{ESCAPE}2.csv", "--metric", "loss")
    assert shown in refused("fit", file, ESCAPE, "--metric", "loss")
    status, out, _ = run("bands", file, "--metric", ESCAPE)
    assert status == 0
    assert shown in out
    assert "\x1b" not in out
    status, out, _ = run("noise", file, "--metric", ESCAPE, "--config", f"{ESCAPE}id")
    assert status == 0
    assert "x1b" in out
    assert "\x1b" not in out
    status, out, _ = run("bands", file, "--metric", ESCAPE, "--json")
    assert json.loads(out)["metric"] == ESCAPE


def test_a_hostile_column(shared_cases):
    error = refused("fit", str(shared_cases / "hostile-escape-column.csv"), "--metric", "loss")
    assert r"\x1b]0;pwned" in error


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("hostile-header-number.jsonl", "line 1: not a valid header of a search"),
        ("hostile-header-empty.jsonl", "line 1: the "),
        ("hostile-row-without-hyperparameter.jsonl", "line 2: trial 0 lacks the hyperparameter "),
    ],
)
def test_hostile_files_of_searches(shared_cases, tmp_path, monkeypatch, name, part):
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes((shared_cases / name).read_bytes())
    assert part in refused("residual", name, "--out", "x.jsonl")
    assert part in refused("ablation", name, "--out-dir", "x", "--trials", "3")
    assert f"{name}, line " in refused("search", "digits-mlp", "--trials", "3", "--out", name)
    assert Path(name).read_bytes() == (shared_cases / name).read_bytes()


def test_a_hostile_ending(shared_cases):
    error = refused("fit", str(shared_cases / "hostile-upper.CSV.GZ"), "--metric", "val_loss")
    assert "has no rows" not in error


# --- machines -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "platform"), [(["fit"], "cuda"), (["bootstrap"], "nonsense"), (["noise", "--config", "trial"], "cuda")]
)
def test_a_platform_that_is_not_there_is_named(argv, platform):
    command, *options = argv
    file = ROOT / "nqjax/data/digits_mlp.jsonl"
    done = subprocess.run(
        [sys.executable, "-m", "nqjax", command, str(file), "--metric", "val_loss", *options],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": platform},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if command == "noise":  # needs no device
        assert (done.returncode, done.stderr) == (0, "")
        return
    assert done.returncode == 2
    assert done.stderr == (
        f"nqjax: error: JAX_PLATFORMS is {platform!r}, but JAX finds no such device here: set it to cpu, or unset it\n"
    )


@pytest.mark.parametrize(
    "options", [["--plot", "FOLDER/x.png"], ["--plot", "/proc/x.png"], ["--plot", "FILE.png"]], ids=lambda o: o[1][:5]
)
def test_a_picture_that_cannot_be_written_is_told_before_the_work(tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    Path("FILE.png").mkdir()
    for command in ("fit", "bootstrap", "regime"):
        assert "no.csv" not in refused(command, "no.csv", "--metric", "x", *options)


def test_a_page_that_cannot_be_written_is_told_before_the_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for page in ("/proc/x.html", "no/x.html"):
        assert "no.csv" not in refused("posterior", "no.csv", "--metric", "x", "--report", page)
    assert "no.csv" not in refused("bootstrap", "no.csv", "--metric", "x", "--save", "/proc/x.parquet")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path, monkeypatch):
    import errno

    from nqjax.estimation import fits_file

    monkeypatch.chdir(tmp_path)
    for i in range(3):
        Path(f"{i}.csv").write_text("loss\n0.1\n")

    @contextlib.contextmanager
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")
        yield

    monkeypatch.setattr(fits_file, "written_whole", full)
    error = refused("fit-many", "*.csv", "--metric", "loss", "--threshold", "0.5", "--out", "fits.parquet")
    assert "fits.parquet cannot be written: No space left on device; the rows before are safe" in error


# --- several columns name a configuration ---------------------------------------------------------------------------


@pytest.fixture
def runs(tmp_path):
    rng = np.random.default_rng(0)
    lines = ["lr,batch_size,val_loss"]
    for rate in (0.1, 0.01, 0.001):
        for size in (32, 64):
            lines += [f"{rate},{size},{0.1 + rate / 10 + 0.01 * z!r}" for z in rng.normal(size=12).tolist()]
    path = tmp_path / "all.csv"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_several_columns_name_a_configuration(runs):
    status, out, _ = run("noise", runs, "--config", "lr", "batch_size", "--metric", "val_loss")
    assert status == 0
    assert "lr / batch_size" in out
    assert "0.001 / 64" in out
    for argv in (
        ["noise", "--config", "lr", "batch_size", runs, "--metric", "val_loss"],
        ["noise", runs, "--config", "lr", "--config", "batch_size", "--metric", "val_loss"],
    ):
        assert run(*argv) == (0, out, "")
    found = json.loads(run("noise", runs, "--config", "lr", "batch_size", "--metric", "val_loss", "--json")[1])
    assert len(found["configurations"]) == 6
    assert {row["number"] for row in found["configurations"]} == {12}
    assert "FILE" in refused("noise", "--config", "lr", "--metric", "val_loss")
    assert "no column 'size'" in refused("noise", runs, "--config", "lr", "size", "--metric", "val_loss")


def test_columns_whose_texts_run_together_are_different_configurations():
    table = {"a": ["x / y", "x"] * 6, "b": ["z", "y / z"] * 6, "y": np.arange(12.0)}
    assert len(nqjax.noise_diagnostics(table, ["a", "b"]).configurations) == 2
    with pytest.raises(InputError, match=r"config is \[\]: give the name of a column"):
        nqjax.noise_diagnostics(table, [])


def test_of_many_configurations_a_few_are_printed(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    rng = np.random.default_rng(1)
    rows = [f"{i},{i / 1e3 + 0.01 * z!r}" for i in range(600) for z in rng.normal(size=4).tolist()]
    path = tmp_path / "many.csv"
    path.write_text("learning_rate_of_the_encoder,loss\n" + "\n".join(rows) + "\nodd,\n")
    status, out, _ = run("noise", str(path), "--config", "learning_rate_of_the_encoder", "--metric", "loss")
    assert status == 0
    lines = out.splitlines()
    assert len(lines) <= 40
    assert "more" in out
    shown = run("noise", str(path), "--config", "learning_rate_of_the_encoder", "--metric", "loss", "--json")[1]
    assert len(json.loads(shown)["configurations"]) == 601


def test_long_names_of_many_configurations_are_few_lines(tmp_path, monkeypatch):
    """Wide rows are wrapped on a narrow terminal, so fewer are shown."""
    monkeypatch.setenv("COLUMNS", "80")
    rng = np.random.default_rng(1)
    lines = ["learning_rate,weight_decay,loss"]
    for i in range(600):
        rate, decay = rng.random(2).tolist()
        lines += [
            f"{rate!r},{decay!r},{i / 1e3 + 0.01 * z!r}" for z in rng.normal(size=2 if i % 50 == 0 else 4).tolist()
        ]
        lines += [f"{rate!r},{decay!r},"] * (i % 3 == 0)
    path = tmp_path / "many.csv"
    path.write_text("\n".join(lines) + "\n")
    argv = ["noise", str(path), "--config", "learning_rate", "weight_decay", "--metric", "loss"]
    status, out, _ = run(*argv, "--threshold", "0.3", "--sigma", "0.01")
    assert status == 0
    assert len(out.splitlines()) <= 40
    assert "more" in out
    assert "0." in out
