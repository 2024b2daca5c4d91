"""The fine-tuning search is made as its published trials were: its dropout, its epochs and its evaluations."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nqjax.search import Stream, run
from nqjax.search.data.epochs import Epochs
from nqjax.search.models.deberta import Classifier, Encoder
from nqjax.search.tasks.deberta import DebertaMNLI, DebertaStdlib
from support import tiny_task


def test_the_dropout_that_is_searched_is_the_classifiers() -> None:
    assert (DebertaMNLI.encoder_dropout, DebertaStdlib.encoder_dropout) == (0.1, 0.1)
    encoder = Encoder(20, 16, 1, 2, 32, buckets=8, farthest=16)
    model, key = Classifier(encoder, 3), jax.random.key(1)
    tokens = jnp.arange(3, 11)[None]
    params = model.init(jax.random.key(0), tokens, tokens > 0)

    def found(rate: float) -> tuple[Any, Any]:
        logits, kept = model.apply(params, tokens, tokens > 0, rate, key, capture_intermediates=True)
        return logits, kept["intermediates"]["encoder"]["__call__"][0]

    (none, inside), (some, same) = found(0.0), found(0.5)
    np.testing.assert_array_equal(inside, same)
    assert not np.array_equal(none, some)
    alone = encoder.apply({"params": params["params"]["encoder"]}, tokens, tokens > 0, 0.1, key)
    np.testing.assert_array_equal(inside, alone)


def test_epochs_run_on_through_the_rounds() -> None:
    examples = Epochs(4, x=np.arange(10))
    assert isinstance(examples, Stream)
    assert (examples.steps_per_round(2), examples.steps_per_round(3), examples.steps_per_round(20)) == (4, 3, 1)
    seen = np.concatenate([examples.batch((1, 2), i // 4, i % 4, 2)["x"] for i in range(15)]).reshape(3, 10)
    np.testing.assert_array_equal(np.sort(seen), np.tile(np.arange(10), (3, 1)))
    assert not np.array_equal(seen[0], seen[1])
    assert not np.array_equal(examples.batch((1, 3), 0, 0, 10)["x"], seen[0])
    np.testing.assert_array_equal(examples.batch((1, 2), 1, 0, 3)["x"], [seen[0, 9], *seen[1, :2]])
    np.testing.assert_array_equal(examples.batch((1, 2), 0, 0, 20)["x"], seen[:2].ravel())
    (batch, weights), (last, few) = examples.evaluation_batches(8)
    np.testing.assert_array_equal([*batch["x"], *last["x"][:2]], np.arange(10))
    np.testing.assert_array_equal([weights.sum(), few.sum()], [8, 2])


def test_a_search_trains_on_epochs() -> None:
    line = tiny_task.Line()
    line.train = Epochs(4, **line.train.arrays)
    whole, one = (run(line, num_trials=6, key=jax.random.key(0), population=population) for population in (None, 1))
    assert whole.rows == one.rows
    assert not whole.failed.any()


@pytest.mark.parametrize(("batch", "epochs", "updates"), [(56, 1, 7012), (17, 2, 46200), (44, 3, 26775)])
def test_deberta_mnli_is_evaluated_as_the_published_trials_are(batch: int, epochs: int, updates: int) -> None:
    """Every thousand updates, and after the last one, from which on nothing moves."""
    task = DebertaMNLI.__new__(DebertaMNLI)
    task.train = Epochs(task.round_steps, label=np.zeros(392_702, np.int8))
    config = {"batch_size": batch, "num_epochs": epochs, "warmup_proportion": 0.5, "learning_rate": 1.0}
    assert (task.num_rounds(config), task.steps_per_round(config)) == (-(-updates // 1000), 1000)
    assert task.num_updates(config) == task.num_updates({**config, "num_epochs": jnp.int32(epochs)}) == updates
    rates = [float(task.learning_rate(config, jnp.int32(updates + i))) for i in (-1, 0, 500)]
    assert rates[0] > 0 == rates[1] == rates[2]
