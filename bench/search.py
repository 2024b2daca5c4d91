"""Searches: digits-mlp against a Python loop, against the machine's batched matrix products, and in full."""

import itertools
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import nqjax
from bench.common import cache_folder, table, verdict
from nqjax import search
from nqjax.search.configurations import sample
from nqjax.search.engine.population import shuffled
from nqjax.search.runner import trial_words

_TRIALS = 64


def main(quick: bool = False) -> None:
    task = search.load("digits-mlp")
    _speed(task, rounds=1 if quick else 3)
    path = _full(128 if quick else 1024)
    _follows(path)


# --- one process, warm: the population, the loop and the bare products in turns ---------------------------------------


def _speed(task, rounds: int) -> None:
    key = jax.random.key(0)
    ours, loops, rates = [], [], []
    bare = _Products()
    search.run(task, num_trials=_TRIALS, key=key)  # compiles
    loop = _Loop(task, key)
    loop.train(0, epochs=1)
    for _ in range(rounds):
        rates.append(bare.rate())
        began = time.perf_counter()
        trials = search.run(task, num_trials=_TRIALS, key=key)
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        alone = [loop.train(trial) for trial in range(_TRIALS)]
        loops.append(time.perf_counter() - began)
    ratio = np.median(np.array(loops) / np.array(ours))
    reached = np.median(_flops(task) * _TRIALS / np.array(ours))
    share = np.median(_flops(task) * _TRIALS / np.array(ours) / np.array(rates))
    difference = np.nanmedian(np.abs(np.array(alone) - trials.scores))
    table(
        f"digits-mlp, {_TRIALS} trials, warm, in turns",
        ["population", "one at a time, jitted step", "ratio", "target", "median difference of the score"],
        [
            [
                f"{np.median(ours):.2f} s",
                f"{np.median(loops):.1f} s",
                f"{ratio:.1f} x",
                f"3.5 x: {verdict(ratio, 3.5, at_least=True)}",
                f"{difference:.1g}",
            ]
        ],
    )
    table(
        "of the machine's batched matrix products of the same shapes",
        ["products alone", "in the search, evaluation included", "share", "target"],
        [
            [
                f"{np.median(rates) / 1e9:.0f} GFLOP/s",
                f"{reached / 1e9:.0f} GFLOP/s",
                f"{share:.0%}",
                f"60 %: {verdict(share, 0.6, at_least=True)}",
            ]
        ],
    )


_SIZES = ((64, 64), (64, 64), (64, 10))
#: Images of a batch.
_BATCH = 64
#: Images for validation.
_VALID = 645


def _flops(task) -> float:
    """Return the operations of one trial's matrix products: forward, and backward without the gradient of the input."""
    forward = sum(2 * i * o for i, o in _SIZES)
    step = _BATCH * (2 * forward + sum(2 * i * o for i, o in _SIZES[1:]))
    return task.epochs * (task.steps_per_round({}) * step + _VALID * forward)


class _Products:
    """The products of a step and nothing else, as one program's lanes do them, on as many threads as tiles."""

    def __init__(self, lanes: int = 16, steps: int = 200) -> None:
        self.flops = lanes * steps * _BATCH * sum(2 * i * o * (3 if n else 2) for n, (i, o) in enumerate(_SIZES))
        self.threads = len(os.sched_getaffinity(0)) if jax.default_backend() == "cpu" else 1
        keys = itertools.count()
        x = [jax.random.normal(jax.random.key(next(keys)), (lanes, _BATCH, i)) for i, _ in _SIZES]
        g = [jax.random.normal(jax.random.key(next(keys)), (lanes, _BATCH, o)) for _, o in _SIZES]
        w = [jax.random.normal(jax.random.key(next(keys)), (lanes, i, o)) for i, o in _SIZES]

        def step(carry, _):
            x, g, w = jax.lax.optimization_barrier(carry)
            y = [jnp.einsum("lbi,lio->lbo", a, b) for a, b in zip(x, w, strict=True)]
            dw = [jnp.einsum("lbi,lbo->lio", a, b) for a, b in zip(x, g, strict=True)]
            dx = [jnp.einsum("lbo,lio->lbi", a, b) for a, b in zip(g[1:], w[1:], strict=True)]
            # Each product is an operand of the next step, so that none is left out.
            return ([x[0], *dx], y, dw), None

        def scaled(carry, _):
            return step(carry, _)

        options = {"xla_cpu_prefer_vector_width": 512} if jax.default_backend() == "cpu" else None
        self.program = jax.jit(lambda c: jax.lax.scan(scaled, c, None, length=steps)[0], compiler_options=options)
        self.arguments = ([1e-30 * a for a in x], [1e-30 * a for a in g], [1e-30 * a for a in w])
        self.rate()

    def rate(self) -> float:
        """FLOP/s of all threads together."""
        repeats = 4

        def work(_):
            for _ in range(repeats):
                jax.block_until_ready(self.program(self.arguments))

        began = time.perf_counter()
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(work, range(self.threads)))
        return self.threads * repeats * self.flops / (time.perf_counter() - began)


class _Loop:
    """The same trials one at a time: a compiled step, called from Python."""

    def __init__(self, task, key) -> None:
        self.task, self.key = task, key
        train = {name: jnp.asarray(a) for name, a in task.train.arrays.items()}
        valid = {name: jnp.asarray(a) for name, a in task.valid.arrays.items()}

        @jax.jit
        def step(state, config, index, key, number):
            batch = {name: a[index] for name, a in train.items()}
            return task.step(state, config, batch, jax.random.fold_in(key, number + 1))

        self.init = jax.jit(task.init)
        self.step = step
        self.evaluate = jax.jit(lambda s, c: jax.tree.map(jnp.mean, task.evaluate(s, c, valid)))
        self.order = jax.jit(lambda key: shuffled(jax.random.fold_in(jax.random.fold_in(key, 0), 0), len(task.train)))

    def train(self, trial: int, epochs: int | None = None) -> float:
        """Train one trial; return its best score."""
        task = self.task
        config = {name: np.float32(v) for name, v in sample(task.space, self.key, trial).items()}
        config["num_rounds"] = np.int32(task.epochs)
        own = jax.random.wrap_key_data(jnp.array(trial_words(self.key, [trial])[0], jnp.uint32))
        state, best = self.init(config, jax.random.fold_in(own, 0)), math.inf
        for epoch in range(epochs or task.epochs):
            key = jax.random.fold_in(own, epoch + 1)
            order = np.asarray(self.order(key))[: 18 * 64].reshape(18, 64)
            for number, index in enumerate(order):
                state, _ = self.step(state, config, index, key, np.int32(number))
            best = min(best, float(self.evaluate(state, config)["val_loss"]))
        return best


# --- a process of its own, compilation included -----------------------------------------------------------------------


def _full(count: int) -> Path:
    path = cache_folder("search") / f"digits-mlp-{count}.jsonl"
    path.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "nqjax", "search", "digits-mlp", "--trials", str(count), "--out", str(path)]
        env = {**os.environ, "XDG_CACHE_HOME": cache}
        env.pop("JAX_COMPILATION_CACHE_DIR", None)
        began = time.perf_counter()
        subprocess.run(command, check=True, env=env, capture_output=True)
        seconds = time.perf_counter() - began
    target = f"150 s: {verdict(seconds, 150, at_least=False)}" if count == 1024 else ""
    table(
        "`nqjax search digits-mlp`, start and compilation included",
        ["trials", "time", "target"],
        [[f"{count:,}", f"{seconds:.0f} s", target]],
    )
    return path


def _follows(path: Path) -> None:
    """Whether the fit to the search stays inside the 95 % bands over its regime."""
    scores = search.read_trials(path).scores
    regime = nqjax.find_regime(scores)
    if not regime.found:
        print(f"\nNo regime was found: {regime.reason}")
        return
    fit = regime.fit
    outside, margin = outside_bands(scores, fit)
    table(
        f"the noisy quadratic on {len(scores):,} digits trials, 95 % LD bands",
        ["threshold", "share", "alpha", "gamma", "sigma", "scores of the regime outside", "least distance to a band"],
        [
            [
                f"{fit.limits[1]:.4g}",
                f"{np.mean(scores <= fit.limits[1]):.0%}",
                f"{fit.alpha:.4g}",
                str(fit.gamma),
                f"{fit.sigma:.2g}",
                f"{outside}: {verdict(outside, 0, at_least=False)}",
                f"{margin:.3f}",
            ]
        ],
    )


def outside_bands(scores: np.ndarray, fit) -> tuple[int, float]:
    """Count the scores of the regime at which the fitted CDF is outside the bands; also return its least distance."""
    bands = nqjax.confidence_bands(scores, 0.95)
    y = np.unique(scores[scores <= fit.limits[1]])
    with jax.enable_x64(True):
        cdf = np.asarray(fit.distribution.cdf(jnp.asarray(y)))
    # The lower band jumps at each score, the upper one just above it.
    low, high = bands.lower.cdf(y), bands.upper.cdf(np.nextafter(y, -np.inf))
    margin = np.minimum(cdf - np.asarray(low), np.asarray(high) - cdf)
    return int(np.sum(margin < 0)), float(margin.min())


if __name__ == "__main__":
    print(json.dumps({"device": jax.devices()[0].device_kind}))
    main()
