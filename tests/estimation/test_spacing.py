"""Spacings: knots and counts against an enumeration by hand, in both directions, and every way that limits can fall."""

import math

import numpy as np
import pytest

from nqjax.errors import InputError
from nqjax.estimation.spacings import spacings
from nqjax.inputs import oriented_limits

INF = math.inf


def ulps(value: float, count: int) -> float:
    """Return the number that many units in the last place above ``value``."""
    for _ in range(abs(count)):
        value = math.nextafter(value, math.copysign(INF, count))
    return value


def same(a: float, b: float) -> bool:
    # 45 units in the last place: between the few that the samples below use for ties and the 1e-9 that parts their
    # different scores, so that nothing here depends on where exactly the package draws the line.
    # The absolute part is for 0, whose neighbours are the smallest numbers there are.
    return a == b or abs(a - b) <= max(1e-14 * max(abs(a), abs(b)), 1e-320)


def enumerate_spacings(scores, limits, minimize):
    """Return knots and counts by the words of DESIGN.md, section 2, one score at a time."""
    if not minimize:
        scores, limits = [-y for y in scores], (-limits[1], -limits[0])
    low, high = limits
    inside, winning, losing = [], 0, 0
    for y in scores:
        if not math.isfinite(y):
            losing += 1
        elif y <= low or same(y, low):
            winning += 1
        elif y <= high or same(y, high):
            inside.append(y)
        else:
            losing += 1
    # Merge ties: a score joins the one before it, and the highest stands for all of them.
    knots = []
    for y in sorted(inside):
        if knots and same(knots[-1], y):
            knots[-1] = y
        else:
            knots.append(y)
    # A limit is a knot where scores are censored beyond it, unless a score is there already.
    if winning and not any(same(low, k) for k in knots):
        knots.insert(0, low)
    if losing and math.isfinite(high) and not any(same(high, k) for k in knots):
        knots.append(high)
    counts = [0] * (len(knots) + 1)
    for y in inside:
        counts[next(i for i, k in enumerate(knots) if y <= k or same(y, k))] += 1
    counts[0] += winning
    counts[-1] += losing
    # The extra count: to the censored side, to the losing end when that is neither side or both.
    counts[0 if winning and not losing else -1] += 1
    return knots, counts


def samples():
    """Yield scores of every kind: spread, tied, tied to a few ulps, all signs, with failed runs."""
    rng = np.random.default_rng(0)
    for size in (1, 2, 3, 7, 40):
        for sign in (-1, 1):
            plain = sign * np.round(rng.uniform(0.1, 2, size), 6)
            yield plain
            yield np.round(plain, 1)
            yield np.concatenate([plain, [ulps(y, int(rng.integers(-3, 4))) for y in plain]])
            yield np.concatenate([plain, -plain, [0.0, -0.0]])
            yield np.concatenate([plain, [math.nan, INF, -INF, INF]])


def limits_of(scores):
    """Yield limits on, between and beyond the scores."""
    finite = np.sort(scores[np.isfinite(scores)])
    low, middle, high = finite[0], finite[len(finite) // 2], finite[-1]
    ends = [-INF, low - 1, low, ulps(low, 2), (low + middle) / 2, middle, ulps(middle, -2), high, high + 1, INF]
    for i, a in enumerate(ends):
        for b in ends[i + 1 :]:
            if a < b and not same(a, b):
                yield (float(a), float(b))


@pytest.mark.smoke
@pytest.mark.parametrize("minimize", [True, False])
def test_knots_and_counts_are_those_of_the_enumeration(minimize):
    cases = 0
    for scores in samples():
        for limits in limits_of(scores):
            found = spacings(scores, limits, minimize)
            knots, counts = enumerate_spacings(scores.tolist(), limits, minimize)
            np.testing.assert_array_equal(found.knots, knots, err_msg=f"{scores} {limits}")
            np.testing.assert_array_equal(found.counts, counts, err_msg=f"{scores} {limits}")
            assert np.all(np.diff(found.knots) > 0)
            assert found.counts.sum() == len(scores) + 1
            assert found.num_used + found.num_censored + found.num_failed == found.num_scores == len(scores)
            assert found.num_failed == np.sum(~np.isfinite(scores))
            cases += 1
    assert cases > 1000


@pytest.mark.parametrize("minimize", [True, False])
def test_mirror_image_is_exact(minimize):
    for scores in samples():
        for low, high in limits_of(scores):
            one, other = spacings(scores, (low, high), minimize), spacings(-scores, (-high, -low), not minimize)
            np.testing.assert_array_equal(one.knots, other.knots)
            np.testing.assert_array_equal(one.counts, other.counts)
            assert (one.num_used, one.num_censored, one.num_distinct) == (
                other.num_used,
                other.num_censored,
                other.num_distinct,
            )


@pytest.mark.parametrize("order", ["sorted", "reversed", "shuffled"])
def test_order_of_the_scores_does_not_matter(order):
    scores = np.concatenate([np.random.default_rng(1).normal(size=50).round(1), [math.nan]])
    moved = {
        "sorted": np.sort(scores),
        "reversed": scores[::-1],
        "shuffled": np.random.default_rng(2).permutation(scores),
    }
    one, other = spacings(scores, (-1, 1)), spacings(moved[order], (-1, 1))
    np.testing.assert_array_equal(one.knots, other.knots)
    np.testing.assert_array_equal(one.counts, other.counts)


# --- the threshold --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("off", [-4, -1, 0, 1, 4])
@pytest.mark.parametrize("minimize", [True, False])
def test_score_equal_to_the_threshold_is_inside(minimize, off):
    scores = [0.25, 0.5, ulps(0.75, off), 1.0] if minimize else [1.0, 0.75, ulps(0.5, off), 0.25]
    limits = (-INF, 0.75) if minimize else (0.5, INF)
    found = spacings(scores, limits, minimize)
    assert (found.num_used, found.num_censored) == (3, 1)
    # It is the limit's knot: no interval lies between the two.
    assert found.counts.tolist() == [1, 1, 1, 2]


@pytest.mark.parametrize("off", [-4, -1, 0, 1, 4])
@pytest.mark.parametrize("minimize", [True, False])
def test_score_equal_to_the_other_limit_is_outside(minimize, off):
    scores = [ulps(0.25, off), 0.5, 0.75] if minimize else [ulps(0.75, off), 0.5, 0.25]
    found = spacings(scores, (0.25, INF) if minimize else (-INF, 0.75), minimize)
    assert (found.num_used, found.num_censored) == (2, 1)
    np.testing.assert_array_equal(np.abs(found.knots), [0.25, 0.5, 0.75] if minimize else [0.75, 0.5, 0.25])
    # Only the winning side is censored: the extra count is there.
    assert found.counts.tolist() == [2, 1, 1, 0]


@pytest.mark.parametrize("percent", range(1, 30))
def test_error_rate_of_an_accuracy_at_the_threshold(percent):
    """1 - 0.89 is not 0.11, but means it."""
    accuracy, threshold = (100 - percent) / 100, percent / 100
    error = 1 - accuracy
    assert abs(error - threshold) <= 8 * np.spacing(threshold)
    for scores, limits, minimize in (
        ([error, 0.5 * error, 0.7 * error, 0.9], (-INF, threshold), True),
        ([accuracy, 0.999, 0.9995, 0.1], (1 - threshold, INF), False),
        ([1 - error, 0.999, 0.9995, 0.1], (accuracy, INF), False),
    ):
        found = spacings(scores, limits, minimize)
        assert (found.num_used, found.num_censored, len(found.knots)) == (3, 1, 3)


# --- where the extra count goes -------------------------------------------------------------------------------------


# An interval between a limit and the next score holds that score; one between a score and a limit holds none.
@pytest.mark.parametrize(
    ("limits", "knots", "counts"),
    [
        ((-INF, INF), [1, 2, 3, 4], [1, 1, 1, 1, 1]),  # nothing censored: the losing end
        ((-INF, 3.5), [1, 2, 3, 3.5], [1, 1, 1, 0, 2]),  # the losing side
        ((1.5, INF), [1.5, 2, 3, 4], [2, 1, 1, 1, 0]),  # the winning side
        ((1.5, 3.5), [1.5, 2, 3, 3.5], [1, 1, 1, 0, 2]),  # both: the losing side
        ((0.0, 9.0), [1, 2, 3, 4], [1, 1, 1, 1, 1]),  # limits beyond all scores censor nothing and are no knots
    ],
)
@pytest.mark.parametrize("minimize", [True, False])
def test_extra_count(minimize, limits, knots, counts):
    scores = [1.0, 2.0, 3.0, 4.0]
    if not minimize:
        scores, limits = [-y for y in scores], (-limits[1], -limits[0])
    found = spacings(scores, limits, minimize)
    assert found.knots.tolist() == knots
    assert found.counts.tolist() == counts


@pytest.mark.parametrize("bad", [math.nan, INF, -INF])
@pytest.mark.parametrize("minimize", [True, False])
def test_failed_runs_count_on_the_losing_side(minimize, bad):
    sign = 1 if minimize else -1
    scores = np.array([1.0, 2.0, 3.0])
    found = spacings(sign * np.append(scores, [bad, bad]), minimize=minimize)
    assert (found.num_used, found.num_censored, found.num_failed) == (3, 0, 2)
    assert found.knots.tolist() == [1, 2, 3]
    assert found.counts.tolist() == [1, 1, 1, 3]
    # With a threshold there are two ways to be on the losing side, and one knot between them and the rest.
    limits = (-INF, 2.5) if minimize else (-2.5, INF)
    found = spacings(sign * np.append(scores, [bad, bad]), limits, minimize)
    assert (found.num_used, found.num_censored, found.num_failed) == (2, 1, 2)
    assert found.knots.tolist() == [1, 2, 2.5]
    assert found.counts.tolist() == [1, 1, 0, 4]


def test_a_tail_of_failed_runs_only_makes_the_limit_a_knot():
    found = spacings([1.0, 2.0, 3.0, math.nan], (-INF, 4.0))
    assert found.knots.tolist() == [1, 2, 3, 4]
    assert found.counts.tolist() == [1, 1, 1, 0, 2]


# --- ties -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-300, 1e-3, 1.0, 1e300])
@pytest.mark.parametrize("sign", [-1, 1])
def test_near_ties_are_one_point_at_any_scale(scale, sign):
    base = sign * scale
    scores = [base, ulps(base, 1), ulps(base, 2), 2 * base, ulps(2 * base, -1), 3 * base]
    for minimize in (True, False):
        found = spacings(scores, minimize=minimize)
        assert found.num_distinct == 3
        assert sorted(found.counts[:-1].tolist()) == [1, 2, 3]


def test_scores_a_part_in_a_billion_apart_stay_apart():
    scores = 0.1 * (1 + 1e-9 * np.arange(10))
    assert spacings(scores).num_distinct == 10


def test_negative_zero_is_zero():
    assert spacings([0.0, -0.0, 1.0]).num_distinct == 2


# --- what can be given ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scores", [[1, 2, 3], (1.0, 2.0, 3.0), np.float32([1, 2, 3]), np.array([1, 2, 3])])
def test_any_row_of_numbers(scores):
    found = spacings(scores)
    assert found.knots.dtype == found.counts.dtype == np.float64
    assert found.knots.tolist() == [1, 2, 3]


def test_the_scores_given_are_not_changed():
    scores = np.array([3.0, math.nan, 1.0])
    before = scores.copy()
    spacings(scores, (-INF, 2.0))
    np.testing.assert_array_equal(scores, before)


def test_oriented_limits():
    assert oriented_limits((-INF, 3), True) == (-INF, 3)
    assert oriented_limits((0.25, INF), False) == (-INF, -0.25)


@pytest.mark.parametrize("limits", [(1.0, 0.0), (1.0, 1.0), (INF, -INF), (INF, INF), (-INF, -INF)])
def test_limits_the_wrong_way_round(limits):
    with pytest.raises(InputError, match="wrong way round"):
        spacings([1.0, 2.0, 3.0], limits)


@pytest.mark.parametrize("limits", [(math.nan, 1.0), (0.0, math.nan)])
def test_limits_that_are_not_numbers(limits):
    with pytest.raises(InputError, match="limits"):
        spacings([1.0, 2.0, 3.0], limits)


@pytest.mark.parametrize("scores", [np.ones((3, 2)), 1.0, [[1.0, 2.0]]])
def test_scores_of_the_wrong_shape(scores):
    with pytest.raises(InputError, match="shape"):
        spacings(scores)


@pytest.mark.parametrize("scores", [["low", "high"], [object()], [[1.0], [1.0, 2.0]], [1 + 1j, 2.0]])
def test_scores_that_are_not_numbers(scores):
    with pytest.raises(InputError, match="not numbers"):
        spacings(scores)


def test_no_scores():
    found = spacings([])
    assert (found.num_scores, found.num_used) == (0, 0)
    assert found.counts.tolist() == [1]


@pytest.mark.parametrize("minimize", [True, False])
def test_a_threshold_of_single_precision_scores_is_inside(minimize):
    scores = np.float32([0.1, 0.2, 0.3, 0.6, 0.7])
    limits = (-math.inf, 0.6) if minimize else (0.3, math.inf)
    # 0.6 is 0.60000002384 in single precision, 0.3 is 0.30000001192.
    assert spacings(scores, limits, minimize).num_used == (4 if minimize else 3)
    wide = spacings(scores, (-math.inf, 0.5999) if minimize else (0.3001, math.inf), minimize)
    assert wide.num_used == (3 if minimize else 2)


@pytest.mark.parametrize("limits", [0.1, None, (None, 0.12), (0.1, 0.2, 0.3), ("a", 1)])
def test_limits_that_are_no_pair_of_numbers(limits):
    with pytest.raises(InputError, match="give a pair of numbers"):
        spacings([0.1, 0.2, 0.3], limits)
