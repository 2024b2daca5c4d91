"""Hostile arguments of the public calls: each is right, or an InputError in one line."""

import datetime as dt
import decimal
import math

import numpy as np
import pytest

import nqjax
from nqjax.errors import InputError


class Bad:
    """An object of another library, whose every conversion fails."""

    def __array__(self, *_, **__):
        raise RuntimeError("no array")

    def __float__(self):
        raise RuntimeError("no number")

    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


VALUES = [
    *(None, "x", "0.5", "", b"0.5", "a" * 10_000, "\x1b[2J", [], [1], [1, 2], [1, "a"], (), {}, {"a": 1}, {0.5}),
    *(
        [[0.1, 0.2], [0.3]],
        range(3),
        iter([1, 2]),
        object(),
        Bad(),
        [Bad()] * 30,
        len,
        int,
        True,
        False,
        np.bool_(True),
    ),
    *(10**400, -(10**400), 2**63, math.nan, math.inf, -math.inf, 0, -1, -0.5, 1, 2, 0.5, 1.5, 1j, 1e-320, 1e308),
    *(np.datetime64("2020"), dt.date(2020, 1, 1), decimal.Decimal("0.5"), np.float16(0.5), np.array(0.5)),
    *(np.array([0.5]), np.array([[0.5]]), np.zeros(0), np.zeros((2, 2)), np.array(["a", "b"]), np.ma.masked),
    *(np.full(30, np.nan), np.full(30, np.inf), np.ones(30), np.arange(30) * 1e306, np.arange(30) + 1j, [10**400] * 30),
    *(
        ["x"] * 30,
        [None] * 30,
        [True] * 30,
        np.zeros((30, 0)),
        np.zeros((30, 2, 2)),
        np.ma.masked_equal(np.arange(30), 3),
    ),
    *({"x": Bad()}, {"x": 3}, {"x": np.zeros((30, 2))}, {1: range(30)}, {"x": [{}] * 30}, {"x": [1, "a", None] * 10}),
    *({"x": [math.inf, 1.0, 2.0] * 10}, {"x": [1j] * 30}, {"x": [10**400, 1, 2] * 10}, {"x": [Bad()] * 30}),
    *({"x\x1b[2J": [1, 1, 1] * 10}, {"x": np.array(["2020"] * 30, "M8[D]")}, {"x": [(1, 2), [3], {4}] * 10}),
]


def calls():
    x, y = np.indices((6, 5)).reshape(2, -1)
    config, scores = {"x": x, "y": y}, np.random.default_rng(0).normal(size=(30, 2))
    land = nqjax.Landscape(config, scores)
    make = {"config": config, "scores": scores, "minimize": True, "categorical": (), "order": None, "keep": ()}
    return [
        (nqjax.Landscape, make),
        (land.metrics, {"tolerance": "noise", "sigma": None}),
        (land.optima, {"above": 0.0}),
        (land.optima_above, {"tolerance": 0.0}),
        (land.importance, {"region": 0.5, "ranks": True}),
        (land.geometry, {"threshold": 1.0}),
        (land.noise_tolerance, {"sigma": None}),
        (land.run, {"number": 0}),
        (nqjax.similarity, {"a": land, "b": land, "gamma": 0.1}),
        (nqjax.similarity_matrix, {"landscapes": [land, land], "gamma": 0.1}),
        (nqjax.seed_ceiling, {"land": land, "gamma": 0.1}),
        (nqjax.regime_geometry, {"trials": land, "threshold": 1.0}),
    ]


@pytest.mark.parametrize("number", range(12))
def test_each_value_for_each_argument(number):
    function, valid = calls()[number]
    for name in valid:
        for place, value in enumerate(VALUES):
            where = f"{function.__qualname__}, {name}: value {place} of type {type(value).__name__}"
            try:
                found = function(**{**valid, name: value})
                if isinstance(found, nqjax.Landscape):
                    found.metrics(0.1)
            except InputError as error:
                message = str(error)
                assert message.isprintable(), where
                assert len(message) <= 500, where
            except Exception as error:  # noqa: BLE001 - this is what is tested
                pytest.fail(f"{where}: {type(error).__name__}: {error}")
