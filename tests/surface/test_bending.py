"""Coordinates that are bent, where a quadratic of them does not fit as they are."""

import numpy as np
import pytest

import nqjax
from nqjax.search import LogUniform, Uniform
from nqjax.surface.bending import BENDS
from nqjax.surface.coordinates import Axis, bend, unbend

SPACE = {"lr": LogUniform(1e-4, 1.0), "dropout": Uniform(0.0, 0.5)}


def draw(amount, n=160):
    """Trials of a loss that is a quadratic of the bent logarithm of the learning rate, with the best score 0.5."""
    rng = np.random.default_rng(4)
    z = rng.uniform(-1, 1, (n, 2))
    loss = 0.5 + 2 * (bend(z[:, 0], amount) - bend(0.2, amount)) ** 2 + 0.3 * z[:, 1] ** 2 + 0.02 * rng.normal(size=n)
    return {"lr": 10 ** (2 * z[:, 0] - 2), "dropout": 0.25 * (z[:, 1] + 1)}, loss


@pytest.fixture(scope="module")
def found():
    config, loss = draw(1.0)
    return nqjax.fit_surface(config, loss, SPACE, threshold=None)


def test_a_loss_that_is_steeper_on_one_side_has_a_bent_coordinate(found):
    lr, dropout = found.box.axes
    assert lr.bend in (0.75, 1.0, 1.5)
    assert dropout.bend == 0
    assert found.lack_of_fit.p_value > 0.01
    assert "lr is bent: the loss is steeper towards larger values" in found.box.notes[-1]
    best = found.interval("best", 0.95)
    assert best.low < 0.5 < best.high
    assert found.interval("sigma", 0.95).low < 0.02 < found.interval("sigma", 0.95).high
    # The optimum is in the user's units: 10 ** (2 * 0.2 - 2).
    low, high = found.optimum_region(0.95)["lr"]
    assert low < 10**-1.6 < high
    assert found.optimum["lr"] == pytest.approx(10**-1.6, rel=0.25)


def test_predictions_are_those_of_the_bent_loss(found):
    config, _ = draw(1.0)
    z = np.log10(config["lr"]) / 2 + 1
    truth = 0.5 + 2 * (bend(z, 1.0) - bend(0.2, 1.0)) ** 2 + 0.3 * (config["dropout"] / 0.25 - 1) ** 2
    assert np.sqrt(np.mean((found.predict(config).estimate - truth) ** 2)) < 0.02
    assert sum(one.estimate for name, one in found.importance().items() if isinstance(name, str)) == pytest.approx(
        1, abs=0.05
    )


def test_a_loss_that_is_a_quadratic_has_none():
    config, loss = draw(0.0)
    surface = nqjax.fit_surface(config, loss, SPACE, threshold=None)
    assert [axis.bend for axis in surface.box.axes] == [0.0, 0.0]


@pytest.mark.parametrize("amount", [0.0, *BENDS])
def test_bending_can_be_undone(amount):
    z = np.linspace(-1, 1, 41)
    assert np.allclose(unbend(bend(z, amount), amount), z, atol=1e-12)
    assert np.all(np.diff(bend(z, amount)) > 0)
    assert bend(z, amount)[[0, -1]] == pytest.approx([-1, 1])
    axis = Axis("lr", "log", 1e-4, 1.0, False, True, amount)
    values = np.geomspace(1e-4, 1, 7)
    assert np.allclose(axis.from_box(axis.to_box(values)), values, rtol=1e-9)
