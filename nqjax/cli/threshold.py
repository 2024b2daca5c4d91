"""The threshold that a command uses: the one given, or one chosen by tests."""

import argparse
from typing import TYPE_CHECKING

from nqjax.cli.options import AUTO, constraints, limits
from nqjax.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from nqjax.checks.regime import Regime
    from nqjax.report.documents import RegimeDocument


#: Shares of the scores at which estimates are shown in addition to those at the chosen threshold.
_SHARES = (0.25, 0.5, 0.75)


def resolve(args: argparse.Namespace, scores: "np.ndarray") -> "tuple[tuple[float, float], Regime | None]":
    """Return the limits of the regime, and the chosen `Regime` (None if the threshold was given)."""
    if args.threshold != AUTO:
        return limits(args.threshold, args.minimize), None
    import nqjax

    try:
        regime = nqjax.find_regime(scores, minimize=args.minimize, **constraints(args))  # type: ignore[arg-type]
    except InputError as error:
        raise InputError(f"{error} (or use all scores with --threshold none)") from None
    if not regime.found:
        raise InputError(
            f"{regime.reason}; nqjax regime shows the tests, --threshold T sets a threshold, --threshold none uses all"
        )
    return limits(regime.threshold, args.minimize), regime


def movement(args: argparse.Namespace, scores: "np.ndarray", regime: "Regime | None") -> "RegimeDocument | None":
    """Return the document of a chosen regime, with fits at other shares of the scores; None for a given threshold."""
    if regime is None:
        return None
    from nqjax.checks.regime import fits_at_shares
    from nqjax.report.regime import regime_document

    return regime_document(regime, fits_at_shares(scores, _SHARES, minimize=args.minimize, **constraints(args)))
