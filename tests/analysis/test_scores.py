"""Scores are read in one way, whatever holds them."""

import datetime as dt
import decimal

import jax.numpy as jnp
import numpy as np
import pytest

import nqjax
from nqjax.errors import InputError
from nqjax.inputs import as_scores

VALUES = [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(
    "scores",
    [
        VALUES,
        tuple(VALUES),
        np.array(VALUES),
        np.array(VALUES, np.float16),
        np.array(VALUES)[:, None],
        np.array(VALUES, object),
        [decimal.Decimal("0.25"), 0.5, 0.75, 1],
        jnp.array(VALUES),
        jnp.array(VALUES, "bfloat16"),
        np.ma.masked_array(VALUES, [0, 0, 0, 0]),
    ],
    ids=lambda scores: type(scores).__name__ + str(getattr(scores, "dtype", "")),
)
def test_numbers(scores):
    assert as_scores(scores).tolist() == VALUES
    assert as_scores(scores).dtype == np.float64


@pytest.mark.parametrize(
    "scores",
    [
        np.ma.masked_array([0.25, 9.0, 0.75], [0, 1, 0]),
        np.ma.masked_array([0.25, 9.0, 0.75], [0, 1, 0])[:, None],
        [0.25, None, 0.75],
        np.array([0.25, None, 0.75], object),
        [0.25, np.nan, 0.75],
    ],
)
def test_missing_values_are_failed_runs(scores):
    assert as_scores(scores).tolist() == pytest.approx([0.25, np.nan, 0.75], nan_ok=True)


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"loss": [0.25, None, 0.75]})
    for scores in (frame["loss"], frame[["loss"]], frame["loss"].astype("Float64")):
        assert as_scores(scores).tolist() == pytest.approx([0.25, np.nan, 0.75], nan_ok=True)


def test_masked_scores_do_not_shape_a_fit():
    """The masked runs have diverged to low values; they count as failed."""
    rng = np.random.default_rng(0)
    y = 0.1 + 0.5 * rng.random(60) + 0.01 * rng.normal(size=60)
    diverged = np.arange(60) % 8 == 0
    fit = nqjax.fit(np.ma.masked_array(np.where(diverged, -5.0, y), mask=diverged), threshold=None)
    assert fit.num_failed == 8
    assert fit.alpha == pytest.approx(0.1, abs=0.05)
    assert fit.alpha == nqjax.fit(np.where(diverged, np.nan, y), threshold=None).alpha


@pytest.mark.parametrize(
    "scores",
    [
        None,
        "0.5",
        ["0.1", "0.2"],
        [0.1, "0.2"],
        [True, False, True],
        [1 + 1j, 2.0],
        [dt.date(2020, 1, 1)] * 3,
        np.array(["2020", "2021"], "M8[D]"),
        np.array([1, 2, 3], "m8[s]"),
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        [[0.1, 0.2], [0.3]],
        [[0.1, 0.2], [0.3, 0.4]],
        [10**400, 0.2, 0.3],
        {0.1, 0.2},
        {"a": 0.1},
        object(),
    ],
    ids=lambda scores: type(scores).__name__,
)
def test_other_things_are_refused(scores):
    with pytest.raises(InputError, match="the scores") as caught:
        nqjax.fit(scores)
    assert len(str(caught.value)) < 200
