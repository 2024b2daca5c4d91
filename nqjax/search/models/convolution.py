"""Convolutions that are fast when many trials, each with its own weights, train side by side on a CPU.

Under `jax.vmap` over its weights a convolution becomes a grouped one, which XLA's CPU backend runs at 1 to 4 GFLOP/s,
forward and backward together. As matrix products the same convolutions are several times to several hundred times as
fast. Accelerators use `jax.lax.conv_general_dilated`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

Method = Literal["lax", "matmul"]

Pads = tuple[tuple[int, int], tuple[int, int]]

#: On images of up to this many pixels a depthwise convolution is one matrix product for each channel.
_MOST_PIXELS_WHOLE = 64


class Conv(nn.Module):
    """A two-dimensional convolution with the parameters and the results of `flax.linen.Conv`.

    Attributes
    ----------
    features : int
        The channels of the result.
    kernel_size, strides : tuple of int
        The size of the kernel and the strides, for rows and columns.
    padding : "SAME", "VALID", or an int
        An int is the number of zeros on every side.
    depthwise : bool
        Whether each channel is convolved by itself (``feature_group_count`` equal to the number of channels).
    use_bias : bool
        Whether a bias is added.
    method : "lax" or "matmul", optional
        How it is computed; by default as matrix products on a CPU, and with `jax.lax` elsewhere.
    kernel_init, bias_init : callable
        The initialisers of the kernel and the bias.
    """

    features: int
    kernel_size: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    padding: str | int = "SAME"
    depthwise: bool = False
    use_bias: bool = True
    method: Method | None = None
    kernel_init: Callable[..., Any] = nn.initializers.lecun_normal()
    bias_init: Callable[..., Any] = nn.initializers.zeros_init()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the convolution of images of shape (images, rows, columns, channels)."""
        channels = 1 if self.depthwise else x.shape[-1]
        kernel = self.param("kernel", self.kernel_init, (*self.kernel_size, channels, self.features), jnp.float32)
        pads = _pads(self.padding, x.shape[1:3], self.kernel_size, self.strides)
        x, kernel = nn.dtypes.promote_dtype(x, kernel)
        y = convolve(x, kernel, self.strides, pads, depthwise=self.depthwise, method=self.method)
        if self.use_bias:
            y += self.param("bias", self.bias_init, (self.features,), jnp.float32)
        return y


def convolve(
    x: jax.Array,
    kernel: jax.Array,
    strides: tuple[int, int] = (1, 1),
    pads: Pads = ((0, 0), (0, 0)),
    *,
    depthwise: bool = False,
    method: Method | None = None,
) -> jax.Array:
    """Return a two-dimensional convolution (without flipping the kernel, as is usual).

    Parameters
    ----------
    x : array, shape (images, rows, columns, channels)
    kernel : array, shape (rows, columns, channels, features)
        A depthwise kernel has one channel.
    strides : tuple of int
        The strides of rows and columns.
    pads : pairs of int
        The number of zeros before and after the rows, and before and after the columns.
    depthwise : bool
        Whether each channel is convolved by itself.
    method : "lax" or "matmul", optional
        By default "matmul" where JAX's default backend is the CPU, "lax" elsewhere.

    Returns
    -------
    array, shape (images, rows, columns, features)

    Raises
    ------
    ValueError
        If a depthwise kernel has another number of features than the images have channels.
    """
    if depthwise and kernel.shape[2:] != (1, x.shape[-1]):
        raise ValueError(f"a depthwise kernel of shape {kernel.shape} does not fit {x.shape[-1]} channels")
    if (method or ("matmul" if jax.default_backend() == "cpu" else "lax")) == "lax":
        return lax.conv_general_dilated(
            x,
            kernel,
            strides,
            pads,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=x.shape[-1] if depthwise else 1,
        )
    rows, columns, _, features = kernel.shape
    if not depthwise:
        patches = jnp.concatenate(shifted(x, (rows, columns), strides, pads), axis=-1)
        product = _product(patches.reshape(-1, patches.shape[-1]), kernel.reshape(-1, features))
        return product.reshape(*patches.shape[:-1], features)
    if strides == (1, 1) and x.shape[1] * x.shape[2] <= _MOST_PIXELS_WHOLE:
        return jnp.einsum("bhwc,hwijc->bijc", x, _whole(kernel[:, :, 0], x.shape[1:3], pads))
    taps = kernel.reshape(rows * columns, features)
    return sum(tap * part for tap, part in zip(taps, shifted(x, (rows, columns), strides, pads), strict=True))  # type: ignore[return-value]


def shifted(
    x: jax.Array, window: tuple[int, int], strides: tuple[int, int], pads: Pads, fill: float = 0.0
) -> list[jax.Array]:
    """Return one array for each pixel of the window, row by row: the values under it at all positions of the window.

    Parameters
    ----------
    x : array, shape (images, rows, columns, channels)
    window, strides : tuple of int
        The size and the strides of the window, for rows and columns.
    pads : pairs of int
        How far the window extends over the edges.
    fill : float
        The value beyond the edges.

    Returns
    -------
    list of array, each of shape (images, positions, positions, channels)
    """
    if any(map(any, pads)):
        x = jnp.pad(x, ((0, 0), *pads, (0, 0)), constant_values=fill)
    count = [(size - width) // stride + 1 for size, width, stride in zip(x.shape[1:3], window, strides, strict=True)]
    parts = []
    for i, j in itertools.product(range(window[0]), range(window[1])):
        part = lax.slice_in_dim(x, i, i + (count[0] - 1) * strides[0] + 1, strides[0], axis=1)
        parts.append(lax.slice_in_dim(part, j, j + (count[1] - 1) * strides[1] + 1, strides[1], axis=2))
    return parts


@jax.custom_vjp
def _product(patches: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return a matrix product whose gradient does not transpose the patches, which are the largest array by far."""
    return patches @ kernel


def _product_forward(patches: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return patches @ kernel, (patches, kernel)


def _product_backward(residuals: tuple[jax.Array, jax.Array], g: jax.Array) -> tuple[jax.Array, jax.Array]:
    patches, kernel = residuals
    return g @ kernel.T, (g.T @ patches).T


_product.defvjp(_product_forward, _product_backward)


def _whole(kernel: jax.Array, size: Sequence[int], pads: Pads) -> jax.Array:
    """Return a depthwise kernel as a dense array.

    Entry (h, w, i, j, c) is the weight of input pixel (h, w) in output pixel (i, j) of channel c.
    """
    for axis in (0, 1):
        (before, after), taps, length = pads[axis], kernel.shape[axis], size[axis]
        positions = length + before + after - taps + 1
        # Position i of the result gets input u with the weight of tap u - i + before: a window of the padded taps.
        widths = [(0, 0)] * kernel.ndim
        widths[axis] = (max(positions - 1 - before, 0), max(length + before - taps, 0))
        padded, start = jnp.pad(kernel, widths), before + widths[axis][0]
        windows = [lax.slice_in_dim(padded, start - i, start - i + length, axis=axis) for i in range(positions)]
        kernel = jnp.stack(windows, axis=-2)
    return kernel


def _pads(padding: str | int, size: Sequence[int], window: tuple[int, int], strides: tuple[int, int]) -> Pads:
    if isinstance(padding, int):
        return ((padding, padding),) * 2
    rows, columns = lax.padtype_to_pads(size, window, strides, padding)
    return (int(rows[0]), int(rows[1])), (int(columns[0]), int(columns[1]))
