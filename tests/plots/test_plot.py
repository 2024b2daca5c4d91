"""The picture of the tuning curve."""

import math

import jax
import numpy as np
import pytest
from matplotlib.figure import Figure

import nqjax
from nqjax.cli import main
from nqjax.errors import InputError
from nqjax.plots.style import save
from support import searches


@pytest.fixture(scope="module")
def scores():
    return searches.draw(np.random.default_rng(0), 60, 2, 0.1)


@pytest.fixture(scope="module")
def boot(scores):
    return nqjax.bootstrap(scores, 100, key=jax.random.key(0), limits=(-math.inf, 0.8))


@pytest.mark.parametrize("minimize", [True, False])
def test_what_is_drawn(scores, boot, minimize):
    """The curve is the fit's, the band the bootstrap's, and a maximised search is the mirror image."""
    failed = np.append(scores, math.nan)
    y, result = (
        (failed, boot.fit) if minimize else (-failed, nqjax.fit(-scores, limits=(-0.8, math.inf), minimize=False))
    )
    ax = nqjax.plot_tuning_curve(result, y, name="loss")
    lines = {line.get_label(): line.get_xydata() for line in ax.get_lines()}
    trials, curve = lines["fitted"].T
    np.testing.assert_allclose(curve, result.quantile_tuning_curve(trials))
    assert np.all(trials >= result.regime_start)
    assert trials[-1] == pytest.approx(600)
    seen, empirical = lines["empirical"].T
    sign = 1 if minimize else -1
    assert empirical[-1] in y
    assert np.all(np.diff(sign * empirical) <= 0)
    assert seen[-1] <= 60
    end = lines[f"{'alpha' if minimize else 'beta'}: best score of the fitted regime"]
    assert end[0, 1] == (result.alpha if minimize else result.beta)
    assert ax.get_xlabel() == "trials"
    assert "loss" in ax.get_ylabel()


def test_the_band_is_the_bootstraps(scores, boot):
    ax = Figure().subplots()
    assert nqjax.plot_tuning_curve(boot, scores, confidence=0.8, max_trials=50, ax=ax) is ax
    (band,) = (c for c in ax.collections if c.get_label() == "80 % band")
    corners = band.get_paths()[0].vertices
    last = corners[np.isclose(corners[:, 0], 50), 1]
    (low,), (high,) = boot.quantile_tuning_curve_band([50], confidence=0.8)
    assert (last.min(), last.max()) == pytest.approx((low, high))
    with pytest.raises(InputError, match="too few"):
        nqjax.plot_tuning_curve(boot, scores, confidence=0.999)


@pytest.mark.parametrize("minimize", [True, False])
def test_bands_are_drawn_in_their_direction(scores, minimize):
    y = scores if minimize else -scores
    bands = nqjax.confidence_bands(y, 0.8, minimize=minimize)
    ax = nqjax.plot_tuning_curve(bands, name="loss")
    (curve,) = (line.get_xydata() for line in ax.get_lines() if line.get_label() == "empirical")
    np.testing.assert_array_equal(curve[:, 1], bands.quantile_tuning_curve(curve[:, 0]))
    assert curve[-1, 0] == pytest.approx(60)
    (end,) = (line.get_xdata()[0] for line in ax.get_lines() if str(line.get_label()).startswith("beyond"))
    assert end == bands.bounded_trials()
    (band,) = ax.collections
    assert band.get_label().startswith("80 % band")
    assert np.all(np.isfinite(band.get_paths()[0].vertices))
    with pytest.raises(InputError, match="scores is missing"):
        nqjax.plot_tuning_curve(nqjax.fit(scores, limits=(-math.inf, 0.8)))


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_files(kind, scores, boot, tmp_path):
    path = tmp_path / f"curve.{kind}"
    save(nqjax.plot_tuning_curve(boot.fit, scores).figure, path)
    assert path.stat().st_size > 1000


def test_on_the_command_line(scores, tmp_path, capsys):
    file, picture = tmp_path / "trials.csv", tmp_path / "curve.png"
    file.write_text("y\n" + "\n".join(map(str, scores)))
    command = ["fit", str(file), "--metric", "y", "--threshold", "0.8"]
    assert main([*command, "--plot", str(picture)]) == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"
    capsys.readouterr()
    assert main([*command, "--plot", "curve.gif"]) == 2
    assert ".png, .svg or .pdf" in capsys.readouterr().err
    # A picture that cannot be written is told before the work.
    assert main([*command, "--plot", str(tmp_path / "nowhere" / "curve.png")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "cannot be written" in err or "does not exist" in err
    assert err.count("\n") == 1
