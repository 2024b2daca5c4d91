"""An encoder of the DeBERTaV3 architecture, whose attention treats content and relative position separately.

Sources: He et al. 2021 (arXiv 2006.03654), disentangled attention; He, Gao, Chen 2023 (arXiv 2111.09543), DeBERTaV3.
The options are those of the released models: positions in logarithmic buckets, shared between layers, normalised, and
projected by the same weights as the content (share_att_key); content-to-position and position-to-content scores.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from nqjax.search.models.dropout import dropout

_Key = jax.Array | None


class Encoder(nn.Module):
    """The encoder that is pretrained and fine-tuned: it returns a vector for each token.

    Attributes
    ----------
    vocab_size, width, depth, heads, hidden : int
        The number of tokens, of features, of layers, of attention heads (which divide the features among them), and of
        features inside a feed-forward layer.
    buckets, farthest : int
        The number of buckets of positions on each side, and the distance at which the last bucket begins
        (position_buckets and max_relative_positions of released models). Without buckets (0), every distance below
        ``farthest`` has its own vector.
    epsilon : float
        The epsilon of the norms.
    deviation : float
        The standard deviation of the initial weights.
    dtype : dtype
        The type of the computation; norms, softmax and parameters are float32.
    """

    vocab_size: int
    width: int
    depth: int
    heads: int
    hidden: int
    buckets: int = 256
    farthest: int = 512
    epsilon: float = 1e-7
    deviation: float = 0.02
    dtype: Any = jnp.float32

    def setup(self) -> None:
        """Define the layers."""
        initial = nn.initializers.normal(self.deviation)
        span = self.buckets or self.farthest
        self.embed = nn.Embed(self.vocab_size, self.width, dtype=self.dtype, embedding_init=initial)
        self.positions = nn.Embed(2 * span, self.width, dtype=self.dtype, embedding_init=initial)
        self.embed_norm, self.position_norm = self._norm(), self._norm()
        part = {"deviation": self.deviation, "epsilon": self.epsilon, "dtype": self.dtype}
        self.layers = [Layer(self.heads, self.hidden, **part) for _ in range(self.depth)]

    def __call__(
        self, tokens: jax.Array, mask: jax.Array, rate: jax.Array | float = 0.0, key: _Key = None
    ) -> jax.Array:
        """Return the features of each token.

        Parameters
        ----------
        tokens : array of int, shape (texts, length)
        mask : array of bool, shape (texts, length)
            False for padding.
        rate : scalar
            The rate of all dropout: of embeddings, positions and attention weights, and at the end of each layer.
        key : key, optional
            Without a key there is no dropout.

        Returns
        -------
        array, shape (texts, length, width)
            The features of padding have no meaning.
        """
        mask = mask.astype(bool)
        x = self.embed_norm(self.embed(tokens)) * mask[..., None].astype(self.dtype)
        x = _drop(x, rate, key, 0)
        index = position_index(tokens.shape[-1], self.buckets, self.farthest)
        positions = self.position_norm(self.positions.embedding.astype(self.dtype))[index]
        for number, layer in enumerate(self.layers):
            x = layer(x, positions, mask, rate, None if key is None else jax.random.fold_in(key, number + 1))
        return x

    def decode(self, x: jax.Array) -> jax.Array:
        """Return the products of features with each token's embedding, of shape (..., vocab_size)."""
        return x @ self.embed.embedding.astype(self.dtype).T

    def _norm(self) -> nn.LayerNorm:
        return nn.LayerNorm(epsilon=self.epsilon, dtype=self.dtype, use_fast_variance=False)


class Layer(nn.Module):
    """An attention and a feed-forward layer, each added to its input and then normalised."""

    heads: int
    hidden: int
    deviation: float
    epsilon: float
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, positions: jax.Array, mask: jax.Array, rate: Any, key: _Key) -> jax.Array:
        """Return the new features, of shape (texts, length, width)."""
        width = x.shape[-1]
        attention = DisentangledAttention(self.heads, self.deviation, self.dtype, name="attention")
        mixed = self._dense(width, "attention_out")(attention(x, positions, mask, rate, key))
        x = self._norm("attention_norm")(_drop(mixed, rate, key, 2) + x)
        inner = nn.gelu(self._dense(self.hidden, "up")(x), approximate=False)
        return self._norm("norm")(_drop(self._dense(width, "down")(inner), rate, key, 3) + x)

    def _dense(self, width: int, name: str) -> nn.Dense:
        return nn.Dense(width, dtype=self.dtype, kernel_init=nn.initializers.normal(self.deviation), name=name)

    def _norm(self, name: str) -> nn.LayerNorm:
        return nn.LayerNorm(epsilon=self.epsilon, dtype=self.dtype, use_fast_variance=False, name=name)


class DisentangledAttention(nn.Module):
    """Attention whose scores are the sum of content-to-content, content-to-position and position-to-content scores."""

    heads: int
    deviation: float
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, positions: jax.Array, mask: jax.Array, rate: Any, key: _Key) -> jax.Array:
        """Return the mixed features.

        Parameters
        ----------
        x : array, shape (texts, length, width)
        positions : array, shape (2 * length - 1, width)
            The vectors of the distances, query minus key, from the greatest to the least.
        mask : array of bool, shape (texts, length)
        rate : scalar
        key : key, optional

        Returns
        -------
        array, shape (texts, length, width)
        """
        initial = nn.initializers.normal(self.deviation)
        project = {
            name: nn.Dense(x.shape[-1], dtype=self.dtype, kernel_init=initial, name=name)
            for name in ("query", "key", "value")
        }

        def heads_of(name: str, features: jax.Array) -> jax.Array:
            out = project[name](features)
            return out.reshape(*out.shape[:-1], self.heads, -1)

        query, keys, value = (heads_of(name, x) for name in project)
        # The reference applies dropout to buckets before the look-up; here each distance of a bucket has its own mask.
        positions = _drop(positions, rate, key, 0)
        scores = jnp.einsum("...qhd,...khd->...hqk", query, keys)
        to_position = jnp.einsum("...qhd,rhd->...hqr", query, heads_of("key", positions))
        # From the key's side the distances are negative, so their order is reversed.
        from_position = jnp.einsum("...khd,rhd->...hkr", keys, heads_of("query", positions)[::-1])
        scores = scores + by_distance(to_position) + by_distance(from_position).swapaxes(-1, -2)
        scores = scores.astype(jnp.float32) * (3 * query.shape[-1]) ** -0.5
        scores = jnp.where(mask[..., None, None, :], scores, jnp.finfo(jnp.float32).min)
        weights = _drop(jax.nn.softmax(scores).astype(self.dtype), rate, key, 1)
        return jnp.einsum("...hqk,...khd->...qhd", weights, value).reshape(x.shape)


class Classifier(nn.Module):
    """The encoder with a classifier of the first token's features.

    Attributes
    ----------
    encoder : Encoder
    classes : int
    encoder_dropout : float
        The rate of all dropout in the encoder.
    """

    encoder: Encoder
    classes: int
    encoder_dropout: float = 0.1

    @nn.compact
    def __call__(
        self, tokens: jax.Array, mask: jax.Array, rate: jax.Array | float = 0.0, key: _Key = None
    ) -> jax.Array:
        """Return the logits, of shape (texts, classes).

        The arguments are those of the encoder, but ``rate`` is the rate of the dropout before the last layer.
        """
        initial = nn.initializers.normal(self.encoder.deviation)
        first = self.encoder(tokens, mask, self.encoder_dropout, key)[..., 0, :]
        pooler = nn.Dense(self.encoder.width, dtype=self.encoder.dtype, kernel_init=initial, name="pooler")
        pooled = _drop(nn.gelu(pooler(first), approximate=False), rate, key, self.encoder.depth + 1)
        return nn.Dense(self.classes, kernel_init=initial, name="classifier")(pooled.astype(jnp.float32))


class Pretrainer(nn.Module):
    """The encoder with a layer that predicts each token, and a classifier of the first token's features."""

    encoder: Encoder
    classes: int

    @nn.compact
    def __call__(self, tokens: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the logits of the tokens, and those of the classes.

        Parameters
        ----------
        tokens, mask : array, shape (texts, length)
            The encoder's arguments.

        Returns
        -------
        array, shape (texts, length, vocab_size)
            The products with the embeddings plus a bias.
        array, shape (texts, classes)
        """
        encoder, initial = self.encoder, nn.initializers.normal(self.encoder.deviation)
        x = encoder(tokens, mask)
        inner = nn.gelu(nn.Dense(encoder.width, kernel_init=initial, name="dense")(x), approximate=False)
        inner = nn.LayerNorm(epsilon=encoder.epsilon, use_fast_variance=False, name="norm")(inner)
        bias = self.param("bias", nn.initializers.zeros, (encoder.vocab_size,))
        classes = nn.Dense(self.classes, kernel_init=initial, name="classifier")(x[..., 0, :])
        return encoder.decode(inner) + bias, classes


def position_index(length: int, buckets: int, farthest: int) -> NDArray[np.intp]:
    """Return the index of each distance's vector, for distances (query minus key) from the greatest to the least.

    Parameters
    ----------
    length : int
        The length of the text.
    buckets, farthest : int
        As for `Encoder`. Distances up to half the buckets have one bucket each; beyond, the buckets widen in proportion
        to the distance, and all distances from ``farthest`` on share the last one.

    Returns
    -------
    ndarray, shape (2 * length - 1,)
    """
    distance = np.arange(length - 1, -length, -1)
    span = buckets or farthest
    if buckets:
        middle = buckets // 2
        far = np.maximum(np.abs(distance), middle) / middle
        logarithmic = np.ceil(np.log(far) / np.log((farthest - 1) / middle) * (middle - 1)) + middle
        distance = np.where(np.abs(distance) <= middle, distance, np.sign(distance) * logarithmic).astype(int)
    return np.clip(distance + span, 0, 2 * span - 1)


def by_distance(x: jax.Array) -> jax.Array:
    """Rearrange scores by distance into scores by position.

    Parameters
    ----------
    x : array, shape (..., length, 2 * length - 1)
        Column ``length - 1 + j - i`` of row ``i`` belongs to position ``j``.

    Returns
    -------
    array, shape (..., length, length)
        ``x`` reshaped to rows that are one number shorter; a gather would have a slow scatter as its gradient.
    """
    length = x.shape[-2]
    if length == 1:
        return x
    start, row = length - 1, 2 * length - 2
    flat = x.reshape(*x.shape[:-2], -1)[..., start : start + length * row]
    return flat.reshape(*x.shape[:-1], row)[..., :length]


def _drop(x: jax.Array, rate: jax.Array | float, key: _Key, place: int) -> jax.Array:
    return x if key is None else dropout(x, rate, jax.random.fold_in(key, place))
