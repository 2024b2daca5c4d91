"""The document of what methods are worth on learning curves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nqjax.analysis.worth import Worth, worth
from nqjax.report.worth import worth_document

if TYPE_CHECKING:
    from nqjax.search.fidelity.tables import CurveTable
    from nqjax.types import Floats


def replay_worth(
    best: Mapping[str, Floats], table: CurveTable, costs: Sequence[int], resolved: int
) -> dict[str, dict[str, Worth]]:
    """Return the worth of each method at equal cost; numbers beyond ``resolved`` are said to be more than that."""
    found = {}
    for name, scores in best.items():
        own = worth(scores, table, costs, minimize=True, unit="full trainings")
        found[name] = {"observed": dataclasses.replace(own, baseline=resolved)}
    return found


def replay_document(
    found: Mapping[str, Mapping[str, Worth]], table: CurveTable, file: str, workers: int, resolved: int
) -> dict[str, Any]:
    """Return the document of `nqjax replay`."""
    what = f"the learning curves of {file}, at equal cost"
    document = worth_document(found, what=what, baseline=len(table), batch=None, ties=True)
    shares = [1 / table.eta**above for above in reversed(range(table.rungs))]
    warnings = document["warnings"]
    costs = [one["trials"] for one in document["methods"][0]["observed"]]
    if max(costs) > resolved:
        warnings = [f"the {len(table):,} trials of the file tell no worth beyond {resolved:,}: give more", *warnings]
    return {
        **document,
        "warnings": warnings,
        "resolved": resolved,
        "eta": table.eta,
        "rungs": shares,
        "workers": workers,
    }
