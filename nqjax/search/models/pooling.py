"""Pooling: the maximum over windows, and a blur that prevents aliasing when images are subsampled."""

from __future__ import annotations

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

from nqjax.search.models.convolution import Method, shifted


def max_pool(x: jax.Array, window: int, stride: int, pad: int = 0, method: Method | None = None) -> jax.Array:
    """Return the maximum over square windows.

    Parameters
    ----------
    x : array, shape (images, rows, columns, channels)
    window, stride, pad : int
        The side of the window, its stride, and how far it extends over every edge.
    method : "lax" or "matmul", optional
        As in `nqjax.search.models.convolution.convolve`; on a CPU maxima of shifted images, because the gradient of
        `jax.lax.reduce_window` is slow there. Equal pixels of a window share the gradient.
    """
    pads = ((pad, pad), (pad, pad))
    if (method or ("matmul" if jax.default_backend() == "cpu" else "lax")) == "lax":
        return nn.max_pool(x, (window, window), (stride, stride), pads)
    return functools.reduce(jnp.maximum, shifted(x, (window, window), (stride, stride), pads, fill=-jnp.inf))


def blur_pool(x: jax.Array, stride: int = 2) -> jax.Array:
    """Return images smoothed with the binomial filter [1, 2, 1] / 4 along rows and columns, then subsampled.

    Parameters
    ----------
    x : array, shape (images, rows, columns, channels)
        At least two rows and columns; the images are reflected at the edges.
    stride : int
        One row and one column of this many are kept.

    Source: Zhang 2019, "Making convolutional networks shift-invariant again" (arXiv 1904.11486).
    """
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    for window, strides in ((3, 1), (stride, 1)), ((1, 3), (1, stride)):
        before, middle, after = shifted(x, window, strides, ((0, 0), (0, 0)))
        x = 0.25 * before + 0.5 * middle + 0.25 * after
    return x
