"""Residual networks with and without blur pooling, on ImageNet and on handwritten digits.

**resnet18**: ResNet18, with or without blur pooling, on folders of images. ResNet18 is trained on ImageNet by SGD with
momentum, a one-cycle schedule and label smoothing, and blur pooling is a hyperparameter.

- Source: Lourie, He, Cho 2025 (arXiv 2510.02721).
- Space: epochs ~ DiscreteUniform(20, 100), batch_size ~ {128, 256, 512, 1024}, lr ~ LogUniform(5e-3, 50), lr_peak_epoch
  = floor(p epochs) with p = lr_peak_proportion ~ Uniform(0, 0.8), momentum ~ Uniform(0.7, 1), weight_decay ~
  LogUniform(1e-6, 1e-3), label_smoothing ~ Uniform(0, 0.5), use_blurpool ~ {0, 1}.
- Command: ``nqjax search resnet18 --data FOLDER --trials 1024 --out trials.jsonl``. The folder holds
  train/<class>/*.jpg and val/<class>/*.jpg.
- Images: random crops of 224 x 224 pixels for training, mirrored every other time; the middle 224 x 224 of 256 for
  validation.
- Expected time: not measured.
- Score: val_error, 1 - accuracy, after the epoch where it was lowest. Published fit (minimising, threshold 0.325):
  alpha 0.288, beta 0.396, gamma 2, sigma 6.6e-3, with 34.3 % of the trials below the threshold.

The published fit is of trials that were trained by the paper's own code, not by this package. The space and the
evaluations are those of these trials, whose use_blurpool is described as "blur-pooling in place of max-pooling". This
package chose Zhang's blur pooling, which also follows strided convolutions (see `nqjax.search.models.resnet.ResNet`),
how images are read, the sizes of crops, the initial weights, and that biases and the scales of norms do not decay. (The
names of the hyperparameters are those of FFCV's program for ImageNet, which blurs before the strided convolutions,
leaves the maximum alone, and adds mirrored images in validation.)

**resnet-digits**: a narrow residual network, with or without blur pooling, on handwritten digits. The images are
scikit-learn's digits of 8 x 8 pixels: 1,152 for training and 645 for validation, split and standardised as for
``digits-mlp``, and not augmented. The network has a stem of one 3 x 3 convolution and three stages of one block, of 8,
16 and 32 channels.

- Source: Lourie, He, Cho 2025 (arXiv 2510.02721), scaled down.
- Space: that of ``resnet18``, but epochs ~ DiscreteUniform(5, 25) and batch_size ~ {32, 64}.
- Command: ``nqjax search resnet-digits --trials 256 --out trials.jsonl``.
- Expected time: 6 min for 256 trials on two CPU cores; not measured on one GPU.
- Score: val_loss, the cross-entropy (nats an image, labels not smoothed) after the epoch where it was lowest. It is
  not the error, because errors are multiples of 1/645, and the few errors of the best trials would tie.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax

from nqjax.search.models.resnet import ResNet
from nqjax.search.space import Choice
from nqjax.search.task import Config
from nqjax.search.tasks.images import DIGITS_SPACE, IMAGENET_SPACE, ImageClassification


class _ResNetTask(ImageClassification):
    static = ("batch_size", "use_blurpool")

    def network(self, config: Config) -> ResNet:
        """Return the network, with blur pooling or without."""
        return self.model.clone(blur=bool(config["use_blurpool"]))

    def logits(self, variables: Any, config: Config, x: jax.Array, key: jax.Array | None) -> tuple[jax.Array, Any]:
        """Return the logits and the statistics of batch norm."""
        network = self.network(config)
        if key is None:
            return network.apply(variables, x), {"batch_stats": variables["batch_stats"]}  # type: ignore[return-value]
        return network.apply(variables, x, train=True, mutable=["batch_stats"])  # type: ignore[return-value]

    model: ResNet


class ResNet18(_ResNetTask):
    """The search ``resnet18``.

    Parameters
    ----------
    data : Path or str
        The folder with train/<class>/*.jpg and val/<class>/*.jpg.
    size : int
        The side of the images, in pixels.

    Raises
    ------
    InputError
        If there is no folder, or it has no images.
    """

    name = "resnet18"
    score = "val_error"
    space = {**IMAGENET_SPACE, "use_blurpool": Choice(0, 1)}  # noqa: RUF012
    evaluation_size = 256
    lanes = 1

    def __init__(self, data: Path | str | None = None, size: int = 224) -> None:
        self.model = ResNet(classes=self.use_folders(data, size))


class ResNetDigits(_ResNetTask):
    """The search ``resnet-digits``."""

    name = "resnet-digits"
    score = "val_loss"
    space = {**DIGITS_SPACE, "use_blurpool": Choice(0, 1)}  # noqa: RUF012
    lanes = 4

    def __init__(self) -> None:
        self.use_digits()
        self.model = ResNet((1, 1, 1), (8, 16, 32), classes=10, small=True)
