"""Noise from reruns: the pooled variance is that of a plain loop, and its likelihood that of chi-square."""

import math

import numpy as np
import pytest
import scipy.stats

import nqjax
from nqjax.errors import InputError
from nqjax.estimation.noise_data import sigma_within


def pooled(groups):
    """Return the standard deviation and the degrees of freedom of lists of scores, one a configuration."""
    square, freedom = 0.0, 0
    for scores in groups:
        finite = [y for y in scores if math.isfinite(y)]
        if len(finite) < 2:
            continue
        mean = sum(finite) / len(finite)
        square += sum((y - mean) ** 2 for y in finite)
        freedom += len(finite) - 1
    return math.sqrt(square / freedom), freedom


@pytest.fixture
def groups():
    """Six configurations with 2 to 7 runs each; one of them has a failed run, and one is left with a single score."""
    rng = np.random.default_rng(0)
    found = [(0.1 + 0.02 * i + 0.01 * rng.normal(size=i + 2)).tolist() for i in range(6)]
    found[0][1] = math.nan
    found[3].append(math.inf)
    return found


def flat(groups):
    return [name for name, one in enumerate(groups) for _ in one], [y for one in groups for y in one]


def test_reruns_are_pooled_as_by_a_loop(groups):
    noise = nqjax.noise_from_reruns(*flat(groups))
    sigma, freedom = pooled(groups)
    assert noise.sigma == pytest.approx(sigma, rel=1e-12)
    assert noise.degrees_of_freedom == freedom
    assert (noise.configurations, noise.num_runs, noise.num_failed) == (5, freedom + 5, 2)


@pytest.mark.parametrize("shift", [-1e6, 0.0, 1e6])
def test_a_large_mean_costs_no_digits(groups, shift):
    shifted = [[y + shift for y in one] for one in groups]
    exact = [[y - shift for y in one] for one in shifted]  # what is left of the scores after rounding
    assert nqjax.noise_from_reruns(*flat(shifted)).sigma == pytest.approx(pooled(exact)[0], rel=1e-9)


def test_the_order_of_the_runs_does_not_matter(groups):
    names, scores = flat(groups)
    order = np.random.default_rng(1).permutation(len(names))
    one, other = (
        nqjax.noise_from_reruns(names, scores),
        nqjax.noise_from_reruns(np.array(names)[order], np.array(scores)[order]),
    )
    assert other.sigma == pytest.approx(one.sigma, rel=1e-12)
    assert other.degrees_of_freedom == one.degrees_of_freedom


@pytest.mark.parametrize(
    "rows",
    [
        lambda i: f"config {i}",
        lambda i: (0.1 * i, "adam"),
        lambda i: [0.1 * i, None],
        np.float64,
    ],
    ids=["text", "tuple", "a missing hyperparameter", "number"],
)
def test_configurations_may_be_labels_or_rows(groups, rows):
    names, scores = flat(groups)
    assert nqjax.noise_from_reruns([rows(i) for i in names], scores).sigma == pytest.approx(pooled(groups)[0])


def test_configurations_may_be_columns(groups):
    names, scores = flat(groups)
    # Neither column tells all configurations from each other; both together do.
    columns = {"lr": [i % 2 for i in names], "depth": [i // 2 for i in names]}
    assert nqjax.noise_from_reruns(columns, scores).sigma == pytest.approx(pooled(groups)[0])


def test_a_table_of_seeds_is_pooled_as_by_a_loop(groups):
    width = max(map(len, groups))
    table = [[*one, *[math.nan] * (width - len(one))] for one in groups]
    sigma, freedom = pooled(groups)
    noise = nqjax.noise_from_seeds(table)
    assert (noise.sigma, noise.degrees_of_freedom) == (pytest.approx(sigma, rel=1e-12), freedom)
    assert nqjax.noise_from_seeds(table, averaged=4).sigma == pytest.approx(sigma / 2, rel=1e-12)


def test_effects_of_columns_are_those_of_an_analysis_of_variance():
    rng = np.random.default_rng(2)
    table = rng.normal(size=(7, 1)) + 5 * rng.normal(size=(1, 4)) + 0.1 * rng.normal(size=(7, 4))
    square = 0.0
    for i in range(7):
        for j in range(4):
            square += (table[i, j] - table[i].mean() - table[:, j].mean() + table.mean()) ** 2
    noise = nqjax.noise_from_seeds(table, column_effects=True)
    assert noise.degrees_of_freedom == 6 * 3
    assert noise.sigma == pytest.approx(math.sqrt(square / 18), rel=1e-10)
    assert nqjax.noise_from_seeds(table).sigma > 10 * noise.sigma


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_configurations_outside_the_limits_are_left_out(direction):
    rng = np.random.default_rng(3)
    near, far = 0.1 + 0.001 * rng.normal(size=(4, 5)), 0.5 + 0.1 * rng.normal(size=(4, 5))
    sign = 1 if direction == "minimize" else -1
    limits = (-math.inf, 0.2) if sign == 1 else (-0.2, math.inf)
    table = sign * np.concatenate([far, near])
    noise = nqjax.noise_from_seeds(table, limits=limits, **{direction: True})
    assert noise.sigma == pytest.approx(pooled(near.tolist())[0], rel=1e-9)
    assert (noise.configurations, noise.num_left_out) == (4, 4)


@pytest.mark.parametrize("sign", [1, -1])
def test_noise_that_grows_towards_bad_scores_is_measured_at_good_ones(sign):
    rng = np.random.default_rng(4)
    spread = 0.01 * 1.25 ** np.arange(24)
    table = sign * (np.arange(24)[:, None] + spread[:, None] * rng.normal(size=(24, 6)))
    noise = nqjax.noise_from_seeds(table, minimize=sign == 1)
    kept = noise.configurations
    assert 8 <= kept < 24
    assert noise.num_left_out == 24 - kept
    assert noise.sigma == pytest.approx(pooled(table[:kept].tolist())[0], rel=1e-9)
    # In the other direction the good ones are the noisy ones, and nothing is left out.
    assert nqjax.noise_from_seeds(table, minimize=sign == -1).configurations == 24


@pytest.mark.parametrize("freedom", [1, 7, 150])
def test_the_likelihood_is_that_of_chi_square(freedom):
    noise = nqjax.Noise(0.02, freedom, 3)
    sigma = np.geomspace(0.01, 0.08, 9)

    def log_density(true):
        # Of the pooled variance v, where freedom * v / true**2 is chi-square distributed.
        v = noise.sigma**2
        return scipy.stats.chi2.logpdf(freedom * v / true**2, freedom) + np.log(freedom / true**2)

    expected = log_density(sigma) - log_density(noise.sigma)
    np.testing.assert_allclose(noise.log_likelihood(sigma), expected, rtol=1e-9, atol=1e-12)
    assert noise.log_likelihood([0.0, -1.0, math.inf]).tolist() == [-math.inf] * 3


@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_the_interval_is_that_of_chi_square(confidence):
    noise = nqjax.Noise(0.02, 12, 6)
    most, least = scipy.stats.chi2.ppf([(1 + confidence) / 2, (1 - confidence) / 2], 12)
    expected = (0.02 * math.sqrt(12 / most), 0.02 * math.sqrt(12 / least))
    assert noise.interval(confidence) == pytest.approx(expected, rel=1e-9)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(5)
    found = [nqjax.noise_from_seeds(rng.normal(size=(6, 3))).interval(0.9) for _ in range(400)]
    held = sum(low <= 1 <= high for low, high in found)
    assert scipy.stats.binomtest(held, 400, 0.9).pvalue > 1e-3


def test_bounds_of_sigma_are_met_with_the_interval():
    noise = nqjax.Noise(0.02, 12, 6)
    low, high = noise.interval(0.95)
    assert sigma_within(None, noise) == (low, high)
    assert sigma_within((0.02, 9.0), noise) == (0.02, high)
    assert sigma_within((0.0, 1.0), None) == (0.0, 1.0)
    with pytest.raises(InputError, match="but the reruns say"):
        sigma_within(0.001, noise)


@pytest.mark.parametrize(
    ("configurations", "scores", "part"),
    [
        (["a", "a"], [1.0], "2 configurations and 1 scores"),
        (["a", "b"], [1.0, 2.0], "none of the 2 configurations occurs twice"),
        ([], [], "none of the 0 configurations occurs twice"),
        (["a", "a"], [1.0, math.nan], "no configuration has two finite scores"),
        (["a", "a", "b", "b"], [1.0, 1.0, 2.0, 2.0], "score the same, so their noise cannot be measured"),
        (["a", None], [1.0, 2.0], "run 2 of 2 has no configuration"),
        ("aa", [1.0, 2.0], "give a label or a row of hyperparameters"),
        ([{1}, {1}], [1.0, 2.0], "give a label or a row of hyperparameters"),
    ],
)
def test_mistakes_in_reruns(configurations, scores, part):
    with pytest.raises(InputError, match=part):
        nqjax.noise_from_reruns(configurations, scores)


@pytest.mark.parametrize(
    ("table", "options", "part"),
    [
        ([1.0, 2.0], {}, "give a row a configuration and a column a seed"),
        ([[1.0], [2.0]], {}, "2 or more"),
        ([[1.0, 2.0]], {"column_effects": True}, "too few runs to tell noise from the columns' effects"),
        ([[1.0, 2.0]], {"averaged": 0}, "averaged is 0"),
        ([[1.0, 2.0]], {"limits": (-math.inf, 0.5)}, "mean inside the limits"),
    ],
)
def test_mistakes_in_tables_of_seeds(table, options, part):
    with pytest.raises(InputError, match=part):
        nqjax.noise_from_seeds(table, **options)


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf, "much"])
def test_a_noise_needs_a_standard_deviation(sigma):
    with pytest.raises(InputError, match="give a standard deviation above 0"):
        nqjax.Noise(sigma, 4, 2)
