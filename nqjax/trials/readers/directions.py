"""Say from a metric's name or from a column of ranks whether lower or higher scores are better."""

import itertools
import math
import re
from collections.abc import Sequence

#: Words in names of metrics of which higher is better.
_HIGHER = (
    *("acc", "accuracy", "auc", "auroc", "aucpr", "auprc", "roc", "f1", "fbeta", "fscore", "r2", "precision", "recall"),
    *("reward", "return", "map", "ap", "bleu", "rouge", "meteor", "iou", "miou", "dice", "jaccard", "kappa", "mcc"),
    *("ndcg", "mrr", "hits", "psnr", "ssim", "likelihood", "loglik", "elbo", "evidence", "top1", "top5", "sensitivity"),
    *("specificity", "correlation", "pearson", "spearman", "winrate", "throughput", "success", "profit", "sharpe"),
)

#: Words in names of metrics of which lower is better.
_LOWER = (
    *("loss", "losses", "error", "err", "mse", "rmse", "mae", "mape", "smape", "rmsle", "nll", "ppl", "perplexity"),
    *("wer", "cer", "fid", "kl", "kld", "divergence", "crossentropy", "xent", "logloss", "regret", "risk", "cost"),
    *("brier", "ece", "bpc", "bpb", "deviance", "hinge", "misclassification", "distance", "rmsd", "chi2", "wape"),
)

#: Least share of the steps between ranks in which the score does not improve.
_LEAST_AGREEMENT = 0.999


def words_of(name: str) -> list[str]:
    """Return the words of a column's name, in lower case: ``mean_test_f1``, ``valLoss`` and ``eval/acc`` alike.

    ``top_5`` and ``top-5`` are one word, as ``top5`` is.
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).casefold()
    spaced = re.sub(r"(?<![a-z0-9])top[^a-z0-9]+(?=\d)", "top", spaced)
    return [word for word in re.split(r"[^a-z0-9]+", spaced) if word]


def direction_by_name(name: str) -> str | None:
    """Return ``"minimize"`` or ``"maximize"`` if the name of a metric says so, else None.

    Scikit-learn's scores with names such as ``neg_log_loss`` are negative losses.
    """
    words = words_of(name)
    higher = any(word in _HIGHER for word in words)
    lower = any(word in _LOWER for word in words) or "cross entropy" in " ".join(words)
    if higher == lower:
        return None
    if lower and ("neg" in words or "negative" in words):
        return "maximize"
    if higher and {"neg", "negative"} & set(words):
        return "minimize"
    return "maximize" if higher else "minimize"


def direction_by_rank(scores: Sequence[float], ranks: Sequence[float | None]) -> str | None:
    """Return the direction in which rank 1 is the best score, or None if the ranks are not those of the scores."""
    pairs = sorted(
        (rank, score)
        for rank, score in zip(ranks, scores, strict=True)
        if rank is not None and math.isfinite(rank) and math.isfinite(score)
    )
    if len(pairs) < 3 or len({score for _, score in pairs}) < 2:
        return None
    steps = [b - a for (_, a), (_, b) in itertools.pairwise(pairs)]
    for direction, sign in (("minimize", 1), ("maximize", -1)):
        if sum(sign * step >= 0 for step in steps) >= _LEAST_AGREEMENT * len(steps):
            return direction
    return None
