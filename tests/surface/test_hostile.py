"""Hostile arguments of the surface's functions: each call is right, or an InputError in one line."""

import math
import warnings

import jax
import numpy as np
import pytest

import nqjax


class Bad:
    """An object of another library, whose every conversion fails."""

    def __array__(self, *_, **__):
        raise RuntimeError("no array")

    def __repr__(self):
        raise RuntimeError("no text")


VALUES = [
    *("x", "", b"0.5", "\x1b[2J", [1], [1, "a"], (), {}, {"a": 1}, {0.5}, [[0.1, 0.2], [0.3]], range(3), iter([1])),
    *(object(), Bad(), len, jax.random.key(0), True, 10**400, 10**12, math.nan, -math.inf, 0, -1, 1.5, 1j),
    *(np.datetime64("2020"), np.zeros(0), np.zeros((2, 2)), np.array([None, 0.1], object), np.ma.masked),
    *(np.ma.masked_array([0.1, 0.2], [0, 1]), np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])),
]


@pytest.fixture(scope="module")
def search():
    rng = np.random.default_rng(0)
    lr = rng.random(24)
    return lr, (lr - 0.3) ** 2 + 0.01 * rng.normal(size=24)


@pytest.fixture(scope="module")
def surface(search):
    return nqjax.fit_surface({"lr": search[0]}, search[1])


def refusal(call):
    """Return the words of an InputError, empty if the call is right; any other exception fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call()
        except nqjax.InputError as error:
            return str(error)
    return ""


@pytest.mark.parametrize("place", range(len(VALUES)))
def test_fits_of_hostile_arguments(search, place):
    value, (lr, scores) = VALUES[place], search
    for call in (
        lambda: nqjax.fit_surface(value, scores),
        lambda: nqjax.fit_surface({"lr": value}, scores),
        lambda: nqjax.fit_surface({"lr": lr}, value),
        lambda: nqjax.fit_surface({"lr": lr}, scores, value),
        lambda: nqjax.fit_surface({"lr": lr}, scores, threshold=value),
        lambda: nqjax.fit_surface({"lr": lr}, scores, minimize=value),
        lambda: nqjax.fit_surface({"lr": lr}, scores, key=value),
    ):
        assert "\n" not in refusal(call)


@pytest.mark.parametrize("place", range(len(VALUES)))
def test_questions_with_hostile_arguments(surface, place):
    value = VALUES[place]
    for name in ("interval", "spectrum", "optimum_region", "predict", "rerun", "importance", "propose", "agreement"):
        assert "\n" not in refusal(lambda name=name: getattr(surface, name)(value))
    for call in (
        lambda: surface.interval("best", value),
        lambda: surface.predict({"lr": value}),
        lambda: surface.propose(1, "ei", value),
        lambda: surface.rerun([0], value),
    ):
        assert "\n" not in refusal(call)
