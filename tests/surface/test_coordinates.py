"""The box of a search: scales, categories, hyperparameters that are absent, equal or constant."""

import numpy as np
import pytest

import nqjax
from nqjax.search import Choice, LogUniform, Uniform
from nqjax.surface.coordinates import ABSENT, find_box


def test_scales_follow_the_values():
    rng = np.random.default_rng(0)
    u = rng.random((3, 200))
    config = {"lr": 10 ** (-5 + 4 * u[0]), "dropout": 0.5 * u[1], "momentum": 1 - 10 ** (-3 + 2 * u[2])}
    box = find_box(config)
    assert [axis.scale for axis in box.axes] == ["log", "linear", "log of 1 - x"]
    z = box.place(config).points
    assert np.abs(z).max() <= 1 + 1e-9
    assert np.abs(np.sort(z, axis=0)[100]).max() < 0.2
    back = box.values(z, np.zeros((200, 0)))
    for name, values in config.items():
        assert [row[name] for row in back] == pytest.approx(values.tolist(), rel=1e-9)


def test_a_space_says_scale_and_ends():
    values = np.array([0.2, 0.4, 0.3, 0.5])
    box = find_box(
        {"lr": values, "x": values**2 - 0.6 * values}, {"lr": LogUniform(0.01, 1.0), "x": Uniform(-1.0, 1.0)}
    )
    lr, x = box.axes
    assert (lr.scale, lr.low, lr.high) == ("log", 0.01, 1.0)
    assert (x.scale, x.low, x.high) == ("linear", -1.0, 1.0)
    assert box.notes == ()
    assert find_box({"lr": values, "op": np.array(["a", "b", "a", "a"])}, {"op": Choice("a", "b")}).references == {
        "op": "a"
    }


def test_constant_equal_and_textual_hyperparameters():
    lr = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    config = {
        "lr": lr,
        "twin": lr**3,
        "fixed": np.full(5, 7.0),
        "op": np.array(["conv", "pool", "conv", None, "conv"], dtype=object),
        "two": np.array([1.0, 2.0, 2.0, 1.0, 2.0]),
        "names": np.array([f"run {i}" * (i + 1) for i in range(5)]),
    }
    box = find_box({**config, "names": np.array([f"r{i}" for i in range(5)])})
    assert [axis.name for axis in box.axes] == ["lr"]
    assert box.references["op"] == "conv"
    assert ("op", "pool") in box.categories
    assert ("op", "") in box.categories
    assert box.references["two"] == "2.0"
    notes = " ".join(box.notes)
    assert "fixed has one value and is left out" in notes
    assert "twin says the same as lr and is left out" in notes


def test_absent_hyperparameters_are_a_category():
    values = np.array([0.1, np.nan, 0.3, 0.4, np.nan, 0.7])
    box = find_box({"lr": np.arange(6.0), "momentum": values})
    found = box.place({"lr": np.arange(6.0), "momentum": values})
    assert box.categories == (("momentum", ABSENT),)
    assert found.groups[:, 0].tolist() == [0, 1, 0, 0, 1, 0]
    assert found.present[:, 1].tolist() == [1, 0, 1, 1, 0, 1]
    assert box.values(found.points, found.groups)[1]["momentum"] is None


def test_whole_numbers_stay_whole():
    box = find_box({"layers": np.array([1, 2, 3, 5, 4])})
    (row,) = box.values(np.array([[0.9]]), np.zeros((1, 0)))
    assert row == {"layers": 5}


def test_a_configuration_without_a_hyperparameter_is_named():
    box = find_box({"lr": np.array([0.1, 0.2, 0.3]), "x": np.array([3.0, 1.0, 2.0])})
    with pytest.raises(nqjax.InputError, match="no 'x'"):
        box.place({"lr": [0.1]})


def test_a_search_without_numbers_is_refused():
    with pytest.raises(nqjax.InputError, match="no hyperparameter is a number"):
        find_box({"op": np.array(["a", "b", "c"]), "flag": np.array([True, False, True])})
