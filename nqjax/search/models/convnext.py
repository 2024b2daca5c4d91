"""ConvNeXt (Liu et al. 2022), a convolutional network with design choices of transformers."""

from __future__ import annotations

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from nqjax.search.models.convolution import Conv, Method


class ConvNeXt(nn.Module):
    """ConvNeXt for images of shape (images, rows, columns, channels).

    The default is ConvNeXt-T for ImageNet, with 28,589,128 parameters ("A ConvNet for the 2020s", arXiv 2201.03545).

    Attributes
    ----------
    depths, widths : tuple of int
        The number of blocks and of channels of each stage; every stage except the first halves the image.
    classes : int
        The number of classes.
    patch : int
        The side, in pixels, of the patches into which the stem cuts the image.
    kernel : int
        The side of the depthwise convolutions.
    layer_scale : float
        The initial scale of each block's branch, which is a parameter of every channel.
    deviation : float
        The standard deviation of the initial weights' normal distribution, which is truncated at two deviations.
    method : "lax" or "matmul", optional
        How convolutions are computed; see `Conv`.
    """

    depths: tuple[int, ...] = (3, 3, 9, 3)
    widths: tuple[int, ...] = (96, 192, 384, 768)
    classes: int = 1000
    patch: int = 4
    kernel: int = 7
    layer_scale: float = 1e-6
    deviation: float = 0.02
    method: Method | None = None

    @nn.compact
    def __call__(self, x: jax.Array, rate: jax.Array | float = 0.0, key: jax.Array | None = None) -> jax.Array:
        """Return the logits, of shape (images, classes).

        Parameters
        ----------
        x : array
            The images.
        rate : scalar
            The rate of stochastic depth (Huang et al. 2016) in the last block, traced or not; it rises linearly from 0
            in the first block. For a random share of the images a block's branch is left out; for the others it is
            scaled up.
        key : key, optional
            Without a key there is no stochastic depth.
        """
        init = nn.initializers.truncated_normal(self.deviation)
        conv = functools.partial(Conv, method=self.method, kernel_init=init)
        norm = functools.partial(nn.LayerNorm, epsilon=1e-6, use_fast_variance=False)
        dense = functools.partial(nn.Dense, kernel_init=init)
        patch = (self.patch, self.patch)
        x = norm(name="stem_norm")(conv(self.widths[0], patch, patch, padding=0, name="stem")(x))
        number, last = 0, max(sum(self.depths) - 1, 1)
        for stage, (depth, width) in enumerate(zip(self.depths, self.widths, strict=True)):
            if stage > 0:
                x = norm(name=f"stage{stage}_norm")(x)
                x = conv(width, (2, 2), (2, 2), padding=0, name=f"stage{stage}_down")(x)
            for block in range(depth):
                branch = _Branch(width, self.kernel, self.layer_scale, conv, norm, dense, name=f"stage{stage}_{block}")
                y = branch(x)
                if key is not None and number > 0:
                    y *= _kept(jax.random.fold_in(key, number), rate * number / last, len(x))
                x, number = x + y, number + 1
        return dense(self.classes, name="head")(norm(name="head_norm")(x.mean((1, 2))))


class _Branch(nn.Module):
    """A depthwise convolution and two dense layers."""

    width: int
    kernel: int
    layer_scale: float
    conv: Any
    norm: Any
    dense: Any

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        window = (self.kernel, self.kernel)
        x = self.conv(self.width, window, padding=self.kernel // 2, depthwise=True, name="depthwise")(x)
        x = self.dense(4 * self.width, name="dense1")(self.norm(name="norm")(x))
        x = self.dense(self.width, name="dense2")(nn.gelu(x, approximate=False))
        return x * self.param("scale", nn.initializers.constant(self.layer_scale), (self.width,), jnp.float32)


def _kept(key: jax.Array, rate: jax.Array | float, images: int) -> jax.Array:
    """Return each image's factor of a branch: 0 if it is left out, else the factor that preserves the mean."""
    keep = jax.random.uniform(key, (images, 1, 1, 1)) >= rate
    return jnp.where(keep, 1 / (1 - jnp.minimum(rate, 0.999)), 0.0)
