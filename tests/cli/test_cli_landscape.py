"""`nqjax landscape` and `nqjax similarity`: documents, sentences, one-line errors, and no compilation."""

import json
import subprocess
import sys

import numpy as np
import pytest

import nqjax
from nqjax.cli import main


@pytest.fixture
def grid_file(tmp_path):
    """A grid of 6 x 5 x 3 with two runs each, as CSV."""
    rng = np.random.default_rng(0)
    lines = ["lr,width,op,loss_0,loss_1"]
    for i in range(6):
        for j in range(5):
            for k, op in enumerate(("conv", "pool", "skip")):
                truth = 0.1 * (i - 2) ** 2 + 0.05 * (j - 3) ** 2 + 0.1 * k
                runs = truth + rng.normal(size=2) * 0.01
                lines.append(f"{10.0 ** (i - 5):.9g},{2**j},{op},{runs[0]:.6f},{runs[1]:.6f}")
    path = tmp_path / "grid.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    return status, *capsys.readouterr()


def document(capsys, *arguments):
    status, out, err = run(capsys, *arguments, "--json")
    assert status == 0, err
    return json.loads(out)


def test_the_document_has_the_numbers_of_the_library(capsys, grid_file):
    found = document(capsys, "landscape", grid_file, "--metric", "loss_*", "--threshold", "0.2")
    land = nqjax.read_landscape(grid_file, ["loss_0", "loss_1"])
    metrics = land.metrics()
    assert (found["configurations"], found["kind"], found["runs"]) == (90, "complete", 2)
    for name in ("n_lo", "n_lo_prominent", "assortativity_rank", "noise_tolerance", "fdc", "neutrality"):
        assert found[name] == pytest.approx(getattr(metrics, name)), name
    assert found["sigma"] == pytest.approx(land.sigma)
    assert found["optima"][0]["configuration"] == {"lr": 0.001, "width": 8.0, "op": "conv"}
    assert found["optima"][0]["prominence"] is None  # the best one
    assert found["regime"]["counting"] == nqjax.regime_geometry(land, 0.2).counting
    assert found["regime"]["prominent_inside"] == 1
    assert next(iter(found["importance"]["main"])) == "lr"
    assert found["hyperparameters"]["op"] == {"ordered": False, "levels": 3}


def test_the_answer_comes_first(capsys, grid_file):
    status, out, err = run(capsys, "landscape", grid_file, "--metric", "loss_0", "loss_1", "--threshold", "0.2")
    assert (status, err) == (0, "")
    text = " ".join(out.split())
    assert "90 configurations, all of the grid, 2 runs each, averaged (sigma" in text
    assert "a search that gets there has one valley to go down" in text
    assert text.index("valley") < text.index("number value meaning")
    for words in ("The best optima", "Importance over the whole grid", "Relevance: how much narrower"):
        assert words in text


def test_the_map_is_written(capsys, grid_file, tmp_path):
    picture = tmp_path / "map.png"
    status, out, err = run(capsys, "landscape", grid_file, "--metric", "loss_*", "--plot", picture)
    assert (status, err) == (0, "")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "90 configurations" in out
    status, out, err = run(capsys, "landscape", grid_file, "--metric", "loss_*", "--plot", tmp_path / "map.txt")
    assert (status, out, err.count("\n")) == (2, "", 1)


def test_one_run_leaves_the_noise_unknown(capsys, grid_file):
    status, out, _ = run(capsys, "landscape", grid_file, "--metric", "loss_0", "--drop", "loss_1")
    assert status == 0
    assert "no configuration was run twice" in " ".join(out.split())
    given = document(capsys, "landscape", grid_file, "--metric", "loss_0", "--sigma", "0.01")
    assert given["n_lo_prominent"] == 1
    assert document(capsys, "landscape", grid_file, "--metric", "loss_0", "--tolerance", "0.05")["tolerance"] == 0.05


def test_a_random_search_is_a_sample(capsys, tmp_path):
    x = np.random.default_rng(0).uniform(size=(2, 200))
    lines = ["lr,dropout,error", *(f"{a},{b},{(a - 0.5) ** 2}" for a, b in x.T)]
    path = tmp_path / "trials.csv"
    path.write_text("\n".join(lines))
    found = document(capsys, "landscape", path, "--metric", "error", "--threshold", "0.02")
    assert found["kind"] == "continuous"
    assert found["n_lo"] is None
    assert "sample" in found["reasons"]["n_lo"]
    assert found["regime"]["counting"] == ["lr"]
    assert found["regime"]["gamma_from_geometry"] == pytest.approx(1, abs=0.1)


def test_a_sample_of_a_grid_has_standard_errors(capsys, tmp_path):
    rng = np.random.default_rng(0)
    cells = rng.permutation(12**3)[:600]
    a, b, c = np.unravel_index(cells, (12, 12, 12))
    losses = (a - 5) ** 2 / 20 + (b - 6) ** 2 / 30 + rng.normal(size=600) * 0.1
    rows = (",".join(map(str, row)) for row in zip(a, b, c, losses, strict=True))
    path = tmp_path / "sample.csv"
    path.write_text("\n".join(["a,b,c,loss", *rows]))
    options = ["landscape", path, "--metric", "loss", "--tolerance", "0.2", "--threshold", "0.5"]
    found = document(capsys, *options)
    assert found["kind"] == "sample"
    assert found["n_lo"] is found["noise_tolerance"] is found["importance"] is None
    assert found["errors"].keys() == {"assortativity_rank", "neutrality"}
    assert sorted(found["regime"]["counting"]) == ["a", "b"]
    status, out, err = run(capsys, *options)
    assert (status, err) == (0, "")
    assert " ± " in out
    assert "cannot be told: not all neighbours were run" in " ".join(out.split())


def test_similarity_of_columns_and_files(capsys, grid_file, tmp_path):
    found = document(capsys, "similarity", grid_file, "--metric", "loss_0", "loss_1")
    a, b = (nqjax.read_landscape(grid_file, name) for name in ("loss_0", "loss_1"))
    expected = nqjax.similarity(a, b)
    (pair,) = found["pairs"]
    assert (pair["first"], pair["second"]) == ("loss_0", "loss_1")
    assert pair["spearman"] == pytest.approx(expected.spearman)
    assert pair["gamma_set"] == expected.gamma_set
    assert pair["ceiling"] is None
    other = tmp_path / "other.csv"
    other.write_text("\n".join(grid_file.read_text().splitlines()[:70]))
    found = document(capsys, "similarity", grid_file, other, "--metric", "loss_*", "--best", "0.2")
    (pair,) = found["pairs"]
    assert (pair["first"], pair["second"], pair["configurations"]) == ("grid.csv", "other.csv", 69)
    assert pair["spearman"] == pytest.approx(1)
    assert 0.5 < pair["ceiling"]["gamma_set"] <= 1
    status, out, err = run(capsys, "similarity", grid_file, other, "--metric", "loss_*")
    assert (status, err) == (0, "")
    assert "Two halves of the runs of one landscape" in " ".join(out.split())


def test_similarity_of_epochs(capsys, tmp_path):
    rng = np.random.default_rng(0)
    curves = np.sort(rng.uniform(size=(30, 4)))[:, ::-1]
    rows = [
        {"lr": i % 6, "width": i // 6, "val_loss": curve[-1], "curve.val_loss": curve.tolist()}
        for i, curve in enumerate(curves)
    ]
    path = tmp_path / "grid.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    found = document(capsys, "similarity", path, "--metric", "val_loss", "--at", "1", "4")
    (pair,) = found["pairs"]
    config = {"lr": [i % 6 for i in range(30)], "width": [i // 6 for i in range(30)]}
    expected = nqjax.similarity(nqjax.Landscape(config, curves[:, 0]), nqjax.Landscape(config, curves[:, 3]))
    assert (pair["first"], pair["second"]) == ("epoch 1", "epoch 4")
    assert pair["spearman"] == pytest.approx(expected.spearman)
    status, _, err = run(capsys, "similarity", path, "--metric", "val_loss", "--at", "1", "9")
    assert (status, "there is no epoch 9" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["landscape", "--metric", "nothing"], "no column 'nothing'"),
        (["landscape", "--metric", "no*"], "no column matches 'no*'"),
        (["landscape", "--metric", "loss_0", "lost"], "no column 'lost'"),
        (["landscape", "--metric", "op"], "op is 'conv', not a number"),
        (["landscape", "--metric", "loss_0", "--categorical", "size"], "no hyperparameter 'size'"),
        (["landscape", "--metric", "loss_0", "--drop", "size"], "no column 'size'"),
        (["landscape", "--metric", "loss_0", "--drop", "lr", "width", "op"], "no hyperparameters"),
        (["landscape", "--metric", "loss_0", "--where", "lr > 5"], "lr > 5"),
        (["landscape", "--metric", "loss_0", "--threshold", "-3"], "as good as -3"),
        (["landscape", "--metric", "loss_0", "--tolerance", "-1"], "above 0"),
        (["similarity", "--metric", "loss_0"], "one landscape"),
        (["similarity", "--metric", "loss_0", "--at", "1", "2"], "no learning curves"),
        (["similarity", "--metric", "loss_0", "loss_1", "--at", "1", "2"], "one metric"),
    ],
)
def test_one_line_errors(capsys, grid_file, arguments, message):
    status, out, err = run(capsys, arguments[0], grid_file, *arguments[1:])
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert message in err


def test_nothing_is_compiled(grid_file):
    file, folder = str(grid_file), str(grid_file.parent)
    one = ["landscape", file, "--metric", "loss_*", "--threshold", "0.2", "--report", f"{folder}/one.html"]
    two = ["similarity", file, "--metric", "loss_0", "loss_1", "--json", "--report", f"{folder}/two.html"]
    code = (
        "import sys; from nqjax.cli import main;"
        f"assert main({one!r}) == 0;"
        f"assert main({two!r}) == 0;"
        "assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_redraws_are_a_column_of_intervals(capsys, grid_file, tmp_path):
    options = ["landscape", grid_file, "--metric", "loss_*", "--redraws", "20"]
    found = document(capsys, *options)
    land = nqjax.read_landscape(grid_file, "loss_*")
    expected = land.redraw(20)
    assert (found["redraws"]["draws"], found["redraws"]["confidence"]) == (20, 0.95)
    assert found["redraws"]["intervals"]["n_lo"] == list(expected.interval("n_lo"))
    status, out, err = run(capsys, *options, "--report", tmp_path / "page.html")
    assert (status, err) == (0, "")
    assert "if the same configurations were run again" in " ".join(out.split())
    text = (tmp_path / "page.html").read_text()
    assert "<th>95 %</th>" in text
    low, high = expected.interval("n_lo")
    assert f"<td>{low:,.0f} to {high:,.0f}</td>" in text
    assert document(capsys, *options[:-2])["redraws"] is None
    for number in ("5", "-1", "x", "1.5"):
        status, out, err = run(capsys, *options[:-1], number)
        assert (status, out, err.count("\n")) == (2, "", 1)
    status, out, err = run(capsys, "landscape", grid_file, "--metric", "loss_0", "--drop", "loss_1", "--redraws", "20")
    assert (status, out) == (2, "")
    assert "no configuration was run twice" in err


def test_intervals_that_are_too_narrow_say_so(capsys, tmp_path):
    rng = np.random.default_rng(0)
    lines = ["a,b,loss_0,loss_1"]
    for a in range(12):
        for b in range(12):
            runs = 0.01 * (a - 4) ** 2 + rng.normal(size=2) * 0.01 + np.array([0.05, -0.05]) * b
            lines.append(f"{a},{b},{runs[0]},{runs[1]}")
    path = tmp_path / "grid.csv"
    path.write_text("\n".join(lines))
    status, out, err = run(capsys, "landscape", path, "--metric", "loss_*", "--redraws", "20")
    assert (status, err) == (0, "")
    assert "Warning: the intervals are too narrow: within a run, errors of neighbours" in " ".join(out.split())


def test_a_column_that_names_the_rows_is_a_hyperparameter_if_the_caller_says_so(capsys, tmp_path):
    file = tmp_path / "texts.csv"
    file.write_text("op,width,loss\n" + "".join(f"v{i},{i % 3},{(i * 7) % 11}\n" for i in range(40)))
    _, out, _ = run(capsys, "landscape", file, "--metric", "loss", "--json")
    assert list(json.loads(out)["hyperparameters"]) == ["width"]
    _, out, _ = run(capsys, "landscape", file, "--metric", "loss", "--keep", "op", "--json")
    assert json.loads(out)["hyperparameters"]["op"] == {"ordered": False, "levels": 40}


def test_a_flat_landscape_says_what_is_undefined(capsys, tmp_path):
    file = tmp_path / "flat.csv"
    file.write_text("a,b,loss\n" + "".join(f"{a},{b},0.5\n" for a in range(5) for b in range(5)))
    page = tmp_path / "flat.html"
    command = ("landscape", file, "--metric", "loss", "--sigma", "0.1", "--threshold", "0.5", "--report", page)
    status, out, err = run(capsys, *command)
    assert (status, err) == (0, "")
    out = " ".join(out.split())
    assert "There is 1 local optimum" in out
    assert "all losses are equal" in out
    assert "positively correlated" not in out
    assert page.stat().st_size > 10_000


def test_a_sample_has_no_map_and_says_so_first(capsys, tmp_path):
    file = tmp_path / "sample.csv"
    rows = "".join(f"{a},{a * 7 % 31},{a * 3 % 17}\n" for a in range(30))
    file.write_text("a,b,loss\n" + rows)
    status, out, err = run(
        capsys, "landscape", file, "--metric", "loss", "--keep", "a", "b", "--plot", tmp_path / "map.png"
    )
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "no map" in err
