"""Pictures of response surfaces: what they show is read from them."""

import numpy as np
import pytest

import nqjax
from nqjax.errors import FitWarning, InputError
from nqjax.plots import surface_trials


def search(n=48):
    """Simulate a search of two hyperparameters with two failed runs."""
    rng = np.random.default_rng(0)
    lr, width = 10 ** rng.uniform(-5, -1, n), rng.uniform(0, 1, n)
    scores = 0.1 + 0.05 * (np.log10(lr) + 3) ** 2 + 0.02 * (width - 0.4) ** 2 + 0.002 * rng.normal(size=n)
    scores[[3, 10]] = np.nan, np.inf
    return {"lr": lr, "width": width}, scores


@pytest.fixture(scope="module")
def found():
    return nqjax.fit_surface(*search())


@pytest.fixture(scope="module")
def mixed():
    """A surface to maximise, of one number, one that may be missing, one near 1, and a text."""
    rng = np.random.default_rng(1)
    config, scores = search()
    momentum = 1 - 10 ** rng.uniform(-3, -0.3, 48)
    units = np.where(rng.random(48) < 0.3, None, rng.integers(1, 9, 48).astype(object))
    kind = rng.choice(["adam", "sgd"], 48)
    with pytest.warns(FitWarning):
        return nqjax.fit_surface(
            {**config, "momentum": momentum, "$units$": units, "kind": kind}, -scores, threshold=-0.3, maximize=True
        )


def test_each_hyperparameter_has_a_line_and_the_strongest_a_plane(found):
    axes, artists = nqjax.plots.surface(found, 0.8, name="loss ($)")
    lr, width, plane = axes
    assert [(one.get_xlabel(), one.get_xscale(), one.get_ylabel()) for one in axes] == [
        ("lr", "log", r"loss (\$)"),
        ("width", "linear", r"loss (\$)"),
        ("lr", "log", "width"),
    ]
    assert width.get_title("right") == "n = 48, 2 failed"
    assert plane.get_title("left") == r"contours of loss (\$)"
    texts = [text.get_text() for text in lr.figure.legends[0].get_texts()]
    assert {"trial inside the threshold", "worse trial", "failed", "80 % band", "threshold", "optimum"} <= set(texts)
    lr.figure.canvas.draw()
    drawn = [len(artists[key]["lr"].get_xdata()) for key in ("inside", "worse", "beyond", "failed")]
    assert sum(drawn) == 48
    assert drawn[3] == 2
    assert set(artists["median"]) == {"lr", "width", ("lr", "width")}


def test_the_line_is_what_the_surface_predicts(found):
    artists = nqjax.plots.surface(found).artists
    values, middle = artists["median"]["lr"].get_data()
    said = found.predict({"lr": values[1:-1], "width": np.full(len(values) - 2, found.optimum["width"])}, 0.9)
    np.testing.assert_allclose(middle[1:-1], said.estimate, rtol=1e-9)
    band = artists["band"]["lr"].get_datalim(artists["band"]["lr"].axes.transData)
    np.testing.assert_allclose(band.y0, said.low.min(), rtol=1e-6)
    end = np.median(found.threshold)
    assert artists["threshold"]["lr"].get_ydata()[0] == end
    inside = artists["inside"]["width"].get_data()
    chosen = found.scores <= end
    np.testing.assert_allclose(np.array(inside), [search()[0]["width"][chosen], found.scores[chosen]])
    assert artists["optimum"]["lr"].get_xdata()[0] == found.optimum["lr"]
    np.testing.assert_allclose(artists["interval"]["lr"].get_xdata(), found.optimum_region()["lr"])


def test_one_hyperparameter_has_no_plane():
    config, scores = search()
    one = nqjax.fit_surface({"lr": config["lr"]}, scores)
    axes, artists = nqjax.plots.surface(one)
    assert [part.get_xlabel() for part in axes] == ["lr"]
    assert set(artists["median"]) == {"lr"}
    assert axes[0].get_title("right") == "n = 48, 2 failed"
    assert [label.get_text() for label in nqjax.plots.spectrum(one).ax.get_yticklabels()] == ["lr"]


def test_texts_missing_values_and_maximising(mixed):
    axes, artists = nqjax.plots.surface(mixed)
    assert len(axes) == 4
    axes[0].figure.canvas.draw()
    low, high = axes[0].get_ylim()
    assert (
        low < np.median(mixed.threshold) < np.nanmax(np.where(np.isfinite(mixed.scores), mixed.scores, np.nan)) < high
    )
    assert artists["failed"]["lr"].get_ydata()[0] < 0.1
    labels = {part.get_xlabel() for part in axes}
    assert labels <= {"lr", "width", "momentum", r"\$units\$"}


def test_scales_of_hyperparameters(mixed):
    axes = nqjax.plots.surface(mixed).ax[:2]
    momentum, units = mixed.box.axes[2], mixed.box.axes[3]
    assert (momentum.scale, units.whole) == ("log of 1 - x", True)
    surface_trials.name_scale(axes[0], "x", momentum)
    ticks = [label.get_text() for label in axes[0].get_xticklabels()]
    assert {"0.9", "0.99"} <= set(ticks)
    surface_trials.name_scale(axes[0], "x", momentum._replace(low=0.91, high=0.95))
    assert [label.get_text() for label in axes[0].get_xticklabels()] == ["0.91", "0.95"]
    surface_trials.name_scale(axes[1], "x", units._replace(scale="linear"))
    axes[1].figure.canvas.draw()
    places = axes[1].get_xticks()
    assert np.array_equal(places, np.rint(places)), places


def test_spectrum(found):
    ax, artists = nqjax.plots.spectrum(found, 0.8, name="loss")
    costs = [one.cost for one in found.directions]
    np.testing.assert_allclose(artists["costs"].lines[0].get_xdata(), costs)
    assert artists["sigma"].get_xdata()[0] == found.sigma
    assert (ax.get_xscale(), ax.get_xlabel()) == ("log", "cost (units of loss)")
    assert [label.get_text() for label in ax.get_yticklabels()] == [one.words for one in found.directions]
    left, right = ax.get_xlim()
    assert left < min(*costs, found.sigma)
    assert right > max(costs)
    top, bottom = ax.get_ylim()[::-1]
    assert top < 0 < bottom  # the most costly one at the top
    ax.figure.canvas.draw()


def test_words_of_directions_are_broken_before_operators():
    from nqjax.plots.spectra import _short

    words = "learning_rate^0.5 * weight_decay / (1 - momentum)^0.6 / dropout"
    lines = _short(words).replace("\u00a0", " ").split("\n")
    assert len(lines) == 3
    assert all(line.startswith(("/", "*")) for line in lines[1:])
    assert "(1 - momentum)" in _short("lr / (1 - momentum)").replace("\u00a0", " ")


def test_what_cannot_be_drawn(found):
    with pytest.raises(
        InputError, match=r"nqjax.plots.surface cannot draw an AveragedFit: give the result of nqjax.fit_surface"
    ):
        nqjax.plots.surface(nqjax.fit(np.random.default_rng(0).random(48) ** 2))
    with pytest.raises(InputError, match="cannot draw a list"):
        nqjax.plots.spectrum([])
    with pytest.raises(InputError, match="3 parts"):
        nqjax.plots.surface(found, ax=nqjax.plots.spectrum(found).ax)
    with pytest.raises(InputError, match="confidence"):
        nqjax.plots.surface(found, 1.5)
    with pytest.raises(InputError, match="confidence"):
        nqjax.plots.spectrum(found, 0)


def test_many_trials_become_pixels(found, monkeypatch):
    assert not nqjax.plots.surface(found).artists["inside"]["lr"].get_rasterized()
    monkeypatch.setattr(surface_trials, "_MOST_VECTORS", 40)
    artists = nqjax.plots.surface(found).artists["inside"]
    assert artists["lr"].get_rasterized()
    assert artists["lr", "width"].get_rasterized()


def test_the_best_configuration_may_lack_a_hyperparameter():
    rng = np.random.default_rng(2)
    config, scores = search()
    absent = rng.random(48) < 0.5
    momentum = np.where(absent, np.nan, rng.uniform(0, 1, 48))
    lacking = nqjax.fit_surface({"lr": config["lr"], "momentum": momentum}, scores + np.where(absent, 0, 0.05))
    assert lacking.optimum["momentum"] is None
    axes, artists = nqjax.plots.surface(lacking)
    axes[0].figure.canvas.draw()
    assert set(artists["optimum"]) == {"lr"}
    assert artists["interval"].keys() >= {"lr", "momentum"}
    shown = np.isfinite(artists["inside"]["momentum"].get_xdata())
    assert 0 < shown.sum() < len(shown)
