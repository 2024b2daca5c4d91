"""`nqjax surface`: its document is what Python gives, its answer is in sentences, its errors are one line."""

import json

import numpy as np
import pytest

import nqjax
from nqjax.cli import main


@pytest.fixture(scope="module")
def trials_file(tmp_path_factory):
    rng = np.random.default_rng(0)
    lr, width = 10 ** rng.uniform(-5, -1, 64), rng.integers(16, 257, 64)
    loss = 0.2 + 0.1 * (np.log10(lr) + 3) ** 2 + 0.005 * rng.normal(size=64)
    path = tmp_path_factory.mktemp("surface") / "trials.csv"
    rows = [f"{a},{b},{y if i != 7 else 'nan'}\n" for i, (a, b, y) in enumerate(zip(lr, width, loss, strict=True))]
    path.write_text("lr,width,loss\n" + "".join(rows))
    return path


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    return status, *capsys.readouterr()


def test_the_document_has_the_numbers_of_the_library(capsys, trials_file):
    status, out, err = run(capsys, "surface", trials_file, "--metric", "loss", "--propose", "2", "--json")
    assert status == 0, err
    found = json.loads(out)
    study = nqjax.read_study(trials_file, "loss")
    surface = nqjax.fit_surface(study)
    best = surface.interval("best", 0.95)
    assert found["best"] == {"estimate": best.estimate, "low": best.low, "high": best.high}
    assert found["best"]["low"] < 0.2 < found["best"]["high"]
    assert found["optimum"] == surface.optimum
    assert found["directions"][0]["words"] == "lr"
    assert found["num_failed"] == 1
    assert found["proposals"] == surface.propose(2)
    assert found["agreement"]["best"]["p_value"] > 0.01
    assert isinstance(found["optimum"]["width"], int)
    assert found["best_trial"]["score"] == np.nanmin(study.scores)


def test_the_answer_is_in_sentences(capsys, trials_file):
    status, out, err = run(capsys, "surface", trials_file, "--metric", "loss", "--threshold", "0.4", "--propose", "1")
    assert status == 0, err
    text = " ".join(out.split())
    assert "The best score within the searched ranges, noise averaged out, is 0." in text
    assert (
        "1 of 2 directions matter, since moving half a range along them costs more than the noise of one run: lr."
        in text
    )
    assert "The scores alone agree." in text
    assert "to run next" in text
    assert "Thresholds: 0.4000 with 100 %." in text
    assert max(map(len, out.splitlines())) <= 80


def test_trials_that_were_not_drawn_at_random_have_no_second_view(capsys, tmp_path):
    """Proposals that concentrate: the scores alone do not hold there, and are not shown."""
    rng = np.random.default_rng(1)
    lr = np.concatenate([rng.uniform(0, 1, 20), 0.3 + 0.02 * rng.normal(size=60)])
    loss = (lr - 0.3) ** 2 + 0.002 * rng.normal(size=80)
    rows = [f"{i},{a},{y}\n" for i, (a, y) in enumerate(zip(lr, loss, strict=True))]
    path = tmp_path / "tpe.csv"
    path.write_text("number,params_lr,value\n" + "".join(rows))
    status, out, err = run(capsys, "surface", path, "--metric", "value", "--json")
    assert status == 0, err
    found = json.loads(out)
    assert abs(found["best"]["estimate"]) < 0.002
    assert any("not those of a random search" in warning for warning in found["warnings"])
    assert found["agreement"] == {}


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("loss\n" + "".join(f"{i}\n" for i in range(20)), [], "has no hyperparameters"),
        ("lr,loss\n" + "".join(f"{i},{i}\n" for i in range(5)), [], "too few for a surface"),
        ("op,loss\n" + "".join(f"{'ab'[i % 2]},{i}\n" for i in range(20)), [], "no hyperparameter is a number"),
        ("lr,loss\n" + "".join(f"{i},{i}\n" for i in range(20)), ["--threshold", "2"], "leaves 3 scores"),
    ],
)
def test_bad_input_is_one_line(capsys, tmp_path, content, options, message):
    path = tmp_path / "t.csv"
    path.write_text(content)
    status, out, err = run(capsys, "surface", path, "--metric", "loss", *options)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
