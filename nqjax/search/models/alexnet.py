"""AlexNet, in the variant with a single column (Krizhevsky 2014)."""

from __future__ import annotations

import flax.linen as nn
import jax

from nqjax.search.models.convolution import Conv, Method
from nqjax.search.models.dropout import dropout
from nqjax.search.models.pooling import max_pool

_init = nn.initializers.he_normal()

_head_init = nn.initializers.lecun_normal()


class AlexNet(nn.Module):
    """Five convolutions and three dense layers, for images of shape (images, rows, columns, channels).

    The default is Krizhevsky's "one weird trick" variant for ImageNet (arXiv 1404.5997), with 61,100,840 parameters
    for images of 224 x 224 pixels. Initial weights are He-normal by fan-in (LeCun-normal in the last layer).

    Attributes
    ----------
    widths : tuple of int
        The channels of the five convolutions.
    hidden : tuple of int
        The units of the dense layers before the last.
    classes : int
        The number of classes.
    small : bool
        Whether the images are small: then all convolutions are of 3 x 3 pixels with stride 1, and maxima over 2 x 2
        pixels with stride 2 follow the second and the last of them.
    method : "lax" or "matmul", optional
        How convolutions are computed; see `Conv`.
    """

    widths: tuple[int, ...] = (64, 192, 384, 256, 256)
    hidden: tuple[int, ...] = (4096, 4096)
    classes: int = 1000
    small: bool = False
    method: Method | None = None

    @nn.compact
    def __call__(self, x: jax.Array, rate: jax.Array | float = 0.0, key: jax.Array | None = None) -> jax.Array:
        """Return the logits, of shape (images, classes).

        Parameters
        ----------
        x : array
            The images.
        rate : scalar
            The rate of the dropout before each hidden dense layer, traced or not.
        key : key, optional
            Without a key there is no dropout.
        """
        windows = (3, 3, 3, 3, 3) if self.small else (11, 5, 3, 3, 3)
        strides = (1, 1, 1, 1, 1) if self.small else (4, 1, 1, 1, 1)
        pooled = (1, 4) if self.small else (0, 1, 4)
        for layer, (width, window, stride) in enumerate(zip(self.widths, windows, strides, strict=True)):
            pad = 2 if window > 3 else 1
            shape, step = (window, window), (stride, stride)
            conv = Conv(width, shape, step, padding=pad, method=self.method, kernel_init=_init, name=f"conv{layer}")
            x = nn.relu(conv(x))
            if layer in pooled:
                x = max_pool(x, 2 if self.small else 3, 2, method=self.method)
        x = x.reshape(len(x), -1)
        for layer, units in enumerate(self.hidden):
            if key is not None:
                x = dropout(x, rate, jax.random.fold_in(key, layer))
            x = nn.relu(nn.Dense(units, kernel_init=_init, name=f"hidden{layer}")(x))
        return nn.Dense(self.classes, kernel_init=_head_init, name="head")(x)
