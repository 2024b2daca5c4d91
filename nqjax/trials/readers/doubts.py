"""Warn where the scores may not be those of one random search: what the columns of a table say against it."""

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from nqjax.runtime.text import listed
from nqjax.trials.readers.cells import to_number
from nqjax.trials.readers.directions import direction_by_name, direction_by_rank
from nqjax.trials.readers.roles import BUDGET, CLOCK, CONFIG, COST, DATASET, EPOCH, RANK, TRIAL, role_by_name
from nqjax.trials.readers.rows import repeated_configurations
from nqjax.trials.readers.table import Table
from nqjax.trials.study import FAILED, FINISHED, PRUNED
from nqjax.types import Floats

#: Seconds since 1970 of the years 2001 and 2065: numbers between them are clocks; also in milliseconds.
_CLOCK_RANGE = (1e9, 3e9)

#: Fewest scores from which on rows are compared with each other.
_FEWEST = 12

#: Groups explain the scores if they have this share of the variance, adjusted for their number.
_EXPLAINED = 0.5

#: Scores are few different ones if there are at most this many for each row, and below this number.
_DIFFERENT_SHARE = 0.25
_FEW_DIFFERENT = 50

#: Trials ended together if the shortest has at least this share of the epochs of the longest.
_SAME_END = 0.9

#: A table has few scores if more than this share of its rows has none.
_MISSING_SHARE = 0.5

#: Names of samplers whose trials do not depend on each other, as words in lower case.
_INDEPENDENT = ("random", "grid", "quasi", "qmc", "sobol", "brute", "rand", "variants", "basicvariant")


def doubts_of(
    table: Table,
    roles: Mapping[str, str],
    metric: str,
    scores: Floats,
    status: Sequence[str],
    has_reports: bool = False,
) -> list[str]:
    """Return what speaks against these scores, a sentence each; ``has_reports``: trials had several rows."""
    finite = scores[np.isfinite(scores)]
    found = [
        no_score(table, metric, scores),
        _missing(scores, metric, status),
        _pruned(status),
        _adaptive(table.recorded.sampler),
        _stopped_early(table, roles, status, has_reports),
        _budgets(table, roles),
        _mixed(table, roles, metric, scores),
        _repeated(table, roles, metric, scores),
        _few_different(finite, metric),
    ]
    return [one for one in found if one is not None]


def no_score(table: Table, metric: str, scores: Floats) -> str | None:
    """Return why a column holds no scores: numbers of trials, a clock, a hyperparameter, ranks."""
    finite = scores[np.isfinite(scores)]
    role = role_by_name(metric) if metric != table.recorded.metric else None
    if len(finite) < 3:
        return None
    whole = bool(np.all(finite == np.rint(finite)))
    run = whole and len(np.unique(finite)) == len(finite) and np.ptp(finite) == len(finite) - 1
    if role == RANK:
        return f"{metric} holds ranks by its name: they are no scores"
    if run and (role == TRIAL or (len(finite) >= _FEWEST and np.all(np.abs(np.diff(finite)) == 1))):
        return f"{metric} holds consecutive whole numbers: they number the trials and are no scores"
    if run and finite.min() in (0, 1) and len(finite) >= _FEWEST:
        return f"{metric} holds each whole number up to {finite.max():g} once: they are ranks or numbers, no scores"
    low, high = _CLOCK_RANGE
    is_date = any(low * unit < finite.min() and finite.max() < high * unit for unit in (1, 1e3, 1e6))
    if is_date and (role == CLOCK or bool(np.all(np.diff(finite) >= 0))):
        return f"{metric} holds times of a clock: they are no scores"
    kinds = {CONFIG: "a hyperparameter", TRIAL: "the name of a trial", CLOCK: "a time", EPOCH: "a count of epochs"}
    kinds |= {COST: "a cost", BUDGET: "a budget"}
    return f"{metric} is {kinds[role]} by its name: is it the score?" if role in kinds else None


def direction_hints(table: Table, roles: Mapping[str, str], metric: str, scores: Floats) -> dict[str, str]:
    """Return what says in which direction scores are better: from what says so to the direction."""
    hints: dict[str, str] = {}
    by_name = direction_by_name(metric)
    if by_name is not None:
        hints["its name"] = by_name
    bare = re.sub(r"^(mean_|avg_)", "", metric)
    for name, role in roles.items():
        if role == RANK and name in table.columns and name in (f"rank_{bare}", f"rank_{metric}", "rank", "Rank"):
            ranks = [to_number(value) for value in table.columns[name]]
            by_rank = direction_by_rank(scores.tolist(), ranks)
            if by_rank is not None:
                hints[name] = by_rank
    return hints


def direction_doubt(metric: str, hints: Mapping[str, str], direction: str) -> str | None:
    """Return a warning if the scores are taken in the other direction than all hints say."""
    if not hints or direction in hints.values():
        return None
    better, option = ("higher", "--maximize") if direction == "minimize" else ("lower", "--minimize")
    says = "says" if len(hints) == 1 else "say"
    return (
        f"{metric} is {direction}d, but {listed(list(hints))} {says} that {better} is better: give {option} "
        f"({option[2:]}=True) if so"
    )


def _missing(scores: Floats, metric: str, status: Sequence[str]) -> str | None:
    if not np.isfinite(scores).any():
        return f"all {len(scores)} runs failed: there is no finite score"
    count = sum(not math.isfinite(y) and one in (FINISHED, FAILED) for y, one in zip(scores, status, strict=True))
    if count <= _MISSING_SHARE * len(scores):
        return None
    return (
        f"{count} of {len(scores)} rows have no {metric} and count as failed runs: if they are no trials, leave them "
        f"out with --where \"{metric} != ''\""
    )


def _pruned(status: Sequence[str]) -> str | None:
    count = sum(one == PRUNED for one in status)
    if not count:
        return None
    were = "1 trial was" if count == 1 else f"{count} of {len(status)} trials were"
    return (
        f"{were} pruned: trials that begin badly were stopped and count as worse than all, although some would have "
        "ended well"
    )


def _adaptive(sampler: str | None) -> str | None:
    if sampler is None or any(word in sampler.casefold() for word in _INDEPENDENT):
        return None
    return (
        f"the sampler was {sampler}, which learns from earlier trials: the scores are not those of a random search, "
        "and the curve is not what random search would give"
    )


def _stopped_early(table: Table, roles: Mapping[str, str], status: Sequence[str], has_reports: bool) -> str | None:
    """Warn if trials ended after different numbers of epochs; a column may also hold the epoch of the best score."""
    for name, role in roles.items():
        if role != EPOCH or name not in table.columns or not (has_reports or name == "training_iteration"):
            continue
        numbers = [to_number(value) for value in table.columns[name]]
        ends = [end for end, one in zip(numbers, status, strict=True) if end is not None and one == FINISHED]
        if ends and min(ends) < _SAME_END * max(ends):
            short = sum(end < max(ends) for end in ends)
            return (
                f"{short} of {len(ends)} trials ended before {name} {max(ends):g}, the first at {min(ends):g}: they "
                "failed or were stopped early, and their scores are not those of whole runs"
            )
    return None


def _budgets(table: Table, roles: Mapping[str, str]) -> str | None:
    for name, role in roles.items():
        if role != BUDGET or name not in table.columns:
            continue
        values = [to_number(value) for value in table.columns[name]]
        budgets = sorted({value for value in values if value is not None and not math.isnan(value)})
        if len(budgets) < 2:
            continue
        shown = listed([f"{budget:g}" for budget in budgets[:6]]) + (" ..." if len(budgets) > 6 else "")
        quoted = name if re.fullmatch(r"[\w./]+", name) else f"'{name}'"
        return (
            f"{name} differs: budgets {shown}; scores of small budgets are not those of the full one: take those of "
            f'the full budget with --where "{quoted} == {budgets[-1]:g}"'
        )
    return None


def _mixed(table: Table, roles: Mapping[str, str], metric: str, scores: Floats) -> str | None:
    for name, role in roles.items():
        if role != DATASET or name not in table.columns:
            continue
        labels = np.array([str(value) for value in table.columns[name]])
        different = list(dict.fromkeys(labels.tolist()))
        if not 2 <= len(different) <= len(scores) / 3:
            continue
        share = explained(labels, scores)
        values = listed(different[:6]) + (" ..." if len(different) > 6 else "")
        if share > _EXPLAINED:
            return (
                f"{name} explains {100 * share:.0f} % of the variance of {metric} ({values}): take one with "
                f"--where {name}={different[0]}"
            )
        return f"{name} differs ({values}): scores of one are taken with --where {name}={different[0]}"
    return None


def explained(labels: np.ndarray, scores: Floats) -> float:
    """Return the share of the variance between groups, adjusted for their number, as adjusted R squared."""
    good = np.isfinite(scores)
    labels, y = labels[good], scores[good]
    groups = [y[labels == label] for label in np.unique(labels)]
    total = float(np.sum((y - np.mean(y)) ** 2)) if len(y) else 0.0
    if len(y) <= len(groups) or total == 0:
        return 0.0
    within = sum(float(np.sum((one - np.mean(one)) ** 2)) for one in groups)
    return 1 - (within / (len(y) - len(groups))) / (total / (len(y) - 1))


def _repeated(table: Table, roles: Mapping[str, str], metric: str, scores: Floats) -> str | None:
    groups = repeated_configurations(table, {name: role for name, role in roles.items() if name != metric})
    counts = [len(rows) for rows in groups.values()]
    if len(scores) < _FEWEST or not groups or len(groups) > 0.75 * len(scores) or len(groups) < 2:
        return None
    labels = np.empty(len(scores), int)
    for i, rows in enumerate(groups.values()):
        labels[rows] = i
    if explained(labels, scores) < _EXPLAINED:  # there are hyperparameters that the table does not have
        return None
    runs = f"{counts[0]} runs each" if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)} runs each"
    same = all(len({repr(scores[row]) for row in rows}) == 1 for rows in groups.values())
    if same:
        return (
            f"{len(groups)} configurations, {runs}, each with one score: these are {len(groups)} trials, not "
            f"{len(scores)}"
        )
    return (
        f"{len(groups)} configurations, {runs}: runs of one configuration are not independent trials; intervals are "
        "too narrow, and --noise repeats measures the noise from them"
    )


def _few_different(finite: Floats, metric: str) -> str | None:
    different = len(np.unique(finite))
    if len(finite) < _FEWEST or different < 2 or different > min(_DIFFERENT_SHARE * len(finite), _FEW_DIFFERENT):
        return None
    step = _rounding(finite)
    if step is not None:
        return f"{different} different scores among {len(finite)}: {metric} is rounded to {step}"
    return (
        f"{different} different scores among {len(finite)}: a grid, or hyperparameters without effect, or runs that "
        "were counted several times"
    )


def _rounding(finite: Floats) -> str | None:
    """Return the step to which scores are rounded, if that makes them few; None otherwise."""
    for digits in range(4):
        step = 10.0**-digits
        cells = finite / step
        if np.all(np.abs(cells - np.rint(cells)) < 1e-6):
            used = len(np.unique(np.rint(cells)))
            return f"{step:g}" if used >= 0.5 * (np.ptp(np.rint(cells)) + 1) else None
    return None
