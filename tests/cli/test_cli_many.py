"""The commands for many fits: what they write, that they go on where they were, and what they say."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from pyarrow import parquet

import nqjax
from nqjax import cli
from nqjax.cli import process
from nqjax.estimation import fits_file


@pytest.fixture(autouse=True)
def own_handler_of_ctrl_c(monkeypatch):
    monkeypatch.setattr(process, "listen_for_ctrl_c", lambda *_, **__: None)


@pytest.fixture
def sweeps(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    folder = tmp_path / "sweeps"
    folder.mkdir()
    for i in range(12):
        y = rng.uniform(size=30 + i) ** (2 / (1 + i % 3)) + 0.05 * rng.normal(size=30 + i)
        (folder / f"s{i:02d}.csv").write_text("lr,loss\n" + "".join(f"1,{v!r}\n" for v in y.tolist()))
    (folder / "text.csv").write_text("lr,loss\n1,abc\n")
    (folder / "few.csv").write_text("lr,loss\n1,0.5\n")
    monkeypatch.chdir(tmp_path)
    return folder


COMMAND = ["fit-many", "sweeps/*.csv", "--metric", "loss", "--quantile", "0.8", "--out", "fits.parquet"]


def rows():
    return {row["study"]: row for row in parquet.read_table("fits.parquet").to_pylist()}


def test_fit_many(sweeps, capsys):
    assert cli.main(COMMAND) == 0
    assert "14 studies in fits.parquet: 14 new; 2 of all have a failure" in capsys.readouterr().out
    found = rows()
    assert sorted(found) == [f"sweeps/{p.name}" for p in sorted(sweeps.iterdir())]
    assert "abc" in found["sweeps/text.csv"]["failure"]
    assert "too few" in found["sweeps/few.csv"]["failure"]
    for name in ("sweeps/s03.csv", "sweeps/s11.csv"):
        scores = np.loadtxt(name, delimiter=",", skiprows=1)[:, 1]
        fit = nqjax.fit(scores, limits=nqjax.quantile_limits(scores, 0.8))
        row = found[name]
        assert row["loss"] == pytest.approx(fit.loss, abs=1e-10)
        assert (row["gamma"], row["num_used"], row["limit_high"]) == (fit.gamma, fit.num_used, fit.limits[1])
        assert row["losses_by_gamma"] == pytest.approx(list(fit.losses_by_gamma.values()), abs=1e-6)
        assert row["converged"]
        assert row["failure"] is None
    assert not list(sweeps.parent.glob("*.parts"))


def test_more_files_add_rows_and_other_settings_do_not_mix(sweeps, capsys):
    later = sweeps / "s11.csv"
    text = later.read_text()
    later.unlink()
    assert cli.main(COMMAND) == 0
    before = rows()
    later.write_text(text)
    capsys.readouterr()
    assert cli.main(COMMAND) == 0
    assert "14 studies in fits.parquet: 1 new" in capsys.readouterr().out
    after = rows()
    assert {name: after[name] for name in before} == before
    assert cli.main([*COMMAND[:-4], "--quantile", "0.5", "--out", "fits.parquet"]) == 2
    assert "quantile = 0.8" in capsys.readouterr().err


def test_a_killed_run_goes_on(sweeps, tmp_path, capsys):
    """Killed without warning after some rows were written: every study is there exactly once, and none is redone."""
    program = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs ignore it
        "from nqjax.analysis import fit_many\n"
        "from nqjax.estimation import fits_file\n"
        "from nqjax.cli import main\n"
        "fit_many._STUDIES_AT_ONCE = 2\n"
        "add = fits_file.Store.add\n"
        "def slow(self, rows):\n    add(self, rows)\n    time.sleep(0.5)\n"
        "fits_file.Store.add = slow\n"
        f"main({COMMAND!r})\n"
    )
    running = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    parts = tmp_path / "fits.parquet.parts"
    deadline = time.monotonic() + 120
    while len(list(parts.glob("*.parquet"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    first = {row["study"]: row for p in parts.glob("*.parquet") for row in parquet.read_table(p).to_pylist()}
    assert 0 < len(first) < 14
    assert cli.main(COMMAND) == 0
    assert f"{14 - len(first)} new" in capsys.readouterr().out
    table = parquet.read_table("fits.parquet")
    assert table.num_rows == len(rows()) == 14
    assert {name: rows()[name] for name in first} == first


def test_a_real_ctrl_c(sweeps, tmp_path):
    """SIGINT in the middle of the work: one line, status 130, and the rows that were counted are there."""
    program = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs ignore it
        "from nqjax.analysis import fit_many\n"
        "from nqjax.estimation import fits_file\n"
        "from nqjax.__main__ import main\n"
        "fit_many._STUDIES_AT_ONCE = 2\n"
        "add = fits_file.Store.add\n"
        "def slow(self, rows):\n    add(self, rows)\n    time.sleep(0.5)\n"
        "fits_file.Store.add = slow\n"
        f"sys.argv = {['nqjax', *COMMAND]!r}\n"
        "sys.exit(main())\n"
    )
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    running = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, env=env)
    parts = tmp_path / "fits.parquet.parts"
    deadline = time.monotonic() + 120
    while len(list(parts.glob("*.parquet"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, error = running.communicate(timeout=60)
    assert running.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in error
    assert "of 14 studies have their rows" in error
    rows = sum(parquet.read_table(p).num_rows for p in parts.glob("*.parquet"))
    assert 0 < rows < 14
    assert f"{rows} of 14" in error


def test_one_writer_at_a_time(sweeps, capsys):
    with fits_file.Store("fits.parquet", {"a": 1}):
        assert cli.main(COMMAND) == 2
        assert "another process is writing" in capsys.readouterr().err
    assert cli.main(COMMAND) == 0


def test_rows_of_another_writer_survive_a_join(tmp_path):
    """Where locks do not work, at least nothing is deleted that was not read."""
    one, other = (fits_file.Store(tmp_path / "f.parquet", {}) for _ in range(2))
    with one:
        one.add([{"study": "a"}])
        write = one._write

        def meanwhile(table, path):
            write(table, path)
            other.add([{"study": "b"}])

        one._write = meanwhile
        one.join()
        assert set(other.studies()) == {"a", "b"}


def test_failures_are_tried_again_when_asked(sweeps, capsys):
    assert cli.main(COMMAND) == 0
    (sweeps / "text.csv").write_text((sweeps / "s00.csv").read_text())
    assert cli.main(COMMAND) == 0
    assert "0 new; 2 of all" in capsys.readouterr().out
    assert cli.main([*COMMAND, "--retry-failed"]) == 0
    assert "2 new; 1 of all has a failure" in capsys.readouterr().out
    found = rows()
    assert len(found) == 14
    assert found["sweeps/text.csv"]["loss"] == found["sweeps/s00.csv"]["loss"]


def test_a_study_is_one_however_its_path_is_written(sweeps, tmp_path, capsys):
    """Also when the file of fits itself matches the pattern."""
    first = [f"./{COMMAND[1]}", str(sweeps / "s0*.csv"), "sweeps/../sweeps/*"]
    argv = [COMMAND[0], *first, *COMMAND[2:-1], "sweeps/fits.parquet"]
    for _ in range(2):
        assert cli.main(argv) == 0
        found = parquet.read_table("sweeps/fits.parquet")
        assert sorted(found["study"].to_pylist()) == sorted(p.name for p in sweeps.glob("*.csv"))


def test_no_file_stops_the_others(sweeps):
    """A damaged file has its failure in its row; a file with a name that is not UTF-8 is fitted like the others."""
    odd = os.fsencode(sweeps) + b"/b\xff.csv"
    with open(odd, "w") as file:  # noqa: PTH123 - the name is bytes
        file.write((sweeps / "s01.csv").read_text())
    whole = sweeps / "z.parquet"
    parquet.write_table(parquet.read_table(_as_parquet(sweeps / "s02.csv", whole)), whole)
    damaged = bytearray(whole.read_bytes())
    for at in range(len(damaged) // 2, len(damaged) - 8, 7):
        damaged[at] ^= 0x80
    whole.write_bytes(bytes(damaged))
    argv = ["fit-many", "sweeps/*", *COMMAND[2:]]
    assert cli.main(argv) == 0
    found = rows()
    assert len(found) == 16
    assert found["sweeps/z.parquet"]["failure"]
    assert found["sweeps/b\\xff.csv"]["loss"] == found["sweeps/s01.csv"]["loss"]
    assert sum(row["failure"] is None for row in found.values()) == 13


def _as_parquet(source, target):
    import pyarrow.csv

    parquet.write_table(pyarrow.csv.read_csv(source), target)
    return target


def test_ctrl_c_keeps_the_rows(sweeps, monkeypatch, capsys):
    add = fits_file.Store.add

    def once(self, new):
        add(self, new)
        raise KeyboardInterrupt

    monkeypatch.setattr(fits_file.Store, "add", once)
    assert cli.main(COMMAND) == 130
    assert "1 of 14 studies have their rows" in capsys.readouterr().err
    monkeypatch.setattr(fits_file.Store, "add", add)
    assert cli.main(COMMAND) == 0
    assert len(rows()) == 14


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["fit-many", "nothing/*.csv", "--metric", "loss", "--out", "f.parquet"], "no file matches"),
        (["fit-many", "sweeps/*.csv", "--metric", "loss", "--out", "f.csv"], ".parquet"),
        (["fit-many", "sweeps/*.csv", "--metric", "loss"], "--out"),
        ([*COMMAND, "--threshold", "0.5"], "not allowed with"),
        ([*COMMAND[:-4], "--quantile", "1.5", "--out", "f.parquet"], "between 0 and 1"),
        (["bootstrap", "sweeps/s01.csv", "--metric", "loss", "--resamples", "10"], "too few for the confidence"),
        (["bootstrap", "sweeps/s01.csv", "--metric", "loss", "--resamples", "many"], "whole number"),
        (["bootstrap", "sweeps/s01.csv", "--metric", "loss", "--save", "x.csv"], "Parquet"),
        (["bootstrap", "sweeps/s01.csv", "--metric", "loss", "--save", "nowhere/x.parquet"], "does not exist"),
        (["bootstrap", "sweeps/s01.csv", "--metric", "loss", "--seed", "99999999999999"], "whole number from 0"),
        (["bootstrap", "sweeps/s01.csv", "--metric", "loss", "--seed", "-1"], "whole number from 0"),
        (["bootstrap", "sweeps/few.csv", "--metric", "loss", "--threshold", "none"], "too few to fit"),
    ],
)
def test_mistakes(sweeps, capsys, argv, part):
    assert cli.main(argv) == 2
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert part in error


def test_a_foreign_file_is_left_alone(sweeps, capsys):
    from pathlib import Path

    Path("fits.parquet").write_bytes(b"not parquet")
    assert cli.main(COMMAND) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert Path("fits.parquet").read_bytes() == b"not parquet"


def test_bootstrap(sweeps, capsys):
    argv = ["bootstrap", "sweeps/s05.csv", "--metric", "loss", "--resamples", "100", "--gamma", "1", "3"]
    argv += ["--threshold", "none"]
    assert cli.main([*argv, "--json", "--save", "resamples.parquet"]) == 0
    document = json.loads(capsys.readouterr().out)
    found = document["bootstrap"]
    assert (found["num_resamples"], found["confidence"], found["method"]) == (100, 0.95, "percentile")
    saved = parquet.read_table("resamples.parquet").to_pydict()
    low, high = np.quantile(saved["alpha"], [0.025, 0.975])
    assert found["intervals"]["alpha"]["low"] == pytest.approx(low)
    assert found["intervals"]["alpha"]["high"] == pytest.approx(high)
    assert found["gamma_probabilities"]["3"] == np.mean(np.array(saved["gamma"]) == 3)
    assert all(p["low"] <= p["median_best_score"] <= p["high"] for p in document["tuning_curve"])
    assert cli.main([*argv, "--method", "bca", "--confidence", "0.9"]) == 0
    text = capsys.readouterr().out
    assert "90 % interval, BCa" in text
    assert "Best gamma" in text
    assert "Tuning curve" in text


def test_what_a_bootstrap_cannot_tell_is_left_out(tmp_path, capsys):
    """Three scores: most resamples cannot be fitted, and none without a score. The rest is reported all the same."""
    file = tmp_path / "three.csv"
    file.write_text("y\n0.1\n0.2\n0.4\n")
    argv = ["bootstrap", str(file), "--metric", "y", "--gamma", "1", "3", "--threshold", "none", "--json"]
    assert cli.main([*argv, "--resamples", "60"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["bootstrap"]["intervals"]["alpha"]["low"] is None
    assert document["tuning_curve"][0]["low"] is None
    assert any("that could be fitted" in warning for warning in document["warnings"])
    assert cli.main([*argv, "--resamples", "400", "--method", "bca"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["bootstrap"]["intervals"]["alpha"]["method"] == "percentile"
    assert any("BCa needs" in warning for warning in document["warnings"])
    assert cli.main([*argv[:-1], "--resamples", "60"]) == 0
    assert "too few" in capsys.readouterr().out
