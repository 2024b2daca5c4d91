"""Advice which configurations to run again: given where gamma and sigma are both open, in plain words."""

import math

import numpy as np
import pytest

from nqjax.checks.rerun_advice import advice_on_intervals

SCORES = np.array([0.5, 0.2, math.nan, 0.1, 0.9, 0.3, 0.4, 0.6, 0.7, math.inf])


def advice(gamma=(0.6, 4.0), sigma=(0.0002, 0.0133), minimize=True, names=None):
    limits = (-math.inf, 0.65) if minimize else (0.25, math.inf)
    return advice_on_intervals(gamma, sigma, limits, minimize, SCORES, names)


@pytest.mark.parametrize(
    ("gamma", "sigma"),
    [((1.0, 1.9), (0.0001, 0.1)), ((0.6, 6.4), (0.01, 0.03)), ((2.0, 3.0), (0.01, 0.02))],
    ids=["gamma is known", "sigma is known", "both are known"],
)
def test_nothing_is_advised_where_the_scores_tell_either(gamma, sigma):
    assert advice(gamma, sigma) is None


def test_the_best_rows_within_the_limits_are_named():
    assert "each of rows 4, 2, 6, 7, 1 and 8 would" in advice()
    assert "each of rows 5, 9, 8, 1, 7 and 6 would" in advice(minimize=False)


def test_every_end_of_sigma_has_digits():
    assert "(gamma 0.6 to 4.0, sigma 0.00020 to 0.013)" in advice()


def test_names_are_those_that_are_given():
    names = [f"trial t{i}" for i in range(len(SCORES))]
    assert "each of trials t3, t1, t5, t6, t0 and t7 would" in advice(names=names)
