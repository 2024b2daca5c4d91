"""Fine-tuning of a pretrained encoder of the DeBERTaV3 architecture, on MultiNLI and on the text of Python's library.

**deberta-mnli**: DeBERTaV3-base, fine-tuned on MultiNLI. The encoder has 183,831,552 parameters. It is trained by AdamW
(beta1 0.9, beta2 0.999, epsilon 1e-6, weight decay 0.01 on matrices); the learning rate warms up linearly over a part
of the first epoch and falls linearly to 0. The dropout that is searched is that of the classifier's input (cls_drop_out
in the published trials); in the encoder it is 0.1, as in the released model.

- Source: Lourie, He, Cho 2025 (arXiv 2510.02721).
- Space: batch_size ~ DiscreteUniform(16, 64), num_epochs ~ DiscreteUniform(1, 4), warmup_proportion ~ Uniform(0, 0.6),
  learning_rate ~ LogUniform(1e-6, 1e-3), dropout ~ Uniform(0, 0.3).
- Command: ``nqjax search deberta-mnli --data FOLDER --trials 1024 --out trials.jsonl``. The folder holds model/, the
  released model (config.json, its weights, its tokenizer's files), and train.jsonl and valid.jsonl with sentence1,
  sentence2 and gold_label (MultiNLI's own files, its matched development set for valid); `nqjax.search.data.mnli`
  says more.
- Expected time: not measured. The 49 batch sizes make 49 programs, each compiled once.
- Score: val_error, the lowest share of errors of all evaluations, which follow every 1,000 updates and the last one.
  Published fit (minimising, threshold 0.11): alpha 0.095, beta 0.141, gamma 1, sigma 1.0e-3, with 57.3 % of the
  trials below the threshold.

The published fit is of trials that were trained by the paper's own code, not by this package. The space, the
evaluations and the number of updates are those of these trials, which were also evaluated after each epoch. This
package chose pairs of 128 tokens, no clipping of gradients (DeBERTa's own program clips to a norm of 1 by default), and
to drop out far positions by distance rather than by bucket.

**deberta-stdlib**: a tiny DeBERTa, pretrained and fine-tuned on the standard library's source text. The text is that of
`nqjax.search.data.corpus`. The question is whether the second of two lines of a file follows the first or is any other
line. An encoder of 64 features, 2 layers, 2 heads and feed-forward layers of 256, over words, digits and signs
(`nqjax.search.data.line_pairs`), is pretrained once on a machine and kept in the user's cache folder
(`nqjax.search.tasks.deberta_pretraining`). It is fine-tuned on 1,024 pairs; 1,024 pairs from other files are for
validation. Batch sizes are traced: see the micro-batches of 8 in `DebertaFineTuning`.

- Source: Lourie, He, Cho 2025 (arXiv 2510.02721), scaled down.
- Space: batch_size ~ DiscreteUniform(8, 32), num_epochs ~ DiscreteUniform(1, 4), warmup_proportion ~ Uniform(0, 0.6),
  learning_rate ~ LogUniform(1e-5, 1e-2), dropout ~ Uniform(0, 0.3).
- Command: ``nqjax search deberta-stdlib --trials 256 --out trials.jsonl``.
- Expected time: about 9 min for 256 trials on two CPU cores, pretraining included (64 took 3 min); not measured on one
  GPU.
- Score: val_error, the share of errors after the epoch where it was lowest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from nqjax.errors import InputError
from nqjax.search.data import fingerprint
from nqjax.search.data.corpus import read_corpus
from nqjax.search.data.epochs import Epochs
from nqjax.search.data.line_pairs import PAD, Vocabulary, line_pairs, lines_of
from nqjax.search.data.mnli import LABELS, load_pairs
from nqjax.search.models import adamw, schedules
from nqjax.search.models.deberta import Classifier, Encoder
from nqjax.search.models.deberta_released import load_encoder
from nqjax.search.sources import Arrays
from nqjax.search.space import DiscreteUniform, LogUniform, Uniform
from nqjax.search.task import Config, Task
from nqjax.search.tasks.deberta_pretraining import pretrained_encoder


class State(NamedTuple):
    """The state of a trial: that of AdamW, and the gradient of examples that no update has used yet.

    Attributes
    ----------
    adamw : AdamWState
    gradient : pytree
        The sum over the waiting examples; None if every step is an update.
    waiting : int
        The number of examples that no update has used yet.
    seen : int
        The number of all examples so far.
    """

    adamw: adamw.AdamWState
    gradient: Any
    waiting: jax.Array
    seen: jax.Array


class DebertaFineTuning(Task):
    """The base of both searches; a subclass sets the model, its pretrained encoder, and the examples.

    Attributes
    ----------
    model : Classifier
    pretrained : dict
        The encoder's parameters.
    micro_batch : int or None
        If it is None, the batch size is static: each batch size has its own program, and a step is an update. If it is
        a number, the batch size is traced: a step adds the gradient of this many examples to a sum, and an update
        follows as soon as the examples so far make up another batch. So an epoch has every example once and the right
        number of updates; the examples of an update are the batch size rounded down or up to whole steps, and equal it
        on average.
    encoder_dropout : float
        The rate of dropout in the encoder; the rate that is searched is the classifier's.
    """

    score = "val_error"
    space = {  # noqa: RUF012
        "batch_size": DiscreteUniform(16, 64),
        "num_epochs": DiscreteUniform(1, 4),
        "warmup_proportion": Uniform(0, 0.6),
        "learning_rate": LogUniform(1e-6, 1e-3),
        "dropout": Uniform(0, 0.3),
    }
    model: Classifier
    pretrained: dict[str, Any]
    micro_batch: int | None = None
    encoder_dropout = 0.1

    def batch_size(self, config: Config) -> int:
        """Return the number of examples of a step."""
        return self.micro_batch or int(config["batch_size"])

    def num_rounds(self, config: Config) -> int:
        """Return the number of epochs."""
        return int(config["num_epochs"])

    def init(self, config: Config, key: jax.Array) -> State:  # noqa: ARG002
        """Return the pretrained encoder with a new classifier, and the state of AdamW."""
        tokens = jnp.ones((1, 2), jnp.int32)
        fresh = self.model.init(key, tokens, tokens)["params"]  # the compiler drops the encoder's unused weights
        # The program gets the weights from the host when it runs, because constants would become part of its text.
        shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), fresh["encoder"])
        pretrained = self.pretrained  # the program keeps what the function holds, and must not keep this task
        params = {"params": {**fresh, "encoder": jax.pure_callback(lambda: pretrained, shapes)}}
        waiting = jax.tree.map(jnp.zeros_like, params) if self.micro_batch else None
        return State(adamw.start(params), waiting, jnp.int32(0), jnp.int32(0))

    def step(
        self, state: State, config: Config, batch: dict[str, jax.Array], key: jax.Array
    ) -> tuple[State, jax.Array]:
        """Return the state after an update (with micro-batches, after a part of one), and the cross-entropy."""

        def total(params: Any) -> jax.Array:
            return self.losses(params, batch, config["dropout"], key)[0].sum()

        loss, gradient = jax.value_and_grad(total)(state.adamw.params)
        examples = len(batch["label"])
        waiting, seen = state.waiting + examples, state.seen + examples
        if state.gradient is not None:
            gradient = jax.tree.map(jnp.add, gradient, state.gradient)
        mean = jax.tree.map(lambda g: g / waiting, gradient)
        updated = adamw.update(
            state.adamw, mean, self.learning_rate(config, state.adamw.updates), epsilon=1e-6, weight_decay=0.01
        )
        if state.gradient is None:
            return State(updated, None, jnp.int32(0), seen), loss / examples
        full = seen // config["batch_size"] > state.seen // config["batch_size"]
        new = jax.tree.map(lambda new, old: jnp.where(full, new, old), updated, state.adamw)
        left = jax.tree.map(lambda g: jnp.where(full, 0, g), gradient)
        return State(new, left, jnp.where(full, 0, waiting), seen), loss / examples

    def num_updates(self, config: Config) -> Any:
        """Return the number of updates, which is traced if the hyperparameters are."""
        return len(self.train) * config["num_epochs"] // config["batch_size"]

    def learning_rate(self, config: Config, updates: jax.Array) -> jax.Array:
        """Return the learning rate of an update; after the last one it is 0."""
        rise = config["warmup_proportion"] * len(self.train) / config["batch_size"]
        return config["learning_rate"] * schedules.warmup_linear(updates, self.num_updates(config), rise)

    def losses(
        self, params: Any, batch: dict[str, jax.Array], rate: Any = 0.0, key: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Return the cross-entropy of each example, in nats, and the most likely class."""
        tokens = batch["tokens"].astype(jnp.int32)
        logits: Any = self.model.apply(params, tokens, tokens != PAD, rate, key)
        losses: Any = optax.softmax_cross_entropy_with_integer_labels(logits, batch["label"])  # type: ignore[arg-type]
        return losses, logits.argmax(-1)

    def evaluate(self, state: State, config: Config, batch: dict[str, jax.Array]) -> dict[str, jax.Array]:  # noqa: ARG002
        """Return whether each example is classified wrongly, and its cross-entropy."""
        losses, told = self.losses(state.adamw.params, batch)
        return {"val_error": told != batch["label"], "val_loss": losses}


class DebertaMNLI(DebertaFineTuning):
    """The search ``deberta-mnli``.

    Parameters
    ----------
    data : Path or str
        The folder of the model and the data.
    dtype : str
        The type of the computation.

    Raises
    ------
    InputError
        If there is no folder, or its files are missing or broken.
    """

    name = "deberta-mnli"
    static = ("batch_size",)
    evaluation_size = 64
    lanes = 1
    length = 128
    round_steps = 1_000
    train: Epochs
    valid: Arrays

    def __init__(self, data: Path | str | None = None, dtype: str = "bfloat16") -> None:
        if data is None:
            raise InputError("deberta-mnli needs a folder with model/, train.jsonl and valid.jsonl: give data=FOLDER")
        encoder, self.pretrained = load_encoder(Path(data) / "model", dtype=jnp.dtype(dtype))
        self.model = Classifier(encoder, len(LABELS), self.encoder_dropout)
        self.train = Epochs(self.round_steps, **load_pairs(data, "train", self.length, encoder.vocab_size))
        self.valid = Arrays(**load_pairs(data, "valid", self.length, encoder.vocab_size))
        pairs = {
            split: f"{len(part):,} pairs, {fingerprint.of_arrays(*part.arrays.values())}"
            for split, part in (("train", self.train), ("valid", self.valid))
        }
        self.settings = {**pairs, "model": fingerprint.of_arrays(*jax.tree.leaves(self.pretrained)), "dtype": dtype}
        self.source = str(Path(data).resolve())

    def num_rounds(self, config: Config) -> int:
        """Return the number of evaluations; steps of the last round after the last update change nothing."""
        return max(-(-int(self.num_updates(config)) // self.steps_per_round(config)), 1)

    def steps_per_round(self, config: Config) -> int:
        """Return the number of updates between evaluations."""
        return self.train.steps_per_round(self.batch_size(config))


class DebertaStdlib(DebertaFineTuning):
    """The search ``deberta-stdlib``.

    Parameters
    ----------
    pretraining : int
        The number of steps of pretraining.

    Raises
    ------
    InputError
        If this Python has no source files of its library.
    """

    name = "deberta-stdlib"
    space = {  # noqa: RUF012
        "batch_size": DiscreteUniform(8, 32),
        "num_epochs": DiscreteUniform(1, 4),
        "warmup_proportion": Uniform(0, 0.6),
        "learning_rate": LogUniform(1e-5, 1e-2),
        "dropout": Uniform(0, 0.3),
    }
    evaluation_size = 128
    micro_batch = 8
    length = 32
    width, depth, heads, hidden = 64, 2, 2, 256
    pretraining_pairs = 65_536

    def __init__(self, pretraining: int = 1500) -> None:
        corpus = read_corpus()
        train, valid = lines_of(corpus.train), lines_of(corpus.valid)
        vocabulary = Vocabulary(line for file in train for line in file)
        sizes = self.width, self.depth, self.heads, self.hidden
        encoder = Encoder(vocabulary.size, *sizes, buckets=32, farthest=64, deviation=0.1)
        pairs = line_pairs(train, vocabulary, self.pretraining_pairs, self.length, 0, elsewhere=True)
        self.pretrained, weights = pretrained_encoder(encoder, pairs, pretraining, corpus.fingerprint)
        self.model = Classifier(encoder, 2, self.encoder_dropout)
        self.train = Arrays(**line_pairs(train, vocabulary, 1024, self.length, 1))
        self.valid = Arrays(**line_pairs(valid, vocabulary, 1024, self.length, 2))
        self.settings = {"python": corpus.python, "text": corpus.fingerprint, "pretrained": weights}
