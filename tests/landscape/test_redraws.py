"""Redraws of the noise: their size, their intervals, and how often these hold a repetition of the runs."""

import math

import numpy as np
import pytest

import nqjax
from nqjax.errors import InputError
from nqjax.landscape.cube import Cube
from nqjax.landscape.many import ManyLandscapes
from nqjax.landscape.metrics import find_metrics
from nqjax.landscape.redraws import _SCALES, standard_errors
from nqjax.landscape.replicates import collect
from support.landscapes import random_grid

SIZES = (8, 7, 6)


def surface():
    index = np.indices(SIZES).reshape(3, -1)
    config = dict(zip("abc", index, strict=True))
    return config, (index[0] / 7 - 0.4) ** 2 + (index[1] / 6 - 0.5) ** 2 + 0.1 * index[2] / 5


def landscape(seeds, *, sigma=0.05, seed=0):
    config, truth = surface()
    rng = np.random.default_rng(seed)
    return nqjax.Landscape(config, truth[:, None] + sigma * rng.normal(size=(len(truth), seeds)))


@pytest.mark.parametrize("seeds", [2, 5])
def test_the_errors_are_those_of_the_means(seeds):
    errors = standard_errors(landscape(seeds).replicates)
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(0.05 / np.sqrt(seeds), rel=0.1)


def test_noise_that_grows_with_the_loss():
    config, truth = surface()
    sigma = 0.02 + 0.2 * truth
    runs = truth[:, None] + sigma[:, None] * np.random.default_rng(0).normal(size=(len(truth), 4))
    errors = standard_errors(nqjax.Landscape(config, runs).replicates)
    assert np.corrcoef(errors, sigma)[0, 1] > 0.7


def test_no_noise_where_all_runs_agree():
    """Configurations that all score the same, as those that learn nothing do, stay a plateau."""
    config, truth = surface()
    runs = truth[:, None] + 0.05 * np.random.default_rng(0).normal(size=(len(truth), 3))
    failing = truth > np.quantile(truth, 0.6)
    runs[failing] = 1.0
    errors = standard_errors(nqjax.Landscape(config, runs).replicates)
    assert np.mean(errors[failing] == 0) > 0.7
    assert (errors[~failing] > 0).all()


def test_single_runs_take_sigma_and_failed_ones_stay_failed():
    losses = np.array([[1.0, np.nan], [2.0, 4.0], [np.nan, np.nan], [3.0, np.nan]])
    replicates = collect(losses, np.arange(4), 4)
    errors = standard_errors(replicates, 0.5)
    assert errors[[0, 3]].tolist() == [0.5, 0.5]
    assert np.isnan(errors[2])
    assert errors[1] == pytest.approx(1.0)  # sqrt(2) / sqrt(2)
    once = nqjax.Landscape({"x": np.arange(30)}, np.sin(np.arange(30.0)))
    count = once.metrics(None).n_lo
    assert once.redraw(20, sigma=0.0).interval("n_lo") == pytest.approx((count, count))
    assert once.redraw(20, sigma=0.3).interval("n_lo")[1] > count


def test_intervals_are_around_the_number_and_within_its_range():
    land = landscape(3)
    found = land.redraw(40, seed=1)
    metrics = land.metrics()
    assert found.observed == metrics
    assert found.draws == 40
    for name, (low, high) in found.intervals.items():
        value = getattr(metrics, name)
        assert low <= value <= high, name
    assert found.interval("n_lo")[0] >= 1
    assert found.interval("basin_global_share")[1] <= 1
    wide, narrow = (land.redraw(40, seed=1, confidence=c).interval("n_lo") for c in (0.95, 0.5))
    assert wide[0] <= narrow[0] <= narrow[1] <= wide[1]
    again = land.redraw(40, seed=1)
    assert {name: again.values[name].tolist() for name in again.values} == {
        name: found.values[name].tolist() for name in found.values
    }


def test_the_length_has_the_interval_of_its_correlation():
    found = landscape(3).redraw(30)
    rho = found.interval("assortativity_rank")
    np.testing.assert_allclose(found.interval("correlation_length"), [-1 / np.log(end) for end in rho])


@pytest.mark.parametrize("seeds", [2, 5])
def test_a_repetition_of_the_runs_is_in_the_interval(seeds):
    """The share over 30 searches and all numbers scatters, as these depend on each other."""
    hits = []
    graph, factor = landscape(1).graph, landscape(1).noise_factor
    for seed in range(30):
        one, two = landscape(seeds, seed=seed), landscape(seeds, seed=seed + 1000)
        for land in (one, two):
            land.__dict__.update(graph=graph, noise_factor=factor)
        found = one.redraw(40, confidence=0.9)
        again = find_metrics(two, found.observed.tolerance, found.observed.noise_tolerance)
        for name, (low, high) in found.intervals.items():
            hits.append(low - 1e-12 <= getattr(again, name) <= high + 1e-12)
    assert 0.84 < np.mean(hits) < 0.98


def test_what_has_no_redraws():
    once = nqjax.Landscape({"x": np.arange(30)}, np.sin(np.arange(30.0)))
    with pytest.raises(InputError, match="give sigma"):
        once.redraw()
    rng = np.random.default_rng(0)
    sample = nqjax.Landscape({"x": rng.random(50), "y": rng.random(50)}, rng.random((50, 2)))
    with pytest.raises(InputError, match="of a sample"):
        sample.redraw()
    land = landscape(2)
    for draws in (3, True, 2.5, -1, 10**9):
        with pytest.raises(InputError, match="redraws"):
            land.redraw(draws)
    with pytest.raises(InputError, match="no interval"):
        land.redraw(20).interval("sigma")


def test_runs_whose_neighbours_err_alike_are_noticed():
    """A seed that draws the data, too, moves similar configurations in the same direction."""
    config, truth = surface()
    rng = np.random.default_rng(0)
    independent = truth[:, None] + 0.05 * rng.normal(size=(len(truth), 3))
    slopes = rng.normal(size=(3, 3)) * 0.1
    shared = independent + np.stack(list(config.values()), axis=1) / 7 @ slopes
    shifted = independent + np.array([0.0, 5.0, -3.0])
    alike = [nqjax.Landscape(config, runs).redraw(20).errors_alike for runs in (independent, shared, shifted)]
    assert alike[0] == pytest.approx(0, abs=0.1)
    assert alike[1] > 0.2
    assert alike[2] == pytest.approx(alike[0])
    assert nqjax.Landscape(config, truth).redraw(20, sigma=0.05).errors_alike is None


@pytest.mark.parametrize("kind", ["plain", "ties", "failed"])
@pytest.mark.parametrize("seed", range(8))
def test_many_landscapes_at_once_have_the_numbers_of_each(kind, seed):
    rng = np.random.default_rng(seed)
    grid = random_grid(rng, 400, axes=int(rng.integers(1, 6)))
    count = len(grid.losses)
    draws = rng.normal(size=(16 if seed % 2 else 5, count))
    if kind == "ties":
        draws = np.round(draws)
    if kind == "failed":
        draws[:, rng.random(count) < 0.2] = np.nan
        draws[:, 0] = 0.0
    lands = [nqjax.Landscape(grid.config, losses, categorical=grid.categorical) for losses in draws]
    many = ManyLandscapes(lands[0], Cube.of(lands[0].space), 0.8, 0.5)
    for land, found in zip(lands, many.numbers(draws), strict=True):
        metrics = find_metrics(land, 0.8, 0.5)
        for name, value in found.items():
            expected = getattr(metrics, name)
            assert value == pytest.approx(math.nan if expected is None else expected, rel=1e-9, abs=1e-9, nan_ok=True)
        assert set(found) == set(_SCALES)


def test_grids_with_missing_rows_are_redrawn_one_by_one():
    config, truth = surface()
    keep = np.arange(len(truth)) != 100
    runs = truth[keep, None] + 0.05 * np.random.default_rng(0).normal(size=(keep.sum(), 3))
    land = nqjax.Landscape({name: values[keep] for name, values in config.items()}, runs)
    assert Cube.of(land.space) is None
    low, high = land.redraw(30).interval("n_lo")
    assert low <= land.metrics().n_lo <= high
