"""The command line: what it passes on, what it prints, and that a mistake costs one line and no wait."""

import inspect
import json
import math
import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

import nqjax
from nqjax import cli
from nqjax.analysis import fit as analysis_fit
from nqjax.analysis import threshold
from nqjax.cli import demo
from nqjax.cli import options as arguments
from nqjax.errors import InputError
from nqjax.inputs import limits_up_to
from nqjax.report import fit as report

ROOT = Path(cli.__file__).parents[2]


def fake_fit(scores, *, limits, minimize, **constraints):
    """Return a fit with made-up values that depend on the direction only, so that its report can be read by eye."""
    span = (0.08, 0.13) if minimize else (0.87, 0.92)
    values = SimpleNamespace(
        alpha=span[0],
        beta=span[1],
        gamma=2,
        sigma=0.0012345,
        loss=0.0625,
        converged=True,
        losses_by_gamma={1: 0.125, 2: 0.0625, 3: math.nan},
        parameters_by_gamma=dict.fromkeys((1, 2, 3), (*span, 0.0012345)),
        minimize=minimize,
        limits=limits,
        num_scores=len(scores),
        num_used=len(scores) - 2,
        num_censored=1,
        num_failed=1,
        best_score=span[0] if minimize else span[1],
        p_value=0.5,
        regime_probability=0.2,
        regime_start=math.log(0.5) / math.log(0.8),
    )
    sign = 1 if minimize else -1
    values.quantile_tuning_curve = lambda n, q=0.5: (span[0] if minimize else span[1]) + sign * 0.05 / np.asarray(n)
    return values


@pytest.fixture
def trials(tmp_path) -> Path:
    path = tmp_path / "trials.csv"
    path.write_text("# a comment\nlr,val_loss\n" + "".join(f"{i},{0.1 + i / 1000}\n" for i in range(20)) + "1,\n")
    return path


@pytest.fixture
def calls(monkeypatch) -> list[dict]:
    """Replace the fit by a fake and return the list of calls it got."""
    calls = []

    real = threshold.read_question

    def question(end, _, minimize, maximize, **constraints):
        if end != "auto":
            calls.append({"limits": limits_up_to(end, minimize), "minimize": minimize, **constraints})
        return real(end, None, minimize, maximize, **constraints)

    def fit(chosen):
        calls[-1]["scores"] = chosen.study.scores
        return fake_fit(chosen.study.scores, limits=chosen.study.limits, minimize=chosen.study.minimize)

    monkeypatch.setattr(threshold, "read_question", question)
    monkeypatch.setattr(analysis_fit, "fit_of", fit)
    return calls


# --- what reaches the fit -------------------------------------------------------------------------------------------

#: Numbers of trials at which the tuning curve of 21 scores is given.
TRIALS = (1, 2, 4, 8, 16, 32, 64, 128, 210)

DEFAULTS = {"alpha": None, "beta": None, "gamma": (1, 5), "sigma": None}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {"limits": (-math.inf, math.inf), "minimize": True, **DEFAULTS}),
        (["--threshold", "0.11"], {"limits": (-math.inf, 0.11)}),
        (["--threshold", "-1e-3"], {"limits": (-math.inf, -1e-3)}),
        (["--threshold=-.5", "--minimize"], {"limits": (-math.inf, -0.5), "minimize": True}),
        (["--maximize", "--threshold", "0.89"], {"limits": (0.89, math.inf), "minimize": False}),
        (["--maximize"], {"limits": (-math.inf, math.inf), "minimize": False}),
        (["--alpha", "-inf", "1"], {"alpha": (-math.inf, 1.0)}),
        (["--alpha=-inf", "1"], {"alpha": (-math.inf, 1.0)}),
        (["--alpha", "-1e-3", "--beta", "-.5", "+2"], {"alpha": -1e-3, "beta": (-0.5, 2.0)}),
        (["--gamma", "2"], {"gamma": 2}),
        (["--gamma", "1", "8.0"], {"gamma": (1, 8)}),
        (["--sigma", "0"], {"sigma": 0.0}),
        (["--sigma", "0", "inf"], {"sigma": (0.0, math.inf)}),
    ],
)
@pytest.mark.parametrize("file_last", [False, True])
def test_options_reach_the_fit(calls, trials, options, expected, file_last):
    file = [str(trials)]
    options = options if any("--threshold" in option for option in options) else [*options, "--threshold", "none"]
    argv = (
        ["fit", "--metric", "val_loss", *options, *file] if file_last else ["fit", *file, "--metric=val_loss", *options]
    )
    assert cli.main(argv) == 0
    (call,) = calls
    assert len(call["scores"]) == 21
    assert {name: call[name] for name in expected} == expected
    assert [type(call[name]) for name in expected] == [type(value) for value in expected.values()]


def test_double_dash_ends_the_options(calls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("-1.csv").write_text("loss\n1\n2\n3\n")
    assert cli.main(["fit", "--metric", "loss", "--threshold", "none", "--", "-1.csv"]) == 0


# --- what is printed ------------------------------------------------------------------------------------------------


def lines_of(capsys) -> list[str]:
    captured = capsys.readouterr()
    warnings = captured.err.splitlines()
    assert all("val_loss is maximized, but its name says that lower is better" in line for line in warnings)
    return [line.rstrip() for line in captured.out.splitlines()]


@pytest.mark.parametrize("minimize", [True, False])
def test_report(calls, trials, capsys, monkeypatch, minimize):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(trials.parent)
    direction = "--minimize" if minimize else "--maximize"
    assert cli.main(["fit", trials.name, "--metric", "val_loss", direction, "--threshold", "0.11"]) == 0
    lines = lines_of(capsys)
    assert max(map(len, lines)) <= 80
    assert lines[0] == f"val_loss in trials.csv, {'minimized' if minimize else 'maximized'}, threshold 0.11"
    rows = [line.split(maxsplit=2) for line in lines]
    best, far = "best score of the fitted regime", "worst score, extrapolated"
    assert ["alpha", "0.0800" if minimize else "0.8700", best if minimize else far] in rows
    assert ["beta", "0.1300" if minimize else "0.9200", far if minimize else best] in rows
    assert ["gamma", "2", "how many hyperparameters matter"] in rows
    assert ["sigma", "0.00123", "noise of one run (std. deviation)"] in rows

    text = " ".join(" ".join(lines).split())
    side = "below" if minimize else "above"
    assert f"scores at or {side} the threshold, 20 % of all; the fit is about these, and describes the tuning" in text
    assert "describes the tuning curve from n = 4 on Scores" in text
    assert "21: 19 fitted, 1 beyond the threshold (only counted), 1 failed (missing, NaN or infinite: counted" in text
    assert "Misfit by gamma, the lowest is taken: 1=0.1250, 2=0.06250, 3=?" in text

    curve = [line.split() for line in lines if line.split() and line.split()[0] in map(str, TRIALS)]
    sign = 1 if minimize else -1
    best_scores = [(0.08 if minimize else 0.92) + sign * 0.05 / n for n in TRIALS]
    marks = ["outside the regime" if n < 4 else "extrapolated" if n > 21 else "" for n in TRIALS]
    expected = [
        [str(n), f"{y:#.2g}" if n < 4 else f"{y:.4f}", *mark.split()]
        for n, y, mark in zip(TRIALS, best_scores, marks, strict=True)
    ]
    assert curve == expected
    assert "outside the regime: the fit describes the tuning curve from n = 4 on, and says nothing here" in text
    assert lines[-1] == "  extrapolated: more trials than were run"


def test_report_without_a_threshold(calls, trials, capsys):
    assert cli.main(["fit", str(trials), "--metric", "val_loss", "--threshold", "none"]) == 0
    text = " ".join(" ".join(lines_of(capsys)).split())
    assert (
        "let a threshold be chosen (--threshold auto), or try one, for example the median score (--threshold 0.11)"
        in text
    )
    assert "outside the regime" not in text


def test_report_of_lucky_scores(calls, trials, capsys, monkeypatch):
    lucky = {"quantile_tuning_curve": lambda n: np.where(np.asarray(n) > 8, 0.079, 0.09)}
    report.print_fit(document_of(**lucky, trials=(8, 16)), Console(width=80))
    lines = lines_of(capsys)
    rows = [line.split() for line in lines]
    assert ["8", "0.0900"] in rows
    assert ["16", "0.0790", "beyond", "alpha"] in rows
    assert "  beyond alpha: past the best score of the fitted regime; noise may explain it" in lines


def test_report_of_failures_without_a_threshold(calls, trials, capsys):
    document = document_of(limits=(-math.inf, 0.3), threshold=None, num_failed=7)
    assert document["threshold"] is None
    assert document["regime_probability"] == 0.2
    report.print_fit(document, Console(width=80))
    text = " ".join(" ".join(lines_of(capsys)).split())
    assert "no threshold" in text
    assert "all scores are fitted; a run succeeds with probability 20 %, and the fit describes the tuning curve" in text


def test_no_regime_without_a_threshold():
    document = document_of(limits=(-math.inf, math.inf), threshold=None)
    assert document["regime_probability"] is document["regime_start"] is None
    assert [point["in_regime"] for point in document["tuning_curve"]] == [None, None]


def test_numbers_of_trials(calls, trials, capsys):
    assert (
        cli.main(
            ["fit", "--trials", "10000", "0.5", "3", "3", str(trials), "--metric", "val_loss", "--threshold", "none"]
        )
        == 0
    )
    lines = lines_of(capsys)
    assert [line.split()[0] for line in lines[-4:]] == ["0.5", "3", "10,000", "extrapolated:"]


def test_markup_in_names_is_shown_as_it_is(calls, tmp_path, capsys):
    path = tmp_path / "[red]t.csv"
    path.write_text("[bold]loss\n1\n2\n3\n")
    assert cli.main(["fit", str(path), "--metric", "[bold]loss", "--threshold", "none"]) == 0
    assert "".join(lines_of(capsys)).startswith("[bold]loss in")


def test_json(calls, trials, capsys):
    assert (
        cli.main(["fit", str(trials), "--metric", "val_loss", "--threshold", "0.11", "--alpha", "-inf", "1", "--json"])
        == 0
    )

    def fail(token):
        raise AssertionError(f"{token} is not JSON")

    document = json.loads(capsys.readouterr().out, parse_constant=fail)
    assert document["alpha"] == 0.08
    assert document["gamma"] == 2
    assert document["minimize"] is True
    assert document["limits"] == [None, 0.11]
    assert document["constraints"] == {"alpha": [None, 1.0], "beta": None, "gamma": [1, 5], "sigma": None}
    assert document["losses_by_gamma"] == {"1": 0.125, "2": 0.0625, "3": None}
    assert (document["num_scores"], document["num_used"]) == (21, 19)
    assert (document["num_censored"], document["num_failed"]) == (1, 1)
    assert [point["trials"] for point in document["tuning_curve"]] == list(TRIALS)
    assert [point["in_regime"] for point in document["tuning_curve"]] == [False, False] + [True] * 7


def document_of(
    scores=(0.1, 0.2, 0.3), constraints=DEFAULTS, trials=(1, 128), limits=(-math.inf, 0.2), threshold=0.2, **changes
):
    fit = fake_fit(np.array(scores), limits=limits, minimize=limits[0] == -math.inf)
    losses = {changes.get("gamma", fit.gamma): fit.loss}
    vars(fit).update({"num_scores": 1000, "num_used": 998, "losses_by_gamma": losses, **changes})
    return report.fit_document(
        fit,
        np.array(scores),
        file="t.csv",
        metric="loss",
        threshold=threshold,
        constraints=constraints,
        trials=trials,
    )


@pytest.mark.parametrize(
    ("changes", "constraints", "part"),
    [
        ({"converged": False}, {}, "did not converge"),
        ({"alpha": 1e-9}, {"alpha": (0.0, 1.0)}, "alpha lies at the lowest value that its constraint allows, 0"),
        ({"beta": 1.0}, {"beta": (0.0, 1.0)}, "beta lies at the highest value that its constraint allows, 1"),
        ({"sigma": 0.01}, {"sigma": (0.01, 1.0)}, "sigma lies at the lowest"),
        ({"gamma": 5}, {}, "gamma is the highest that its constraint allows, 5"),
        ({"gamma": 2}, {"gamma": (2, 4)}, "gamma is the lowest that its constraint allows, 2"),
        ({"gamma": 1}, {"gamma": (1, 4)}, None),
        ({"gamma": 2}, {"gamma": (2, 2)}, None),
        ({"gamma": 2}, {"gamma": 2}, None),
        ({"sigma": 0.0}, {"sigma": (0.0, 1.0)}, None),
        ({}, {"alpha": (-math.inf, 1.0), "beta": 0.13}, None),
        ({"num_used": 23}, {}, "only 23 scores are fitted"),
        ({"losses_by_gamma": {1: 0.0632, 2: 0.0625}}, {}, "gamma 1 fits nearly as well, with alpha 0.08000, beta"),
        ({"losses_by_gamma": {1: 0.0636, 2: 0.0625}}, {}, None),
        (
            {"losses_by_gamma": {1: 0.063, 2: 0.0625, 3: 0.063}, "parameters_by_gamma": {1: (1, 2, 3), 3: (1, 3, 2)}},
            {},
            "gamma 1 and 3 fit nearly as well, with alpha 1.000, beta 2.000 to 3.000, sigma 2.000 to 3.000",
        ),
    ],
)
def test_warnings(changes, constraints, part):
    document = document_of(constraints={**DEFAULTS, **constraints}, **changes)
    assert len(document["warnings"]) == (part is not None)
    assert part is None or part in document["warnings"][0]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"alpha": 3.58, "beta": 4.171, "sigma": 0.028}, ["3.580", "4.171"]),
        ({"alpha": 0.0, "beta": 1.0, "sigma": 0.0}, ["0.000", "1.000"]),
        ({"alpha": 1200.0, "beta": 1500.0, "sigma": 25.0}, ["1200", "1500"]),
        ({"alpha": 1e-9, "beta": 2e-9, "sigma": 1e-10, "limits": (-math.inf, math.inf)}, ["1.000e-09", "2.000e-09"]),
        ({"alpha": 1e9, "beta": 2e9, "sigma": 1e8}, ["1.000e+09", "2.000e+09"]),
        ({"alpha": 0.5, "beta": 0.5, "sigma": 0.0}, ["0.500000", "0.500000"]),
        ({"alpha": math.nan, "beta": 0.5, "sigma": 0.01}, ["?", "0.500"]),
    ],
)
def test_scores_have_digits_enough(changes, expected, capsys):
    curve = changes.get("beta", 1.0)
    document = document_of(**changes, quantile_tuning_curve=lambda n: np.full(np.shape(n), curve))
    report.print_fit(document, Console(width=80))
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[1] for row in rows if row and row[0] in ("alpha", "beta")] == expected


def test_report_survives_a_failed_fit(capsys):
    nan = {"alpha": math.nan, "beta": math.nan, "sigma": math.nan, "loss": math.nan, "converged": False}
    curve = {"quantile_tuning_curve": lambda n: np.full(np.shape(n), math.nan)}
    document = document_of(**nan, **curve, regime_probability=math.nan, regime_start=math.nan, scores=[math.inf] * 3)
    json.dumps(document, allow_nan=False)
    for width in (40, 80):
        report.print_fit(document, Console(width=width))
    assert "did not converge" in capsys.readouterr().out


# --- help -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["--help"], "demo"),
        (["fit", "--help"], "--threshold 0.89"),
        (["demo", "--help"], "ships with"),
        (["--version"], "nqjax "),
    ],
)
def test_help_and_version(capsys, argv, part):
    assert cli.main(argv) == 0
    captured = capsys.readouterr()
    assert part in captured.out
    assert captured.err == ""


# --- mistakes -------------------------------------------------------------------------------------------------------


def error_line(capsys) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith("\n")
    (line,) = captured.err.splitlines()
    return line


@pytest.mark.parametrize(
    ("argv", "parts"),
    [
        (
            [],
            [
                "nqjax: error: no command",
                "region, posterior, compare, bootstrap, bands, plan, noise, fit-many, surface, landscape, similarity",
                "demo, doctor",
                "(see nqjax --help)",
            ],
        ),
        (["fti"], ["nqjax: error:", "'fti'"]),
        (["fit"], ["nqjax fit: error:", "required: FILE", "(see nqjax fit --help)"]),
        (["fit", "t.csv"], ["t.csv does not exist"]),
        (["fit-many", "t.csv", "--out", "x.parquet"], ["--metric"]),
        (["fit", "t.csv", "--metric"], ["--metric"]),
        (["fit", "t.csv", "--metric", "x", "--maximyse"], ["'--maximyse'", "did you mean --maximise?"]),
        (["fit", "t.csv", "--metric", "x", "u.csv"], ["nqjax fit: error: unknown argument 'u.csv'"]),
        (["fit", "t.csv", "--metric", "x", "--minimize", "--maximize"], ["--maximize", "not allowed with"]),
        (["fit", "t.csv", "--metric", "x", "--threshold"], ["--threshold", "expected one argument"]),
        (["fit", "t.csv", "--metric", "x", "--threshold", "low"], ["--threshold", "'low' is not a number"]),
        (["fit", "t.csv", "--metric", "x", "--threshold", "nan"], ["--threshold", "'nan' is not a number"]),
        (["fit", "t.csv", "--metric", "x", "--threshold", "inf"], ["--threshold", "one finite number"]),
        (["fit", "t.csv", "--metric", "x", "--threshold", "1", "2"], ["--threshold", "one finite number"]),
        (["fit", "t.csv", "--metric", "x", "--alpha", "1", "2", "3"], ["--alpha", "two for the lowest and"]),
        (["fit", "t.csv", "--metric", "x", "--alpha", "1", "0"], ["--alpha", "lowest value comes first: 0 1"]),
        (["fit", "t.csv", "--metric", "x", "--beta", "inf"], ["--beta", "cannot be fixed at infinity"]),
        (["fit", "t.csv", "--metric", "x", "--beta="], ["--beta", "a number is missing"]),
        (["fit", "t.csv", "--metric", "x", "--sigma", "-1", "1"], ["--sigma", "cannot be negative"]),
        (["fit", "t.csv", "--metric", "x", "--gamma", "0", "2"], ["--gamma", "whole numbers from 1 up"]),
        (["fit", "t.csv", "--metric", "x", "--gamma", "1.5"], ["--gamma", "whole numbers from 1 up"]),
        (["fit", "t.csv", "--metric", "x", "--gamma", "1", "inf"], ["--gamma", "whole numbers from 1 up"]),
        (["fit", "t.csv", "--metric", "x", "--trials", "0", "1"], ["--trials", "positive"]),
        (
            ["bootstrap", "t.csv", "--metric", "x", "--level", "0.9"],
            ["nqjax bootstrap: error: --level is now --confidence"],
        ),
        (["posterior", "t.csv", "--metric", "x", "--prob=0.9"], ["nqjax posterior: error: --prob is now --confidence"]),
        (["compare", "t.csv", "u.csv", "--metric", "x", "--prob", "0.9"], ["--prob is now --confidence"]),
        (["fit", "t.csv", "--metric", "x", "--prob", "0.9"], ["unknown argument '--prob=0.9'"]),
        (["demo", "--json"], ["nqjax demo: error:", "'--json'"]),
        (["fit", "t.csv", "--metric", "x"], ["nqjax: error: t.csv does not exist"]),
        (["fit", ".", "--metric", "x"], ["nqjax: error: . is a directory"]),
    ],
)
def test_mistakes_in_the_arguments(calls, capsys, monkeypatch, tmp_path, argv, parts):
    monkeypatch.chdir(tmp_path)
    assert cli.main(argv) == 2
    line = error_line(capsys)
    for part in parts:
        assert part in line
    assert calls == []


@pytest.mark.parametrize(
    ("name", "content", "metric", "parts"),
    [
        ("t.csv", "a,b\n1,2\n", "c", ["no column 'c'", "a, b"]),
        ("t.csv", "a,b\n1,2\n1,x\n", "b", ["row 2 (line 3)", "'x'"]),
        ("t.csv", "a,b\n1,2\n1\n", "b", ["line 3"]),
        ("t.csv", "", "b", ["empty"]),
        ("t.txt", "a\n1\n", "a", ["unknown file type '.txt'", ".csv"]),
        ("t.jsonl", "{", "a", ["line 1"]),
        ("t.parquet", "x", "a", ["not a Parquet file"]),
    ],
)
def test_mistakes_in_the_file(calls, capsys, tmp_path, name, content, metric, parts):
    (tmp_path / name).write_text(content)
    assert cli.main(["fit", str(tmp_path / name), "--metric", metric]) == 2
    line = error_line(capsys)
    assert line.startswith("nqjax: error: ")
    for part in parts:
        assert part in line
    assert calls == []


def test_input_errors_of_the_fit_are_one_line(calls, capsys, trials, monkeypatch):
    def fit(*_, **__):
        raise InputError("all scores are censored;\n  raise the threshold")

    monkeypatch.setattr(analysis_fit, "fit_of", fit)
    assert cli.main(["fit", str(trials), "--metric", "val_loss", "--threshold", "none"]) == 2
    assert error_line(capsys) == "nqjax: error: all scores are censored; raise the threshold"


def test_bugs_show_their_traceback(calls, trials, monkeypatch):
    def fit(*_, **__):
        raise ValueError("a bug")

    monkeypatch.setattr(analysis_fit, "fit_of", fit)
    with pytest.raises(ValueError, match="a bug"):
        cli.main(["fit", str(trials), "--metric", "val_loss", "--threshold", "none"])


def test_interruption_is_quiet(calls, capsys, trials, monkeypatch):
    def fit(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(analysis_fit, "fit_of", fit)
    assert cli.main(["fit", str(trials), "--metric", "val_loss", "--threshold", "none"]) == 130
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


# --- the process ----------------------------------------------------------------------------------------------------


def run(*command: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["fit", "--help"],
        ["--version"],
        ["fit", "t.csv", "--metric", "x", "--gamma", "0"],
        ["fit", "no.csv"],
        ["search", "--help"],
        ["search", "nothing", "--trials", "3", "--out", "t.jsonl"],
        ["search", "llama-33m", "--trials", "3", "--out", "t.jsonl"],
    ],
)
def test_help_and_mistakes_do_not_import_jax(argv):
    heavy = {"jax", "numpyro", "flax", "pyarrow", "rich", "scipy", "numpy"}
    program = f"import sys; from nqjax.cli import main; main({argv}); print(); print(*{heavy} & set(sys.modules))"
    done = run("-c", program)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == ""


@pytest.mark.parametrize(
    "options",
    [
        ["fit", "--plot", "x.gif"],
        ["posterior", "--report", "x.pdf"],
        ["posterior", "--report", "nowhere/x.html"],
        ["posterior", "--draws", "nowhere/x.parquet"],
        ["bootstrap", "--save", "x.csv"],
        ["regime", "--plot", "x.gif"],
    ],
)
def test_files_that_cannot_be_written_are_named_before_jax_is_imported(options):
    argv = [options[0], "no.csv", "--metric", "x", *options[1:]]
    program = f"import sys; from nqjax.cli import main; print(main({argv}), 'jax' in sys.modules)"
    assert run("-c", program).stdout.split() == ["2", "False"]


def test_the_list_of_searches_does_not_import_jax():
    program = "import sys; from nqjax.cli import main; main(['search', '--list']); print('jax' in sys.modules)"
    assert run("-c", program).stdout.splitlines()[-1] == "False"


USE_CACHE = """
from nqjax.cli import process
process.use_compilation_cache()
import jax
print(jax.config.jax_compilation_cache_dir, jax.config.jax_persistent_cache_min_compile_time_secs)
jax.jit(lambda x: x * 2)(1.0)
"""


def test_compiled_programs_are_kept(tmp_path, without_cache):
    done = run("-c", USE_CACHE, XDG_CACHE_HOME=str(tmp_path))
    folder = tmp_path / "nqjax" / "jax"
    assert (done.stdout.split(), done.stderr) == ([str(folder), "0.0"], "")
    assert any(folder.iterdir())


def test_a_cache_that_is_configured_is_left_alone(tmp_path, without_cache):
    mine = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "a"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "7"}
    done = run("-c", USE_CACHE, XDG_CACHE_HOME=str(tmp_path / "b"), **mine)
    assert done.stdout.split() == [str(tmp_path / "a"), "7.0"]
    assert not (tmp_path / "b").exists()


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, without_cache):
    (tmp_path / "file").touch()
    for environment in ({"XDG_CACHE_HOME": str(tmp_path / "file")}, {"JAX_COMPILATION_CACHE_DIR": "/dev/null/x"}):
        done = run("-c", USE_CACHE, **environment)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_that_goes_away(trials):
    """`nqjax fit ... | head -1`: no traceback, no message."""
    program = (
        "import sys, tests.cli.test_cli as t; from nqjax import cli; import nqjax.analysis.fit as f;"
        "f.fit_of = lambda chosen: t.fake_fit(chosen.study.scores, limits=chosen.study.limits, minimize=True);"
        "sys.exit(cli.main())"
    )
    for option in ([], ["--json"]):
        process = subprocess.Popen(
            [sys.executable, "-c", program, "fit", str(trials), "--metric", "val_loss", "--threshold", "none", *option],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        process.stdout.close()
        error = process.stderr.read()
        process.stderr.close()
        assert process.wait(timeout=120) == 141
        assert error == b""


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_a_page_is_written_although_the_reader_of_the_answer_stops(option, tmp_path):
    """`nqjax analyze ... --report page.html | head -1`."""
    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(0)
    (tmp_path / "few.csv").write_text("loss\n" + "\n".join(map(str, rng.random(12))) + "\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "nqjax", "analyze", "few.csv", "--metric", "loss", "--report", "page.html", *option],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=120) == 141
    assert "Traceback" not in error
    assert "</html>" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
def test_output_that_cannot_be_written(redirection):
    command = f"{shlex.quote(sys.executable)} -m nqjax --version {redirection}"
    done = subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == (2 if "full" in redirection else 141)
    assert done.stderr.count("\n") == (1 if "full" in redirection else 0)
    assert "Traceback" not in done.stderr


# --- end to end -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "metric", "threshold", "published"),
    [
        ("deberta_v3_multinli.csv", "accuracy_matched", 0.89, {"beta": 0.905, "gamma": 1, "sigma": 0.0011}),
        ("convnext_tiny_imagenet.csv", "top_1", 0.60, {"beta": 0.744, "gamma": 2, "sigma": 0.0079}),
    ],
)
def test_published_fits(shared_data, capsys, file, metric, threshold, published):
    argv = ["fit", str(shared_data / file), "--metric", metric, "--maximize", "--threshold", str(threshold)]
    assert cli.main([*argv, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["gamma"] == published["gamma"]
    assert document["converged"]
    assert round(document["beta"], 3) == published["beta"]
    # Published from an objective that is not mirror-symmetric: sigma may differ by one in the last digit printed.
    assert abs(document["sigma"] - published["sigma"]) <= 1e-4
    assert document["num_used"] + document["num_censored"] + document["num_failed"] == document["num_scores"]

    assert cli.main(argv) == 0
    rows = [line.split() for line in lines_of(capsys)]
    assert any(row[:1] == ["beta"] and round(float(row[1]), 3) == published["beta"] for row in rows)
    assert any(row[:2] == ["gamma", str(published["gamma"])] for row in rows)


@pytest.mark.parametrize(
    ("scores", "options", "part"),
    [
        ([0.1, 0.2], [], "2 different scores are too few: run more trials"),
        ([0.1, 0.2], ["--threshold", "none"], "3"),
        ([0.1, 0.2, 0.3, 0.4], ["--threshold", "0.05"], "no score lies inside"),
        ([0.1, 0.2, 0.3, 0.4], ["--alpha", "0.5", "1", "--beta", "0", "0.4"], ""),
        (["nan"] * 4, [], ""),
    ],
)
def test_scores_that_cannot_be_fitted(capsys, tmp_path, scores, options, part):
    path = tmp_path / "t.csv"
    path.write_text("loss\n" + "".join(f"{score}\n" for score in scores))
    assert cli.main(["fit", str(path), "--metric", "loss", *options]) == 2
    line = error_line(capsys)
    assert line.startswith("nqjax: error: ")
    assert part in line


def test_the_default_of_gamma_is_that_of_the_function():
    assert inspect.signature(nqjax.fit).parameters["gamma"].default == arguments.GAMMA


def test_demo_in_a_fresh_process(tmp_path):
    done = run("-m", "nqjax", "demo", XDG_CACHE_HOME=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    command, _, title, *_ = done.stdout.splitlines()
    assert command.startswith("$ nqjax fit ")
    assert title.startswith(f"{demo.METRIC} in ")
    assert cli.parse(shlex.split(command)[2:]).metric == demo.METRIC
