"""Studies in memory: frames, mappings, and objects of tools where these are installed."""

import datetime as dt
import math

import numpy as np
import pytest

import nqjax
from nqjax.errors import InputError

LOSSES = [0.5, math.nan, 0.25, 0.75]
KINDS = ["a", "b", None, "a"]
TABLE = {"lr": [1, 2, 3, 4], "kind": KINDS, "loss": LOSSES, "state": ["ok", "failed", "ok", "ok"]}


class OfArrow:
    """A frame of an unknown library that speaks Arrow's protocol."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, schema=None):
        return self._table.__arrow_c_stream__(schema)


def frame(kind):
    if kind == "mapping":
        return TABLE
    if kind == "numpy":
        return {name: np.array(values, object if name == "kind" else None) for name, values in TABLE.items()}
    if kind == "dictionaries":
        return [dict(zip(TABLE, row, strict=True)) for row in zip(*TABLE.values(), strict=True)]
    if kind == "pandas":
        return pytest.importorskip("pandas").DataFrame(TABLE)
    if kind == "polars":
        return pytest.importorskip("polars").DataFrame(TABLE)
    table = pytest.importorskip("pyarrow").table(TABLE)
    return table if kind == "pyarrow" else OfArrow(table)


@pytest.mark.parametrize("kind", ["mapping", "numpy", "dictionaries", "pandas", "polars", "pyarrow", "protocol"])
def test_frames(kind):
    study = nqjax.read_study(frame(kind), "loss")
    np.testing.assert_array_equal(study.scores, LOSSES)
    assert study.scores.dtype == np.float64
    assert study.status.tolist() == ["finished", "failed", "finished", "finished"]
    assert study.config["lr"].tolist() == [1, 2, 3, 4]
    assert study.config["kind"].tolist() == KINDS
    assert study.direction == "minimize"


def test_nested_columns_of_arrow():
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"config": [{"lr": 1.0}, {"lr": 2.0}], "metrics": [{"loss": 0.5}, {"loss": 0.25}]})
    study = nqjax.read_study(table, "metrics.loss")
    assert study.scores.tolist() == [0.5, 0.25]
    assert study.config["config.lr"].tolist() == [1, 2]


def test_masked_scores_are_missing():
    study = nqjax.read_study({"loss": np.ma.masked_array([1.0, 2.0, 3.0], [False, True, False])}, "loss")
    np.testing.assert_array_equal(study.scores, [1, np.nan, 3])


def test_durations_are_costs_in_seconds():
    spent = [dt.timedelta(seconds=90), dt.timedelta(hours=25), None, dt.timedelta(0)]
    for values in (spent, ["0 days 00:01:30", "1 day, 1:00:00", "", "00:00:00.000"], [90, 90000, None, 0]):
        study = nqjax.read_study({**TABLE, "duration": values}, "loss")
        np.testing.assert_array_equal(study.cost, [90, 90000, np.nan, 0])
        assert study.cost_name == "duration"


@pytest.mark.parametrize("source", [3, None, object(), [], {}, [1, 2], {"a": [1], "b": [1, 2]}, [{}, 3], np.zeros(3)])
def test_objects_that_are_no_studies(source):
    with pytest.raises(InputError):
        nqjax.read_study(source, "loss")


def test_contradicting_options_are_refused():
    with pytest.raises(InputError, match="contradict"):
        nqjax.read_study(TABLE, "loss", minimize=True, maximize=True)
    with pytest.raises(InputError, match="per_trial is 'mean'"):
        nqjax.read_study(TABLE, "loss", per_trial="mean")
    with pytest.raises(InputError, match="no column names the trial"):
        nqjax.read_study(TABLE, "loss", per_trial="last")
    with pytest.raises(InputError, match=r"no row .* fulfils kind=c; kind is a, b, None"):
        nqjax.read_study(TABLE, "loss", where="kind=c")
    with pytest.raises(InputError, match="holds one search: leave out --study"):
        nqjax.read_study(TABLE, "loss", study="s")
    assert nqjax.read_study(TABLE, "loss", maximize=False).direction == "minimize"


def test_a_study_that_was_read_is_itself():
    study = nqjax.read_study(TABLE, "loss")
    assert nqjax.read_study(study) is study


# --- tools, where they are installed --------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
def test_an_optuna_study():
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        trial.report(x, 0)
        if trial.number % 3 == 1:
            raise optuna.TrialPruned
        return x

    for sampler, name in ((optuna.samplers.RandomSampler(seed=0), "RandomSampler"), (None, "TPESampler")):
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(objective, n_trials=7)
        found = nqjax.read_study(study)
        assert (found.direction, found.direction_from, found.sampler) == ("maximize", "recorded", name)
        expected = [trial.value if trial.state.name == "COMPLETE" else np.nan for trial in study.trials]
        np.testing.assert_array_equal(found.scores, expected)
        assert any("learns from earlier trials" in one for one in found.warnings) == (name == "TPESampler")
        frames = nqjax.read_study(study.trials_dataframe())
        np.testing.assert_array_equal(frames.scores, expected)
        np.testing.assert_array_equal(nqjax.read_study(study.trials_dataframe(multi_index=True)).scores, expected)


@pytest.mark.filterwarnings("ignore")
def test_hyperopt_trials():
    hyperopt = pytest.importorskip("hyperopt")

    def objective(point):
        if point["x"] > 0.8:
            return {"status": hyperopt.STATUS_FAIL}
        return {"loss": point["x"] ** 2, "status": hyperopt.STATUS_OK}

    trials = hyperopt.Trials()
    space = {"x": hyperopt.hp.uniform("x", 0, 1), "kind": hyperopt.hp.choice("kind", ["a", "b"])}
    rng = np.random.default_rng(0)
    hyperopt.fmin(objective, space, hyperopt.rand.suggest, 12, trials=trials, rstate=rng, show_progressbar=False)
    found = nqjax.read_study(trials)
    np.testing.assert_array_equal(found.scores, [np.nan if loss is None else loss for loss in trials.losses()])
    assert found.config["params.x"].tolist() == trials.vals["x"]
    assert (found.direction, found.metric) == ("minimize", "loss")
    assert found.num_failed > 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_ray_result_grid(tmp_path):
    tune = pytest.importorskip("ray.tune")

    def train(config):
        for i in range(3):
            tune.report({"loss": config["x"] + (i - 1) ** 2})

    run = tune.RunConfig(storage_path=str(tmp_path), verbose=0)
    grid = tune.Tuner(train, param_space={"x": tune.grid_search([0.5, 0.25])}, run_config=run).fit()
    for per_trial, added in (("last", 1), ("best", 0)):
        found = nqjax.read_study(grid, "loss", minimize=True, per_trial=per_trial)
        np.testing.assert_allclose(found.scores, [one.config["x"] + added for one in grid])
        np.testing.assert_allclose(found.config["config.x"], [one.config["x"] for one in grid])


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_a_study_is_not_taken_for_scores_without_its_direction(direction):
    trials = [{"lr": k / 10, "loss": k / 7} for k in range(30)]
    study = nqjax.read_study(trials, "loss", minimize=direction == "minimize")
    for call in (nqjax.fit, nqjax.confidence_region, nqjax.find_regime, nqjax.confidence_bands):
        with pytest.raises(InputError, match=rf"give its \.scores, and {direction}=True"):
            call(study)


def test_a_study_shows_itself_in_a_line():
    study = nqjax.read_study([{"lr": k / 10, "loss": k / 7 if k else None} for k in range(500)], "loss")
    assert repr(study).count("\n") == 0
    assert len(repr(study)) < 200
    for part in ("500 trials", "1 without a score", "'loss'", "1 hyperparameter"):
        assert part in repr(study)


def test_a_file_name_is_not_taken_for_scores():
    with pytest.raises(InputError, match=r"nqjax\.read_study"):
        nqjax.fit("trials.csv")
