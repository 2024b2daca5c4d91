"""Compilation is what users wait for: one program for all sizes, found again by any other process."""

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

import nqjax

_COUNT = """
import json, sys
import jax, numpy as np, nqjax
jax.config.update("jax_compilation_cache_dir", sys.argv[1])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
from nqjax.runtime import stored
events, load = [], stored.load
def loaded(*arguments):
    program = load(*arguments)
    events.extend(["loaded"] * (program is not None))
    return program
stored.load = loaded
jax.monitoring.register_event_listener(lambda name, **_: events.append(name.rsplit("/", 1)[-1]))
rng = np.random.default_rng(0)
scores, limits = rng.uniform(size=48) + 0.02 * rng.normal(size=48), (-np.inf, 0.6)
nqjax.fit(scores, limits=limits)
nqjax.sample_posterior(scores, key=jax.random.key(0), method="quadrature", limits=limits)
nqjax.NoisyQuadratic(0.0, 1.0, 2.0, 0.1).cdf(0.3)
print(json.dumps([events.count(name) for name in ("cache_hits", "loaded", "cache_misses")]))
"""


def test_programs_are_found_again_whatever_the_hash_seed(tmp_path, without_cache):
    """Leaves in the order of string hashes would make another program of the posterior in each process."""
    counts = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "JAX_PLATFORMS": "cpu"}
        command = [sys.executable, "-c", _COUNT, str(tmp_path)]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        counts.append(json.loads(done.stdout))
    (repeated, _, made), (found, loaded, missed) = counts
    assert made > 5
    assert loaded >= 3
    assert missed == 0
    assert found + loaded == made + repeated


@pytest.fixture
def compilations():
    """Return a list that grows with every compilation of a program."""
    seen: list[str] = []

    def listen(name: str, *_: object, **__: object) -> None:
        if name.endswith("backend_compile_duration"):
            seen.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield seen
    jax.monitoring.unregister_event_duration_listener(listen)


def test_other_sizes_gammas_and_noise_compile_nothing(compilations):
    rng = np.random.default_rng(0)

    def scores(size):
        return rng.uniform(size=size) ** 2 + 0.02 * rng.normal(size=size)

    nqjax.fit(scores(48), threshold=None)
    assert nqjax.fit(scores(48), threshold=None).converged
    compilations.clear()
    nqjax.fit(scores(30), gamma=(2, 3), threshold=None)
    nqjax.fit(scores(400), limits=(-np.inf, 0.6))
    nqjax.fit(scores(1500), gamma=6, sigma=0.02, threshold=None)
    nqjax.fit(np.linspace(0.1, 1.0, 50), sigma=0, threshold=None)
    nqjax.fit(-scores(64), limits=(-0.6, np.inf), minimize=False, alpha=(-2, 0))
    nqjax.fit_many([scores(20), scores(200)], threshold=None)
    assert compilations == []
