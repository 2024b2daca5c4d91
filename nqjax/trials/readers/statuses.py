"""Say what became of each trial, and count by name those that have no final score."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from nqjax.trials.readers.cells import Numbers, status_of
from nqjax.trials.readers.roles import STATUS, first_of, is_failed_flag, truths
from nqjax.trials.readers.table import Table
from nqjax.trials.study import FAILED, FINISHED


def find_statuses(
    table: Table, roles: Mapping[str, str], metric: str, numbers: Numbers, *, reruns: bool = False
) -> tuple[list[str], list[str]]:
    """Return the status of each trial, and a note about those without a final score: reruns without are left out."""
    column = first_of(STATUS, roles)
    if column is None and not any(numbers.words) and not any(one is None or math.isnan(one) for one in numbers.values):
        return [FINISHED] * len(table), []
    values = [None] * len(table) if column is None else table.columns[column]
    if column is not None and is_failed_flag(column):
        values = [column if failed else None for failed in truths(values)]
    found, names = [], []
    for value, word, number in zip(values, numbers.words, numbers.values, strict=True):
        known = status_of(value)
        if known is None and column is not None and is_failed_flag(column):
            known = FAILED if value else None
        status, name = known or FINISHED, str(value).strip()
        if known is None and value not in (None, "") and not is_failed_flag(column or ""):
            status = FAILED  # a word that is not known is not a success
        if status == FINISHED and word is not None:
            status, name = status_of(word) or FAILED, word
        if status == FINISHED and (number is None or math.isnan(number)):
            status, name = FAILED, f"without {metric}"
        found.append(status)
        names.append(name)
    return found, _note(found, names, column, metric, reruns)


def _note(found: Sequence[str], names: Sequence[str], column: str | None, metric: str, reruns: bool) -> list[str]:
    """Return a note that counts by name what has no final score."""
    by_name = Counter(name for status, name in zip(found, names, strict=True) if status != FINISHED)
    plain = {name: count for name, count in by_name.items() if name == f"without {metric}"}
    if not by_name or len(plain) == len(by_name):
        return []
    counted = ", ".join(f"{count} {name}" for name, count in by_name.most_common())
    where = f"by {column}, " if column else ""
    total = sum(by_name.values())
    have = "has no final score and" if total == 1 else "have no final score and"
    if reruns:
        what = "is left out" if total == 1 else "are left out"
    else:
        what = f"{'counts' if total == 1 else 'count'} as worse than all"
    return [f"{where}{total} of {len(found)} rows {have} {what}: {counted}"]
