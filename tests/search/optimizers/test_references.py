"""Differential evolution, CMA-ES and TPE against SciPy, pycma and Optuna; `python -m bench references` has more."""

import numpy as np
import pytest
import scipy.stats

from bench import references
from bench.references import CASES, Case

COUNT = 50


def _both(case, reference, count=COUNT):
    pytest.importorskip("evosax", reason="evosax is not installed")
    ours = references.our_evaluations(case, count)
    return ours, np.array([reference(case, seed) for seed in range(count)])


def test_differential_evolution_needs_the_evaluations_of_scipy():
    """Within a fifth, the evaluations until a score of 0.001 on a sphere with five coordinates."""
    ours, theirs = _both(CASES[1], references.scipy_evaluations)
    ratio, low, high = references.ratio_interval(ours, theirs)
    assert abs(ratio - 1) < 0.2
    assert high - low < 0.3
    assert np.isfinite([ours, theirs]).all()


def test_cma_es_needs_the_evaluations_of_pycma():
    pytest.importorskip("cma", reason="pycma is not installed")
    ours, theirs = _both(Case("cma_es", "sphere", 10, 10, 1e-9, 3_000, 0.15), references.pycma_evaluations, 20)
    assert abs(references.ratio_interval(ours, theirs)[0] - 1) < 0.15
    assert np.isfinite([ours, theirs]).all()


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_evolution_needs_the_evaluations_of_other_libraries(case):
    if case.method == "cma_es":
        pytest.importorskip("cma", reason="pycma is not installed")
    ours, theirs = _both(
        case, references.pycma_evaluations if case.method == "cma_es" else references.scipy_evaluations, 100
    )
    assert abs(references.ratio_interval(ours, theirs)[0] - 1) < case.tolerance


def test_evaluations_are_counted_until_the_target():
    counted = references.Counted(CASES[0])
    points = np.full((3, 5), 0.4)
    points[:2, 0] = 0.0
    counted(points[:2])
    assert (counted.calls, counted.needed) == (2, np.inf)
    counted(points)
    assert (counted.calls, counted.needed) == (5, 5)
    assert references.ratio_interval(np.array([10.0, 20.0, np.inf]), np.array([5.0, 10.0, 20.0]))[0] == 2.0


def test_searches_that_were_kept_are_not_run_again(tmp_path):
    path, made = tmp_path / "kept.jsonl", []

    def make(number):
        made.append(number)
        return number / 4 if number else np.inf

    assert references._kept(path, 2, make) == [np.inf, 0.25]
    assert references._kept(path, 3, make) == [np.inf, 0.25, 0.5]
    assert made == [0, 1, 2]


def test_best_scores_by_tpe_are_distributed_as_those_of_optuna():
    """The best of 30 trials on Hartmann's function; random search is told apart."""
    pytest.importorskip("optuna", reason="Optuna is not installed")
    import jax

    from nqjax.search import replicate
    from nqjax.search.objectives import FUNCTIONS

    theirs = [min(references.optuna_scores(FUNCTIONS["hartmann6"], seed, 30)) for seed in range(40)]
    runs = replicate(
        FUNCTIONS["hartmann6"], ["tpe", "random"], replications=50, num_trials=30, key=jax.random.key(21)
    ).scores
    assert scipy.stats.ks_2samp(runs["tpe"].min(axis=1), theirs).pvalue > 0.001
    assert scipy.stats.ks_2samp(runs["random"].min(axis=1), theirs).pvalue < 0.001
