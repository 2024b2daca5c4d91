"""A task that trains in no time: a straight line through a few points, by gradient descent."""

import jax
import jax.numpy as jnp
import numpy as np

from nqjax.search import Arrays, Choice, DiscreteUniform, LogUniform, Task, Uniform

_X = np.linspace(-1, 1, 24, dtype=np.float32)


class Line(Task):
    """Linear regression; a learning rate above 2 or so diverges, and one of 1e9 does so at once."""

    name = "line"
    score = "val_loss"
    space = {  # noqa: RUF012
        "learning_rate": LogUniform(1e-2, 0.5),
        "epochs": DiscreteUniform(2, 5),
        "batch_size": Choice(4, 8),
        "noise": Uniform(0.0, 0.1),
    }
    static = ("batch_size",)
    lanes = 4

    def __init__(self, valid=10):
        self.train = Arrays(x=_X, y=3 * _X + 1 + 0.1 * np.sin(40 * _X))
        self.valid = Arrays(x=_X[:valid], y=3 * _X[:valid] + 1)

    def num_rounds(self, config):
        return config["epochs"]

    def init(self, config, key):
        return jax.random.normal(key, (2,))

    def step(self, state, config, batch, key):
        def loss(w):
            noise = config["noise"] * jax.random.normal(key, batch["x"].shape)
            return jnp.mean((w[0] * batch["x"] + w[1] + noise - batch["y"]) ** 2)

        value, gradient = jax.value_and_grad(loss)(state)
        return state - config["learning_rate"] * gradient, value

    def evaluate(self, state, config, batch):
        error = state[0] * batch["x"] + state[1] - batch["y"]
        return {"val_loss": error**2, "val_error": jnp.abs(error)}


class StreamedLine(Line):
    """The same with examples that come batch by batch."""

    def __init__(self):
        super().__init__()
        self.train, self.valid = Streamed(self.train.arrays), Streamed(self.valid.arrays)


class Streamed:
    def __init__(self, arrays):
        self.arrays = arrays

    def __len__(self):
        return len(self.arrays["x"])

    def batch(self, words, round_index, step, batch_size):
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([*words, round_index])))
        index = rng.permutation(len(self))[step * batch_size : (step + 1) * batch_size]
        return {name: array[index] for name, array in self.arrays.items()}

    def evaluation_batches(self, batch_size):
        size = 4
        for start in range(0, len(self), size):
            index = np.arange(start, start + size)
            weights = (index < len(self)).astype(np.float32)
            yield {name: array[index % len(self)] for name, array in self.arrays.items()}, weights
