"""Data that ships with the package: one real random search, run by this package.

``digits_mlp.jsonl`` holds 1,024 trials of a random search over the hyperparameters of a small multilayer perceptron on
scikit-learn's bundled handwritten digits, as ``nqjax search digits-mlp --trials 1024`` writes it, but for the learning
curves; :mod:`bench.make_digits_mlp` made it. Its first line says what was searched, and with which versions.
Licence of this table: Apache-2.0.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["digits_mlp_path"]


def digits_mlp_path() -> Path:
    """Return the path of the digits random search, a JSON Lines file that `nqjax.search.read_trials` reads.

    Returns
    -------
    Path
        Where the installed package keeps ``digits_mlp.jsonl``.
    """
    return Path(__file__).with_name("digits_mlp.jsonl")
