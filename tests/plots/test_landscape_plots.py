"""Pictures of landscapes: what they show is read from them."""

import numpy as np
import pytest

import nqjax
from nqjax.errors import InputError
from nqjax.plots import maps
from nqjax.plots.maps import stacked


@pytest.fixture
def land():
    index = np.indices((6, 5, 4)).reshape(3, -1)
    losses = 3 * (index[1] - 2.0) ** 2 + (index[0] - 2.0) ** 2 + 0.1 * index[2]
    runs = losses[:, None] + np.random.default_rng(0).normal(size=(120, 2)) * 0.3
    order = np.random.default_rng(1).permutation(120)
    config = {name: values[order] for name, values in zip("abc", index, strict=True)}
    return nqjax.Landscape(config, runs[order])


def test_each_configuration_is_a_pixel(land):
    across, up, image, inside = stacked(land, 3.0)
    assert [axis.name for axis in across] == ["b", "c"]
    assert [axis.name for axis in up] == ["a"]
    assert image.shape == (6, 20)
    share = (land.heights.rank) / 119
    for node in range(120):
        a, b, c = land.space.codes[:, node]
        assert image[a, 4 * b + c] == pytest.approx(share[node])
        assert inside[a, 4 * b + c] == (land.heights.loss[node] <= 3.0)
    axes = nqjax.plots.landscape_map(land, threshold=3.0).ax
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("b > c", "a")
    axes.figure.canvas.draw()


def test_the_border_is_between_pixels(land):
    """Each of its lines has a pixel of the regime on one side only."""
    inside = stacked(land, 3.0)[3]
    lines = nqjax.plots.landscape_map(land, threshold=3.0).ax.collections[0].get_segments()
    assert len(lines) == np.sum(inside[1:] != inside[:-1]) + np.sum(inside[:, 1:] != inside[:, :-1])
    for (x0, y0), (x1, y1) in lines:
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        dx, dy = (0.5, 0.0) if x0 == x1 else (0.0, 0.5)
        sides = [inside[round(y + s * dy), round(x + s * dx)] for s in (-1, 1)]
        assert sorted(sides) == [False, True]
    one = nqjax.Landscape({"x": np.arange(30)}, np.abs(np.arange(30) - 11.2))
    assert len(nqjax.plots.landscape_map(one, threshold=3.0).ax.collections[0].get_segments()) == 2


def test_too_many_pixels_take_the_best_of_the_rest(land, monkeypatch):
    monkeypatch.setattr(maps, "_MOST_PIXELS", 40)
    image = stacked(land, None)[2]
    assert image.shape == (6, 5)
    grid = np.full((6, 5, 4), np.nan)
    grid[tuple(land.space.codes)] = land.heights.rank / 119
    np.testing.assert_allclose(image, grid.min(axis=2))


def test_missing_configurations_and_samples(land):
    config = {
        axis.name: np.array(axis.levels)[codes] for axis, codes in zip(land.space.axes, land.space.codes, strict=True)
    }
    part = nqjax.Landscape({name: values[:100] for name, values in config.items()}, land.scores[:100])
    assert np.isnan(stacked(part, None)[2]).sum() == 20
    sample = nqjax.Landscape({name: values[:40] for name, values in config.items()}, land.scores[:40])
    with pytest.raises(InputError, match="it needs a grid"):
        nqjax.plots.landscape_map(sample)


def test_optima_and_their_tree(land):
    axes = nqjax.plots.optima_curve(land).ax
    places, counts = axes.lines[0].get_data()
    np.testing.assert_array_equal(counts, land.optima_above(places))
    assert axes.lines[2].get_xdata()[0] == land.noise_tolerance()
    axes = nqjax.plots.merge_tree(land, above=0.0).ax
    leaves = [line for line in axes.lines if line.get_color() == "#0072B2"]
    assert len(leaves) == min(len(land.basins), 40)
    bottoms = sorted(min(line.get_ydata()) for line in leaves)
    np.testing.assert_allclose(bottoms[0], land.scores.min())
    axes.figure.canvas.draw()


def test_bars_curves_and_maps(land):
    geometry = nqjax.regime_geometry(land, 3.0)
    axes = nqjax.plots.relevance(geometry).ax
    assert [bar.get_width() for bar in axes.patches] == [one.value for one in reversed(geometry.relevance.values())]
    axes = nqjax.plots.neutrality(land).ax
    x, y = axes.lines[0].get_data()
    assert y[50] == pytest.approx(land.neutrality.mean(x[50]))
    matrix = nqjax.similarity_matrix([land.run(0), land.run(1), land])
    axes = nqjax.plots.similarity_map(matrix, ["first", "second", "both"]).ax
    shown = axes.images[0].get_array()
    assert shown[0, 1] == matrix[0][1].gamma_set
    assert np.ma.getmaskarray(shown)[0, 0] or np.isnan(shown[0, 0])
    assert shown[2, 2] == matrix[2][2].ceiling.gamma_set
    with pytest.raises(InputError, match="2 names for 3"):
        nqjax.plots.similarity_map(matrix, ["a", "b"])
    with pytest.raises(InputError, match="no measure"):
        nqjax.plots.similarity_map(matrix, ["a", "b", "c"], measure="rank")
