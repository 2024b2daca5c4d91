"""`fit_surface`: simulated surfaces, invariance, another sampler, and bad input."""

import warnings

import jax
import numpy as np
import pytest

import nqjax
from nqjax.report.surface import surface_document
from nqjax.search import Uniform
from nqjax.surface.model import log_density
from nqjax.surface.sampler import sample
from nqjax.surface.start import as_vector, least_squares

BOX = {"a": Uniform(-1.0, 1.0), "b": Uniform(-1.0, 1.0)}


def simulated(seed, n=64, sigma=0.05):
    """One strong combination of two hyperparameters, a + b, and a weak one; the best score is 0.3, at (0.2, 0)."""
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(-1, 1, (2, n))
    noise_free = 0.3 + (a + b - 0.2) ** 2 + 0.05 * (a - b - 0.2) ** 2
    return {"a": a, "b": b}, noise_free + sigma * rng.normal(size=n)


def fit(config, scores, space=BOX, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nqjax.FitWarning)
        return nqjax.fit_surface(config, scores, space, **options)


@pytest.fixture(scope="module")
def search():
    return simulated(0)


@pytest.fixture(scope="module")
def surface(search):
    return fit(*search)


@pytest.mark.smoke
def test_a_simulated_surface_is_found(surface):
    best, sigma = surface.interval("best", 0.99), surface.interval("sigma", 0.99)
    assert best.low < 0.3 < best.high < 0.4
    assert sigma.low < 0.05 < sigma.high < 0.1
    strong, weak = surface.directions
    assert strong.weights["a"] == pytest.approx(np.sqrt(0.5), abs=0.1)
    assert strong.weights["b"] == pytest.approx(np.sqrt(0.5), abs=0.1)
    assert {"a", "b"} < set(strong.words.split())
    # They cost 2 and 0.1 for half the width of the box; sigma is 0.05.
    assert strong.probability > 0.99
    assert strong.cost > 8 * weak.cost
    assert surface.optimum["a"] + surface.optimum["b"] == pytest.approx(0.2, abs=0.1)
    assert surface.threshold_probabilities.sum() == pytest.approx(1)
    assert surface.mixing < 1.2


def test_predictions_and_reruns(search, surface):
    config, scores = search
    found = surface.predict({"a": [0.2, 0.9], "b": [0.0, 0.9]}, 0.99)
    assert found.low[0] < 0.3 < found.high[0]
    assert found.low[1] < 0.3 + 1.6**2 + 0.05 * 0.2**2
    rows = [{name: float(values[i]) for name, values in config.items()} for i in range(3)]
    assert surface.predict(rows).estimate == pytest.approx(surface.rerun([0, 1, 2]).estimate)
    best = int(np.argmin(scores))
    assert surface.rerun([best]).estimate[0] > scores[best]


def test_shares_of_the_variance_sum_to_one(surface):
    found = surface.importance()
    assert set(found) == {"a", "b", ("a", "b")}
    assert found["a"].estimate == pytest.approx(0.5, abs=0.2)
    assert found["a"].estimate + found["b"].estimate == pytest.approx(1, abs=0.05)


def test_proposals_lie_where_the_loss_is_low(surface):
    for method in ("thompson", "ei"):
        found = surface.propose(4, method, jax.random.key(1))
        assert len(found) == 4
        assert [row["a"] + row["b"] for row in found] == pytest.approx([0.2] * 4, abs=0.35)
        assert found == surface.propose(4, method, jax.random.key(1))
    with pytest.raises(nqjax.InputError, match="there is no method 'best'"):
        surface.propose(1, "best")


def test_scale_direction_and_order_do_not_matter(search, surface):
    """Powers of two keep every digit, so the draws are the same; and so they are in another order."""
    config, scores = search
    larger = fit(config, 1024 * scores)
    assert larger.best_draws == pytest.approx(1024 * surface.best_draws, rel=1e-9)
    upside_down = fit(config, -scores, maximize=True)
    assert upside_down.best_draws == pytest.approx(-surface.best_draws, rel=1e-9)
    other = fit({"b": config["b"], "a": config["a"]}, scores)
    assert other.best_draws == pytest.approx(surface.best_draws, rel=1e-6)
    assert other.optimum == pytest.approx(surface.optimum, rel=1e-6)
    wider = fit({name: 8 * values for name, values in config.items()}, scores, {k: Uniform(-8.0, 8.0) for k in "ab"})
    assert wider.optimum["a"] == pytest.approx(8 * surface.optimum["a"], rel=1e-6)


def test_draws_are_those_of_another_sampler():
    """NumPyro's NUTS on the same density, of one hyperparameter and one threshold."""
    from numpyro.infer import MCMC, NUTS

    from nqjax.surface.coordinates import find_box
    from nqjax.surface.data import read_trials

    rng = np.random.default_rng(3)
    z = rng.uniform(-1, 1, 40)
    y = (z - 0.2) ** 2 + 0.1 * rng.normal(size=40)
    data = read_trials(find_box({"z": z}).place({"z": z}), y, float(np.quantile(y, 0.7))).data
    begin = as_vector(least_squares(np.asarray(data.points)[:40], np.asarray(data.scores)[:40]), 0)
    ours = sample(jax.random.key(0), np.tile(begin, (len(data.thresholds), 1)), data).x.reshape(-1, len(begin))
    with jax.enable_x64(True):
        kernel = NUTS(potential_fn=lambda x: -log_density(x, data.thresholds[0], data))
        chain = MCMC(kernel, num_warmup=500, num_samples=4000, progress_bar=False)
        chain.run(jax.random.key(1), init_params=jax.numpy.asarray(begin))
        theirs = np.asarray(chain.get_samples())
    for k in range(len(begin)):
        unit = theirs[:, k].std()
        for q in (0.1, 0.5, 0.9):
            difference = np.quantile(ours[:, k], q) - np.quantile(theirs[:, k], q)
            # Some hundred effective draws of ours: a tenth of the law is known to about 0.1 units.
            assert abs(difference) < 0.25 * unit, (k, q)


def test_trials_are_not_chosen_by_their_scores():
    """Least squares on the best third take its noise for signal; the surface does not."""
    ratios, naive = [], []
    for seed in range(3):
        config, scores = simulated(seed, n=128, sigma=0.2)
        end = float(np.quantile(scores, 0.35))
        found = fit(config, scores, threshold=end)
        ratios.append(found.sigma / 0.2)
        z = np.stack([config["a"], config["b"]], axis=1)[scores <= end]
        x = np.column_stack([np.ones(len(z)), z, z**2, z[:, 0] * z[:, 1]])
        rest = scores[scores <= end] - x @ np.linalg.lstsq(x, scores[scores <= end], rcond=None)[0]
        naive.append(np.sqrt(np.sum(rest**2) / (len(z) - 6)) / 0.2)
    assert np.mean(naive) < 0.75
    assert 0.8 < np.mean(ratios) < 1.3


def test_failed_runs_and_categories_are_data():
    rng = np.random.default_rng(5)
    n = 96
    lr, op = rng.uniform(-1, 1, n), np.where(rng.random(n) < 0.5, "conv", "pool")
    scores = 0.5 + (lr - 0.1) ** 2 + 0.3 * (op == "pool") + 0.03 * rng.normal(size=n)
    scores[lr > 0.7] = np.nan  # diverged
    found = fit({"lr": lr, "op": op.astype(object)}, scores, {"lr": Uniform(-1.0, 1.0)})
    best = found.interval("best", 0.99)
    assert best.low < 0.5 < best.high < 0.6
    assert found.optimum["op"] == "conv"
    sign = 1 if found.box.references["op"] == "conv" else -1
    assert float(np.median(sign * found.levels[:, 0])) == pytest.approx(0.3, abs=0.1)


def test_an_absent_hyperparameter_costs_nothing():
    """Without momentum the loss is lower, and only then; the best configuration has none."""
    rng = np.random.default_rng(7)
    n = 96
    lr, momentum = rng.uniform(-1, 1, n), rng.uniform(-1, 1, n)
    absent = rng.random(n) < 0.4
    scores = 0.5 + (lr - 0.1) ** 2 + np.where(absent, 0.0, 0.2 + 0.5 * (momentum + lr) ** 2) + 0.02 * rng.normal(size=n)
    found = fit({"lr": lr, "momentum": np.where(absent, np.nan, momentum)}, scores, {"lr": Uniform(-1.0, 1.0)})
    best = found.interval("best", 0.99)
    assert best.low < 0.5 < best.high < 0.6
    assert found.optimum["momentum"] is None
    # The best score is that of the best configuration with the hyperparameter left out, and of no other place in it.
    where, which, lowest = found.lowest_in_box
    groups = found.combinations[which[:1]]
    losses = found.losses(where[:1], found.box.present(groups), groups)
    assert losses[0, 0] == pytest.approx(lowest[0], rel=1e-9)


def test_a_quadratic_that_does_not_fit_is_found():
    rng = np.random.default_rng(6)
    z = rng.uniform(-1, 1, 200)
    straight, bent = (z - 0.1) ** 2, np.where(z > 0, 6 * z**2, 0.3 * z**2)
    noise = 0.02 * rng.normal(size=200)
    space = {"z": Uniform(-1.0, 1.0)}
    good = fit({"z": z}, straight + noise, space, threshold=0.4)
    bad = fit({"z": z}, bent + noise, space, threshold=2.0)
    assert good.lack_of_fit.p_value > 0.01
    assert bad.lack_of_fit.p_value < 1e-4


def test_two_basins_are_no_quadratic():
    """They lie on both sides of a ridge, which no cubic polynomial has."""
    rng = np.random.default_rng(9)
    z = rng.uniform(-1, 1, 200)
    scores = np.minimum((z - 0.5) ** 2, (z + 0.5) ** 2) + 0.02 * rng.normal(size=200)
    found = fit({"z": z}, scores, {"z": Uniform(-1.0, 1.0)}, threshold=0.2)
    assert found.lack_of_fit.p_value < 1e-6
    assert "a quadratic does not fit along z" in surface_document(found)["warnings"][-1]


def test_both_views_of_one_search(search, surface):
    found = surface.agreement(nqjax.confidence_region(search[1]))
    assert set(found) == {"best", "sigma", "effective_number"}
    assert min(one.p_value for one in found.values()) > 0.01


@pytest.mark.parametrize(
    ("config", "scores", "message"),
    [
        ({"a": np.arange(5.0)}, np.arange(5.0), "5 different scores are too few"),
        ({"a": np.arange(12.0)}, np.full(12, 1.0), "1 different scores are too few"),
        ({"a": np.arange(12.0)}, np.arange(11.0), "a has 12 values for 11 scores"),
        ({"op": np.array(["x", "y"] * 10)}, np.arange(20.0), "no hyperparameter is a number"),
        ({"a": np.arange(12.0)}, np.full(12, np.nan), "0 different scores are too few"),
        ({}, np.arange(20.0), "give names mapped to values"),
        ({"a": np.arange(20.0)}, None, "need scores"),
        ({str(k): np.random.default_rng(k).random(40) for k in range(13)}, np.arange(40.0), "too many"),
    ],
)
def test_bad_input_is_one_line(config, scores, message):
    with pytest.raises(nqjax.InputError, match=message) as found:
        nqjax.fit_surface(config, scores)
    assert "\n" not in str(found.value)
    if scores is not None and len(config) == 1:
        with pytest.raises(nqjax.InputError, match=message):
            nqjax.fit_surface(config, scores, threshold=None)


def test_few_trials_are_warned_of():
    rng = np.random.default_rng(8)
    config = {str(k): rng.uniform(-1, 1, 14) for k in range(4)}
    scores = sum(values**2 for values in config.values()) + 0.01 * rng.normal(size=14)
    with pytest.warns(nqjax.FitWarning, match="trials inside the threshold for 15 coefficients"):
        found = nqjax.fit_surface(config, scores)
    assert np.isfinite(found.best)


def test_the_other_sampler_says_the_same(search, surface):
    """Averaged over thresholds; some hundred effective draws of each tell a tenth of the law to about 0.1 units."""
    other = fit(*search, method="nuts")
    assert other.threshold_probabilities == pytest.approx(surface.threshold_probabilities)
    for name in ("best_draws", "noise"):
        ours, theirs = np.log(surface.noise) if name == "noise" else surface.best_draws, getattr(other, name)
        theirs = np.log(theirs) if name == "noise" else theirs
        difference = np.quantile(ours, [0.1, 0.5, 0.9]) - np.quantile(theirs, [0.1, 0.5, 0.9])
        assert np.abs(difference).max() < 0.25 * theirs.std()
    with pytest.raises(nqjax.InputError, match="there is no method 'gibbs'"):
        fit(*search, method="gibbs")
