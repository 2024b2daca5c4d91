"""Search spaces: what is drawn, that it can be drawn again, and what a bad space is told."""

import json
import math

import jax
import numpy as np
import pytest
from scipy import stats

from nqjax.errors import InputError
from nqjax.search import Choice, Derived, DiscreteUniform, Fixed, LogUniform, Uniform, When, configurations
from nqjax.search import space as spaces

KEY = jax.random.key(7)
#: What the space of one name, LogUniform(1e-4, 1), gives for trial 0: drawn when this test was written.
PINNED = 0.20750967387588604
SPACE = {
    "lr": LogUniform(1e-4, 1.0),
    "momentum": Uniform(0.5, 0.95),
    "epochs": DiscreteUniform(20, 25),
    "width": Choice(32, 64, 128),
    "peak": Derived(lambda config: config["share"] * config["epochs"]),
    "share": Derived(lambda config: config["width"] / 256),
    "blur": When(lambda config: config["width"] > 32, Uniform(1.0, 2.0), 0.0),
    "batch": 16,
}


def test_draws_have_their_distributions():
    """Kolmogorov-Smirnov and chi-square; p > 1e-3 each, for one seed that never changes."""
    draws = [configurations.sample(SPACE, KEY, trial) for trial in range(2000)]
    column = {name: np.array([draw[name] for draw in draws]) for name in SPACE}
    assert stats.kstest(np.log(column["lr"]), stats.uniform(math.log(1e-4), -math.log(1e-4)).cdf).pvalue > 1e-3
    assert stats.kstest(column["momentum"], stats.uniform(0.5, 0.45).cdf).pvalue > 1e-3
    for name, values in (("epochs", range(20, 26)), ("width", (32, 64, 128))):
        counts = [np.sum(column[name] == value) for value in values]
        assert sum(counts) == 2000
        assert stats.chisquare(counts).pvalue > 1e-3
    assert np.all(column["peak"] == column["width"] / 256 * column["epochs"])
    assert np.all((column["blur"] > 0) == (column["width"] > 32))
    assert stats.kstest(column["blur"][column["width"] > 32], stats.uniform(1, 1).cdf).pvalue > 1e-3
    # Streams of their own: hyperparameters are independent of each other and of the neighbouring trials.
    assert abs(stats.spearmanr(column["lr"], column["momentum"]).statistic) < 4 / math.sqrt(2000)
    assert abs(stats.spearmanr(column["lr"][1:], column["lr"][:-1]).statistic) < 4 / math.sqrt(2000)
    assert {type(value) for value in draws[0].values()} <= {int, float}


def test_a_trial_depends_on_the_key_its_number_and_the_names_alone():
    one = configurations.sample(SPACE, KEY, 3)
    assert configurations.sample(dict(reversed(SPACE.items())), KEY, 3) == one
    assert configurations.sample({**SPACE, "more": Uniform(0, 1), "lr": 0.5}, KEY, 3)["momentum"] == one["momentum"]
    assert configurations.sample(SPACE, jax.random.key(8), 3)["lr"] != one["lr"]
    assert configurations.sample(SPACE, jax.random.PRNGKey(7), 3) == one
    # A file that an older version wrote can be gone on with.
    assert configurations.sample({"lr": LogUniform(1e-4, 1.0)}, KEY, 0) == {"lr": pytest.approx(PINNED, rel=1e-12)}


def test_grid():
    space = {"a": Uniform(0, 1), "b": Choice("x", "y"), "c": DiscreteUniform(1, 2), "d": 5}
    found = list(configurations.grid(space, 3))
    assert len(found) == 3 * 2 * 2
    assert found[0] == {"a": 0.0, "b": "x", "c": 1, "d": 5}
    assert found[1] == {"a": 0.0, "b": "x", "c": 2, "d": 5}
    assert found[-1] == {"a": 1.0, "b": "y", "c": 2, "d": 5}
    assert len({tuple(config.values()) for config in found}) == 12
    assert [c["a"] for c in configurations.grid({"a": LogUniform(0.01, 1)}, 3)] == pytest.approx([0.01, 0.1, 1])
    assert [c["a"] for c in configurations.grid({"a": DiscreteUniform(0, 10)}, 3)] == [0, 5, 10]
    assert [c["a"] for c in configurations.grid({"a": Uniform(0, 1)}, 1)] == [0.5]


def test_a_grid_varies_what_is_conditional_only_where_it_applies():
    space = {
        "on": Choice(0, 1),
        "rate": When(lambda c: c["on"], Uniform(1, 2), 0),
        "twice": Derived(lambda c: 2 * c["on"]),
    }
    found = [tuple(config.values()) for config in configurations.grid(space, 2)]
    assert found == [(0, 0, 0), (1, 1.0, 2), (1, 2.0, 2)]


def test_a_grid_does_not_depend_on_how_functions_read_the_space():
    """They may read hyperparameters that come later, and catch what goes wrong."""

    def twice(config):
        try:
            return 2 * config["b"]
        except Exception:  # noqa: BLE001
            return -1

    space = {
        "a": Derived(twice),
        "b": When(lambda config: config["c"] > 0, Choice(1, 2), 5),
        "c": Choice(0, 1),
        "d": Choice(7, 8),
    }
    found = [tuple(config.values()) for config in configurations.grid(space, 2)]
    assert found == [(2 * b, b, c, d) for b, c in ((5, 0), (1, 1), (2, 1)) for d in (7, 8)]
    assert [list(config) for config in configurations.grid(space, 2)] == [list("abcd")] * 6


def test_samples_are_each_trial_s_own():
    found = list(configurations.samples(SPACE, KEY, [5, 2]))
    assert found == [configurations.sample(SPACE, KEY, 5), configurations.sample(SPACE, KEY, 2)]


def test_descriptions_are_json_and_tell_spaces_apart():
    described = spaces.describe(SPACE)
    assert json.loads(json.dumps(described)) == described
    assert described["lr"] == {"log_uniform": [1e-4, 1.0]}
    assert described["batch"] == {"fixed": 16}
    assert described == spaces.describe(dict(reversed(SPACE.items())))
    assert described != spaces.describe({**SPACE, "lr": LogUniform(1e-4, 2.0)})
    assert spaces.searched(SPACE) == ["lr", "momentum", "epochs", "width", "blur"]
    assert Fixed(np.float32(0.5)).value == 0.5


@pytest.mark.parametrize(
    ("space", "parts"),
    [
        ({}, ["empty"]),
        ({"lr": Uniform}, ["'lr'", "no distribution"]),
        ({"lr": lambda c: 1}, ["'lr'", "Derived"]),
        ({"lr": [1, 2]}, ["'lr'", "finite number"]),
        ({"lr": math.nan}, ["'lr'"]),
        ({3: 0.5}, ["3", "text"]),
        ({"a": Derived(lambda c: c["b"]), "b": Derived(lambda c: c["a"])}, ["depends on itself", "a -> b -> a"]),
        ({"a": Derived(lambda c: c["nothing"])}, ["'a'", "'nothing'"]),
        ({"a": Derived(lambda c: 1 / 0)}, ["'a'", "ZeroDivisionError"]),
        ({"a": Derived(lambda c: [1])}, ["'a'"]),
    ],
)
def test_a_bad_space_names_the_hyperparameter(space, parts):
    with pytest.raises(InputError) as error:
        configurations.sample(space, KEY, 0)
    for part in parts:
        assert part in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: Uniform(1, 0), "lower number first"),
        (lambda: Uniform(0, math.inf), "finite"),
        (lambda: LogUniform(0, 1), "above 0"),
        (lambda: DiscreteUniform(1.5, 3), "whole"),
        (lambda: DiscreteUniform(3, 1), "wrong way"),
        (Choice, "a value or more"),
        (lambda: Choice([1]), "finite number"),
        (lambda: list(configurations.grid({"a": Uniform(0, 1)}, 0)), "1 or more"),
        (lambda: configurations.sample({"a": 1}, jax.random.split(KEY), 0), "single"),
        (lambda: configurations.sample({"a": 1}, 0, 0), "key"),
    ],
)
def test_mistakes(make, part):
    with pytest.raises(InputError, match=part):
        make()
