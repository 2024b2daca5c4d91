"""Warnings about the scores of a file: one odd score, noise alone, numbers of trials that are missing."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from nqjax.analysis.threshold import Selection
    from nqjax.estimation.fit import Fit


#: Most numbers of missing trials that a warning lists.
_MOST_LISTED = 5


def cautions(args: argparse.Namespace, chosen: "Selection", fit: "Fit") -> list[str]:
    """Return the warnings about the scores of a command's file and their fit, a sentence each."""
    from nqjax.analysis.cautions import cautions_of

    return located(args, cautions_of(chosen.study, fit, "row {row}"), len(chosen.study.scores))


def of_intervals(args: argparse.Namespace, chosen: "Selection", fit: "Fit") -> list[str]:
    """Return the warnings of `cautions`, and one where intervals take as known a threshold that tests chose."""
    from nqjax.analysis.threshold import about_chosen

    return [*cautions(args, chosen, fit), *about_chosen(chosen)]


def located(args: argparse.Namespace, found: list[str], num_scores: int) -> list[str]:
    """Return warnings with the numbers of the trials that they name, and one about numbers that are missing."""
    from nqjax.trials.trial_numbers import missing_trials, name_places, trial_numbers

    (study,) = args.studies
    numbers = trial_numbers(study.columns) if len(study) == num_scores else None
    found = name_places(found, study.rows, numbers)
    missing = [] if numbers is None or args.where else missing_trials(numbers)
    return [*found, _about_missing(missing)] if missing else found


def joined(document_warnings: list[str], cautions: list[str]) -> list[str]:
    """Return all warnings, the cautions first, each once."""
    return list(dict.fromkeys([*cautions, *document_warnings]))


def _about_missing(missing: "list[int] | np.ndarray") -> str:
    listed = ", ".join(map(str, missing[:_MOST_LISTED]))
    more = f" and {len(missing) - _MOST_LISTED} more" if len(missing) > _MOST_LISTED else ""
    word = "number is" if len(missing) == 1 else "numbers are"
    return (
        f"{len(missing)} trial {word} missing ({listed}{more}): failed or pruned trials seem to have been dropped; "
        "keep them, with an empty score, because failed runs count as worse than all scores"
    )
