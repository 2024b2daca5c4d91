"""A task of three rounds with two hyperparameters, for searches of a method."""

import jax
import jax.numpy as jnp

from nqjax.search import Arrays, LogUniform, Task, Uniform


class Line(Task):
    """Three steps of gradient descent."""

    name, score = "line", "error"
    space = {"rate": LogUniform(0.01, 0.5), "start": Uniform(-1.0, 1.0)}  # noqa: RUF012
    train = valid = Arrays(x=[1.0, 2.0])

    def batch_size(self, config):
        return 2

    def num_rounds(self, config):
        return 3

    def init(self, config, key):
        return jnp.float32(config["start"])

    def step(self, state, config, batch, key):
        loss, slope = jax.value_and_grad(lambda w: jnp.mean((w * batch["x"] - 1) ** 2))(state)
        return state - config["rate"] * slope, loss

    def evaluate(self, state, config, batch):
        return {"error": (state * batch["x"] - 1) ** 2}
