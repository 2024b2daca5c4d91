"""Rungs and brackets against the paper's table, and promotions against another statement of their rules."""

import math

import numpy as np
import pytest

from nqjax.errors import InputError
from nqjax.search.fidelity.asha import Asha, Job
from nqjax.search.fidelity.methods import FIDELITY_METHODS
from nqjax.search.fidelity.promotions import entry, promotable, survivors
from nqjax.search.fidelity.rungs import halving_bracket, hyperband_brackets, num_rungs, rung_rounds
from nqjax.search.optimizers.registry import POPULATION, STOPPING


def test_the_brackets_are_those_of_the_paper():
    """Hyperband with R = 81 and eta = 3 (Li et al. 2018, Table 1)."""
    found = [[tuple(rung) for rung in bracket] for bracket in hyperband_brackets(81)]
    assert found == [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(34, 3), (11, 9), (3, 27), (1, 81)],
        [(15, 9), (5, 27), (1, 81)],
        [(8, 27), (2, 81)],
        [(5, 81)],
    ]


@pytest.mark.parametrize("eta", [2, 3, 4, 10])
@pytest.mark.parametrize("power", range(1, 7))
def test_powers_have_all_their_rungs(eta, power):
    """A logarithm in floating point loses one of them: log(243) / log(3) is below 5."""
    assert num_rungs(eta**power, eta) == power + 1
    assert num_rungs(eta**power - 1, eta) == power
    assert rung_rounds(eta**power, power + 1, eta) == tuple(eta**k for k in range(power + 1))


def test_a_short_bracket_trains_one_trial_to_the_end():
    assert [rung.trials for rung in halving_bracket(4, 27, 4)] == [4, 1, 1, 1]
    assert rung_rounds(2, 4) == (1, 1, 1, 2)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [((5, 3, 9), "longest training has 5 rounds"), ((9, 1, 1), "eta is 1"), ((9, 3, 0), "min_rounds is 0")],
)
def test_what_has_no_rung_is_refused(arguments, part):
    with pytest.raises(InputError, match=part) as error:
        num_rungs(*arguments)
    assert "\n" not in str(error.value)


def _brute_force(scores, promoted, eta):
    """State the rule of promotions trial by trial: how many others of the rung are better."""
    for level in range(len(scores) - 2, -1, -1):
        rung = {trial: math.inf if math.isnan(score) else score for trial, score in scores[level].items()}
        allowed = math.floor(len(rung) / eta)
        fit = {}
        for trial, score in rung.items():
            better = sum(other < score or (other == score and name < trial) for name, other in rung.items())
            if better < allowed and score != math.inf and trial not in promoted[level]:
                fit[better] = trial
        if fit:
            return fit[min(fit)], level + 1
    return None


@pytest.mark.parametrize("seed", range(10))
def test_asha_promotes_as_the_algorithm_says(seed):
    """A hundred traces each, with ties, failed trials and several workers; every decision is checked."""
    rng = np.random.default_rng(seed)
    decisions = 0
    for _ in range(100):
        eta, rungs, workers = int(rng.integers(2, 5)), int(rng.integers(1, 5)), int(rng.integers(1, 7))
        count = int(rng.integers(1, 40))
        costs = rng.exponential(size=(count, rungs)).round(1)
        asha = Asha(count, workers, rungs, eta, lambda job, costs=costs: costs[job])
        scores, promoted, begun, running = [{} for _ in range(rungs)], [set() for _ in range(rungs)], 0, set()
        while True:
            for job in asha.start():
                expected = _brute_force(scores, promoted, eta)
                if expected is None:
                    expected = begun, 0
                    begun += 1
                else:
                    promoted[expected[1] - 1].add(expected[0])
                assert job == expected
                running.add(job)
                decisions += 1
            assert len(running) <= workers
            job = asha.next()
            if job is None:
                break
            running.remove(job)
            score = float(rng.choice([rng.normal(), 0.0, 1.0, math.nan, math.inf], p=[0.6, 0.1, 0.1, 0.1, 0.1]))
            scores[job.rung][job.trial] = score
            asha.end(score)
        assert begun == count
        assert _brute_force(scores, promoted, eta) is None
        assert not running
    assert decisions > 1000


def test_failed_trials_are_never_promoted():
    failed = [entry(i, math.nan) for i in range(9)]
    assert promotable([failed, []], [failed, []], 3) is None
    assert survivors({0: math.nan, 1: math.inf}, 1) == []


def test_jobs_end_in_the_order_of_their_clock():
    """Two workers, the first trial three times as long as the others."""
    asha = Asha(4, 2, 1, 3, lambda job: 3.0 if job.trial == 0 else 1.0)
    ends = []
    asha.start()
    while (job := asha.next()) is not None:
        ends.append((asha.end(0.0), job))
        asha.start()
    assert ends == [(1.0, Job(1, 0)), (2.0, Job(2, 0)), (3.0, Job(0, 0)), (3.0, Job(3, 0))]


def test_names_that_are_known_without_imports_are_those_of_the_methods():
    assert tuple(FIDELITY_METHODS) == (*STOPPING, POPULATION)
