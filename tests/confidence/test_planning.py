"""Numbers of trials: against simulated searches, a scan through all of them, and bands of scores."""

import math

import jax
import numpy as np
import pytest
import scipy.special

import nqjax
from nqjax.confidence import planning
from nqjax.errors import InputError
from support import searches

UNIFORM = nqjax.Quadratic(0.0, 1.0, 2.0)  # F(y) = y
NOISY = nqjax.NoisyQuadratic(0.09, 0.14, 1.0, 1e-3)
MIRRORED = nqjax.NoisyQuadratic(-0.14, -0.09, 1.0, 1e-3, convex=False)


# --- a score --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 7, 100, 12345])
@pytest.mark.parametrize("chance", [0.5, 0.1, 1e-3, 1 / 3])
def test_exact_at_the_boundary(n, chance):
    """The very probability that n trials have takes n, and one that is a little higher takes one more."""
    reached = -math.expm1(n * math.log1p(-chance))
    if reached > 1 - 1e-6:  # so close to 1 a probability does not know n
        return
    assert nqjax.required_trials(UNIFORM, score=chance, probability=reached) == n
    more = -math.expm1((n + 1e-3) * math.log1p(-chance))
    assert nqjax.required_trials(UNIFORM, score=chance, probability=more) == n + 1


def test_tiny_and_certain_scores():
    found = nqjax.required_trials(UNIFORM, score=[-1.0, 0.0, 1e-200, 1.0, 2.0], probability=0.5)
    np.testing.assert_allclose(found, [math.inf, math.inf, math.log(2) * 1e200, 1, 1], rtol=1e-12)
    scalar = nqjax.required_trials(UNIFORM, score=0.5, probability=0.5)
    assert scalar == 1
    assert isinstance(scalar, int)
    assert nqjax.required_trials(UNIFORM, score=-1, probability=0.5) == math.inf


def test_luck():
    """Far tails keep their digits: log(2) / F with F from its logarithm."""
    score = np.array([0.08, 0.085, 0.09])
    far = nqjax.required_trials(NOISY, score=score, probability=0.5)
    with jax.enable_x64(True):
        log_f = np.asarray(nqjax.NoisyQuadratic(0.09, 0.14, 1.0, 1e-3).log_cdf(score))
    # Parameters of single precision, as a user may have them, move the tail.
    np.testing.assert_allclose(far[:2], math.log(2) * np.exp(-log_f[:2]), rtol=1e-4)
    assert far[2] == math.ceil(math.log(0.5) / math.log1p(-math.exp(log_f[2])))


def test_broadcasting_and_directions():
    score, probability = np.array([0.09, 0.095, 0.1]), np.array([[0.5], [0.95]])
    found = nqjax.required_trials(NOISY, score=score, probability=probability)
    assert found.shape == (2, 3)
    assert np.all(np.diff(found, axis=0) >= 0)
    assert np.all(np.diff(found, axis=1) <= 0)
    np.testing.assert_array_equal(nqjax.required_trials(MIRRORED, score=-score, probability=probability), found)
    # The worst end of the same distribution.
    worst = nqjax.required_trials(NOISY, score=score + 0.03, probability=0.5, minimize=False)
    other = nqjax.required_trials(MIRRORED, score=-score - 0.03, probability=0.5, minimize=True)
    np.testing.assert_array_equal(worst, other)


def test_simulated_searches():
    """At least the share `probability` of 20,000 searches reaches the score, and a smaller share with one trial fewer.

    Both to four standard errors.
    """
    score, probability, count = 0.0915, 0.8, 20_000
    n = int(nqjax.required_trials(NOISY, score=[score] * 3, probability=probability)[0])
    y = searches.draw(np.random.default_rng(0), count * n, 1, 1e-3, alpha=0.09, beta=0.14).reshape(count, n)
    error = 4 * math.sqrt(probability * (1 - probability) / count)
    assert np.mean(y.min(1) <= score) > probability - error
    assert np.mean(y[:, :-1].min(1) <= score) < probability + error


def test_a_fit():
    fit = searches.known_fit()
    score = [0.1, 0.095, 0.089]
    with jax.enable_x64(True):
        d = nqjax.NoisyQuadratic(0.09, 0.14, 1.0, 1e-3)
    found = nqjax.required_trials(fit, score=score, probability=0.5)
    np.testing.assert_array_equal(found, nqjax.required_trials(d, score=score, probability=0.5))
    with pytest.raises(InputError, match="other direction"):
        nqjax.required_trials(fit, score=0.1, probability=0.5, minimize=False)


# --- a band ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bands():
    """Bands of scores that lie at the medians of their order statistics, of the uniform distribution, by their number.

    They are computed for every one of 80 sizes: the scan's own, without planning's shortcuts.
    """
    found = {}
    for n in range(1, 81):
        i = np.arange(1, n + 1)
        found[n] = nqjax.confidence_bands(scipy.special.betaincinv(i, n + 1 - i, 0.5), 0.8)
    return found


def width_of(band, at, minimize=True):
    ends = (one.quantile_tuning_curve(at, minimize=minimize) for one in (band.lower, band.upper))
    return float(np.subtract(*ends))


@pytest.mark.parametrize("minimize", [True, False])
def test_width_is_that_of_the_band(bands, minimize):
    d = planning._as_float64(UNIFORM)
    for n, at in ((4, 5), (10, 2), (60, 3), (60, 7.5), (80, 20)):
        found = planning.expected_width(d, minimize, n, 1 - 0.5 ** (1 / at), 0.8)
        expected = width_of(bands[n], at, minimize)
        # Where the curve has no end on either side numbers are infinite.
        assert found == pytest.approx(expected, abs=1e-7) if math.isfinite(expected) else math.isinf(found)


@pytest.mark.parametrize(("at", "widths"), [(1, (0.4, 0.33)), (3, (0.35, 0.3)), (8, (0.2, 0.18))])
def test_fewest_by_a_scan(bands, at, widths):
    """Widths go up and down with n, so the first n is found by looking at all."""
    every = np.array([width_of(band, at) for band in bands.values()])
    for width in widths:
        first = int(np.argmax(every <= width)) + 1
        assert every[first - 1] <= width
        assert nqjax.required_trials(UNIFORM, width=width, at=at, confidence=0.8) == first


def test_interpolated_ranks_are_those_of_the_bands():
    tail = 1 - 0.5 ** (1 / 20)
    n = np.array([65, 100, 200, 333, 400])
    bands = [planning.order_statistic_band(int(size), 0.95) for size in n]
    miss = np.array([math.exp(size * math.log1p(-band.high[0])) for size, band in zip(n, bands, strict=True)])
    best, worst = planning._ranks(n, miss, tail)
    assert best.tolist() == [int(np.sum(band.high < tail)) for band in bands]
    assert worst.tolist() == [int(np.sum(band.low < tail)) + 1 for band in bands]


def test_bands_of_either_direction():
    found = nqjax.required_trials(NOISY, width=0.02, at=2, confidence=0.8)
    assert found == nqjax.required_trials(MIRRORED, width=0.02, at=2, confidence=0.8)
    scaled = nqjax.NoisyQuadratic(0.9, 1.4, 1.0, 1e-2)
    assert found == nqjax.required_trials(scaled, width=0.2, at=2, confidence=0.8)


def test_a_band_out_of_reach(monkeypatch):
    monkeypatch.setattr(planning, "MOST_TRIALS", 128)
    with pytest.raises(InputError, match="takes more than 128 trials: ask for a wider one"):
        nqjax.required_trials(UNIFORM, width=1e-3, at=3)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({}, "either a score"),
        ({"score": 1.0}, "either a score"),
        ({"score": 1.0, "at": 1.0}, "either a score"),
        ({"score": 1.0, "probability": 0.5, "width": 1.0, "at": 1}, "either a score"),
        ({"score": 1.0, "probability": 0.5, "width": 1.0}, "either a score"),
        ({"score": 1.0, "probability": 1.0}, "between 0 and 1"),
        ({"score": math.nan, "probability": 0.5}, "NaN"),
        ({"score": "x", "probability": 0.5}, "are not numbers"),
        ({"score": [1.0, 2.0], "probability": [0.1, 0.2, 0.3]}, "do not go together"),
        ({"width": 0.0, "at": 1}, "width is 0.0"),
        ({"width": 1.0, "at": math.inf}, "at is inf"),
        ({"width": 1.0, "at": 1, "confidence": 1.0}, "confidence is 1.0"),
    ],
)
def test_mistakes(options, part):
    with pytest.raises(InputError, match=part):
        nqjax.required_trials(UNIFORM, **options)


def test_other_objects():
    with pytest.raises(InputError, match="give a Fit"):
        nqjax.required_trials(3.0, score=1.0, probability=0.5)
    with pytest.raises(InputError, match="batch shape"):
        nqjax.required_trials(nqjax.Quadratic(np.zeros(2), 1.0, 2.0), width=0.5, at=1)
