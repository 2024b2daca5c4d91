"""Spaces as the unit cube."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from nqjax.errors import InputError
from nqjax.search import Choice, Derived, DiscreteUniform, LogUniform, Uniform, When
from nqjax.search.optimizers.cube import EncodedSpace

SPACE = {
    "rate": LogUniform(1e-5, 1.0),
    "layers": DiscreteUniform(1, 7),
    "kind": Choice("adam", "sgd", "lion"),
    "momentum": When(lambda c: c["kind"] == "sgd", Uniform(0.5, 0.99), 0.9),
    "warmup": When(lambda c: c["layers"] > 3, DiscreteUniform(1, 5), Uniform(0.0, 1.0)),
    "total": Derived(lambda c: 10 * c["layers"]),
    "epochs": 30,
}


def test_encoding_inverts_decoding():
    space = EncodedSpace(SPACE)
    u = np.random.default_rng(0).uniform(size=(10_000, space.cube.dimension))
    u = np.asarray(space.cube.snap(jnp.asarray(u, jnp.float32)), np.float64)
    configs, active = space.decode(u)
    for point, mask, config in zip(u, active, configs, strict=True):
        again, same = space.encode(config)
        assert (mask == same).all()
        np.testing.assert_allclose(again[mask], point[mask], atol=1e-6)  # points are in single precision
        assert space.decode(again[None])[0][0] == pytest.approx(config)


def test_conditional_hyperparameters_have_a_coordinate_for_each_branch():
    space = EncodedSpace(SPACE)
    assert space.names == ("rate", "layers", "kind", "momentum", "warmup", "warmup")
    assert space.cube.counts == (0, 7, 3, 0, 5, 0)
    assert space.cube.categorical == (False, False, True, False, False, False)
    (config,), (active,) = space.decode(np.full((1, 6), 0.1))
    assert (config["kind"], config["momentum"], config["total"]) == ("adam", 0.9, 10)
    assert active.tolist() == [True, True, True, False, False, True]


def test_a_space_without_conditions_is_decoded_column_by_column_to_the_same():
    space = {name: SPACE[name] for name in ("rate", "layers", "epochs", "kind")} | {"power": DiscreteUniform(4, 4)}
    flat = EncodedSpace(space)
    as_well = EncodedSpace({**space, "twice": Derived(lambda c: 2 * c["epochs"])})
    u = np.random.default_rng(2).uniform(size=(500, flat.cube.dimension))
    configs, active = flat.decode(u)
    others, mask = as_well.decode(u)
    assert configs == [{name: value for name, value in one.items() if name != "twice"} for one in others]
    assert [list(one) for one in configs[:2]] == [list(space)] * 2
    assert [type(value) for value in configs[0].values()] == [type(others[0][name]) for name in space]
    np.testing.assert_array_equal(active, mask)


def test_random_points_have_the_distribution_of_the_space():
    space = EncodedSpace(SPACE)
    configs, _ = space.decode(np.random.default_rng(1).uniform(size=(4000, 6)))
    shares = [np.mean([c["kind"] == kind for c in configs]) for kind in ("adam", "sgd", "lion")]
    # 5 standard errors of a third of 4,000.
    np.testing.assert_allclose(shares, 1 / 3, atol=5 * math.sqrt(2 / 9 / 4000))
    assert abs(np.mean([math.log10(c["rate"]) for c in configs]) + 2.5) < 5 * 5 / math.sqrt(12 * 4000)


def test_the_ends_of_the_cube_are_in_the_space():
    space = EncodedSpace(SPACE)
    for end in (0.0, 1.0):
        (config,), _ = space.decode(np.full((1, 6), end))
        assert config["layers"] in (1, 7)
        assert 1e-5 <= config["rate"] <= 1.0
        assert config["kind"] in ("adam", "lion")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"rate": 2.0}, "rate is 2.0"),
        ({"kind": "rmsprop"}, "kind is 'rmsprop'"),
        ({"layers": 9}, "layers is 9"),
        ({"rate": "high"}, "rate is 'high'"),
        ({"rate": None}, "rate is None"),
    ],
)
def test_values_outside_are_refused_by_name(change, word):
    config = {"rate": 0.1, "layers": 2, "kind": "adam", "momentum": 0.9, "warmup": 0.5, "total": 20, "epochs": 30}
    space = EncodedSpace(SPACE)
    space.encode(config)
    with pytest.raises(InputError, match=word):
        space.encode(config | change)
    with pytest.raises(InputError, match="lacks 'rate'"):
        space.encode({})


def test_a_space_without_anything_to_search_is_refused():
    with pytest.raises(InputError, match="no hyperparameter to search"):
        EncodedSpace({"epochs": 3, "twice": Derived(lambda c: 2 * c["epochs"])})
