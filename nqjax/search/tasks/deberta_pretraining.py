"""Pretraining of the tiny encoder that ``deberta-stdlib`` fine-tunes.

The objectives are those of BERT (Devlin et al. 2019, arXiv 1810.04805): to predict masked tokens, and whether the
second line of a pair follows the first or comes from anywhere. The objective of DeBERTaV3, to detect tokens that a
generator has replaced, would need a second model and more time.

Pretraining is done once on a machine, in less than a minute, and the result is kept in the user's cache folder.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from pathlib import Path
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax

from nqjax.runtime.files import cache_folder, written_whole
from nqjax.runtime.progress import Progress
from nqjax.search.data.line_pairs import MASK, PAD, SEP
from nqjax.search.models import adamw, schedules
from nqjax.search.models.deberta import Encoder, Pretrainer
from nqjax.search.sources import Batch

#: Pairs in a batch.
BATCH_SIZE = 32

#: The share of tokens that are masked.
SHARE_MASKED = 0.15

#: The seed of the initial weights, the batches and the masks.
SEED = 0

#: The peak learning rate.
PEAK = 1e-3

#: The share of the steps over which the learning rate rises.
WARMUP = 0.1

WEIGHT_DECAY = 0.01

#: Steps of one call, after which the progress is shown.
_STEPS_PER_CALL = 50

Params = dict[str, Any]


def pretrained_encoder(encoder: Encoder, pairs: Batch, steps: int, text: str) -> tuple[Params, str]:
    """Return the parameters of the pretrained encoder, from the cache folder if it has them.

    Parameters
    ----------
    encoder : Encoder
    pairs : dict
        The pairs to pretrain on, from `line_pairs`.
    steps : int
        The number of steps.
    text : str
        The fingerprint of the text from which the tokens come.

    Returns
    -------
    params : dict
        The parameters, as NumPy arrays.
    fingerprint : str
        A digest of their numbers, which differ a little between machines.
    """
    with jax.enable_x64(False):
        model, tokens = Pretrainer(encoder, 2), pairs["tokens"]
        shapes = jax.eval_shape(model.init, jax.random.key(0), tokens[:1], tokens[:1] > 0)["params"]["encoder"]
        recipe = [repr(encoder), tokens.shape, steps, text, BATCH_SIZE, SHARE_MASKED, SEED, PEAK, WARMUP, WEIGHT_DECAY]
        name = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:16]
        folder = cache_folder("pretrained")
        path = None if folder is None else folder / f"deberta-stdlib-{name}.npz"
        params = None if path is None else _read(path, shapes)
        if params is None:
            params = jax.tree.map(np.asarray, _pretrain(model, pairs, steps)["params"]["encoder"])
            if path is not None:
                _write(path, params)
    numbers = b"".join(leaf.tobytes() for leaf in jax.tree.leaves(params))
    return params, hashlib.sha256(numbers).hexdigest()[:16]


def pretraining_loss(model: Pretrainer, params: Any, batch: dict[str, jax.Array], key: jax.Array) -> jax.Array:
    """Return the mean cross-entropy of the masked tokens plus that of the classes; the mask is drawn from the key."""
    tokens = batch["tokens"].astype(jnp.int32)
    hidden = (tokens > SEP) & (jax.random.uniform(key, tokens.shape) < SHARE_MASKED)
    words, follows = model.apply(params, jnp.where(hidden, MASK, tokens), tokens != PAD)  # type: ignore[misc]
    losses: Any = optax.softmax_cross_entropy_with_integer_labels(words, tokens)  # type: ignore[arg-type]
    classes: Any = optax.softmax_cross_entropy_with_integer_labels(follows, batch["label"])  # type: ignore[arg-type]
    return jnp.sum(losses * hidden) / jnp.maximum(hidden.sum(), 1) + classes.mean()


def _pretrain(model: Pretrainer, pairs: Batch, steps: int) -> Any:
    key_init, key_train = jax.random.split(jax.random.key(SEED))

    @functools.partial(jax.jit, donate_argnums=0)
    def train(state: adamw.AdamWState, data: dict[str, jax.Array]) -> adamw.AdamWState:
        def step(state: adamw.AdamWState, _: None) -> tuple[adamw.AdamWState, None]:
            key = jax.random.fold_in(key_train, state.updates)
            index = jax.random.randint(jax.random.fold_in(key, 0), (BATCH_SIZE,), 0, len(data["label"]))
            batch = jax.tree.map(lambda a: a[index], data)
            gradient = jax.grad(lambda p: pretraining_loss(model, p, batch, jax.random.fold_in(key, 1)))(state.params)
            rate = PEAK * schedules.warmup_linear(state.updates, steps, WARMUP * steps)
            return adamw.update(state, gradient, rate, weight_decay=WEIGHT_DECAY), None

        return jax.lax.scan(step, state, length=min(_STEPS_PER_CALL, steps))[0]

    data = jax.tree.map(jnp.asarray, pairs)
    one = jnp.ones((1, 2), jnp.int32)
    state = adamw.start(jax.jit(model.init)(key_init, one, one))
    with Progress("steps of pretraining, done once", steps) as progress:
        for _ in range(max(steps // _STEPS_PER_CALL, 1)):
            state = jax.block_until_ready(train(state, data))
            progress.advance(min(_STEPS_PER_CALL, steps))
    return state.params


def _read(path: Path, shapes: Any) -> Params | None:
    """Return the parameters in a file, or None if it is missing or broken; it is then written again."""
    try:
        with np.load(path) as file:
            params = flax.traverse_util.unflatten_dict({tuple(name.split("/")): file[name] for name in file.files})
    except Exception:  # noqa: BLE001 - NumPy and zip raise many kinds
        return None
    alike = jax.tree.map(np.shape, params) == jax.tree.map(lambda leaf: leaf.shape, shapes)
    return params if alike else None


def _write(path: Path, params: Params) -> None:
    """Keep the parameters, if the folder can be written."""
    flat = flax.traverse_util.flatten_dict(params, sep="/")
    with contextlib.suppress(OSError), written_whole(path, "wb") as file:
        np.savez(file, **flat)
