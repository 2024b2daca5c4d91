"""Learning curves of random searches: those of the reference searches, and of one that is run here."""

import json
from typing import NamedTuple

import jax
import numpy as np

from bench.common import cache_folder, reference_folder
from nqjax.search import load, run
from nqjax.types import Floats

#: Trials of the search that is run here.
DIGITS_TRIALS = 1024


class Curves(NamedTuple):
    """The values of each trial, lower ones better, the shares of its training, and the cost of the whole of it."""

    name: str
    values: list[Floats]
    shares: list[Floats]
    lengths: Floats

    @property
    def arguments(self) -> dict[str, object]:
        """The arguments of `nqjax.fidelity_report` and `nqjax.search.curve_table`."""
        return {"source": self.values, "shares": self.shares, "lengths": self.lengths, "minimize": True}


def deberta() -> Curves:
    """Return the error on the matched set; an evaluation every thousand steps, and epochs as costs."""
    rows = _rows("deberta_v3_multinli")
    points = [np.array(row["learning_curves"]["matched"]) for row in rows]
    shares = [one[:, 0] / row["total_model_steps"] for one, row in zip(points, rows, strict=True)]
    return Curves("DeBERTaV3", [1 - one[:, 1] for one in points], shares, _column(rows, "num_train_epochs"))


def convnext() -> Curves:
    """Return the top-1 error after each epoch, none after the last of a run that failed; epochs are costs."""
    rows = _rows("convnext_tiny_imagenet")
    values = [np.array([1 - point["top_1"] for point in row["learning_curve"]], float) for row in rows]
    shares = [(np.arange(len(one)) + 1) / row["epochs"] for one, row in zip(values, rows, strict=True)]
    return Curves("ConvNeXt", values, shares, _column(rows, "epochs"))


def digits(count: int = DIGITS_TRIALS) -> Curves:
    """Return the validation loss after each of the 30 epochs of digits-mlp, trained here once."""
    path = cache_folder("fidelity") / f"digits-{count}.jsonl"
    trials = run(load("digits-mlp"), num_trials=count, key=jax.random.key(0), out=path, progress=True)
    values = trials.curves(trials.score)
    shares = [(np.arange(len(one)) + 1) / rounds for one, rounds in zip(values, trials["rounds"], strict=True)]
    return Curves("digits", values, shares, np.ones(len(values)))


def all_curves() -> list[Curves]:
    """Return the searches whose data are there."""
    found = [digits()]
    if reference_folder() is not None:
        found += [deberta(), convnext()]
    return found


def _rows(name: str) -> list[dict]:
    folder = reference_folder()
    if folder is None:
        raise FileNotFoundError("the reference searches are absent (set NQJAX_SHARED_DATA)")
    with (folder / f"{name}.jsonl").open() as file:
        return [json.loads(line) for line in file]


def _column(rows: list[dict], name: str) -> Floats:
    return np.array([row[name] for row in rows], float)
