"""Replications: the same whatever their number, their file, and searches of a task by a method."""

import json

import jax
import numpy as np
import pytest

import nqjax
from nqjax.errors import InputError
from nqjax.search import (
    TPE,
    Function,
    LogUniform,
    RandomSearch,
    SurfaceSearch,
    Uniform,
    read_replications,
    replicate,
    run,
    surrogate,
)
from nqjax.search.experiments.replicate import group_size
from nqjax.search.objectives import FUNCTIONS, OPTIMA
from support.short_line import Line

KEY = jax.random.key(0)


def _square(**options):
    return Function(lambda c: c["x"] ** 2, {"x": Uniform(-1, 1)}, name="square", **options)


def test_a_search_does_not_depend_on_the_others():
    few = replicate(_square(noise=0.1), ["random"], replications=2, num_trials=6, key=KEY)
    many = replicate(_square(noise=0.1), ["random"], replications=5, num_trials=6, key=KEY)
    later = replicate(_square(noise=0.1), ["random"], replications=2, num_trials=6, key=KEY, first=3)
    np.testing.assert_array_equal(few.scores["random"], many.scores["random"][:2])
    np.testing.assert_array_equal(later.scores["random"], many.scores["random"][3:])


def test_methods_share_the_noise_and_the_true_scores_are_kept():
    runs = replicate(
        _square(noise=0.1), {"one": TPE(startup=4), "other": "random"}, replications=3, num_trials=6, key=KEY
    )
    noise = {name: runs.scores[name] - runs.true[name] for name in runs.scores}
    np.testing.assert_allclose(noise["one"], noise["other"], atol=1e-12)
    np.testing.assert_array_equal(runs.scores["one"][:, :4], runs.scores["other"][:, :4])  # the same random start
    assert np.all(runs.true["one"] >= 0)


def test_a_file_continues_and_is_the_same(tmp_path):
    whole = replicate(_square(), ["random", "tpe"], replications=4, num_trials=12, key=KEY)
    path = tmp_path / "runs.jsonl"
    replicate(_square(), ["random"], replications=2, num_trials=12, key=KEY, out=path)
    cut = path.read_bytes()
    path.write_bytes(cut[:-20])  # killed while it wrote the last line
    again = replicate(_square(), ["random", "tpe"], replications=4, num_trials=12, key=KEY, out=path)
    read = read_replications(path)
    for name in ("random", "tpe"):
        np.testing.assert_array_equal(again.scores[name], whole.scores[name])
        np.testing.assert_array_equal(read.scores[name], whole.scores[name])


def test_files_of_other_settings_are_refused(tmp_path):
    path = tmp_path / "runs.jsonl"
    replicate(_square(), {"mine": TPE(startup=3)}, replications=1, num_trials=5, key=KEY, out=path)
    for change, word in (
        ({"num_trials": 6}, "num_trials = 5"),
        ({"key": jax.random.key(1)}, "key = "),
        ({"methods": {"mine": RandomSearch()}}, "for mine"),
    ):
        options = {"methods": {"mine": TPE(startup=3)}, "num_trials": 5, "key": KEY} | change
        with pytest.raises(InputError, match=word):
            replicate(_square(), replications=1, out=path, **options)
    (other := tmp_path / "other.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(InputError, match="holds no replications"):
        replicate(_square(), ["random"], replications=1, num_trials=5, key=KEY, out=other)
    with pytest.raises(InputError, match="holds no replications"):
        read_replications(other)
    with pytest.raises(InputError, match=r"must end in \.jsonl"):
        replicate(_square(), ["random"], replications=1, num_trials=5, key=KEY, out=tmp_path / "runs.csv")


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('{"a": 1}', "line 2: not a finished search"),
        ('{"method": "random", "replication": 0, "scores": [1, 2], "true": null}', "line 2: not a finished search"),
        ('{"method": "random", "replication": 0, "scores": "low"}', "line 2: not a finished search"),
        ('{"nqjax_replications": {"methods": 3}}', "header that was changed"),
    ],
)
def test_lines_that_were_changed_are_refused(tmp_path, line, word):
    path = tmp_path / "runs.jsonl"
    options = {"replications": 1, "num_trials": 5, "key": KEY, "out": path}
    replicate(_square(), ["random"], **options)
    header = path.read_text().splitlines()[0]
    path.write_text((line if "nqjax" in line else f"{header}\n{line}") + "\n")
    with pytest.raises(InputError, match=word):
        read_replications(path)
    with pytest.raises(InputError, match=word):
        replicate(_square(), ["random"], **options)


def test_a_function_may_fail_and_may_be_maximised():
    failing = Function(lambda c: float("nan") if c["x"] > 0 else c["x"], {"x": Uniform(-1, 1)}, minimize=False)
    runs = replicate(failing, ["random"], replications=2, num_trials=20, key=KEY)
    assert np.isinf(runs.scores["random"]).any()
    assert runs.scores["random"][np.isfinite(runs.scores["random"])].min() >= 0  # turned, so that lower is better
    assert not runs.minimize


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"methods": "tpe"}, "give a list of names"),
        ({"methods": []}, "there is no method"),
        ({"methods": ["tpe", TPE(startup=2)]}, "given twice"),
        ({"methods": ["hyperopt"]}, "there is no method 'hyperopt'"),
        ({"batch": 5}, "batches of 5 do not fill"),
        ({"replications": 0}, "replications is 0"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(change, word):
    options = {"methods": ["random"], "replications": 1, "num_trials": 6, "key": KEY} | change
    with pytest.raises(InputError, match=word):
        replicate(_square(), **options)


def test_the_functions_have_their_optima():
    known = {
        "branin": [{"x": (np.pi + 5) / 15, "y": 2.275 / 15}],
        "hartmann6": [dict(zip("abcdef", (0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573), strict=True))],
        "rosenbrock": [dict.fromkeys("abcde", 0.75)],
        "sphere": [dict.fromkeys("abcde", 0.4)],
        "noisy-bowl": [dict(zip("abcde", (0.35, 0.6, 0.5, 0.45, 0.55), strict=True))],
    }
    assert set(known) == set(FUNCTIONS)
    for name, at in known.items():
        assert FUNCTIONS[name].values(at)[0] == pytest.approx(OPTIMA[name], abs=1e-6)


def test_a_task_is_trained_side_by_side():
    runs = replicate(Line(), ["random", "tpe"], replications=2, num_trials=14, key=KEY)
    assert runs.scores["tpe"].shape == (2, 14)
    assert np.isfinite(runs.scores["tpe"]).all()
    np.testing.assert_array_equal(runs.scores["tpe"][:, :10], runs.scores["random"][:, :10])
    assert not runs.true


@pytest.mark.parametrize("method", ["tpe", "sobol"])
def test_a_search_by_a_method_goes_on_as_if_it_had_not_been_stopped(method, tmp_path):
    whole = run(Line(), num_trials=24, method=method, batch=8, key=KEY)
    path = tmp_path / "trials.jsonl"
    run(Line(), num_trials=24, method=method, batch=8, key=KEY, out=path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:14]) + lines[14][:9])  # killed in the second batch
    again = run(Line(), num_trials=24, method=method, batch=8, key=KEY, out=path)
    assert [row["rate"] for row in again.rows] == [row["rate"] for row in whole.rows]
    np.testing.assert_array_equal(again.scores, whole.scores)
    more = run(Line(), num_trials=30, method=method, batch=8, key=KEY, out=path)
    np.testing.assert_array_equal(more.scores[:24], whole.scores)
    with pytest.raises(InputError, match=r"sampling\.batch = 8"):
        run(Line(), num_trials=24, method=method, batch=4, key=KEY, out=path)
    study = nqjax.read_study(str(path))
    assert study.sampler == {"tpe": "tpe", "sobol": "sobol points"}[method]
    assert any("not those of a random search" in w for w in study.warnings) == (method == "tpe")
    assert json.loads(path.read_text().splitlines()[0])["nqjax_search"]["settings"]["sampling"]["method"] == method


def test_a_search_by_a_method_refuses_a_grid_and_unknown_names():
    with pytest.raises(InputError, match="not both"):
        run(Line(), num_trials=4, grid=2, method="tpe", key=KEY)
    with pytest.raises(InputError, match="did you mean 'sobol'"):
        run(Line(), num_trials=4, method="sobool", key=KEY)


def test_a_surrogate_behaves_like_its_trials():
    rng = np.random.default_rng(0)
    space = {"rate": LogUniform(1e-4, 1.0), "size": Uniform(0.0, 1.0)}

    def truth(c):
        return (np.log10(c["rate"]) + 2) ** 2 + c["size"]

    def draw(count):
        return [{"rate": 10 ** rng.uniform(-4, 0), "size": rng.uniform()} for _ in range(count)]

    configs, others = draw(300), draw(200)
    scores = np.array([truth(c) for c in configs])
    made = surrogate(configs, scores, space, noise=0.1, key=KEY)
    expected = np.array([truth(c) for c in others])
    assert np.corrcoef(np.argsort(np.argsort(made.values(others))), np.argsort(np.argsort(expected)))[0, 1] > 0.98
    runs = replicate(made, ["random"], replications=2, num_trials=5, key=KEY)
    assert runs.scores["random"].shape == (2, 5)
    some_failed = surrogate(configs, np.where(scores > 3, np.nan, scores), space, noise=0.1, key=KEY)
    assert some_failed.values(configs[:5]).max() <= 3
    with pytest.raises(InputError, match="50 or more"):
        surrogate(configs[:10], scores[:10], space, noise=0.1, key=KEY)
    with pytest.raises(InputError, match="all scores failed"):
        surrogate(configs, np.full(300, np.nan), space, noise=0.1, key=KEY)


def test_searches_of_a_task_fill_its_lanes():
    line = Line()
    assert [group_size(line, TPE(), 1), group_size(line, TPE(), 8)] == [48, 50]
    line.lanes = 64
    assert group_size(line, TPE(), 1) == 50
    assert [group_size(FUNCTIONS["sphere"], method, 1) for method in (TPE(), SurfaceSearch())] == [100, 10]
