"""The answer averaged over the threshold, as several commands print it."""

import argparse
from typing import TYPE_CHECKING

from nqjax.cli import output
from nqjax.cli.options import constraints

if TYPE_CHECKING:
    import numpy as np

    from nqjax.analysis.threshold import Question
    from nqjax.posterior.averaged import AveragedPosterior
    from nqjax.report.documents import AveragedDocument


def leaves_open(args: argparse.Namespace) -> bool:
    """Return whether the threshold is left to the command, and all thresholds can be tried."""
    if args.threshold != "auto":
        return False
    from nqjax.analysis.averaged import leaves_open as of_question

    return of_question(_question(args))


def _question(args: argparse.Namespace) -> "Question":
    from nqjax.analysis.threshold import read_question

    return read_question(args.threshold, None, args.minimize, None, **constraints(args))


def answer(
    args: argparse.Namespace,
    scores: "np.ndarray",
    confidence: float = 0.95,
    seed: int | None = None,
    shape: tuple[int, int] = (4, 1000),
) -> "AveragedPosterior":
    """Return the posterior averaged over all thresholds; without a seed, that of Python without a key."""
    import jax

    from nqjax.analysis.averaged import averaged_of

    key = None if seed is None else jax.random.key(seed)
    return averaged_of(scores, _question(args), key, confidence=confidence, shape=shape)


def document_of(args: argparse.Namespace, post: "AveragedPosterior", scores: "np.ndarray") -> "AveragedDocument":
    """Return the document that is printed."""
    from nqjax.report.averaged import averaged_document

    head = output.head(args, post.limits, scores)
    return averaged_document(post, scores, head=head, trials=output.trials(args, len(scores)))
