"""ConvNeXt trained like ResNet18 or by its authors' recipe with AdamW, on ImageNet and on handwritten digits.

**convnext-tiny**: ConvNeXt-T on folders of images. This is the search behind the published ConvNeXt trials: ConvNeXt-T
on ImageNet, trained like ResNet18 by SGD with momentum, a one-cycle schedule and label smoothing.

- Source: Lourie, He, Cho 2025 (arXiv 2510.02721).
- Space: that of ``resnet18`` without use_blurpool, as the columns of the published trials have it.
- Command: ``nqjax search convnext-tiny --data FOLDER --trials 512 --out trials.jsonl``. The folder holds
  train/<class>/*.jpg and val/<class>/*.jpg, read as for ``resnet18``.
- Expected time: not measured.
- Score: val_error, 1 - accuracy, after the epoch where it was lowest. Published fit (maximising the accuracy,
  threshold 0.60): alpha 0.041, beta 0.744, gamma 2, sigma 7.9e-3, with 20.4 % of the trials above the threshold.

The published fit is of trials that were trained by the paper's own code, not by this package. The space and the
evaluations are those of these trials. This package chose stochastic depth of 0.1, the value of Liu et al. 2022, and
what ``resnet18`` lists on images and weight decay.

**convnext-tiny-adamw**: ConvNeXt-T with AdamW on folders of images. This is the recipe of the network's authors without
their mixing and random augmentation of images: AdamW (weight decay on matrices and filters), a linear warmup, then a
cosine to 0, label smoothing and stochastic depth. This package chose the space, around the authors' values (300 epochs,
batches of 4,096, lr 4e-3, 20 epochs of warmup, weight_decay 0.05, label_smoothing 0.1, stochastic_depth 0.1).

- Source: Liu et al. 2022 (arXiv 2201.03545); the space is ours.
- Space: epochs ~ DiscreteUniform(20, 100), batch_size ~ {128, 256, 512, 1024}, lr ~ LogUniform(1e-5, 1e-1),
  warmup_epochs = floor(p epochs) with p = warmup_proportion ~ Uniform(0, 0.4), beta1 ~ Uniform(0.7, 1), beta2 ~
  Uniform(0.8, 1), weight_decay ~ LogUniform(1e-4, 1), label_smoothing ~ Uniform(0, 0.5), stochastic_depth ~
  Uniform(0, 0.5).
- Command: ``nqjax search convnext-tiny-adamw --data FOLDER --trials 512 --out trials.jsonl``.
- Expected time: not measured.
- Score: val_error, as for ``convnext-tiny``.

**convnext-digits**: a small ConvNeXt on handwritten digits. The images are those of ``resnet-digits``. Patches are
2 x 2 pixels, two stages have one block each, of 16 and 32 channels; layer scale begins at 0.1, and the standard
deviation of the initial weights is 0.1.

- Source: Lourie, He, Cho 2025 (arXiv 2510.02721), scaled down.
- Space: that of ``convnext-tiny``, but epochs ~ DiscreteUniform(5, 25), batch_size ~ {32, 64} and stochastic_depth ~
  Uniform(0, 0.5). A third of the trials diverge, because no batch norm makes up for a large lr.
- Command: ``nqjax search convnext-digits --trials 256 --out trials.jsonl``.
- Expected time: about 2 min for 256 trials on two CPU cores (64 took 51 s); not measured on one GPU.
- Score: val_loss, as for ``resnet-digits``.

**convnext-digits-adamw**: a small ConvNeXt with AdamW on handwritten digits. The network and the images are those of
``convnext-digits``.

- Source: Liu et al. 2022 (arXiv 2201.03545), scaled down.
- Space: that of ``convnext-tiny-adamw``, but epochs ~ DiscreteUniform(5, 25) and batch_size ~ {32, 64}.
- Command: ``nqjax search convnext-digits-adamw --trials 256 --out trials.jsonl``.
- Expected time: not measured.
- Score: val_loss, as for ``resnet-digits``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax

from nqjax.search.models import adamw, schedules
from nqjax.search.models.convnext import ConvNeXt
from nqjax.search.space import Derived, LogUniform, Uniform
from nqjax.search.task import Config
from nqjax.search.tasks.images import DIGITS_SPACE, IMAGENET_SPACE, ImageClassification


def warmup_epochs(config: Config) -> int:
    """Return the epoch at the start of which the learning rate is highest."""
    return int(config["warmup_proportion"] * config["epochs"])


_ADAMW_SPACE: dict[str, Any] = {
    "epochs": IMAGENET_SPACE["epochs"],
    "batch_size": IMAGENET_SPACE["batch_size"],
    "lr": LogUniform(1e-5, 1e-1),
    "warmup_proportion": Uniform(0, 0.4),
    "warmup_epochs": Derived(warmup_epochs),
    "beta1": Uniform(0.7, 1),
    "beta2": Uniform(0.8, 1),
    "weight_decay": LogUniform(1e-4, 1),
    "label_smoothing": Uniform(0, 0.5),
    "stochastic_depth": Uniform(0, 0.5),
}


class _ConvNeXtTask(ImageClassification):
    static = ("batch_size",)
    model: ConvNeXt

    def network(self, config: Config) -> ConvNeXt:  # noqa: ARG002
        """Return the network."""
        return self.model

    def logits(self, variables: Any, config: Config, x: jax.Array, key: jax.Array | None) -> tuple[jax.Array, Any]:
        """Return the logits."""
        return self.model.apply(variables, x, config["stochastic_depth"], key), {}  # type: ignore[return-value]


class _WithAdamW(_ConvNeXtTask):
    """Training by AdamW and a cosine schedule, instead of SGD and the one-cycle schedule."""

    def start(self, params: Any) -> Any:
        """Return Adam's moments, and how many updates are done."""
        return adamw.start(params)[1:]

    def update(self, state: Any, config: Config, gradient: Any) -> tuple[Any, Any]:
        """Return the parameters and the optimiser's state after a step."""
        steps = self.steps_per_round(config)
        length, warmup = config["num_rounds"] * steps, config["warmup_epochs"] * steps
        rate = config["lr"] * schedules.warmup_cosine(state["count"], length, warmup)
        beta1, beta2, decay = config["beta1"], config["beta2"], config["weight_decay"]
        before = adamw.AdamWState(state["params"], *state["optimizer"])
        after = adamw.update(before, gradient, rate, beta1=beta1, beta2=beta2, weight_decay=decay)
        return after.params, after[1:]


class ConvNeXtTiny(_ConvNeXtTask):
    """The search ``convnext-tiny``.

    Parameters
    ----------
    data : Path or str
        The folder with train/<class>/*.jpg and val/<class>/*.jpg.
    size : int
        The side of the images, in pixels; 32 or more.

    Raises
    ------
    InputError
        If there is no folder, or it has no images.
    """

    name = "convnext-tiny"
    score = "val_error"
    space = {**IMAGENET_SPACE, "stochastic_depth": 0.1}  # noqa: RUF012
    evaluation_size = 256
    lanes = 1

    def __init__(self, data: Path | str | None = None, size: int = 224) -> None:
        self.model = ConvNeXt(classes=self.use_folders(data, size))


class ConvNeXtTinyAdamW(_WithAdamW, ConvNeXtTiny):
    """The search ``convnext-tiny-adamw``; its arguments are those of ``convnext-tiny``."""

    name = "convnext-tiny-adamw"
    space = _ADAMW_SPACE


class ConvNeXtDigits(_ConvNeXtTask):
    """The search ``convnext-digits``."""

    name = "convnext-digits"
    score = "val_loss"
    space = {**DIGITS_SPACE, "stochastic_depth": Uniform(0, 0.5)}  # noqa: RUF012
    lanes = 4

    def __init__(self) -> None:
        self.use_digits()
        self.model = ConvNeXt((1, 1), (16, 32), 10, patch=2, layer_scale=0.1, deviation=0.1)


class ConvNeXtDigitsAdamW(_WithAdamW, ConvNeXtDigits):
    """The search ``convnext-digits-adamw``."""

    name = "convnext-digits-adamw"
    space = {**_ADAMW_SPACE, **{n: DIGITS_SPACE[n] for n in ("epochs", "batch_size")}}  # noqa: RUF012
