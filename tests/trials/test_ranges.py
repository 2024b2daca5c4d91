"""Ranges in which hyperparameters were searched, as tools record them, and the coordinates of a surface."""

import json

import numpy as np
import pytest

import nqjax
from nqjax.surface.coordinates import find_box
from nqjax.trials.ranges import Range, range_of, range_of_description, union_of

optuna = pytest.importorskip("optuna")


def searched(storage=None, name="a"):
    """A search that is concentrated at the low end of the range of its dropout."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(study_name=name, storage=storage, sampler=optuna.samplers.RandomSampler(seed=1))
    rng = np.random.default_rng(0)
    for i in range(40):
        trial = optuna.trial.create_trial(
            params={
                "lr": 10 ** rng.uniform(-4, -1),
                "dropout": 10 ** rng.uniform(-3, -0.4),
                "layers": 1 + i % 4,
                "act": "relu",
            },
            distributions={
                "lr": optuna.distributions.FloatDistribution(1e-5, 1.0, log=True),
                "dropout": optuna.distributions.FloatDistribution(0.0, 0.5),
                "layers": optuna.distributions.IntDistribution(1, 4),
                "act": optuna.distributions.CategoricalDistribution(["relu", "gelu"]),
            },
            value=float(rng.random()),
        )
        study.add_trial(trial)
    return study


@pytest.fixture(params=["object", "database", "journal"])
def study(request, tmp_path):
    if request.param == "object":
        return nqjax.read_study(searched())
    if request.param == "database":
        searched(f"sqlite:///{tmp_path}/a.db")
        return nqjax.read_study(f"sqlite:///{tmp_path}/a.db")
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "a.log"))
    searched(optuna.storages.JournalStorage(backend))
    return nqjax.read_study(str(tmp_path / "a.log"))


def test_optuna_records_ranges(study):
    assert study.ranges == {
        "params_dropout": Range("linear", 0.0, 0.5),
        "params_layers": Range("linear", 1.0, 4.0),
        "params_lr": Range("log", 1e-5, 1.0),
    }


def test_a_surface_has_the_coordinates_that_were_searched():
    """By its values the dropout would be on a log scale, and end where they end."""
    study = nqjax.read_study(searched())
    guessed = find_box(study.config)
    assert {axis.name: axis.scale for axis in guessed.axes}["params_dropout"] == "log"
    found = nqjax.fit_surface(study).box
    axes = {axis.name: (axis.scale, axis.low, axis.high) for axis in found.axes}
    assert axes["params_dropout"] == ("linear", 0.0, 0.5)
    assert axes["params_lr"] == ("log", 1e-5, 1.0)
    assert not any("coordinates:" in note for note in found.notes)
    given = nqjax.fit_surface(study, space={"params_lr": nqjax.search.LogUniform(1e-6, 10)}).box
    assert {axis.name: axis.high for axis in given.axes}["params_lr"] == 10


def test_a_file_of_ours_records_ranges(tmp_path):
    path = tmp_path / "t.jsonl"
    settings = {"task": "t", "score": "loss", "minimize": True, "sampling": "random"}
    settings["space"] = {"lr": {"log_uniform": [1e-4, 1]}, "depth": {"discrete_uniform": [1, 5]}, "width": {"fixed": 8}}
    rows = [{"trial": i, "lr": 0.01 * (i + 1), "depth": 1 + i % 5, "width": 8, "loss": 0.1 * i + 0.3} for i in range(8)]
    lines = [{"nqjax_search": {"settings": settings, "made_by": {}}}, *rows]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert nqjax.read_study(path).ranges == {"lr": Range("log", 1e-4, 1.0), "depth": Range("linear", 1.0, 5.0)}


def test_ranges_of_several_trials():
    wide, narrow = Range("log", 0.1, 10.0), Range("log", 0.5, 2.0)
    assert union_of([wide, narrow]) == wide
    assert union_of([wide, Range("linear", 0.0, 1.0)]) is None
    assert union_of([wide, None]) is None
    assert union_of([]) is None


@pytest.mark.parametrize("ends", [(1, 1), (2, 1), ("a", 1), (None, 1), (0.0, float("inf")), (float("nan"), 1)])
def test_what_is_no_range(ends):
    assert range_of("linear", *ends) is None
    assert range_of("log", -1, 1) is None
    assert range_of_description({"uniform": list(ends)}) is None
    assert range_of_description("uniform") is None
    assert range_of_description({"choice": [1, 2]}) is None
