"""Many studies at once: the same fits as one by one, in few programs, and no study spoils another."""

import json
import logging
import math
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pytest

import nqjax
from nqjax.errors import InputError
from nqjax.estimation import many
from nqjax.runtime import compiled
from nqjax.solver import batch
from support.searches import studies


@pytest.fixture(scope="module")
def sample():
    return studies(40)


@pytest.fixture(scope="module")
def fitted(sample):
    scores, limits = sample
    return nqjax.fit_many(scores, limits=limits)


@pytest.mark.smoke
def test_many_are_one_by_one(sample, fitted):
    for i in range(0, len(fitted), 5):
        one = nqjax.fit(sample[0][i], limits=sample[1][i])
        assert fitted[i].gamma == one.gamma
        # A single study's program sums in another order. Search ends at a slope of 1e-11 or a gain of 1e-10; the loss
        # changes by 1e-3 of sigma's square where few scores tell sigma, so that sigma has five digits there.
        assert fitted[i].loss == pytest.approx(one.loss, abs=1e-10)
        assert list(fitted[i].losses_by_gamma.values()) == pytest.approx(list(one.losses_by_gamma.values()), abs=1e-8)
        for name, tolerance in (("alpha", 1e-8), ("beta", 1e-8), ("sigma", 2e-5)):
            assert getattr(fitted[i], name) == pytest.approx(getattr(one, name), abs=tolerance)
    assert np.all(fitted.converged)
    assert fitted.alpha[3] == fitted[3].alpha
    assert fitted.failures == [None] * len(fitted)
    assert fitted[3].quantile_tuning_curve([1, 10]).shape == (2,)


def test_results_do_not_depend_on_the_chunks(sample, fitted, monkeypatch):
    scores, limits = sample
    some = list(range(0, len(scores), 3))
    fewer = nqjax.fit_many([scores[i] for i in some], limits=[limits[i] for i in some])
    monkeypatch.setattr(many, "chunk_shape", lambda _: batch.ChunkShape(8, 64, 16))
    smaller = nqjax.fit_many(scores, limits=limits)
    for name in ("alpha", "beta", "gamma", "sigma", "loss"):
        np.testing.assert_array_equal(getattr(fewer, name), getattr(fitted, name)[some])
        np.testing.assert_allclose(getattr(smaller, name), getattr(fitted, name), rtol=1e-7, atol=1e-9)


def test_studies_that_cannot_be_fitted_are_flagged(sample, fitted):
    scores, limits = sample
    bad = [
        np.array([]),
        np.array([0.5] * 19 + [np.nan]),
        np.full(20, np.nan),
        np.array([[1.0, 2.0]]),
        [[1.0, 2.0], [10**400]],
    ]
    mixed = [*scores[:2], *bad, *scores[2:4]]
    regimes = [*limits[:2], *[(-math.inf, math.inf)] * len(bad), *limits[2:4]]
    found = nqjax.fit_many(mixed, limits=regimes)
    assert [f is None for f in found.failures] == [True] * 2 + [False] * len(bad) + [True] * 2
    for reason, part in zip(
        found.failures[2:7],
        ("too few", "all 19 scores are 0.5", "all 20 runs failed", "one dimension", "not numbers"),
        strict=True,
    ):
        assert part in reason
    np.testing.assert_array_equal(np.isnan(found.alpha), [False] * 2 + [True] * len(bad) + [False] * 2)
    np.testing.assert_array_equal(found.gamma[2:7], 0)
    assert not np.any(found.converged[2:7])
    good = [0, 1, 7, 8]
    np.testing.assert_array_equal(found.loss[good], fitted.loss[:4])
    assert isinstance(found[2], nqjax.Failure)
    assert "5 failed" in repr(found)
    assert len(found[2:7]) == 5


def test_nothing_to_fit():
    assert len(nqjax.fit_many([], threshold=None)) == 0
    assert nqjax.fit_many([[1.0]], threshold=None).failures[0] is not None


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"limits": [(0, 1)]}, "one for each"),
        ({"limits": (0, 1, 2)}, "one pair"),
        ({"limits": [(0, 1), (0, 1, 2)]}, "pairs"),
        ({"limits": (1, 0)}, "wrong way"),
        ({"dtype": "float16"}, "float32"),
        ({"dtype": "nonsense"}, "float32"),
        ({"devices": []}, "devices is empty"),
        ({"gamma": (3, 1)}, "gamma"),
    ],
)
def test_mistakes(options, part):
    studies = [[1.0, 2.0, 3.0], [1.0, 2.0, 4.0]]
    with pytest.raises(InputError, match=part):
        nqjax.fit_many(studies, **({} if "limits" in options else {"threshold": None}), **options)


def test_mirror_image_and_constraints(sample, fitted):
    scores, limits = sample
    found = nqjax.fit_many(
        [-y for y in scores[:8]], limits=[(-high, math.inf) for _, high in limits[:8]], minimize=False
    )
    np.testing.assert_array_equal(found.beta, -fitted.alpha[:8])
    np.testing.assert_array_equal(found.sigma, fitted.sigma[:8])
    fixed = nqjax.fit_many(scores[:4], limits=limits[:4], gamma=2, alpha=(0.0, math.inf))
    assert np.all(fixed.gamma == 2)
    assert np.all(fixed.alpha >= 0)
    assert np.all(nqjax.fit_many(scores[:2], sigma=0, threshold=None).sigma == 0)


def test_threads_that_ask_at_once_get_one_program():
    made = []

    @compiled.made_once
    def make(number):
        time.sleep(0.05)
        made.append(number)
        return object()

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(make, [1] * 8))
    assert (made, len(found)) == ([1], 1)


def test_few_programs_serve_all_sizes(caplog):
    scores, limits = studies(24, low=12, high=1024, seed=3)
    scores += [np.linspace(0, 1, 1024) ** 2, np.linspace(0, 1, 20)]  # without noise: the same program
    limits += [(-math.inf, math.inf)] * 2
    jax.clear_caches()
    batch._program.cache_clear()
    # Not the context manager: it would hold for this thread alone.
    jax.config.update("jax_log_compiles", True)
    try:
        with caplog.at_level(logging.WARNING):
            nqjax.fit_many(scores, limits=limits)
            compiled = [r.getMessage() for r in caplog.records if "Finished XLA compilation" in r.getMessage()]
            caplog.clear()
            nqjax.fit_many(scores[:7], limits=limits[:7])
            again = [r.getMessage() for r in caplog.records if "Finished XLA compilation" in r.getMessage()]
    finally:
        jax.config.update("jax_log_compiles", False)
    assert 1 <= len(compiled) <= 12
    assert sum("fit_program" in message for message in compiled) == 1
    assert not again


def test_quantile_limits():
    scores = [0.5, np.nan, 0.1, 0.4, np.inf, 0.2]
    assert nqjax.quantile_limits(scores, 0.5) == (-math.inf, 0.4)
    assert nqjax.quantile_limits(scores, 1 / 6) == (-math.inf, 0.1)
    assert nqjax.quantile_limits(scores, 1.0) == (-math.inf, math.inf)
    assert nqjax.quantile_limits([-x for x in scores], 0.5, minimize=False) == (-0.4, math.inf)
    # 0.3 * 10 is a little more than 3.
    assert nqjax.quantile_limits(np.arange(10.0), 0.3) == (-math.inf, 2.0)
    for share in (0, 1.5, math.nan):
        with pytest.raises(InputError, match="share"):
            nqjax.quantile_limits(scores, share)
    with pytest.raises(InputError, match="no scores"):
        nqjax.quantile_limits([], 0.5)


def test_single_precision(sample, fitted):
    scores, limits = sample
    found = nqjax.fit_many(scores, limits=limits, dtype="float32")
    np.testing.assert_array_equal(found.gamma, fitted.gamma)
    assert np.all(found.converged)
    np.testing.assert_allclose(found.loss, fitted.loss, atol=1e-8)
    # A thousandth of the standard error of alpha, about 0.05 / sqrt(n), or less.
    np.testing.assert_allclose(found.alpha, fitted.alpha, atol=3e-6)
    np.testing.assert_array_equal(nqjax.fit_many(scores[:2], limits=limits[:2], dtype=np.float32).loss, found.loss[:2])


_PROGRAM = """
import json, math, sys
import jax
if len(sys.argv) > 1:
    jax.distributed.initialize(sys.argv[2], 2, int(sys.argv[1]))
import numpy as np
sys.path.insert(0, {tests!r})
import nqjax
from support.searches import studies
scores, limits = studies(30, low=100, seed=5)
some = {{"sigma": (1e-4, math.inf)}}  # no fits without noise: one program less to compile on each device
fits = nqjax.fit_many(scores, limits=limits, **some)
two = jax.local_devices()[:2]
boot = nqjax.bootstrap(scores[0], 300, key=jax.random.key(0), limits=limits[0], devices=two, **some)
names = ("alpha", "beta", "sigma", "loss")
print(json.dumps([jax.device_count(), *[getattr(x, n).tolist() for x in (fits, boot) for n in names]]))
"""


def start(*arguments, flags=""):
    import os
    from pathlib import Path

    env = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    program = _PROGRAM.format(tests=str(Path(__file__).parents[1]))
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def result(process):
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error[-2000:]
    devices, *columns = json.loads(out.splitlines()[-1])
    return devices, [np.array(c) for c in columns]


@pytest.mark.parametrize("devices", [3, pytest.param(8, marks=pytest.mark.slow)])
def test_one_device_several_devices_two_processes(devices):
    """Each device compiles the programs for itself: three say what eight say, in a third of the time."""
    import socket

    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    pair = [start(str(i), address) for i in range(2)]
    alone, several = start(), start(flags=f"--xla_force_host_platform_device_count={devices}")
    one, reference = result(alone)
    assert one == 1
    for process, count in ((several, devices), *((p, 2) for p in pair)):
        found, columns = result(process)
        assert found == count
        for mine, theirs in zip(columns, reference, strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.slow
def test_single_precision_against_the_statistical_error():
    scores, limits = studies(200, low=24, high=1024, noise=(0.003, 0.3), seed=7)
    double = nqjax.fit_many(scores, limits=limits)
    single = nqjax.fit_many(scores, limits=limits, dtype="float32")
    same = double.gamma == single.gamma
    assert np.mean(same) >= 0.99
    ratios = np.empty((200, 3))
    for i in range(200):
        boot = nqjax.bootstrap(scores[i], 200, key=jax.random.key(i), limits=limits[i])
        for j, name in enumerate(("alpha", "beta", "sigma")):
            ratios[i, j] = abs(getattr(double, name)[i] - getattr(single, name)[i]) / np.nanstd(getattr(boot, name))
    assert np.all(ratios[same] < 0.02)
