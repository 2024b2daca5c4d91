"""The answer averaged over the threshold, as several commands print it."""

import argparse
from typing import TYPE_CHECKING, Any

from nqjax.cli import cautions, output, reruns
from nqjax.cli.options import constraints

if TYPE_CHECKING:
    import numpy as np
    from jax import Array

    from nqjax.analysis.threshold import Question
    from nqjax.estimation.noise_data import Noise
    from nqjax.posterior.averaged import AveragedPosterior


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
    key: "Array | None" = None,
    shape: tuple[int, int] = (4, 1000),
    noise: "Noise | None" = None,
) -> "AveragedPosterior":
    """Return the posterior averaged over all thresholds; without a key, that of Python without one."""
    from nqjax.analysis.averaged import averaged_of

    return averaged_of(scores, _question(args), key, confidence=confidence, shape=shape, noise=noise)


def give(args: argparse.Namespace, post: "AveragedPosterior", scores: "np.ndarray") -> Any:
    """Print the answer, or a band where the scores do not tell the parameters, and return its document."""
    from nqjax.checks.noise_alone import NOISE_ALONE
    from nqjax.checks.rerun_advice import advice_on_intervals
    from nqjax.report.averaged import averaged_document, print_averaged
    from nqjax.report.few import few_answer, print_few

    head = output.head(args, post.limits, scores)
    document: dict[str, Any] = dict(averaged_document(post, scores, head=head, trials=output.trials(args, len(scores))))
    found = cautions_of(args, post)
    document["warnings"] = cautions.joined(document["warnings"], found)
    document["advice"] = None
    if args.measured is None and post.tells_parameters and NOISE_ALONE not in found:
        ends = post.interval("gamma"), post.interval("sigma")
        document["advice"] = advice_on_intervals(*ends, post.limits, post.minimize, scores)
    document["noise"] = reruns.entry(args.measured)
    document["few"] = None
    if not post.tells_parameters:
        few = few_answer(scores, minimize=args.minimize, num_used=round(post.mean_used), why=post.untold)
        document["few"] = {**few, "warnings": found}
    output.give(args, document, print_few if document["few"] else print_averaged)
    return document


def cautions_of(args: argparse.Namespace, post: "AveragedPosterior") -> list[str]:
    """Return the warnings about the scores of a command's file, a sentence each."""
    from nqjax.analysis.cautions import cautions_without_fit

    return cautions.located(args, cautions_without_fit(post.study, post.limits, "row {row}"), post.num_scores)
