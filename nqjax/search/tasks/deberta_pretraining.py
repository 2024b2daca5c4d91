"""Pretraining of the tiny encoder that ``deberta-stdlib`` fine-tunes.

Its objectives are BERT's (Devlin et al. 2019, arXiv 1810.04805): to tell the tokens that are masked, and whether the
second line of a pair follows the first or comes from anywhere. DeBERTaV3's own, detecting tokens that a generator has
replaced, takes a second model and longer than the minute that this may take.

It is done once on a machine, in less than a minute, and kept in the user's cache folder.
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

BATCH_SIZE, SHARE_MASKED, SEED = 32, 0.15, 0


PEAK, WARMUP, WEIGHT_DECAY = 1e-3, 0.1, 0.01


_AT_ONCE = 50  # steps in a call, between which the bar moves


Params = dict[str, Any]


def pretrained_encoder(encoder: Encoder, pairs: Batch, steps: int, text: str) -> tuple[Params, str]:
    """Return the parameters of the pretrained encoder, from the cache folder if they are there.

    Parameters
    ----------
    encoder : Encoder
    pairs : dict
        What it is pretrained on, from `line_pairs`.
    steps : int
        How long.
    text : str
        The fingerprint of the text that the tokens come from.

    Returns
    -------
    params : dict
        NumPy arrays.
    fingerprint : str
        Of their numbers, which differ a little from machine to machine.
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
    """Return the mean cross-entropy of the tokens that are masked, a random share, and that of the classes."""
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

        return jax.lax.scan(step, state, length=min(_AT_ONCE, steps))[0]

    data = jax.tree.map(jnp.asarray, pairs)
    one = jnp.ones((1, 2), jnp.int32)
    state = adamw.start(jax.jit(model.init)(key_init, one, one))
    with Progress("steps of pretraining, done once", steps) as progress:
        for _ in range(max(steps // _AT_ONCE, 1)):
            state = jax.block_until_ready(train(state, data))
            progress.advance(min(_AT_ONCE, steps))
    return state.params


def _read(path: Path, shapes: Any) -> Params | None:
    """The parameters in a file; None for a file that is missing or broken, which is then written anew."""
    try:
        with np.load(path) as file:
            params = flax.traverse_util.unflatten_dict({tuple(name.split("/")): file[name] for name in file.files})
    except Exception:  # noqa: BLE001 - whatever NumPy or zip find wrong with it
        return None
    alike = jax.tree.map(np.shape, params) == jax.tree.map(lambda leaf: leaf.shape, shapes)
    return params if alike else None


def _write(path: Path, params: Params) -> None:
    """Keep the parameters, if the folder lets us; the file appears when it is whole."""
    flat = flax.traverse_util.flatten_dict(params, sep="/")
    with contextlib.suppress(OSError), written_whole(path, "wb") as file:
        np.savez(file, **flat)
