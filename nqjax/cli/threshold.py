"""The threshold that a command uses: the one given, or one chosen automatically."""

import argparse
from typing import TYPE_CHECKING, Any

from nqjax.cli.options import AUTO, constraints
from nqjax.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from nqjax.checks.regime import Regime


#: The shares of the scores at which the estimates are shown beside those at the threshold that was chosen.
_SHARES = (0.25, 0.5, 0.75)


def choose(args: argparse.Namespace, scores: "np.ndarray") -> "Regime | None":
    """Put a number in the place of `--threshold auto`; the regime it comes from, or None where it was given."""
    if args.threshold != AUTO:
        return None
    import nqjax

    try:
        regime = nqjax.find_regime(scores, minimize=args.minimize, **constraints(args))  # type: ignore[arg-type]
    except InputError as error:
        raise InputError(f"{error} (or use all scores with --threshold none)") from None
    if not regime.found:
        raise InputError(
            f"{regime.reason}; nqjax regime shows the tests, --threshold T sets a threshold, --threshold none uses all"
        )
    args.threshold = regime.threshold
    return regime


def movement(args: argparse.Namespace, scores: "np.ndarray", regime: "Regime | None") -> dict[str, Any] | None:
    """The document of a regime that was chosen, with fits at other shares of the scores; None where it was given."""
    if regime is None:
        return None
    from nqjax.checks.regime import fits_at_shares
    from nqjax.report.regime import regime_document

    return regime_document(regime, fits_at_shares(scores, _SHARES, minimize=args.minimize, **constraints(args)))
