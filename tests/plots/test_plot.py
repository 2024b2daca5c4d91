"""Pictures: each name with each kind of result, what is drawn, and in both directions."""

import math
import re
import subprocess
import sys
from types import SimpleNamespace

import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

import nqjax
from nqjax.cli import main
from nqjax.errors import InputError
from nqjax.plots.style import save
from support import searches

END = 0.4
SIGNS = pytest.mark.parametrize("sign", [1, -1], ids=["minimize", "maximize"])


def made_from(sign):
    """Return all kinds of results about one search, which has two failed runs, and is maximised if the sign is -1."""
    rng = np.random.default_rng(0)
    y = sign * np.append(searches.draw(rng, 58, 2, 0.1), [math.nan, sign * math.inf])
    limits = {"limits": (-math.inf, END) if sign > 0 else (-END, math.inf), "minimize": sign > 0}
    lr = rng.random(60)
    table = {"lr": lr, "kind": np.where(lr > 0.5, "a $x", "b"), "loss": y}
    runs = {"config_id": np.repeat(np.arange(6), 8), "y": rng.normal(0.5, 0.02, 48)}
    analysis = nqjax.analyze(table, "loss", minimize=sign > 0)
    other = nqjax.fit(y + 0.2, minimize=sign > 0)
    return SimpleNamespace(
        scores=y,
        analysis=analysis,
        study=analysis.study,
        averaged_fit=analysis.fit,
        averaged=analysis.fit.posterior,
        fit=nqjax.fit(y, **limits),
        boot=nqjax.bootstrap(y, 100, key=jax.random.key(0), **limits),
        profile=nqjax.profile_region(y, **limits),
        consonance=nqjax.consonance_region(y, **limits),
        posterior=nqjax.sample_posterior(y, key=jax.random.key(0), method="quadrature", **limits),
        bands=nqjax.confidence_bands(y[:58], 0.8, minimize=sign > 0),
        regime=nqjax.find_regime(y, minimize=sign > 0),
        comparison=nqjax.compare(analysis.fit, other, [4, 16, 64]),
        diagnostics=nqjax.noise_diagnostics(runs, minimize=sign > 0),
        other=other,
    )


@pytest.fixture(scope="module", params=[1, -1], ids=["minimize", "maximize"])
def made(request):
    return made_from(request.param)


#: What each picture takes.
REGIONS = ("analysis", "averaged_fit", "averaged", "boot", "profile", "consonance", "posterior")
TAKEN = {
    "tuning_curve": (*REGIONS, "fit", "bands"),
    "cdf": (*REGIONS, "fit", "bands"),
    "qq": (*REGIONS, "fit"),
    "gamma": (*REGIONS, "fit"),
    "threshold_path": ("analysis", "averaged_fit", "averaged", "regime"),
    "best_score": REGIONS,
    "noise": (*REGIONS, "diagnostics"),
    "hyperparameters": ("analysis", "study"),
    "compare": ("comparison",),
}
KINDS = ("analysis", "averaged_fit", "averaged", "fit", "boot", "profile", "consonance", "posterior", "bands", "regime")
KINDS = (*KINDS, "study", "comparison", "diagnostics")

#: Kinds that one picture takes with a second search; `nqjax.compare` tells more of them apart.
WITH_ANOTHER = {"analysis", "posterior"}


def draw(made, picture, kind, **options):
    if kind == "fit" and picture in ("tuning_curve", "cdf", "qq"):
        options["scores"] = made.scores
    if kind not in ("analysis", "study") and picture != "gamma":
        options.setdefault("name", "loss")
    return getattr(nqjax.plots, picture)(getattr(made, kind), **options)


def axes_of(drawn):
    return drawn.ax if isinstance(drawn.ax, tuple) else (drawn.ax,)


def words_of(drawn):
    parts = axes_of(drawn)
    return " | ".join(text for ax in parts for text in (ax.get_xlabel(), ax.get_ylabel(), ax.get_title(loc="right")))


@pytest.mark.parametrize(("picture", "kind"), [(name, kind) for name, kinds in TAKEN.items() for kind in kinds])
def test_each_picture_of_each_kind(made, picture, kind):
    """It has labels with the metric's name and the number of trials, can be laid out, and leaves pyplot alone."""
    drawn = draw(made, picture, kind)
    words = words_of(drawn)
    assert all(ax.get_xlabel() for ax in axes_of(drawn)[-1:])
    if picture != "gamma":
        assert "loss" in words
    if kind == "diagnostics":
        assert "n = 48" in words
        assert "n = 6 configurations" in words
    elif picture == "qq":
        (number,) = re.findall(r"n = (\d+)", words)
        assert 5 <= int(number) <= 60
    elif kind != "comparison":
        assert ("n = 58" if kind == "bands" else "n = 60, 2 failed") in words
    assert drawn.artists
    assert all(artist is not None for artist in drawn.artists.values())
    axes_of(drawn)[0].figure.draw_without_rendering()
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("picture", "kind"), [(name, kind) for name, kinds in TAKEN.items() for kind in KINDS if kind not in kinds]
)
def test_other_kinds_are_refused_in_one_line(made, picture, kind):
    with pytest.raises(InputError, match=rf"^nqjax\.plots\.{picture} cannot draw .*: give ") as caught:
        draw(made, picture, kind)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("picture", TAKEN)
@pytest.mark.parametrize("given", [None, 3, "trials.csv", [0.1, 0.2]])
def test_nonsense_is_refused_in_one_line(picture, given):
    with pytest.raises(InputError, match=rf"^nqjax\.plots\.{picture} cannot draw "):
        getattr(nqjax.plots, picture)(given)


def test_importing_does_not_import_matplotlib():
    code = "import sys, nqjax; nqjax.plots.tuning_curve; dir(nqjax.plots); print('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "False\n"


def lines_of(ax):
    return {line.get_label(): line.get_xydata() for line in ax.get_lines()}


def test_tuning_curve_of_a_fit(made):
    """The curve is the fit's, the part before the regime is dotted, and the scores' curve ends at their number."""
    fit, y = made.fit, made.scores
    ax, artists = nqjax.plots.tuning_curve(fit, y, name="loss")
    trials, curve = artists["curve"].get_xydata().T
    np.testing.assert_allclose(curve, fit.quantile_tuning_curve(trials))
    assert np.all(trials >= fit.regime_start)
    assert trials[-1] == pytest.approx(600)
    seen, empirical = artists["empirical"].get_xydata().T
    sign = 1 if fit.minimize else -1
    assert empirical[-1] in y
    assert np.all(np.diff(sign * empirical[np.isfinite(empirical)]) <= 0)
    assert seen[-1] == pytest.approx(60)
    assert artists["best"].get_ydata()[0] == (fit.alpha if fit.minimize else fit.beta)
    before = artists["before"].get_xydata()
    np.testing.assert_allclose(before[-1], (trials[0], curve[0]))
    alone = nqjax.plots.tuning_curve(fit)
    assert "empirical" not in alone.artists
    assert ax.get_ylabel() == "median of the best loss"


def edges(band, x):
    """Return the ends of a band at x."""
    corners = band.get_paths()[0].vertices
    ends = corners[np.isclose(corners[:, 0], x), 1]
    return ends.min(), ends.max()


@pytest.mark.parametrize("kind", ["averaged", "boot", "profile", "consonance", "posterior"])
def test_the_band_is_the_regions(made, kind):
    region = getattr(made, kind)
    ax = Figure().subplots()
    drawn = nqjax.plots.tuning_curve(region, max_trials=50, ax=ax)
    assert drawn.ax is ax
    (low,), (high,) = region.quantile_tuning_curve_band([50])
    assert edges(drawn.artists["band"], 50) == pytest.approx((low, high))
    if kind in ("averaged", "posterior"):
        (low,), (high,) = region.quantile_tuning_curve_band([50], confidence=0.5)
        assert edges(drawn.artists["50 % band"], 50) == pytest.approx((low, high))
        np.testing.assert_allclose(drawn.artists["curve"].get_ydata()[-1], region.quantile_tuning_curve(50))
        assert drawn.artists["best"].get_ydata()[0] == pytest.approx(region.interval("alpha", 1e-9)[0], rel=1e-3) or (
            not region.minimize
        )


def test_another_confidence(made):
    drawn = nqjax.plots.tuning_curve(made.boot, confidence=0.8, max_trials=50)
    (low,), (high,) = made.boot.quantile_tuning_curve_band([50], confidence=0.8)
    assert edges(drawn.artists["band"], 50) == pytest.approx((low, high))
    assert drawn.artists["band"].get_label() == "80 % band"
    with pytest.raises(InputError, match="too few"):
        nqjax.plots.tuning_curve(made.boot, confidence=0.999)
    for picture in (nqjax.plots.tuning_curve, nqjax.plots.cdf):
        with pytest.raises(InputError, match=r"make another at 0\.8"):
            picture(made.profile, confidence=0.8)


def test_tuning_curve_of_bands(made):
    bands = made.bands
    _, artists = nqjax.plots.tuning_curve(bands, name="loss")
    curve = artists["empirical"].get_xydata()
    np.testing.assert_array_equal(curve[:, 1], bands.quantile_tuning_curve(curve[:, 0]))
    assert curve[-1, 0] == pytest.approx(58)
    assert artists["bound"].get_xdata()[0] == bands.bounded_trials()
    assert artists["band"].get_label().startswith("80 % band")
    assert np.all(np.isfinite(artists["band"].get_paths()[0].vertices))


def test_cdf(made):
    """The fitted CDF is that of the fit's distribution; failed runs are the worst scores."""
    fit, y = made.fit, made.scores
    _, artists = nqjax.plots.cdf(fit, y, name="loss")
    x, curve = artists["curve"].get_xydata().T
    with jax.enable_x64(True):
        np.testing.assert_allclose(curve, np.asarray(fit.distribution.cdf(x)), atol=1e-6)
    assert np.all((x >= fit.limits[0]) & (x <= fit.limits[1]))
    assert artists["threshold"].get_xdata()[0] == fit.threshold
    steps = artists["empirical"].get_xydata()
    finite = steps[np.isfinite(steps[:, 0])]
    middle, worst = (0.5, math.inf) if fit.minimize else (-0.5, -math.inf)
    place = np.searchsorted(finite[:, 0], middle, side="right") - 1
    share = np.mean(np.where(np.isfinite(y), y, worst) <= middle)
    assert finite[place, 1] == pytest.approx(share)
    with pytest.raises(InputError, match="scores is missing"):
        nqjax.plots.cdf(fit)


@pytest.mark.parametrize("kind", ["averaged", "boot", "profile", "consonance", "posterior"])
def test_the_band_of_a_cdf_holds_its_curve(made, kind):
    _, artists = nqjax.plots.cdf(getattr(made, kind))
    x, curve = artists["curve"].get_xydata().T
    for some in range(0, len(x), 10):
        low, high = edges(artists["band"], x[some])
        assert low - 1e-9 <= curve[some] <= high + 1e-9
        assert 0 <= low <= high <= 1


def test_the_distribution_free_band(made):
    """The grey band is that of `nqjax.confidence_bands`."""
    y = made.scores[:58]
    bands = nqjax.confidence_bands(y, 0.95)
    fit = nqjax.fit(y, limits=made.fit.limits, minimize=made.fit.minimize)
    _, artists = nqjax.plots.cdf(fit, y)
    corners = artists["any"].get_paths()[0].vertices
    for score in np.sort(y)[[5, 30]]:
        after = corners[np.isclose(corners[:, 0], score), 1]
        assert np.any(np.isclose(after, bands.lower.cdf(score)))
        assert np.any(np.isclose(after, bands.upper.cdf(score)))


def test_qq(made):
    fit, y = made.fit, made.scores
    found = nqjax.goodness_of_fit(y, fit)
    for drawn in (nqjax.plots.qq(fit, y), nqjax.plots.qq(found, name="loss")):
        points = drawn.artists["scores"].get_xydata()
        np.testing.assert_array_equal(points, np.stack([found.expected, found.scores], axis=1))
    with pytest.raises(InputError, match="scores is missing"):
        nqjax.plots.qq(fit)


@SIGNS
def test_qq_of_a_posterior_has_the_scores_in_its_band(sign):
    """The scores of the right distribution lie within the pointwise band about as often as it says."""
    y = sign * searches.draw(np.random.default_rng(1), 60, 2, 0.05)
    post = nqjax.sample_posterior(y, threshold=None, minimize=sign > 0, key=jax.random.key(0), method="quadrature")
    _, artists = nqjax.plots.qq(post)
    points = artists["scores"].get_xydata()
    np.testing.assert_array_equal(points[:, 1], np.sort(y))
    assert np.all(np.diff(points[:, 0]) > 0)
    inside = [low <= observed <= high for x, observed in points for low, high in [edges(artists["band"], x)]]
    assert np.mean(inside) > 0.8


def test_gamma(made):
    fit = made.fit
    bars = nqjax.plots.gamma(fit).artists["posterior"]
    heights = {round(bar.get_x() + 0.3): bar.get_height() for bar in bars}
    assert max(heights, key=heights.get) == fit.gamma
    expected = [math.exp(61 * (fit.loss - loss)) for loss in fit.losses_by_gamma.values()]
    np.testing.assert_allclose(list(heights.values()), expected)
    for kind in ("posterior", "boot"):
        bars = nqjax.plots.gamma(getattr(made, kind)).artists["posterior"]
        np.testing.assert_allclose(
            [bar.get_height() for bar in bars], list(getattr(made, kind).gamma_probabilities.values())
        )
    drawn = nqjax.plots.gamma(made.profile)
    assert {round(bar.get_x() + 0.3) for bar in drawn.artists["posterior"]} == set(made.profile.gammas)


def test_threshold_path(made):
    axes, artists = nqjax.plots.threshold_path(made.averaged_fit, name="loss")
    assert len(axes) == 3
    heights = [bar.get_height() for bar in artists["probability"]]
    np.testing.assert_array_equal(heights, list(made.averaged.threshold_probabilities.values()))
    axes, artists = nqjax.plots.threshold_path(made.regime, name="loss")
    path = made.regime.path
    np.testing.assert_array_equal(artists["gamma"].get_xydata(), [(one.threshold, one.fit.gamma) for one in path])
    with pytest.raises(InputError, match="3 parts, and ax 1"):
        nqjax.plots.threshold_path(made.regime, ax=Figure().subplots())


@pytest.mark.parametrize("kind", sorted(WITH_ANOTHER))
def test_two_searches_are_compared(made, kind):
    other = made.posterior if kind == "posterior" else made.other
    axes, artists = nqjax.plots.compare(getattr(made, kind), other, names=("ours", "theirs"), name="loss")
    assert axes[0].get_ylabel() == "probability that ours beats theirs"
    assert axes[1].get_ylabel() == "loss of ours minus that of theirs"
    n, probability = artists["probability"].get_xydata().T
    found = nqjax.compare(made.averaged if kind == "analysis" else getattr(made, kind), other, n[[0, -1]])
    np.testing.assert_allclose(probability[[0, -1]], found.probability)
    assert axes[0].get_title(loc="right") == "n = 60 and 60"


def test_a_comparison_is_drawn_in_the_order_of_trials(made):
    found = nqjax.compare(made.averaged_fit, made.other, [64, 4, 16])
    _, artists = nqjax.plots.compare(found)
    order = [1, 2, 0]
    drawn = artists["probability"].get_xydata().T
    np.testing.assert_array_equal(drawn, (found.trials_a[order], found.probability[order]))
    with pytest.raises(InputError, match="one number of trials"):
        nqjax.plots.compare(nqjax.compare(made.averaged_fit, made.other, 4))
    with pytest.raises(InputError, match="holds both"):
        nqjax.plots.compare(found, made.other)


def test_hyperparameters(made):
    axes, artists = nqjax.plots.hyperparameters(made.analysis, ["lr"])
    assert axes[0].get_xlabel() == "lr"
    study, (low, high) = made.study, made.averaged.limits
    inside = np.isfinite(study.scores) & (study.scores >= low) & (study.scores <= high)
    np.testing.assert_array_equal(
        artists["regime"]["lr"].get_xydata(), np.stack([study.config["lr"], study.scores], axis=1)[inside]
    )
    best = study.scores[np.isfinite(study.scores)]
    assert artists["best"]["lr"].get_ydata()[0] == (best.min() if made.averaged.minimize else best.max())
    with pytest.raises(InputError, match="no hyperparameter 'depth'; there are: lr, kind"):
        nqjax.plots.hyperparameters(made.study, ["depth"])


def test_axes_of_hyperparameters():
    """Values that were drawn uniformly are shown on a linear axis, however near to 0 one of them is."""
    rng = np.random.default_rng(0)
    columns = {"uniform": rng.uniform(0, 1, 200), "log": 10 ** rng.uniform(-4, -1, 200), "loss": rng.random(200)}
    axes, _ = nqjax.plots.hyperparameters(nqjax.read_study(columns, "loss"), ["uniform", "log"])
    assert [ax.get_xscale() for ax in axes] == ["linear", "log"]


def test_best_score_and_noise(made):
    name = "alpha" if made.fit.minimize else "beta"
    for picture, parameter in ((nqjax.plots.best_score, name), (nqjax.plots.noise, "sigma")):
        drawn = picture(made.profile, name="loss")
        assert drawn.artists["estimate"].get_xdata()[0] == getattr(made.profile.fit, parameter)
        bars = picture(made.posterior).artists["draws"]
        draws = getattr(made.posterior, parameter)
        assert bars[0].get_x() == pytest.approx(np.quantile(draws, 0.005))
    drawn = nqjax.plots.best_score(made.averaged)
    assert drawn.artists["seen"].get_xdata()[0] == made.averaged.best_score


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_files(kind, made, tmp_path):
    path = tmp_path / f"curve.{kind}"
    save(nqjax.plots.tuning_curve(made.fit, made.scores).ax.figure, path)
    assert path.stat().st_size > 1000


def test_on_the_command_line(tmp_path, capsys):
    file, picture = tmp_path / "trials.csv", tmp_path / "curve.png"
    file.write_text("y\n" + "\n".join(map(str, searches.draw(np.random.default_rng(0), 60, 2, 0.1))))
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


def test_a_notebook_shows_it(made):
    for drawn in (nqjax.plots.gamma(made.fit), nqjax.plots.threshold_path(made.regime)):
        assert drawn._repr_png_()[:4] == b"\x89PNG"
    assert repr(nqjax.plots.gamma(made.fit)) == "Drawn(posterior)"
