"""A small multilayer perceptron on handwritten digits, whose search ships with the package.

**digits-mlp**: a small multilayer perceptron on scikit-learn's handwritten digits. The images are scikit-learn's copy
of the test set of UCI's Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998): 1,797 images of 8 x 8
pixels, 1,152 for training and the rest for validation, standardised by the mean and the standard deviation of all
training pixels. The model has two hidden layers of 64 rectified units, each followed by dropout; initial weights are
He-normal (LeCun-normal in the last layer) times init_scale; biases begin at 0. It is trained for 30 epochs, in batches
of 64, by SGD with heavy-ball momentum; the learning rate warms up linearly over the first tenth and falls to 0 along a
cosine; weight_decay is an L2 penalty on all parameters.

- Source: this package's own demonstration.
- Space: learning_rate ~ LogUniform(0.01, 1), momentum ~ Uniform(0.5, 0.95), weight_decay ~ LogUniform(1e-6, 1e-2),
  dropout ~ Uniform(0, 0.5), init_scale ~ LogUniform(0.2, 2).
- Command: ``nqjax search digits-mlp --trials 1024 --out trials.jsonl``.
- Expected time: 35 s for 1,024 trials on two CPU cores; not measured on one GPU.
- Score: val_loss, the cross-entropy (nats an image) after the epoch where it was lowest.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from nqjax.search.data.digits import digits
from nqjax.search.models.dropout import dropout
from nqjax.search.sources import Arrays
from nqjax.search.space import LogUniform, Uniform
from nqjax.search.task import Config, Task


class MLP(nn.Module):
    """A multilayer perceptron with rectified hidden layers and dropout after each of them."""

    hidden: tuple[int, ...]

    @nn.compact
    def __call__(self, x: jax.Array, rate: jax.Array | float = 0.0, key: jax.Array | None = None) -> jax.Array:
        """Return the logits, of shape (images, 10); without a key there is no dropout."""
        for depth, width in enumerate(self.hidden):
            x = nn.relu(nn.Dense(width, kernel_init=nn.initializers.he_normal())(x))
            if key is not None:
                x = dropout(x, rate, jax.random.fold_in(key, depth))
        return nn.Dense(10, kernel_init=nn.initializers.lecun_normal())(x)


class DigitsMLP(Task):
    """The search ``digits-mlp``; a run of it ships with the package (`nqjax.data.digits_mlp_path`)."""

    name = "digits-mlp"
    score = "val_loss"
    space = {  # noqa: RUF012
        "learning_rate": LogUniform(1e-2, 1.0),
        "momentum": Uniform(0.5, 0.95),
        "weight_decay": LogUniform(1e-6, 1e-2),
        "dropout": Uniform(0.0, 0.5),
        "init_scale": LogUniform(0.2, 2.0),
    }

    differentiable = ("learning_rate", "momentum", "weight_decay", "init_scale")  # not dropout: its masks are steps
    regularizers = ("weight_decay",)
    epochs = 30
    warmup = 0.1  # share of the steps

    def __init__(self) -> None:
        self.train, self.valid = (Arrays(x=half.arrays["x"].reshape(-1, 64), y=half.arrays["y"]) for half in digits())
        self.model = MLP((64, 64))

    def batch_size(self, config: Config) -> int:  # noqa: ARG002
        """Return 64."""
        return 64

    def num_rounds(self, config: Config) -> int:  # noqa: ARG002
        """Return the number of epochs."""
        return self.epochs

    def init(self, config: Config, key: jax.Array) -> Any:
        """Return the parameters, their momentum and the number of steps done."""
        params = self.model.init(key, jnp.zeros((1, 64)))
        params = jax.tree.map(lambda p: config["init_scale"] * p, params)
        return {"params": params, "momentum": jax.tree.map(jnp.zeros_like, params), "count": jnp.int32(0)}

    def step(self, state: Any, config: Config, batch: dict[str, jax.Array], key: jax.Array) -> tuple[Any, jax.Array]:
        """Return the state after one step of SGD, and the cross-entropy."""

        def cross_entropy(params: Any) -> jax.Array:
            logits = self.model.apply(params, batch["x"], config["dropout"], key)
            return optax.softmax_cross_entropy_with_integer_labels(logits, batch["y"]).mean()  # type: ignore[arg-type]

        loss, gradient = jax.value_and_grad(cross_entropy)(state["params"])
        rate = self.learning_rate(config, state["count"])
        # Heavy-ball momentum (optax.trace) after an L2 penalty (optax.add_decayed_weights).
        momentum = jax.tree.map(
            lambda m, g, p: config["momentum"] * m + (g + config["weight_decay"] * p),
            state["momentum"],
            gradient,
            state["params"],
        )
        params = jax.tree.map(lambda p, m: p - rate * m, state["params"], momentum)
        return {"params": params, "momentum": momentum, "count": state["count"] + 1}, loss

    def learning_rate(self, config: Config, count: jax.Array) -> jax.Array:
        """Return the learning rate of a step."""
        total = self.epochs * self.steps_per_round(config)
        schedule = optax.warmup_cosine_decay_schedule(0.0, 1.0, round(self.warmup * total), total)
        return config["learning_rate"] * schedule(count)

    def params(self, state: Any) -> Any:
        """Return the part of the state that is trained."""
        return state["params"]

    def objective(self, params: Any, config: Config, arrays: dict[str, jax.Array]) -> jax.Array:
        """Return what training without dropout minimises: the mean cross-entropy and the L2 penalty."""
        logits: Any = self.model.apply(params, arrays["x"])
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, arrays["y"]).mean()
        return loss + 0.5 * config["weight_decay"] * optax.tree.norm(params, squared=True)

    def evaluate(self, state: Any, config: Config, batch: dict[str, jax.Array]) -> dict[str, jax.Array]:  # noqa: ARG002
        """Return each image's cross-entropy, and whether it is classified correctly."""
        logits: Any = self.model.apply(state["params"], batch["x"])
        return {
            "val_loss": optax.softmax_cross_entropy_with_integer_labels(logits, batch["y"]),
            "val_accuracy": logits.argmax(-1) == batch["y"],
        }
