"""Run the random search behind ``digits_mlp.csv``: a small MLP on handwritten digits, whole populations at a time.

    python -m nqjax.data.make_digits_mlp --out digits_mlp.csv --trials 1024 --seed 0

Trial ``i`` draws its configuration, its initial weights, its batches and its dropout masks from
``fold_in(key(seed), i)`` alone, so it is the same however many trials are run. All populations have one size, because
another size, backend or version of XLA may round differently, and training amplifies rounding: a rerun elsewhere
repeats the configurations and the distribution of the scores, not the scores digit by digit.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from nqjax.data import DIGITS_MLP_METRICS as METRICS
from nqjax.data import DIGITS_MLP_SPACE as SPACE
from nqjax.errors import InputError

N_TRAIN = 1152  # 18 whole batches, so that an epoch drops no image; the other 645 images are for validation
POPULATION = 128  # trials side by side
BATCH_SIZE = 64
EPOCHS = 30
WARMUP = 0.1  # as a fraction of training
HIDDEN = (64, 64)
SPLIT_SEED = 0  # the split is part of the problem, not of the search: --seed leaves it alone

NOTES = """\
A random search over the hyperparameters of a multilayer perceptron on handwritten digits, run for nqjax.
Command: python -m nqjax.data.make_digits_mlp --out {args.out.name} --trials {args.trials} --seed {args.seed}
Search space: {space[0]}, {space[1]},
  {space[2]}, {space[3]}, {space[4]}.
Data: scikit-learn's bundled copy of the test set of UCI's Optical Recognition of Handwritten Digits (Alpaydin and
  Kaynak, 1998): 1,797 images of 8 x 8 pixels, split into {N_TRAIN} for training and the rest for validation by the
  permutation of NumPy seed {SPLIT_SEED}, and standardised by the mean and the deviation of all training pixels.
Model: hidden layers of {HIDDEN[0]} and {HIDDEN[1]} rectified units, each followed by dropout; He-normal
  initial weights (LeCun-normal in the last layer) times init_scale; biases start at 0.
Training: {EPOCHS} epochs, batches of {BATCH_SIZE}, float32; SGD with heavy-ball momentum; the learning rate warms up
  linearly over the first {WARMUP:.0%} and falls to 0 along a cosine; weight_decay is an L2 penalty on all parameters.
Scores: val_loss is the validation cross-entropy (nats an image, no dropout) after the epoch where it was lowest, and
  val_accuracy is taken after that same epoch. diverged is 1 if a training or validation loss was ever infinite or
  not a number; such a trial keeps its best scores before that, nan if none. No trial was left out or rerun.
The search space was settled beforehand, in pilots with seed 1: 256 or 512 trials on each of four candidates. In this
  one most trials trained.
Versions: {versions}.
Wall time: {seconds:.0f} s on a {backend}. Licence of this table: Apache-2.0.
"""


class MLP(nn.Module):
    """A multilayer perceptron with rectified hidden layers and dropout after each of them."""

    @nn.compact
    def __call__(self, x: jax.Array, dropout: jax.Array | float = 0.0, key: jax.Array | None = None) -> jax.Array:
        """Return the logits; the dropout rate is an argument so that it can be traced, and needs a key to apply."""
        for depth, width in enumerate(HIDDEN):
            x = nn.relu(nn.Dense(width, kernel_init=nn.initializers.he_normal())(x))
            if key is not None:
                keep = jax.random.bernoulli(jax.random.fold_in(key, depth), 1.0 - dropout, x.shape)
                x = jnp.where(keep, x / (1.0 - dropout), 0.0)
        return nn.Dense(10, kernel_init=nn.initializers.lecun_normal())(x)


def load_digits() -> dict[str, np.ndarray]:
    """Return the digits, split in two and standardised by the mean and deviation of all training pixels.

    Raises
    ------
    InputError
        Without scikit-learn, which has them.
    """
    try:
        from sklearn import datasets
    except ImportError:
        raise InputError("the digits are scikit-learn's: pip install scikit-learn") from None

    x, y = datasets.load_digits(return_X_y=True)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(x))
    x, y = x[order], y[order].astype(np.int32)
    x = ((x - x[:N_TRAIN].mean()) / x[:N_TRAIN].std()).astype(np.float32)
    return {"x": x[:N_TRAIN], "y": y[:N_TRAIN], "x_val": x[N_TRAIN:], "y_val": y[N_TRAIN:]}


def sample(key: jax.Array) -> dict[str, jax.Array]:
    """Draw one configuration from the search space."""
    config, uniforms = {}, jax.random.uniform(key, (len(SPACE),))
    for (name, (kind, low, high)), u in zip(SPACE.items(), uniforms, strict=True):
        config[name] = low * (high / low) ** u if kind == "log_uniform" else low + (high - low) * u
    return config


def train(config: dict[str, jax.Array], key: jax.Array, data: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Train one configuration and score it at the epoch with the lowest validation loss.

    Parameters
    ----------
    config, data : dict of arrays
        The hyperparameters, all of which may be traced, and what :func:`load_digits` returns.
    key : key
        What the initial weights, the batches and the dropout masks are drawn from.

    Returns
    -------
    dict of arrays
        The metrics. A diverged trial has the best scores it reached before, or NaN if it reached none.
    """
    key_init, key_train = jax.random.split(key)
    model = MLP()
    params = jax.tree.map(lambda p: config["init_scale"] * p, model.init(key_init, data["x"][:1]))
    n_batches = N_TRAIN // BATCH_SIZE
    n_steps = EPOCHS * n_batches
    # Optax asks whether the peak is zero, which a traced one cannot answer: so a peak of one, scaled.
    schedule = optax.warmup_cosine_decay_schedule(0.0, 1.0, warmup_steps=round(WARMUP * n_steps), decay_steps=n_steps)
    optimizer = optax.chain(
        optax.add_decayed_weights(config["weight_decay"]),
        optax.sgd(lambda count: config["learning_rate"] * schedule(count), momentum=config["momentum"]),
    )

    def cross_entropy(logits: Any, y: jax.Array) -> jax.Array:
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, y))

    def step(state: Any, batch: Any) -> tuple[Any, jax.Array]:
        (params, opt_state), (index, key) = state, batch
        x, y = data["x"][index], data["y"][index]
        loss, grads = jax.value_and_grad(lambda p: cross_entropy(model.apply(p, x, config["dropout"], key), y))(params)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), loss

    def epoch(carry: Any, key: jax.Array) -> tuple[Any, None]:
        state, best = carry
        key_order, key_dropout = jax.random.split(key)
        batches = jax.random.permutation(key_order, N_TRAIN).reshape(n_batches, BATCH_SIZE)
        state, losses = jax.lax.scan(step, state, (batches, jax.random.split(key_dropout, n_batches)))
        logits: Any = model.apply(state[0], data["x_val"])
        val_loss = cross_entropy(logits, data["y_val"])
        val_accuracy = jnp.mean(logits.argmax(-1) == data["y_val"])
        better = val_loss < best["val_loss"]  # false for NaN, so a diverged trial keeps the best it had
        best = {
            "diverged": best["diverged"] | ~jnp.isfinite(losses).all() | ~jnp.isfinite(val_loss),
            "val_accuracy": jnp.where(better, val_accuracy, best["val_accuracy"]),
            "val_loss": jnp.where(better, val_loss, best["val_loss"]),
        }
        return (state, best), None

    none_yet = {"diverged": jnp.array(False), "val_accuracy": jnp.array(jnp.nan), "val_loss": jnp.array(jnp.inf)}
    start = ((params, optimizer.init(params)), none_yet)
    (_, best), _ = jax.lax.scan(epoch, start, jax.random.split(key_train, EPOCHS))
    return best | {"val_loss": jnp.where(jnp.isinf(best["val_loss"]), jnp.nan, best["val_loss"])}


def run_trial(key: jax.Array, trial: jax.Array, data: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Return the random configuration and the metrics of one trial, which its index alone tells from the others."""
    key_config, key_train = jax.random.split(jax.random.fold_in(key, trial))
    config = sample(key_config)
    return config | train(config, key_train, data)


def run_search(n_trials: int, seed: int) -> dict[str, np.ndarray]:
    """Run the first ``n_trials`` trials of a search, in single precision whatever JAX is set to."""
    chunks = []
    with jax.enable_x64(False):  # in double precision the same key would draw other configurations
        key = jax.random.key(seed)
        data = jax.tree.map(jnp.asarray, load_digits())
        run_population = jax.jit(jax.vmap(run_trial, in_axes=(None, 0, None)))
        for start in range(0, n_trials, POPULATION):  # the last population may run past the end, and is cut below
            chunks.append(jax.device_get(run_population(key, start + jnp.arange(POPULATION), data)))
            print(f"{min(start + POPULATION, n_trials)} of {n_trials} trials", flush=True)
    return {name: np.concatenate([chunk[name] for chunk in chunks])[:n_trials] for name in chunks[0]}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the search and write its table."""
    parser = argparse.ArgumentParser(description="Run the random search behind digits_mlp.csv.")
    parser.add_argument("--out", type=Path, required=True, help="the CSV file to write")
    parser.add_argument("--trials", type=int, default=1024, help="number of configurations (default: 1024)")
    parser.add_argument("--seed", type=int, default=0, help="the search's seed (default: 0)")
    args = parser.parse_args(argv)

    start = time.perf_counter()
    results = run_search(args.trials, args.seed)
    seconds = time.perf_counter() - start
    # These locals, like the constants above, are fields of the notes.
    backend = jax.default_backend().upper()
    space = [f"{name} ~ {kind.title().replace('_', '')}({a:g}, {b:g})" for name, (kind, a, b) in SPACE.items()]
    packages = ("jax", "jaxlib", "flax", "optax", "numpy", "scikit-learn")
    versions = ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)])
    notes = NOTES.format_map(globals() | locals())
    columns = [*SPACE, *METRICS]
    with args.out.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"# {line}\n" for line in notes.splitlines())
        print("trial", *columns, sep=",", file=file)
        for trial in range(args.trials):  # nine significant digits tell any two float32 numbers apart
            print(trial, *(f"{float(results[name][trial]):.9g}" for name in columns), sep=",", file=file)


if __name__ == "__main__":
    main()
