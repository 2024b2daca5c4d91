"""Numbers as people and spreadsheets write them, against the numbers they were written from."""

import math

import numpy as np
import pytest

from nqjax.trials.readers.cells import numbers_of, status_of

NUMBERS = np.array([0.656, -1234.5, 6903.08, 1234567.25, 12.0])


def grouped(x, thousands, decimal):
    return f"{x:,.3f}".replace(",", "_").replace(".", decimal).replace("_", thousands)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", None])
@pytest.mark.parametrize(("thousands", "decimal"), [(",", "."), (".", ","), (" ", ","), ("'", "."), ("\u202f", ",")])
def test_separators(delimiter, thousands, decimal):
    texts = [grouped(x, thousands, decimal) for x in NUMBERS]
    np.testing.assert_array_equal(numbers_of(texts, delimiter).values, NUMBERS)


@pytest.mark.parametrize("delimiter", [";", "\t", ",", None])
def test_decimal_commas(delimiter):
    texts = [f"{x:.2f}".replace(".", ",") for x in NUMBERS]
    np.testing.assert_array_equal(numbers_of(texts, delimiter).values, NUMBERS.round(2))


def test_percentages_are_shares_to_the_last_digit():
    texts = [f"{i / 10:.1f}%" for i in range(1000)] + ["65.6 %"]
    np.testing.assert_array_equal(numbers_of(texts).values, [float(f"{i}e-3") for i in range(1000)] + [0.656])


def test_three_digits_after_a_comma_are_decimals_only_where_semicolons_separate_cells():
    assert numbers_of(["1,234", "0,5"], ";").values == [1.234, 0.5]
    assert numbers_of(["1,234", "2,500"], ",").values == [1234, 2500]
    assert numbers_of(["1,234", "2.5"], ";").values == [1234, 2.5]


def test_words_for_failure_are_missing_scores():
    found = numbers_of(["FAILED", "0.5", "error", "Crashed", "diverged", "", "out of memory"])
    assert [math.isnan(x) for x in found.values] == [True, False, True, True, True, True, True]
    assert found.words == ["FAILED", None, "error", "Crashed", "diverged", None, "out of memory"]


@pytest.mark.parametrize("text", ["oops", "1_000", "0x10", "1.2.3", "1,2,3", "12,34,567", "--5", "5 apples", "1e5e5"])
def test_other_texts_are_no_numbers(text):
    assert numbers_of([text, "0.5"]).values[0] is None


def test_statuses_of_tools():
    assert [
        status_of(word) for word in ("TrialState.PRUNED", "COMPLETE", "KILLED", "Running", "TERMINATED", "hello")
    ] == [*("pruned", "finished", "failed", "running", "finished", None)]
