"""Data that ships with the package: one real random search, run by this repository.

``digits_mlp.csv`` holds 1,024 trials of a random search over the hyperparameters of a small multilayer perceptron on
scikit-learn's bundled handwritten digits. The file's leading comment lines say how it was made;
:mod:`nqjax.data.make_digits_mlp` is the program that made it.

Constants
---------
DIGITS_MLP_SPACE
    The search space: each hyperparameter's distribution, ``"uniform"`` or ``"log_uniform"``, and its two ends.
DIGITS_MLP_METRICS
    The columns that are outcomes rather than hyperparameters.
DIGITS_MLP_THRESHOLD
    A validation loss below which the noisy quadratic distribution describes the search well, for demonstrations: 38 %
    of the trials reach it. It was chosen after looking at this table's fits, as any threshold of a regime is.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["DIGITS_MLP_METRICS", "DIGITS_MLP_SPACE", "DIGITS_MLP_THRESHOLD", "digits_mlp_path"]

DIGITS_MLP_SPACE: dict[str, tuple[str, float, float]] = {
    "learning_rate": ("log_uniform", 1e-2, 1.0),
    "momentum": ("uniform", 0.5, 0.95),
    "weight_decay": ("log_uniform", 1e-6, 1e-2),
    "dropout": ("uniform", 0.0, 0.5),
    "init_scale": ("log_uniform", 0.2, 2.0),
}

DIGITS_MLP_METRICS: tuple[str, ...] = ("diverged", "val_accuracy", "val_loss")

DIGITS_MLP_THRESHOLD: float = 0.075


def digits_mlp_path() -> Path:
    """Return the path of the digits random search, a CSV file with leading ``#`` comment lines.

    Returns
    -------
    Path
        Where the installed package keeps ``digits_mlp.csv``.
    """
    return Path(__file__).with_name("digits_mlp.csv")
