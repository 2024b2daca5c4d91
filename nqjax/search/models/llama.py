"""A decoder of the Llama architecture: root-mean-square norms, rotary positions, gated feed-forward layers.

Sources: Touvron et al. 2023 (arXiv 2302.13971), the architecture; Su et al. 2021 (arXiv 2104.09864), rotary position
embeddings; Shazeer 2020 (arXiv 2002.05202), SwiGLU. The layout of the weights is that of released Llama models, whose
rotary pairs are the two halves of a head.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from nqjax.search.models.dropout import dropout


def hidden_width(width: int, multiple: int) -> int:
    """Return 2/3 of four times the width, rounded up to a multiple.

    With this many features a gated feed-forward layer has as many parameters as an ungated one with four times the
    width (Touvron et al. 2023, section 2.2).
    """
    return -(-8 * width // (3 * multiple)) * multiple


class Llama(nn.Module):
    """A language model of the Llama architecture.

    Attributes
    ----------
    vocab_size, width, depth, heads, hidden : int
        The number of tokens, of features, of layers, of attention heads (which divide the features among them), and of
        features inside a feed-forward layer.
    tied : bool
        Whether the last layer uses the embeddings as its weights.
    theta : float
        The base of the rotary frequencies.
    epsilon : float
        The epsilon of the norms.
    deviation : float
        The standard deviation of the initial weights; weights that write to the residual stream are divided by the
        root of twice the depth, as in GPT-2.
    dtype : dtype
        The type of the computation; norms, softmax, logits and parameters are float32.
    """

    vocab_size: int
    width: int
    depth: int
    heads: int
    hidden: int
    tied: bool = True
    theta: float = 10_000.0
    epsilon: float = 1e-5
    deviation: float = 0.02
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, tokens: jax.Array, rate: jax.Array | float = 0.0, key: jax.Array | None = None) -> jax.Array:
        """Return the logits of each token's successor.

        Parameters
        ----------
        tokens : array of int, shape (sequences, length)
        rate : scalar
            The rate of the dropout after the embedding and at the end of each attention and each feed-forward layer.
        key : key, optional
            Without a key there is no dropout.

        Returns
        -------
        array, shape (sequences, length, vocab_size)
        """
        initial = nn.initializers.normal(self.deviation)
        embed = nn.Embed(self.vocab_size, self.width, dtype=self.dtype, embedding_init=initial, name="embed")

        def drop(x: jax.Array, place: int) -> jax.Array:
            return x if key is None else dropout(x, rate, jax.random.fold_in(key, place))

        x = drop(embed(tokens), 0)
        for layer in range(self.depth):
            shape = {"dtype": self.dtype, "deviation": self.deviation, "smaller": (2 * self.depth) ** -0.5}
            normed = self._norm(f"attention_norm_{layer}")(x)
            attention = Attention(self.heads, self.theta, **shape, name=f"attention_{layer}")
            x = x + drop(attention(normed), 2 * layer + 1)
            normed = self._norm(f"feed_forward_norm_{layer}")(x)
            feed_forward = GatedFeedForward(self.hidden, **shape, name=f"feed_forward_{layer}")
            x = x + drop(feed_forward(normed), 2 * layer + 2)
        x = self._norm("norm")(x)
        if self.tied:
            return (x @ embed.embedding.astype(self.dtype).T).astype(jnp.float32)
        head = nn.Dense(self.vocab_size, use_bias=False, dtype=self.dtype, kernel_init=initial, name="head")
        return head(x).astype(jnp.float32)

    def _norm(self, name: str) -> nn.RMSNorm:
        return nn.RMSNorm(epsilon=self.epsilon, dtype=self.dtype, name=name)


class Attention(nn.Module):
    """Causal attention with rotary positions."""

    heads: int
    theta: float
    deviation: float
    smaller: float
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the layer's contribution to the residual stream, of shape (sequences, length, width)."""
        length, width = x.shape[-2:]
        head = width // self.heads
        # One product for queries, keys and values is faster than three small ones.
        initial = nn.initializers.normal(self.deviation)
        joint = nn.Dense(3 * width, use_bias=False, dtype=self.dtype, kernel_init=initial, name="query_key_value")(x)
        query, key, value = jnp.moveaxis(joint.reshape(*x.shape[:-1], 3, self.heads, head), -3, 0)
        cos, sin = rotary_angles(length, head, self.theta)
        query, key = rotate(query, cos, sin), rotate(key, cos, sin)
        scores = jnp.einsum("...qhd,...khd->...hqk", query, key).astype(jnp.float32) * head**-0.5
        scores = jnp.where(np.tri(length, dtype=bool), scores, jnp.finfo(jnp.float32).min)
        weights = jax.nn.softmax(scores).astype(self.dtype)
        mixed = jnp.einsum("...hqk,...khd->...qhd", weights, value).reshape(x.shape)
        initial = nn.initializers.normal(self.deviation * self.smaller)
        return nn.Dense(width, use_bias=False, dtype=self.dtype, kernel_init=initial, name="out")(mixed)


class GatedFeedForward(nn.Module):
    """SwiGLU: a linear layer gated by another one, and a third one back to the width."""

    hidden: int
    deviation: float
    smaller: float
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the layer's contribution to the residual stream, of shape (sequences, length, width)."""
        initial = nn.initializers.normal(self.deviation)
        joint = nn.Dense(2 * self.hidden, use_bias=False, dtype=self.dtype, kernel_init=initial, name="gate_up")(x)
        gate, up = jnp.split(joint, 2, axis=-1)
        initial = nn.initializers.normal(self.deviation * self.smaller)
        down = nn.Dense(x.shape[-1], use_bias=False, dtype=self.dtype, kernel_init=initial, name="down")
        return down(nn.silu(gate) * up)


def rotary_angles(length: int, head: int, theta: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return cosine and sine of each position's angles, of shape (length, 1, head / 2)."""
    angles = np.arange(length)[:, None] * theta ** (-np.arange(0, head, 2) / head)
    return np.cos(angles)[:, None].astype(np.float32), np.sin(angles)[:, None].astype(np.float32)


def rotate(x: jax.Array, cos: NDArray[np.float32], sin: NDArray[np.float32]) -> jax.Array:
    """Rotate pairs of features by their angles; a pair is feature ``i`` of each half of a head."""
    first, second = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1).astype(x.dtype)
