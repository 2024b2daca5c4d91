"""`fit_surfaces`: each study as by itself, and bad ones flagged."""

import numpy as np
import pytest

import nqjax
from nqjax.estimation.many import Failure
from nqjax.search import Uniform

BOX = {"a": Uniform(-1.0, 1.0)}


def search(seed, n=40):
    rng = np.random.default_rng(seed)
    a = rng.uniform(-1, 1, n)
    return {"a": a}, 0.5 + (a - 0.2) ** 2 + 0.05 * rng.normal(size=n)


def test_each_study_is_as_by_itself_and_bad_ones_spoil_nothing():
    good = [search(seed) for seed in range(3)]
    bad = [({"a": np.full(40, 0.5)}, np.arange(40.0)), ({"a": np.arange(4.0)}, np.arange(4.0)), (1, 2, 3)]
    found = nqjax.fit_surfaces([good[0], bad[0], good[1], *bad[1:], good[2]], BOX)
    assert [isinstance(one, Failure) for one in found] == [False, True, False, True, True, False]
    assert "no hyperparameter is a number" in found[1].reason
    assert "4 different scores are too few" in found[3].reason
    assert "give a pair" in found[4].reason
    for study, one in zip(good, (found[0], found[2], found[5]), strict=True):
        assert np.array_equal(nqjax.fit_surface(*study, BOX).best_draws, one.best_draws)


@pytest.mark.parametrize("studies", [None, 3, "x", {"a": 1}])
def test_studies_are_a_list(studies):
    with pytest.raises(nqjax.InputError, match="give a list of studies"):
        nqjax.fit_surfaces(studies)
