"""The base of the image searches: the examples, the loss, and SGD with a one-cycle schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from nqjax.errors import InputError
from nqjax.search.data.digits import digits
from nqjax.search.data.images import DEVIATION, MEAN, ImageFolder
from nqjax.search.models import schedules
from nqjax.search.space import Choice, Derived, DiscreteUniform, LogUniform, Uniform
from nqjax.search.task import Config, Task


def lr_peak_epoch(config: Config) -> int:
    """Return the epoch at the start of which the learning rate is highest."""
    return int(config["lr_peak_proportion"] * config["epochs"])


#: The space of the ResNet18 search of Lourie, He, Cho 2025, without use_blurpool.
IMAGENET_SPACE: dict[str, Any] = {
    "epochs": DiscreteUniform(20, 100),
    "batch_size": Choice(128, 256, 512, 1024),
    "lr": LogUniform(5e-3, 50),
    "lr_peak_proportion": Uniform(0, 0.8),
    "lr_peak_epoch": Derived(lr_peak_epoch),
    "momentum": Uniform(0.7, 1),
    "weight_decay": LogUniform(1e-6, 1e-3),
    "label_smoothing": Uniform(0, 0.5),
}

#: The space of searches on digits: a quarter of the epochs, and batches that give 18 or 36 steps an epoch.
DIGITS_SPACE: dict[str, Any] = {
    **IMAGENET_SPACE,
    "epochs": DiscreteUniform(5, 25),
    "batch_size": Choice(32, 64),
}


class ImageClassification(Task):
    """Classification of images, trained by SGD with momentum on a one-cycle schedule.

    The learning rate rises linearly to its peak at the start of lr_peak_epoch and falls linearly to 0. Momentum is
    heavy-ball momentum. Weight decay is an L2 penalty on the weights of convolutions and dense layers. The loss is the
    cross-entropy with smoothed labels, of which a share of label_smoothing is spread evenly over all classes.

    Attributes
    ----------
    shape : tuple of int
        The shape of an image. Whole numbers from 0 to 255 are standardised by ImageNet's mean and deviation.
    """

    shape: tuple[int, int, int]

    def use_folders(self, data: Path | str | None, size: int) -> int:
        """Set the examples to those of image folders; return the number of classes."""
        if data is None:
            raise InputError(f"{self.name} needs a folder with train/<class>/*.jpg and val/<class>/*.jpg: data=FOLDER")
        train = ImageFolder(data, "train", size)
        valid = ImageFolder(data, "val", size, train.classes)
        self.train, self.valid, self.shape = train, valid, (size, size, 3)
        self.settings = {"train": train.fingerprint, "val": valid.fingerprint, "size": size}
        self.source = str(Path(data).resolve())
        return len(train.classes)

    def use_digits(self) -> None:
        """Set the examples to scikit-learn's digits."""
        self.train, self.valid = digits()
        self.shape = (8, 8, 1)
        self.evaluation_size = 129  # a fifth of them: patches of more images do not fit the caches

    def num_rounds(self, config: Config) -> int:
        """Return the number of epochs."""
        return int(config["epochs"])

    def network(self, config: Config) -> nn.Module:
        """Return the network, a function of static hyperparameters."""
        raise NotImplementedError

    def logits(self, variables: Any, config: Config, x: jax.Array, key: jax.Array | None) -> tuple[jax.Array, Any]:
        """Return the logits and the variables that are not parameters; there is a key in training only."""
        raise NotImplementedError

    def init(self, config: Config, key: jax.Array) -> Any:
        """Return the initial variables, the optimiser's state and the number of steps done."""
        params, rest = _split(self.network(config).init(key, jnp.zeros((1, *self.shape))))
        return {"params": params, "rest": rest, "optimizer": self.start(params), "count": jnp.int32(0)}

    def step(self, state: Any, config: Config, batch: dict[str, jax.Array], key: jax.Array) -> tuple[Any, jax.Array]:
        """Return the state after one step, and the smoothed cross-entropy."""
        x = _standardised(batch["x"])

        def loss_of(params: Any) -> tuple[jax.Array, Any]:
            logits, rest = self.logits({"params": params, **state["rest"]}, config, x, key)
            return smoothed_cross_entropy(logits, batch["y"], config["label_smoothing"]).mean(), rest

        (loss, rest), gradient = jax.value_and_grad(loss_of, has_aux=True)(state["params"])
        params, optimizer = self.update(state, config, gradient)
        return {"params": params, "rest": rest, "optimizer": optimizer, "count": state["count"] + 1}, loss

    def start(self, params: Any) -> Any:
        """Return the optimiser's state before the first step."""
        return jax.tree.map(jnp.zeros_like, params)

    def update(self, state: Any, config: Config, gradient: Any) -> tuple[Any, Any]:
        """Return the parameters and the optimiser's state after a step."""
        steps = self.steps_per_round(config)
        length, peak = config["num_rounds"] * steps, config["lr_peak_epoch"] * steps
        rate = config["lr"] * schedules.warmup_linear(state["count"], length, peak)

        def momentum(m: jax.Array, g: jax.Array, p: jax.Array) -> jax.Array:
            decay = config["weight_decay"] * p if p.ndim > 1 else 0
            return config["momentum"] * m + (g + decay)

        moved = jax.tree.map(momentum, state["optimizer"], gradient, state["params"])
        return jax.tree.map(lambda p, m: p - rate * m, state["params"], moved), moved

    def evaluate(self, state: Any, config: Config, batch: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Return whether each image is classified wrongly, and its cross-entropy in nats, without smoothing."""
        variables = {"params": state["params"], **state["rest"]}
        logits = self.logits(variables, config, _standardised(batch["x"]), None)[0]
        return {
            "val_error": logits.argmax(-1) != batch["y"],
            "val_loss": smoothed_cross_entropy(logits, batch["y"], 0.0),
        }


def smoothed_cross_entropy(logits: jax.Array, y: jax.Array, smoothing: jax.Array | float) -> jax.Array:
    """Return the cross-entropy of each image with smoothed labels (Szegedy et al. 2016), in nats.

    Parameters
    ----------
    logits : array, shape (images, classes)
    y : array, shape (images,)
        The classes.
    smoothing : scalar
        The share of a label that is spread evenly over all classes, traced or not.
    """
    logs = jax.nn.log_softmax(logits)
    right = jnp.where(jnp.arange(logits.shape[-1]) == y[:, None], logs, 0).sum(-1)
    return -(1 - smoothing) * right - smoothing * logs.mean(-1)


def _standardised(x: jax.Array) -> jax.Array:
    if x.dtype == jnp.uint8:
        return (x.astype(jnp.float32) - jnp.array(MEAN)) / jnp.array(DEVIATION)
    return x


def _split(variables: Any) -> tuple[Any, Any]:
    rest = dict(variables)
    return rest.pop("params"), rest
