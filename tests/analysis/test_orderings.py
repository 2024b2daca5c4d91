"""Orderings of studies: probabilities of pairs, Holm's method, and stretches of budgets."""

import itertools

import numpy as np
import pytest

from nqjax.analysis.orderings import STRICTNESS, Ordering, orderings, probabilities, probability_better, said


@pytest.mark.parametrize("minimize", [True, False])
def test_the_probability_is_the_share_of_all_pairs(minimize):
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, (40, 3)).astype(float), rng.integers(1, 7, (30, 3)).astype(float)  # with ties
    share = np.zeros(3)
    for x, y in itertools.product(a, b):
        share += np.where(x == y, 0.5, (x < y) if minimize else (x > y))
    assert probability_better(a, b, minimize) == pytest.approx(share / 1200)


def test_probabilities_of_both_directions_add_up_to_one():
    rng = np.random.default_rng(1)
    found = probabilities([rng.random((50, 2)) + shift for shift in (0, 0.1, 0.5)], True)
    assert found + found.transpose(1, 0, 2) == pytest.approx(np.ones((3, 3, 2)))
    assert np.all(found[0, 2] > found[0, 1])


def matrix(*rows):
    """Return probabilities of three studies from those of the pairs (0, 1), (0, 2), (1, 2), a row a budget."""
    found = np.full((3, 3, len(rows)), 0.5)
    for place, row in enumerate(rows):
        for (i, j), p in zip(((0, 1), (0, 2), (1, 2)), row, strict=True):
            found[i, j, place], found[j, i, place] = p, 1 - p
    return found


def at(step, level=0.05):
    """Return a probability whose evidence is just enough at a step of Holm's method with this number of pairs left."""
    return 1 - STRICTNESS * level / (2 * step) * (1 - 1e-9)


def test_one_pair_needs_what_nqjax_compare_asks_for():
    for p, is_said in ((0.9951, True), (0.9949, False)):
        found = said(np.array([[[0.5], [p]], [[1 - p], [0.5]]]), np.ones((2, 1), bool), 0.05)
        assert (found[0, 1, 0] == 1) == is_said
        assert found[1, 0, 0] == -found[0, 1, 0]


def test_holm_asks_the_most_of_the_surest_pair():
    known = np.ones((3, 1), bool)
    all_three = said(matrix((at(3), at(2), at(1))), known, 0.05)
    assert [all_three[0, 1, 0], all_three[0, 2, 0], all_three[1, 2, 0]] == [1, 1, 1]
    # Without the first step nothing is said, however many would pass a later one.
    assert not said(matrix((at(2), at(2), at(1))), known, 0.05).any()
    mirrored = said(matrix((1 - at(3), 0.5, 0.5)), known, 0.05)
    assert mirrored[0, 1, 0] == -1


def test_what_is_not_known_is_not_said_and_helps_no_other_pair():
    known = np.array([[True], [True], [False]])
    assert not said(matrix((at(2), 1.0, 1.0)), known, 0.05).any()
    assert said(matrix((at(3), 1.0, 1.0)), known, 0.05)[0, 1, 0] == 1


def test_stretches_of_budgets():
    sure = (1 - 1e-6, 0.5, 0.5)
    opposite = (1e-6, 0.5, 0.5)
    open_ = (0.7, 0.5, 0.5)
    budgets = np.array([1.0, 2, 4, 8, 16, 32])
    known = np.array([[False, *[True] * 5], [True] * 6, [True] * 6])
    found = orderings(matrix(sure, sure, open_, opposite, opposite, opposite), known, budgets, 0.05)
    assert found == (
        Ordering(0, 1, 2.0, 2.0, False, pytest.approx(1 - 1e-6)),
        Ordering(1, 0, 8.0, 32.0, True, pytest.approx(1 - 1e-6)),
    )
    assert orderings(matrix(open_, open_), np.ones((3, 2), bool), np.array([1.0, 2]), 0.05) == ()
    assert orderings(matrix(sure, sure), np.zeros((3, 2), bool), np.array([1.0, 2]), 0.05) == ()
