"""The worth of methods on learning curves, and its document."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # its parts are imported when they are used

from nqjax.analysis.worth import Worth, worth
from nqjax.report.worth import worth_document

if TYPE_CHECKING:
    from nqjax.search.fidelity.tables import CurveTable
    from nqjax.types import Floats


def replay_worth(
    best: Mapping[str, Floats], errors: Mapping[str, Floats], table: CurveTable, costs: Sequence[int], resolved: int
) -> dict[str, dict[str, Worth]]:
    """Return the worth of each method at equal cost, with an interval that allows for which trials the table has.

    Parameters
    ----------
    best : mapping
        From `nqjax.search.replay`.
    errors : mapping
        From `nqjax.search.table_error`, at the same costs.
    table : CurveTable
    costs : sequence of int
        Sorted.
    resolved : int
        Numbers beyond this are said to be more than that.
    """
    found = {}
    for name, scores in best.items():
        own = worth(scores, table, costs, minimize=True, unit="full trainings")
        half = scipy.special.ndtri(1 - (1 - own.confidence) / (2 * len(costs))) * errors[name]
        lower = np.minimum(own.lower, own.estimate * np.exp(-half))
        upper = np.maximum(own.upper, own.estimate * np.exp(half))
        found[name] = {"observed": dataclasses.replace(own, lower=lower, upper=upper, baseline=resolved)}
    return found


def replay_document(
    found: Mapping[str, Mapping[str, Worth]], table: CurveTable, file: str, workers: int, resolved: int
) -> dict[str, Any]:
    """Return the document of `nqjax replay`."""
    what = f"the learning curves of {file}, at equal cost"
    document = worth_document(found, what=what, baseline=len(table), batch=None, ties=True)
    costs = [one["trials"] for one in document["methods"][0]["observed"]]
    warnings = document["warnings"]
    if max(costs) > resolved:
        warnings = [f"the {len(table):,} trials of the file tell no worth beyond {resolved:,}: give more", *warnings]
    return {
        **document,
        "warnings": warnings,
        "resolved": resolved,
        "eta": table.eta,
        "rungs": [1 / table.eta**above for above in reversed(range(table.rungs))],
        "workers": workers,
    }
