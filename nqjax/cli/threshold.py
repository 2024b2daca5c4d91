"""The threshold that a command uses: the one given, or one chosen by tests."""

import argparse
from typing import TYPE_CHECKING

from nqjax.cli.options import constraints
from nqjax.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from nqjax.analysis.threshold import Selection
    from nqjax.estimation.noise_data import Noise
    from nqjax.report.documents import RegimeDocument


#: Shares of the scores at which estimates are shown in addition to those at the chosen threshold.
_SHARES = (0.25, 0.5, 0.75)


def resolve(args: argparse.Namespace, scores: "np.ndarray", noise: "Noise | None" = None) -> "Selection":
    """Return the scores within the limits of the regime, with the `Regime` if the threshold was to be chosen."""
    from nqjax.analysis.threshold import RegimeNotFoundError, read_question, select

    question = read_question(args.threshold, None, args.minimize, None, **constraints(args), noise=noise)
    try:
        return select(scores, question)
    except RegimeNotFoundError as error:
        raise InputError(
            f"{error.reason}; nqjax regime shows the tests, --threshold T sets a threshold, --threshold none uses all"
        ) from None


def movement(
    args: argparse.Namespace, scores: "np.ndarray", chosen: "Selection", noise: "Noise | None" = None
) -> "RegimeDocument | None":
    """Return the document of a chosen regime, with fits at other shares of the scores; None for a given threshold."""
    if chosen.regime is None:
        return None
    from nqjax.checks.regime import fits_at_shares
    from nqjax.estimation.noise_data import sigma_within
    from nqjax.report.regime import regime_document

    bounds = {**constraints(args), "sigma": sigma_within(args.sigma, noise)}
    return regime_document(chosen.regime, fits_at_shares(scores, _SHARES, minimize=args.minimize, **bounds))
