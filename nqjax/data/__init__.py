"""Data that ship with the package: a random search that this package ran, and simulated null distributions.

``digits_mlp.jsonl`` holds 1,024 trials of a random search over the hyperparameters of a small multilayer perceptron on
scikit-learn's bundled handwritten digits. It is what ``nqjax search digits-mlp --trials 1024`` writes, without the
learning curves; :mod:`bench.make_digits_mlp` made it. Its first line has the search space and the versions.
The licence of this table is Apache-2.0.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["digits_mlp_path"]


def digits_mlp_path() -> Path:
    """Return the path of the random search on digits, a JSON Lines file that `nqjax.search.read_trials` reads.

    Returns
    -------
    Path
        The path of ``digits_mlp.jsonl`` in the installed package.

    Examples
    --------
    >>> from nqjax.data import digits_mlp_path
    >>> from nqjax.search import read_trials
    >>> len(read_trials(digits_mlp_path()))
    1024
    """
    return Path(__file__).with_name("digits_mlp.jsonl")
