"""Pretraining of the tiny encoder that ``deberta-stdlib`` fine-tunes: masked tokens in pairs of lines.

It is done once on a machine, in less than a minute, and kept in the user's cache folder.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax

from nqjax._progress import Progress
from nqjax.search import adamw
from nqjax.search.data.line_pairs import MASK, PAD, SEP
from nqjax.search.models.deberta import Encoder, MaskedLanguageModel

BATCH_SIZE, SHARE_MASKED, SEED = 32, 0.15, 0
PEAK, WARMUP, WEIGHT_DECAY = 3e-3, 0.1, 0.01
_AT_ONCE = 50  # steps in a call, between which the bar moves

Params = dict[str, Any]


def pretrained_encoder(encoder: Encoder, tokens: np.ndarray, steps: int, text: str) -> tuple[Params, str]:
    """Return the parameters of the pretrained encoder, from the cache folder if they are there.

    Parameters
    ----------
    encoder : Encoder
    tokens : ndarray of int, shape (texts, length)
        What it is pretrained on.
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
        model = MaskedLanguageModel(encoder)
        shapes = jax.eval_shape(model.init, jax.random.key(0), tokens[:1], tokens[:1] > 0)["params"]["encoder"]
        recipe = [repr(encoder), tokens.shape, steps, text, BATCH_SIZE, SHARE_MASKED, SEED, PEAK, WARMUP, WEIGHT_DECAY]
        name = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:16]
        folder = _cache_folder()
        path = None if folder is None else folder / f"deberta-stdlib-{name}.npz"
        params = None if path is None else _read(path, shapes)
        if params is None:
            params = jax.tree.map(np.asarray, _pretrain(model, tokens, steps)["params"]["encoder"])
            if path is not None:
                _write(path, params)
    numbers = b"".join(leaf.tobytes() for leaf in jax.tree.leaves(params))
    return params, hashlib.sha256(numbers).hexdigest()[:16]


def masked_cross_entropy(model: MaskedLanguageModel, params: Any, tokens: jax.Array, key: jax.Array) -> jax.Array:
    """Return the mean cross-entropy of the tokens that are masked, a random share of those that are words."""
    word = tokens > SEP
    hidden = word & (jax.random.uniform(key, tokens.shape) < SHARE_MASKED)
    logits: Any = model.apply(params, jnp.where(hidden, MASK, tokens), tokens != PAD)
    losses: Any = optax.softmax_cross_entropy_with_integer_labels(logits, tokens)  # type: ignore[arg-type]
    return jnp.sum(losses * hidden) / jnp.maximum(hidden.sum(), 1)


def _pretrain(model: MaskedLanguageModel, tokens: np.ndarray, steps: int) -> Any:
    key_init, key_train = jax.random.split(jax.random.key(SEED))

    @functools.partial(jax.jit, donate_argnums=0)
    def train(state: adamw.AdamWState, data: jax.Array) -> adamw.AdamWState:
        def step(state: adamw.AdamWState, _: None) -> tuple[adamw.AdamWState, None]:
            key = jax.random.fold_in(key_train, state.updates)
            index = jax.random.randint(jax.random.fold_in(key, 0), (BATCH_SIZE,), 0, len(data))
            batch = data[index].astype(jnp.int32)
            gradient = jax.grad(lambda p: masked_cross_entropy(model, p, batch, jax.random.fold_in(key, 1)))(
                state.params
            )
            rate = PEAK * adamw.warmup_linear(state.updates, steps, WARMUP * steps)
            return adamw.update(state, gradient, rate, weight_decay=WEIGHT_DECAY), None

        return jax.lax.scan(step, state, length=min(_AT_ONCE, steps))[0]

    data = jnp.asarray(tokens)
    state = adamw.start(jax.jit(model.init)(key_init, data[:1].astype(jnp.int32), data[:1] > 0))
    with Progress("steps of pretraining, done once", steps) as progress:
        for _ in range(max(steps // _AT_ONCE, 1)):
            state = jax.block_until_ready(train(state, data))
            progress.advance(min(_AT_ONCE, steps))
    return state.params


def _cache_folder() -> Path | None:
    """The folder of what is pretrained, made if need be; None where that is impossible."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        folder = (base if base.is_absolute() else Path.home() / ".cache") / "nqjax" / "pretrained"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # not writable, or no home
        return None
    return folder


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
    partial = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".partial", delete=False) as file:
            partial = Path(file.name)
            np.savez(file, **flat)
        partial.replace(path)
    except OSError:
        if partial is not None:
            partial.unlink(missing_ok=True)
