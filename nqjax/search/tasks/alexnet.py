"""AlexNet trained like ResNet18, on ImageNet and on handwritten digits.

**alexnet**: AlexNet on folders of images. The network is the variant with a single column (Krizhevsky 2014, 61,100,840
parameters for 1,000 classes), trained on ImageNet by SGD with momentum, a one-cycle schedule and label smoothing.

- Source: Lourie, He, Cho 2025 (arXiv 2510.02721).
- Space: that of ``resnet18`` without use_blurpool.
- Command: ``nqjax search alexnet --data FOLDER --trials 512 --out trials.jsonl``. The folder holds
  train/<class>/*.jpg and val/<class>/*.jpg.
- Expected time: not measured.
- Score: val_error, 1 - accuracy, after the epoch where it was lowest. Published fit (maximising the accuracy,
  threshold 0.50): alpha 0.135, beta 0.582, gamma 2, sigma 6.2e-3, with 18.3 % of the trials above the threshold.

Images are read as for ``resnet18``; initial weights are He-normal. The published fit is of trials that were trained by
the paper's own code, not by this package. The space and the evaluations are those of these trials. This package chose
the variant of the network, its dropout of 0.5, and what ``resnet18`` lists on images and weight decay.

**alexnet-digits**: a small AlexNet on handwritten digits. The images are those of ``resnet-digits``. Convolutions of
3 x 3 pixels have 8, 16, 16, 16 and 16 channels, maxima over 2 x 2 pixels follow the second and the last of them, and
two hidden layers have 64 units each.

- Source: Lourie, He, Cho 2025 (arXiv 2510.02721), scaled down.
- Space: that of ``resnet-digits`` without use_blurpool, but lr ~ LogUniform(1e-4, 1), because there is no batch norm,
  and dropout ~ Uniform(0, 0.8).
- Command: ``nqjax search alexnet-digits --trials 256 --out trials.jsonl``.
- Expected time: about 3 min for 256 trials on two CPU cores (64 took 77 s); not measured on one GPU.
- Score: val_loss, as for ``resnet-digits``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax

from nqjax.search.models.alexnet import AlexNet
from nqjax.search.space import LogUniform, Uniform
from nqjax.search.task import Config
from nqjax.search.tasks.images import DIGITS_SPACE, IMAGENET_SPACE, ImageClassification


class _AlexNetTask(ImageClassification):
    static = ("batch_size",)
    model: AlexNet

    def network(self, config: Config) -> AlexNet:  # noqa: ARG002
        """Return the network."""
        return self.model

    def logits(self, variables: Any, config: Config, x: jax.Array, key: jax.Array | None) -> tuple[jax.Array, Any]:
        """Return the logits."""
        return self.model.apply(variables, x, config["dropout"], key), {}  # type: ignore[return-value]


class AlexNetImageNet(_AlexNetTask):
    """The search ``alexnet``.

    Parameters
    ----------
    data : Path or str
        The folder with train/<class>/*.jpg and val/<class>/*.jpg.
    size : int
        The side of the images, in pixels; 63 or more.

    Raises
    ------
    InputError
        If there is no folder, or it has no images.
    """

    name = "alexnet"
    score = "val_error"
    space = {**IMAGENET_SPACE, "dropout": 0.5}  # noqa: RUF012
    evaluation_size = 256
    lanes = 1

    def __init__(self, data: Path | str | None = None, size: int = 224) -> None:
        self.model = AlexNet(classes=self.use_folders(data, size))


class AlexNetDigits(_AlexNetTask):
    """The search ``alexnet-digits``."""

    name = "alexnet-digits"
    score = "val_loss"
    space = {**DIGITS_SPACE, "lr": LogUniform(1e-4, 1), "dropout": Uniform(0, 0.8)}  # noqa: RUF012
    lanes = 4

    def __init__(self) -> None:
        self.use_digits()
        self.model = AlexNet((8, 16, 16, 16, 16), (64, 64), 10, small=True)
