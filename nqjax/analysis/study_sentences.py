"""The answers of a comparison in plain words: which model is better, from which budget on, and what is open."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from nqjax.analysis.orderings import STRICTNESS, Ordering
from nqjax.analysis.study_comparison import StudyComparison
from nqjax.runtime.text import as_sure, chance_among_draws, listed, percent, significant

#: Pairs of more studies have no sentence each; the tables have them.
_MOST_PAIRS = 6

#: From this probability on an undecided pair needs a word about what is asked for.
_NEARLY = 0.95

#: A trial that costs more than this many times another's is spoken of.
_DEARER = 1.25


def sentences_of_comparison(found: StudyComparison) -> list[str]:
    """Return which model is better, then each pair, then what cannot be compared."""
    told = [i for i, is_told in enumerate(found.is_told) if is_told]
    pairs = list(combinations(told, 2))
    sentences = [] if len(pairs) == 1 else _about_all(found, told)
    if len(pairs) <= _MOST_PAIRS:
        sentences += [_about_pair(found, i, j) for i, j in pairs]
    sentences += [_about_untold(found, i) for i, is_told in enumerate(found.is_told) if not is_told]
    return [*sentences, *_about_costs(found)]


def known_places(found: StudyComparison, i: int, j: int) -> NDArray[np.int64]:
    """Return the places of the shown budgets at which both studies are known."""
    return np.flatnonzero(found.curves.is_shown & found.curves.known[i] & found.curves.known[j])


def number(budget: float, digits: int = 3) -> str:
    """Return a budget: whole where it is large or whole, else with a few digits."""
    return f"{budget:,.0f}" if budget >= 100 or budget == round(budget) else significant(budget, digits)


def _with(found: StudyComparison, budget: float) -> str:
    if found.costs is None:
        return f"with {number(budget)} trials each"
    return f"at a cost of {number(budget)} each ({found.unit})"


def _since(found: StudyComparison, first: float, last: float) -> str:
    """Return from which budget on something holds, and up to where it is known."""
    if first == last:
        return _with(found, last)
    if found.costs is None:
        return f"from {number(first)} trials each on, as far as {number(last)}"
    return f"from a cost of {number(first)} each on, as far as {number(last)} ({found.unit})"


def _about_all(found: StudyComparison, told: list[int]) -> list[str]:
    """Return the best of all at the largest budget that all tell."""
    names, count = found.names, len(found.names)
    if len(told) < 2:
        return [f"The trials of these {count} searches do not compare the models."]
    every = np.flatnonzero(found.curves.is_shown & np.all(found.curves.known[told], axis=0))
    if not every.size:
        return [f"No budget lies within what the scores of all {len(told)} searches tell: only pairs are compared."]
    budget = float(found.curves.budgets[every[-1]])
    here = [one for one in found.orderings if one.first <= budget <= one.last]
    where = _with(found, budget)
    for i in told:
        beaten = [one.worse for one in here if one.better == i]
        if len(beaten) == len(told) - 1:
            least = min(float(found.curves.probability[i, j, every[-1]]) for j in beaten)
            sure = f"with probability {_at_least(least)}"
            return [
                f"{names[i]} is the best of {len(told)} models {where}: its tuning curve beats each other one {sure}."
            ]
    losers = {one.worse for one in here}
    unbeaten = [names[i] for i in told if i not in losers]
    rest = [names[i] for i in told if i in losers]
    also = f"; {listed(rest)} {'is' if len(rest) == 1 else 'are'} worse than another" if rest else ""
    return [f"The scores do not tell which model is the best {where}: {_either(unbeaten)}{also}."]


def _at_least(probability: float) -> str:
    shown = chance_among_draws(probability)
    return shown if shown.startswith(">") else f"at least {shown}"


def _either(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]


def _about_pair(found: StudyComparison, i: int, j: int) -> str:
    places = known_places(found, i, j)
    a, b = found.names[i], found.names[j]
    if not places.size:
        return f"No budget lies within what the scores of both {a} and {b} tell: the scores do not compare them."
    mine = [one for one in found.orderings if {one.better, one.worse} == {i, j}]
    settled = [one for one in mine if one.settled]
    earlier = " ".join(_earlier(found, one, is_open=not settled) for one in mine if not one.settled)
    first = _settled(found, settled[0], int(places[-1])) if settled else _undecided(found, i, j, int(places[-1]))
    return f"{first} {earlier}".strip()


def _settled(found: StudyComparison, one: Ordering, place: int) -> str:
    better, worse = found.names[one.better], found.names[one.worse]
    low, high = _advantage(found, one.better, one.worse, place)
    end = "" if one.first == one.last else " there"
    return (
        f"{better} is better than {worse} {_since(found, one.first, one.last)}: its median best {found.metric}{end} is "
        f"better with probability {chance_among_draws(one.probability)}, by {low} to {high} "
        f"({percent(found.confidence)})."
    )


def _earlier(found: StudyComparison, one: Ordering, is_open: bool) -> str:
    """Return the ordering of a pair with less effort; ``is_open`` says that there is none with all of it."""
    less = "With less they do:" if is_open else "With less,"
    return (
        f"{less} {found.names[one.better]} is better {_since(found, one.first, one.last)} (probability "
        f"{chance_among_draws(one.probability)})."
    )


def _undecided(found: StudyComparison, i: int, j: int, place: int) -> str:
    share = float(found.curves.probability[i, j, place])
    if share < 0.5:
        i, j, share = j, i, 1 - share
    a, b = found.names[i], found.names[j]
    low, high = _advantage(found, i, j, place)
    asked = f" ({percent(asked_probability(found), 4)} is asked for)" if share >= _NEARLY else ""
    return (
        f"The scores do not tell whether {a} or {b} is better {_with(found, float(found.curves.budgets[place]))}: "
        f"{a} is with probability {chance_among_draws(share)}{asked}, and its advantage in the median best "
        f"{found.metric} is {low} to {high} ({percent(found.confidence)})."
    )


def asked_probability(found: StudyComparison) -> float:
    """Return the posterior probability that an ordering needs, the first one of Holm's steps."""
    pairs = len(found.names) * (len(found.names) - 1) / 2
    return 1 - STRICTNESS * found.level / (2 * pairs)


def _advantage(found: StudyComparison, i: int, j: int, place: int) -> tuple[str, str]:
    """Return the ends of the interval by which study i is better than study j, which may be negative."""
    low, high = (float(ends[i, j, place]) for ends in (found.curves.difference_low, found.curves.difference_high))
    if found.minimize:
        low, high = -high, -low
    shown = as_sure([low, high], low, high)
    return shown[0], shown[1]


def _about_untold(found: StudyComparison, i: int) -> str:
    one = found.analyses[i]
    if not one.fit.posterior.tells_parameters:
        why = f"of its {one.fit.num_scores:,} scores about {one.fit.num_used:.0f} shape the answer, too few to tell"
        if one.fit.posterior.untold == "steep":
            why = "its scores get worse faster than near the optimum of any quadratic"
        return f"{found.names[i]} is not compared: {why}."
    return (
        f"{found.names[i]} is not compared: its trials seem not to be a random search, and the theory speaks of random "
        "search only."
    )


def _about_costs(found: StudyComparison) -> list[str]:
    """Return what a trial of each costs; without costs, that they differ, where all studies have them."""
    if found.costs is not None:
        each = [f"{one.mean:.3g} ({name})" for one, name in zip(found.costs, found.names, strict=True)]
        return [f"A trial costs {listed(each)} on average, in {found.unit}."]
    studies = [one.study for one in found.analyses]
    if any(study.cost is None for study in studies) or len({study.cost_name for study in studies}) > 1:
        return []
    means = [float(np.nanmean(study.cost)) for study in studies if study.cost is not None]
    dear, cheap = int(np.argmax(means)), int(np.argmin(means))
    if not 0 < means[cheap] * _DEARER < means[dear] < np.inf:
        return []
    name, times = studies[0].cost_name, f"{means[dear] / means[cheap]:.2g} times one of {found.names[cheap]}"
    how = f"compare at equal cost, too (--cost {name}, cost={name!r})"
    return [f"A trial of {found.names[dear]} costs {times} ({name}): {how}."]
