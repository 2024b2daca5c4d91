"""The answers of an analysis in plain words; no sentence claims more than docs/coverage.md measures."""

import numpy as np

from nqjax.analysis.record import Analysis
from nqjax.analysis.surface_section import NOT_VALID
from nqjax.checks.noise_alone import NOISE_ALONE
from nqjax.landscape.geometry import Geometry
from nqjax.runtime.text import as_sure, chance, chance_among_draws, listed, percent, significant
from nqjax.trials.study import StudyTable

#: A best score is called partly luck when its rerun is expected to be worse by this part of sigma.
_LUCK = 0.3

#: A gain or loss below this part of sigma is written as 0.
_NOTHING = 0.02

#: Hyperparameters are named if they explain this share, with this p-value.
_LEAST_SHARE = 0.05
_LEVEL = 0.01

#: Another trial is named if it is the best one this many times as probably as that with the best score.
_CLEARLY_LIKELIER = 2.0

#: Most trials to run again that are named.
_MOST_ROWS = 4

#: The best trial is settled from this probability on.
_SETTLED = 0.9


def sentences_of(found: Analysis) -> list[str]:
    """Return the answers: those of the surface first where the scores alone do not hold, then those of the scores."""
    if not found.section.get("holds_alone"):
        return _of_scores(found)
    about_trials = _about_best_trial(found) if found.ranked.source == "surface" else []
    return [*found.section["sentences"], *about_trials, NOT_VALID, *_of_scores(found)]


def _of_scores(found: Analysis) -> list[str]:
    """Return the answers of the scores: the best score, the best trial, going on, and the hyperparameters."""
    post = found.fit.posterior
    told_before = found.section.get("holds_alone") and found.ranked.source == "surface"
    is_told = found.ranked.source == "surface" or post.tells_parameters
    about_trials = _about_best_trial(found) if is_told and not told_before else []
    if not post.tells_parameters:
        why = f"only about {post.mean_used:.0f} of them shape the answer"
        if post.untold == "steep":
            why = "from the best one on they get worse faster than near the optimum of any quadratic"
        few = (
            f"The {post.num_scores:,} scores do not tell how good this search can get: {why}. nqjax bands gives limits "
            "that hold whatever the scores follow."
        )
        return [few, *about_trials, *_about_hyperparameters(found)]
    noise_alone = [f"{NOISE_ALONE[0].upper()}{NOISE_ALONE[1:]}."] if NOISE_ALONE in found.warnings else []
    about_trials.append(_about_going_on(found))
    return [*noise_alone, _about_best(found), *about_trials, *_about_hyperparameters(found)]


def _about_best(found: Analysis) -> str:
    post = found.fit.posterior
    low, high = post.interval("best")
    estimate, first, last = as_sure([post.estimate("best"), low, high], low, high)
    return (
        f"With the noise averaged out, the best {found.study.metric} near the optimum of this search is {estimate} "
        f"({percent(post.confidence)}: {first} to {last})."
    )


def _about_best_trial(found: Analysis) -> list[str]:
    ranked, sigma = found.ranked, float(np.median(found.ranked.noise))
    low, high = float(ranked.rerun_low[0]), float(ranked.rerun_high[0])
    rerun, first, last = as_sure([float(ranked.rerun[0]), low, high], low, high)
    worse = (ranked.rerun[0] - ranked.score[0]) * (1 if ranked.minimize else -1)
    luck = ", partly by luck" if worse > _LUCK * sigma else ""
    shown = significant(float(ranked.score[0]), 4)
    again = f"run again, it is expected to score {rerun} ({percent(ranked.confidence)}: {first} to {last})"
    sentence = f"The best trial ({_place(found, 0)}) shows {shown}{luck}: {again}."
    is_open = len(ranked) > 1 and ranked.probability_best[0] < _SETTLED
    return [sentence, _about_reruns(found)] if is_open else [sentence]


def _about_reruns(found: Analysis) -> str:
    """Return which trial is the best one, as far as that is known, and how many reruns would settle it."""
    ranked, plan = found.ranked, found.rerun_plan
    count, likeliest = len(ranked), int(np.argmax(ranked.probability_best))
    shares = [chance(float(share), 2) for share in ranked.probability_best]
    who = f"It is the best of the first {count} with probability {shares[0]}"
    if likeliest and ranked.probability_best[likeliest] > _CLEARLY_LIKELIER * ranked.probability_best[0]:
        low, high = float(ranked.rerun_low[likeliest]), float(ranked.rerun_high[likeliest])
        again = as_sure([float(ranked.rerun[likeliest])], low, high)[0]
        who = (
            f"Of the first {count}, {_place(found, likeliest)} is the best with probability {shares[likeliest]} "
            f"(run again, it is expected to score {again}), and {_place(found, 0)} with {shares[0]}"
        )
    if plan is None:
        return f"{who}: they are too close for even 50 more runs of each to tell."
    if not plan.reruns:
        return f"{who}: sure enough without reruns."
    runs = "run" if plan.reruns == 1 else "runs"
    rows = [found.study.rows[i].partition(" (line")[0] for i in plan.places]
    which = listed(rows) if len(rows) <= _MOST_ROWS else f"the {plan.trials} likeliest"
    return (
        f"{who}; {plan.reruns} more {runs} of each of {which} would find the best one with "
        f"probability {chance(plan.probability, 2)}."
    )


def _place(found: Analysis, number: int) -> str:
    """Return the name of a trial in the ranking, such as "row 12"."""
    return found.study.rows[int(found.ranked.index[number])].partition(" (line")[0]


def is_adaptive(study: StudyTable) -> bool:
    """Return whether the trials seem not to be those of a random search."""
    return any("not those of a random search" in warning for warning in study.warnings)


def _about_going_on(found: Analysis) -> str:
    if is_adaptive(found.study):
        lost = "These trials seem not to be a random search: what more trials would gain cannot be told from them"
        if found.surface is not None:  # its answer comes first, and it is no rough one
            return f"{lost}."
        return f"{lost}, and the numbers above are rough. `nqjax surface` needs no random search."
    gains, rule, sigma = found.next_trials, found.stopping, found.fit.sigma
    (place,) = (i for i, n in enumerate(gains.trials) if n == rule.trials)
    gain, low, high = max(float(gains.kept[place]), 0.0), float(gains.kept_low[place]), float(gains.kept_high[place])
    shown = [significant(x, 2) if abs(x) > _NOTHING * sigma else "0" for x in (gain, low, high)]
    expected = "next to nothing" if shown[0] == "0" else shown[0]
    gained = f"{rule.trials} more trials are expected to gain {expected}, noise averaged out"
    verdict = "this random search may stop" if rule.stop else "going on may pay"
    least = f"a quarter of the noise of one run ({significant(rule.worth, 2)}) or more"
    likely = f"they gain {least} with probability {chance_among_draws(rule.probability)}"
    return f"{gained} (80 %: {shown[1]} to {shown[2]}): {verdict}, as {likely}.{_about_cost(found)}"


def _about_cost(found: Analysis) -> str:
    """Return what these trials would cost, where the study says what a trial costs."""
    cost, name = found.study.cost, found.study.cost_name
    if cost is None or name is None or not np.any(np.isfinite(cost)):
        return ""
    total = found.stopping.trials * float(np.nanmean(cost))
    shown = f"{total:,.0f}" if total >= 100 else significant(total, 3)
    return f" They would cost about {shown} ({name})."


def _about_hyperparameters(found: Analysis) -> list[str]:
    post, study = found.fit.posterior, found.study
    sentences = []
    clear = [one for one in found.influences if one.share >= _LEAST_SHARE and one.p_value < _LEVEL]
    if found.influences:
        of = f"Of {len(found.influences)} hyperparameters" if len(found.influences) > 1 else "Of one hyperparameter"
        if clear:
            named = listed([f"{one.name} ({percent(one.share, 2)})" for one in clear])
            verb = "explains" if len(clear) == 1 else "explain"
            sentences.append(f"{of}, {named} {verb} the differences between all scores, each by itself.")
        else:
            sentences.append(f"{of}, none explains the differences between the scores by itself.")
    if found.geometry is not None and NOISE_ALONE not in found.warnings and not is_adaptive(found.study):
        sentences.append(_about_geometry(found.geometry, post.minimize))
    if post.tells_parameters and study.num_hyperparameters != 1 and NOISE_ALONE not in found.warnings:
        low, high = post.interval("gamma")
        sentences.append(
            f"Near the optimum, the scores behave as if {post.estimate('gamma'):.1f} hyperparameters mattered "
            f"({percent(post.confidence)}: {low:.1f} to {high:.1f})."
        )
    return sentences


def _about_geometry(geometry: Geometry, minimize: bool) -> str:
    side = "at most" if minimize else "at least"
    scores = f"scores of {side} {significant(geometry.threshold, 4)}, {percent(geometry.share, 2)} of all"
    where = f"near the optimum ({scores})"
    if not geometry.counting:
        return f"No hyperparameter decides which trials are {where}."
    named = listed([f"{name} ({geometry.relevance[name].value:.2f})" for name in geometry.counting])
    return f"Which trials are {where} depends on {named}; 1 would be a single good value, 0 no effect."
