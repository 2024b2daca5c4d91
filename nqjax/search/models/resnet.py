"""Residual networks of basic blocks (He et al. 2016), with or without blur pooling (Zhang 2019)."""

from __future__ import annotations

import functools
from typing import Any

import flax.linen as nn
import jax

from nqjax.search.models.convolution import Conv, Method
from nqjax.search.models.pooling import blur_pool, max_pool

_conv_init = nn.initializers.variance_scaling(2.0, "fan_out", "normal")

_head_init = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class ResNet(nn.Module):
    """A residual network of basic blocks for images of shape (images, rows, columns, channels).

    The default is ResNet18 for ImageNet, with 11,689,512 parameters. Batch norm keeps running statistics in the
    collection "batch_stats". Initial weights: He-normal by fan-out, as is usual for residual networks.

    Attributes
    ----------
    stages : tuple of int
        The number of blocks of each stage; every stage except the first halves the image.
    widths : tuple of int
        The channels of each stage.
    classes : int
        The number of classes.
    small : bool
        Whether the images are small: then the stem is a 3 x 3 convolution instead of one of 7 x 7 with stride 2 and a
        maximum over 3 x 3 pixels with stride 2.
    blur : bool
        Whether subsampling is anti-aliased: the maximum and the strided convolutions of the blocks are taken at every
        pixel, and `blur_pool` follows (for a convolution, after its rectifier; on a shortcut, before the 1 x 1
        convolution). As in Zhang's networks, the convolution of the stem does not change.
    momentum : float
        The share of the running statistics of batch norm that is kept at a step.
    method : "lax" or "matmul", optional
        How convolutions are computed; see `Conv`.
    """

    stages: tuple[int, ...] = (2, 2, 2, 2)
    widths: tuple[int, ...] = (64, 128, 256, 512)
    classes: int = 1000
    small: bool = False
    blur: bool = False
    momentum: float = 0.9
    method: Method | None = None

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Return the logits, of shape (images, classes); in training batch norm uses the batch and learns from it."""
        conv = functools.partial(Conv, use_bias=False, kernel_init=_conv_init, method=self.method)
        norm = functools.partial(nn.BatchNorm, use_running_average=not train, momentum=self.momentum, epsilon=1e-5)
        if self.small:
            x = conv(self.widths[0], (3, 3), padding=1, name="stem")(x)
            x = nn.relu(norm(name="stem_norm")(x))
        else:
            x = conv(self.widths[0], (7, 7), (2, 2), padding=3, name="stem")(x)
            x = nn.relu(norm(name="stem_norm")(x))
            x = max_pool(x, 3, 1 if self.blur else 2, 1, self.method)
            x = blur_pool(x) if self.blur else x
        for stage, (blocks, width) in enumerate(zip(self.stages, self.widths, strict=True)):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                x = _Block(width, stride, self.blur, conv, norm, name=f"stage{stage}_block{block}")(x)
        return nn.Dense(self.classes, kernel_init=_head_init, name="head")(x.mean((1, 2)))


class _Block(nn.Module):
    """Two 3 x 3 convolutions with a shortcut."""

    width: int
    stride: int
    blur: bool
    conv: Any
    norm: Any

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        blur = self.blur and self.stride > 1
        strides = (1, 1) if blur else (self.stride, self.stride)
        y = self.conv(self.width, (3, 3), strides, padding=1, name="conv1")(x)
        y = nn.relu(self.norm(name="norm1")(y))
        y = blur_pool(y, self.stride) if blur else y
        y = self.conv(self.width, (3, 3), padding=1, name="conv2")(y)
        y = self.norm(name="norm2")(y)
        if self.stride > 1 or x.shape[-1] != self.width:
            x = blur_pool(x, self.stride) if blur else x
            x = self.conv(self.width, (1, 1), strides, padding=0, name="shortcut")(x)
            x = self.norm(name="shortcut_norm")(x)
        return nn.relu(x + y)
