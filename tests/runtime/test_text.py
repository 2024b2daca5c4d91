"""Numbers in reports: no digit that an interval does not give, and none fewer than a reader needs."""

import numpy as np
import pytest

from nqjax.runtime.text import as_sure, chance, chance_among_draws, percent, same_side


def test_an_even_interval_gives_all_numbers_the_decimals_of_its_width():
    assert as_sure([0.123456, 0.111111, 0.142222], 0.111111, 0.142222) == ["0.123", "0.111", "0.142"]


@pytest.mark.parametrize("far", [3.7, 310.0, 4.9e6])
def test_a_far_end_takes_no_digits_from_the_others(far):
    estimate, low, high = as_sure([0.4217, 0.2113, far], 0.2113, far)
    assert (estimate, low) == ("0.42", "0.21")
    assert float(high) == pytest.approx(far, rel=0.05)
    mirrored = as_sure([-0.4217, -far, -0.2113], -far, -0.2113)
    assert mirrored == [f"-{estimate}", f"-{high}", f"-{low}"]


def test_rounding_keeps_the_order_of_any_interval():
    rng = np.random.default_rng(0)
    for _ in range(2000):
        low, middle, high = np.sort(rng.normal(size=3) * 10.0 ** rng.uniform(-4, 5, size=3))
        shown = [float(text) for text in as_sure([middle, low, high], low, high)]
        assert shown[1] <= shown[0] <= shown[2]
        assert np.allclose(shown, [middle, low, high], rtol=0, atol=0.05 * (high - low))


def test_zero_has_no_sign():
    assert as_sure([-0.001, -0.07, 0.04], -0.07, 0.04)[0] == "0.00"


def test_a_share_of_draws_is_never_certain():
    assert chance_among_draws(0.0) == "< 0.1 %"
    assert chance_among_draws(1.0) == "> 99.9 %"
    assert chance_among_draws(0.5) == "50 %"


def test_a_threshold_of_thousands_has_no_exponent():
    assert same_side(7513.2, np.array([7000.0, 7513.2, 7620.0]), minimize=True) == "7520"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.9975, "99.8 %"), (0.9951, "99.5 %"), (0.994, "99 %"), (0.9995, "> 99.9 %"), (1.0, "100 %"), (0.07, "7 %")],
)
def test_two_digits_of_a_chance_near_certainty(share, text):
    assert chance(share, 2) == text


@pytest.mark.parametrize(("share", "text"), [(1.0, "100 %"), (0.998, "99.8 %"), (0.5, "50 %")])
def test_no_percentage_has_an_exponent(share, text):
    assert percent(share, 2) == text
