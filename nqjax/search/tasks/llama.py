"""Pretraining of a language model of the Llama architecture, on files of tokens and on the text of Python's library.

**llama-33m**: a 33M-parameter Llama on files of tokens. The decoder has 384 features, 8 layers, 6 heads, and sequences
of 512 tokens out of 50,304 (GPT-2's, padded). Its 33 million parameters (33,479,040) are counted with tied embeddings
and feed-forward layers of 4 x 384 x 2 / 3 = 1,024 features. Training takes 10,000 steps on batches of 200 sequences, by
AdamW (epsilon 1e-8, only matrices decay, no clipping); the learning rate warms up linearly, stays, and falls linearly
to 0 over the last 20 % (warmup-stable-decay). Dropout is after the embedding and at the end of each attention and each
feed-forward layer.

- Source: Lourie, He, Cho 2025 (arXiv 2510.02721).
- Space: lr ~ LogUniform(1e-5, 1e-1), beta1 ~ Uniform(0.7, 1), beta2 ~ Uniform(0.8, 1), warmup_steps ~
  DiscreteUniform(0, 3000), weight_decay ~ LogUniform(1e-4, 1), dropout ~ Uniform(0, 0.1).
- Command: ``nqjax search llama-33m --data FOLDER --trials 1024 --out trials.jsonl``. The folder holds train.npy and
  val.npy (or .bin), in the paper the tokens of SlimPajama-6B; `nqjax.search.data.tokens` writes such files.
- Expected time: not measured. A trial is 2.3e17 floating-point operations.
- Score: val_loss, the lowest cross-entropy (nats a token) of all evaluations, which follow every 500 steps.
  Published fit (minimising, threshold 3.695): alpha 3.580, beta 4.171, gamma 1, sigma 0.028, with 43.8 % of the trials
  below the threshold.

The published fit is of trials that were trained by the paper's own code, not by this package. Sizes, space, steps and
evaluations are those of these trials. This package chose tied embeddings, the width of the feed-forward layers, the
places of dropout, the parameters that decay, and the first 2,000 windows of val.npy as the validation set.

**llama-stdlib**: a tiny Llama on the source text of Python's standard library. The text is that of
`nqjax.search.data.corpus`. The decoder has 64 features, 2 layers, 2 heads and feed-forward layers of 192; it is trained
on sequences of 64 ASCII characters, in batches of 8, for 200 steps. The training and the validation text are from
different files; the model is trained on 4,096 windows of one and evaluated on 256 of the other after every 50 steps.

- Source: Lourie, He, Cho 2025 (arXiv 2510.02721), scaled down.
- Space: that of ``llama-33m``, with lr ~ LogUniform(1e-4, 1) and warmup_steps ~ DiscreteUniform(0, 60).
- Command: ``nqjax search llama-stdlib --trials 256 --out trials.jsonl``.
- Expected time: 7 min for 256 trials on two CPU cores; not measured on one GPU.
- Score: val_loss, in nats a character.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax

from nqjax.errors import InputError
from nqjax.search.data.corpus import ASCII, read_corpus, windows
from nqjax.search.data.tokens import TokenWindows, find_tokens
from nqjax.search.models import adamw, schedules
from nqjax.search.models.llama import Llama, hidden_width
from nqjax.search.sources import Arrays
from nqjax.search.space import DiscreteUniform, LogUniform, Uniform
from nqjax.search.task import Config, Task


class LlamaPretraining(Task):
    """The base of both searches; a subclass sets the sizes and the examples, windows of ``length + 1`` tokens.

    Attributes
    ----------
    model : Llama
    length : int
        The number of tokens that are predicted in a window.
    sequences : int
        The number of sequences in a batch.
    steps : int
        The number of updates.
    rounds : int
        The number of evaluations during training.
    at_once : int
        The number of sequences whose gradient is computed at a time; it bounds the memory.
    """

    score = "val_loss"
    model: Llama
    length: int
    sequences: int
    steps: int
    rounds: int
    at_once: int

    def batch_size(self, config: Config) -> int:  # noqa: ARG002
        """Return the number of sequences."""
        return self.sequences

    def num_rounds(self, config: Config) -> int:  # noqa: ARG002
        """Return the number of evaluations."""
        return self.rounds

    def steps_per_round(self, config: Config) -> int:  # noqa: ARG002
        """Return the number of steps between evaluations."""
        return self.steps // self.rounds

    def init(self, config: Config, key: jax.Array) -> adamw.AdamWState:  # noqa: ARG002
        """Return the initial parameters and the state of AdamW."""
        return adamw.start(self.model.init(key, jnp.zeros((1, self.length), jnp.int32)))

    def step(
        self, state: adamw.AdamWState, config: Config, batch: dict[str, jax.Array], key: jax.Array
    ) -> tuple[adamw.AdamWState, jax.Array]:
        """Return the state after one update, and the cross-entropy."""

        def loss_of(params: Any, tokens: jax.Array, key: jax.Array) -> jax.Array:
            return self.cross_entropy(params, tokens, config["dropout"], key).mean()

        tokens = batch["tokens"].astype(jnp.int32)
        parts = self.sequences // self.at_once
        if parts == 1:
            loss, gradient = jax.value_and_grad(loss_of)(state.params, tokens, key)
        else:

            def add(total: Any, part: Any) -> tuple[Any, None]:
                return jax.tree.map(jnp.add, total, jax.value_and_grad(loss_of)(state.params, *part)), None

            zero = (jnp.float32(0), jax.tree.map(jnp.zeros_like, state.params))
            split = tokens.reshape(parts, self.at_once, -1), jax.random.split(key, parts)
            loss, gradient = jax.tree.map(lambda leaf: leaf / parts, jax.lax.scan(add, zero, split)[0])
        state = adamw.update(
            state,
            gradient,
            config["lr"] * schedules.warmup_stable_decay(state.updates, self.steps, config["warmup_steps"]),
            beta1=config["beta1"],
            beta2=config["beta2"],
            weight_decay=config["weight_decay"],
        )
        return state, loss

    def evaluate(
        self,
        state: adamw.AdamWState,
        config: Config,  # noqa: ARG002
        batch: dict[str, jax.Array],
    ) -> dict[str, jax.Array]:
        """Return each window's cross-entropy, in nats a token."""
        return {"val_loss": self.cross_entropy(state.params, batch["tokens"].astype(jnp.int32))}

    def cross_entropy(self, params: Any, tokens: jax.Array, rate: Any = 0.0, key: jax.Array | None = None) -> jax.Array:
        """Return the mean cross-entropy of each window, of shape (windows,)."""
        logits: Any = self.model.apply(params, tokens[:, :-1], rate, key)
        return optax.softmax_cross_entropy_with_integer_labels(logits, tokens[:, 1:]).mean(-1)  # type: ignore[arg-type]


class Llama33M(LlamaPretraining):
    """The search ``llama-33m``.

    Parameters
    ----------
    data : Path or str
        The folder with train.npy and val.npy, or train.bin and val.bin.
    dtype : str
        The type of the computation.

    Raises
    ------
    InputError
        If there is no folder, or its files are missing or too short.
    """

    name = "llama-33m"
    space = {  # noqa: RUF012
        "lr": LogUniform(1e-5, 1e-1),
        "beta1": Uniform(0.7, 1),
        "beta2": Uniform(0.8, 1),
        "warmup_steps": DiscreteUniform(0, 3000),
        "weight_decay": LogUniform(1e-4, 1),
        "dropout": Uniform(0, 0.1),
    }
    length, sequences, steps, rounds, at_once = 512, 200, 10_000, 20, 20
    evaluation_size = 20
    lanes = 1
    train: TokenWindows
    valid: TokenWindows
    vocab_size = 50_304

    def __init__(self, data: Path | str | None = None, dtype: str = "bfloat16") -> None:
        if data is None:
            raise InputError("llama-33m needs the folder of its tokens, train.npy and val.npy: give data=FOLDER")
        self.train = TokenWindows(find_tokens(data, "train"), self.length, self.vocab_size)
        self.valid = TokenWindows(find_tokens(data, "val"), self.length, self.vocab_size, limit=2_000)
        self.model = Llama(self.vocab_size, 384, 8, 6, hidden_width(384, 256), dtype=jnp.dtype(dtype))
        self.settings = {"train": self.train.fingerprint, "val": self.valid.fingerprint, "dtype": dtype}
        self.source = str(Path(data).resolve())


class LlamaStdlib(LlamaPretraining):
    """The search ``llama-stdlib``.

    Raises
    ------
    InputError
        If this Python has no source files of its library.
    """

    name = "llama-stdlib"
    space = {  # noqa: RUF012
        "lr": LogUniform(1e-4, 1),
        "beta1": Uniform(0.7, 1),
        "beta2": Uniform(0.8, 1),
        "warmup_steps": DiscreteUniform(0, 60),
        "weight_decay": LogUniform(1e-4, 1),
        "dropout": Uniform(0, 0.1),
    }
    length, sequences, steps, rounds, at_once = 64, 8, 200, 4, 8
    evaluation_size = 64

    def __init__(self) -> None:
        corpus = read_corpus()
        self.train = Arrays(tokens=windows(corpus.train, self.length + 1, 4096))
        self.valid = Arrays(tokens=windows(corpus.valid, self.length + 1, 256))
        self.model = Llama(ASCII, 64, 2, 2, hidden_width(64, 32), deviation=0.05)
        self.settings = {"python": corpus.python, "text": corpus.fingerprint}
