"""The shell says what Python says: every command that analyses a search, for the same file, with the same defaults."""

import inspect
import json
from dataclasses import replace

import jax
import numpy as np
import pytest

import nqjax
from nqjax import cli
from nqjax.cli import reading
from nqjax.cli.options import constraints
from nqjax.trials import read_scores

KEY = jax.random.key(0)
PARAMETERS = ("alpha", "beta", "gamma", "sigma")

#: Commands that analyse scores, each with a test here or in test_analyze.py.
COMMANDS = (
    "analyze",
    "fit",
    "regime",
    "region",
    "posterior",
    "compare",
    "bootstrap",
    "bands",
    "plan",
    "noise",
    "fit-many",
)

#: Commands that train models, that show something, or whose own tests compare them with Python.
OTHERS = ("search", "residual", "ablation", "demo", "doctor", "landscape", "similarity", "surface", "worth", "replay")


def drawn(seed):
    """A search whose regime is the best third of its scores."""
    rng = np.random.default_rng(seed)
    near = rng.random(120) < 0.35
    return np.where(near, 0.1 + 0.3 * rng.random(120), 0.4 + rng.gamma(1.0, 0.5, 120)) + 0.005 * rng.normal(size=120)


@pytest.fixture(scope="module")
def scores():
    return drawn(3)


@pytest.fixture(scope="module")
def fit(scores):
    """The fit within the threshold that tests choose."""
    regime = nqjax.find_regime(scores)
    return replace(regime.fit, p_value=regime.p_value)


@pytest.fixture(scope="module")
def region(scores):
    return nqjax.confidence_region(scores)


@pytest.fixture
def file(scores, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, y in (("trials.csv", scores), ("other.csv", drawn(4) + 0.05)):
        (tmp_path / name).write_text("error\n" + "\n".join(map(repr, y.tolist())) + "\n")
    rng = np.random.default_rng(5)
    runs = [f"{i // 6},{0.15 + 0.01 * (i // 6) + 0.005 * rng.normal()!r}\n" for i in range(48)]
    (tmp_path / "reruns.csv").write_text("config,error\n" + "".join(runs))
    return "trials.csv"


def document(capsys, *argv):
    assert cli.main([*argv, "--metric", "error", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def ends(interval):
    return interval["low"], interval["high"]


def test_no_command_is_forgotten():
    assert sorted(cli._parsers()[1].choices) == sorted((*COMMANDS, *OTHERS))


@pytest.mark.parametrize("command", ["fit", "region"])
def test_fit_and_region(command, file, scores, region, capsys):
    found = document(capsys, command, file)
    assert found["best_score"] == region.best_score == min(scores)
    for name in (*PARAMETERS, "regime_probability"):
        assert found[name] == region.estimate(name)
        assert ends(found["intervals"][name]) == region.interval(name)
    curve = {point["trials"]: point["median_best_score"] for point in found["tuning_curve"]}
    assert max(curve) == 10 * len(scores)
    assert region.quantile_tuning_curve(list(curve)).tolist() == list(curve.values())
    assert {one["threshold"]: one["probability"] for one in found["thresholds"]} == region.threshold_probabilities


def test_fit_within_one_threshold(file, scores, capsys):
    found, fit = document(capsys, "fit", file, "--threshold", "0.4"), nqjax.fit(scores, threshold=0.4)
    assert [found[name] for name in PARAMETERS] == [getattr(fit, name) for name in PARAMETERS]


def test_region_by_other_methods(file, scores, capsys):
    for method, options in (("profile", {}), ("consonance", {}), ("bootstrap", {"key": KEY})):
        found = document(capsys, "region", file, "--method", method)
        other = nqjax.confidence_region(scores, method=method, **options)
        assert ends(found["intervals"]["alpha"]) == other.interval("alpha")
        assert (found["confidence"], found["threshold"]) == (other.confidence, other.limits[1])


def test_plan(file, scores, region, capsys):
    """Gains, a score and a width: of the averaged answer."""
    found, gains = document(capsys, "plan", file), nqjax.expected_gains(region, [10, 100, len(scores), 1000])
    assert [row["trials"] for row in found["gains"]] == [10, 100, 120, 1000]
    columns = ("probability", "probability_beyond_noise", "median_best_score")
    for name, column, (low, high) in zip(columns, gains[1:4], gains.intervals, strict=True):
        assert [row[name] for row in found["gains"]] == column.tolist()
        assert [ends(row["intervals"][name]) for row in found["gains"]] == list(zip(low, high, strict=True))
    assert [found[name] for name in PARAMETERS] == [region.estimate(name) for name in PARAMETERS]
    asked = {"score": 0.12, "probability": 0.5}
    found = document(capsys, "plan", file, "--score", "0.12", "--probability", "0.5")
    assert found["required_trials"] == nqjax.required_trials(region, **asked)
    assert ends(found["interval"]) == nqjax.required_trials_interval(region, **asked)
    asked = {"width": 0.01, "at": 50, "confidence": 0.8}
    found = document(capsys, "plan", file, "--width", "0.01", "--at", "50", "--confidence", "0.8")
    assert found["required_trials"] == nqjax.required_trials(region, **asked)


def test_plan_within_one_threshold(file, scores, capsys):
    fit = nqjax.fit(scores, threshold=0.4)
    found = document(capsys, "plan", file, "--threshold", "0.4", "--score", "0.12", "--probability", "0.5")
    assert [found[name] for name in PARAMETERS] == [getattr(fit, name) for name in PARAMETERS]
    assert found["required_trials"] == nqjax.required_trials(fit, score=0.12, probability=0.5)
    rows = document(capsys, "plan", file, "--threshold", "0.4")["gains"]
    gains = nqjax.expected_gains(fit, [row["trials"] for row in rows])
    assert [row["probability"] for row in rows] == gains.probability.tolist()


def test_compare(file, scores, capsys):
    found = document(capsys, "compare", file, "other.csv", "--trials", "16", "64")
    keys = jax.random.split(KEY)
    posts = [nqjax.sample_posterior(y, key=key) for y, key in zip((scores, drawn(4) + 0.05), keys, strict=True)]
    comparison = nqjax.compare(*posts, [16, 64])
    assert [row["probability"] for row in found["comparison"]] == comparison.probability.tolist()
    assert [row["probability_median"] for row in found["comparison"]] == comparison.probability_median.tolist()
    for search, post in zip(found["searches"], posts, strict=True):
        assert (search["method"], search["gamma"]["estimate"]) == ("averaged", post.estimate("gamma"))
        assert {one["threshold"]: one["probability"] for one in search["thresholds"]} == post.threshold_probabilities


def test_posterior(file, scores, capsys):
    found, average = document(capsys, "posterior", file), nqjax.sample_posterior(scores, key=KEY)
    assert found["method"] == "averaged"
    assert [found[name] for name in PARAMETERS] == [average.estimate(name) for name in PARAMETERS]
    found = document(capsys, "posterior", file, "--method", "quadrature")
    post = nqjax.sample_posterior(scores, key=KEY, method="quadrature")
    assert found["threshold"] == post.limits[1]
    assert found["gamma_probabilities"] == {str(g): p for g, p in post.gamma_probabilities.items()}
    options, signature = cli.parse(["posterior", file, "--metric", "error"]), inspect.signature(nqjax.sample_posterior)
    for name, option in (
        ("method", "method"),
        ("num_chains", "chains"),
        ("num_warmup", "warmup"),
        ("num_samples", "samples"),
        ("confidence", "confidence"),
    ):
        assert getattr(options, option) == signature.parameters[name].default


def test_regime(file, scores, capsys):
    found, regime = document(capsys, "regime", file), nqjax.find_regime(scores)
    assert (found["threshold"], found["level"], found["reason"]) == (regime.threshold, regime.level, regime.reason)


def test_bootstrap(file, scores, fit, capsys):
    found, boot = document(capsys, "bootstrap", file), nqjax.bootstrap(scores, key=KEY)
    assert [found[name] for name in (*PARAMETERS, "threshold")] == [
        getattr(fit, name) for name in (*PARAMETERS, "threshold")
    ]
    assert ends(found["bootstrap"]["intervals"]["alpha"]) == boot.interval("alpha")
    assert found["bootstrap"]["num_resamples"] == boot.num_resamples


def test_bands(file, scores, capsys):
    found, (_, point, _) = document(capsys, "bands", file), nqjax.confidence_bands(scores)
    assert found["confidence"] == 0.95
    assert found["tuning_curve"][3]["median_best_score"] == float(point.quantile_tuning_curve(8))


def test_noise(file, capsys):
    found = document(capsys, "noise", "reruns.csv", "--config", "config")
    noise = nqjax.noise_diagnostics("reruns.csv", "config", "error")
    assert (found["sigma"], tuple(found["sigma_interval"])) == (noise.sigma, tuple(noise.sigma_interval))
    assert (found["verdict"], found["level"]) == (noise.verdict, noise.level)


def test_fit_many(file, fit):
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    assert cli.main(["fit-many", file, "--metric", "error", "--out", "fits.parquet"]) == 0
    (row,) = parquet.read_table("fits.parquet").to_pylist()
    for name in (*PARAMETERS, "threshold", "p_value", "best_score"):
        assert row[name] == getattr(fit, name)
    assert row["median_best_64"] == pytest.approx(fit.quantile_tuning_curve(64), rel=1e-12)


# --- what a file adds: measured noise, and the number of hyperparameters ----------------------------------------------


def test_measured_noise_goes_through(file, scores, capsys):
    runs, given = {"config": np.arange(48) // 6}, ("--noise", "reruns.csv", "--noise-config", "config")
    noise = nqjax.noise_from_reruns(runs, read_scores("reruns.csv", "error"))
    region = nqjax.confidence_region(scores, noise=noise)
    for command in ("fit", "region", "plan"):
        found = document(capsys, command, file, *given)
        assert ends(found["intervals"]["sigma"]) == region.interval("sigma")
        assert found["noise"]["sigma"] == noise.sigma
    post = nqjax.sample_posterior(scores, noise=noise, key=KEY)
    assert ends(document(capsys, "posterior", file, *given)["intervals"]["sigma"]) == post.interval("sigma")
    found = document(capsys, "compare", file, "other.csv", "--trials", "16", *given)
    posts = [
        nqjax.sample_posterior(y, noise=noise, key=key)
        for y, key in zip((scores, drawn(4) + 0.05), jax.random.split(KEY), strict=True)
    ]
    assert found["comparison"][0]["probability"] == nqjax.compare(*posts, 16).probability
    assert [search["noise"]["sigma"] for search in found["searches"]] == [noise.sigma] * 2


def search_file(path, scores, count):
    """Write the file of a search of some hyperparameters, and one that is fixed."""
    space = {f"h{i}": {"uniform": [0.0, 1.0]} for i in range(count)} | {"depth": {"fixed": 3}}
    settings = {"task": "t", "task_settings": {}, "score": "error", "minimize": True, "space": space}
    header = {"nqjax_search": {"settings": {**settings, "sampling": "random", "key": [0, 0]}, "made_by": {}}}
    rows = [
        {"trial": i, **{f"h{j}": 0.5 + i / 1000 for j in range(count)}, "depth": 3, "error": y, "failed": False}
        for i, y in enumerate(scores.tolist())
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in (header, *rows)))


@pytest.mark.parametrize(("count", "most"), [(2, 5), (7, 7), (14, 10)])
def test_the_range_of_gamma_follows_the_hyperparameters(count, most, file, scores, tmp_path):
    """Fixed ones do not count; few leave the default as it is, and the option has the last word."""
    search_file(tmp_path / "search.jsonl", scores, count)

    def range_of(*argv):
        args = cli.parse([*argv, "--metric", "error"])
        reading.read(args)
        return constraints(args)["gamma"]

    for command in ("fit", "region", "plan", "posterior", "bootstrap", "regime"):
        assert range_of(command, "search.jsonl") == (1, most)
        assert range_of(command, file) == (1, 5)
        assert range_of(command, "search.jsonl", "--gamma", "1", "3") == (1, 3)


def test_each_search_has_its_own_range_of_gamma(file, scores, tmp_path, capsys):
    search_file(tmp_path / "search.jsonl", scores, 7)
    found = document(capsys, "compare", "search.jsonl", file, "--trials", "16")
    first, second = (list(search["gamma_probabilities"]) for search in found["searches"])
    assert (first[-1], second[-1]) == ("8", "6")
    region = nqjax.confidence_region(scores, gamma=(1, 7))
    assert document(capsys, "fit", "search.jsonl")["gamma"] == region.estimate("gamma")
