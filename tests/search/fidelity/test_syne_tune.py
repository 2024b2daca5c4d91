"""ASHA's decisions against those of Syne Tune, which `bench/make_asha_reference.py` recorded."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from nqjax.search.fidelity import asha
from nqjax.search.fidelity.asha import Asha, Job
from nqjax.search.fidelity.promotions import entry, promotable

TRACES = json.loads((Path(__file__).parents[2] / "data" / "asha_syne_tune.json").read_text())["traces"]


@pytest.fixture(params=range(len(TRACES)), ids=lambda i: f"eta-{TRACES[i]['eta']}-workers-{TRACES[i]['workers']}")
def trace(request):
    return TRACES[request.param]


def _scores(trace):
    return np.array(trace["scores"]) * (-1 if trace["maximize"] else 1)


def _rounded_up(rungs, waiting, eta):
    """Promote by our rule, the best ``1 / eta`` rounded up, for a rung of two trials or more: Syne Tune's share."""
    worse = [(np.inf, -1)] * (eta - 1)
    return promotable([[*rung, *worse] if len(rung) > 1 else rung for rung in rungs], waiting, eta)


def _states(trace):
    """Yield each decision of Syne Tune, and the rungs as they were."""
    scores, rungs = _scores(trace), [[] for _ in trace["rounds"]]
    waiting = [[] for _ in rungs]
    for trial, rung, *end in trace["events"]:
        if end:
            for entries in (rungs[rung], waiting[rung]):
                entries.append(entry(trial, scores[trial, rung]))
                entries.sort()
        else:
            yield Job(trial, rung), rungs, waiting
            if rung:
                waiting[rung - 1].remove(entry(trial, scores[trial, rung - 1]))


def test_the_search_is_that_of_syne_tune_but_for_rounding(trace, monkeypatch):
    """The same jobs in the same order, and the same order of their ends: rungs, waiting trials, workers, clock."""
    monkeypatch.setattr(asha, "promotable", _rounded_up)
    rounds, scores = np.diff(trace["rounds"], prepend=0), _scores(trace)
    speed = np.append(trace["speed"], np.ones(len(trace["events"])))  # also of trials that begin after the record
    search = Asha(
        len(speed), trace["workers"], len(rounds), trace["eta"], lambda job: rounds[job.rung] * speed[job.trial]
    )
    found = [list(job) for job in search.start()]
    while len(found) < len(trace["events"]):
        job = search.next()
        search.end(scores[job])
        found += [[*job, "end"], *(list(job) for job in search.start())]
    assert found[: len(trace["events"])] == trace["events"]
    assert sum(event[1] == len(rounds) - 1 for event in found) > 1


def test_every_decision_is_that_of_syne_tune_where_the_share_is_whole(trace):
    """Where it is not, ours promotes fewer: the trial of Syne Tune's decision is just beyond the rounded share."""
    eta, kinds = trace["eta"], Counter()
    for job, rungs, waiting in _states(trace):
        ours = promotable(rungs, waiting, eta)
        if ours == (job if job.rung else None):
            kinds["same, promoted" if job.rung else "same, new"] += 1
            continue
        assert job.rung, "a trial began that is promoted here"
        below = rungs[job.rung - 1]
        place = below.index(waiting[job.rung - 1][0])
        assert below[place][1] == job.trial
        assert (len(below) % eta, place) == (len(below) % eta or 1, len(below) // eta)
        assert ours is None or ours[1] < job.rung
        kinds["rounded"] += 1
    assert sum(kinds.values()) == sum(len(event) == 2 for event in trace["events"])
    assert min(kinds["same, promoted"], kinds["same, new"]) > 10
    assert kinds["rounded"] < 0.15 * sum(kinds.values())
