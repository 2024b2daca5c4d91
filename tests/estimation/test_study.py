"""A study: what callers give is checked once, and parameters come back in the caller's direction."""

import math
import pickle

import jax
import numpy as np
import pytest

import nqjax
from nqjax.errors import InputError
from nqjax.estimation.study import Study, prepare
from nqjax.inputs import as_probability
from nqjax.posterior.shared import _group_name

SCORES = [0.5, 0.2, math.nan, 0.9, 0.4, 0.3]


def test_a_mirrored_study_has_the_same_spacings():
    study = Study.read(SCORES, (-math.inf, 0.8), True, alpha=(0.0, 0.3), sigma=(0.0, 0.1))
    mirrored = Study.read(-np.array(SCORES), (-0.8, math.inf), False, beta=(-0.3, 0.0), sigma=(0.0, 0.1))
    assert study.constraints == mirrored.constraints
    assert study.ends == mirrored.ends == (-math.inf, 0.8)
    assert study.gammas == range(1, 6)
    ours, theirs = prepare(study), prepare(mirrored)
    np.testing.assert_array_equal(ours.data.knots, theirs.data.knots)
    np.testing.assert_array_equal(ours.data.counts, theirs.data.counts)
    np.testing.assert_array_equal(mirrored.orient(mirrored.scores), study.scores)


@pytest.mark.parametrize("minimize", [True, False])
def test_parameters_come_back_clipped_and_in_direction(minimize):
    sign = 1 if minimize else -1
    bound = {"alpha": (0.25, 0.45)} if minimize else {"beta": (-0.45, -0.25)}
    study = Study.read(sign * np.array(SCORES), minimize=minimize, sigma=(0.0, 0.1), **bound)
    scaled = prepare(study)
    assert (scaled.location, scaled.scale) == (0.2, pytest.approx(0.7))
    # On the scale of the knots the best score is at 0 and the worst at 1.
    alpha, beta, sigma = scaled.restore(0.5, 0.5, 1.0)
    assert (alpha, beta) == pytest.approx((0.45, 0.9) if minimize else (-0.9, -0.45))
    assert sigma == 0.1


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"scores": ["a"]}, "not numbers"),
        ({"scores": [[1.0, 2.0]]}, "shape"),
        ({"limits": (1.0, 0.0)}, "wrong way round"),
        ({"gamma": 0}, "gamma is a whole number"),
        ({"sigma": -1.0}, "standard deviation"),
    ],
)
def test_invalid_studies(given, part):
    with pytest.raises(InputError, match=part):
        Study.read(**{"scores": SCORES, **given})


@pytest.mark.parametrize("value", [0, 1, -0.1, 1.5, math.nan, "x", None])
def test_probabilities_are_between_0_and_1(value):
    with pytest.raises(InputError, match=r"^confidence is .*: give a number between 0 and 1, such as 0\.95$"):
        as_probability("confidence", value)
    assert as_probability("confidence", np.float32(0.5)) == 0.5


def test_every_method_checks_its_confidence():
    for method in ("profile", "consonance", "bootstrap", "posterior"):
        with pytest.raises(InputError, match="confidence is 2: give a number between 0 and 1"):
            nqjax.confidence_region(SCORES, method=method, confidence=2, key=jax.random.key(0), threshold=None)


def test_searches_of_other_calls_are_other_groups():
    one, other = Study.read(SCORES), Study.read([*SCORES, 0.1])
    names = {_group_name(*given) for given in (([one], 0), ([one], 1), ([one, other], 0), ([other], 0))}
    assert len(names) == 4
    assert _group_name(pickle.loads(pickle.dumps([one, other])), 0) in names
