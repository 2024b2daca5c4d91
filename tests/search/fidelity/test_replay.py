"""Searches on tables of learning curves: exact costs, an independent ASHA, and worth at equal cost."""

import math
import time

import jax
import numpy as np
import pytest

import nqjax
from nqjax import search
from nqjax.errors import InputError
from nqjax.search import (
    ASHA,
    Choice,
    CurveTable,
    DiscreteUniform,
    MedianStopping,
    SuccessiveHalving,
    curve_table,
    replay,
    table_error,
)
from nqjax.search.fidelity.median_replay import median_search
from nqjax.search.fidelity.replay import _asha, _brackets, _Record
from nqjax.trials.learning_curves import learning_curves
from support import tiny_task

KEY = jax.random.key(0)


def _curves(count=400, rounds=27, seed=0, failed=0.0):
    """Return curves that fall to their ends at rates of their own, with a little noise, and the ends."""
    rng = np.random.default_rng(seed)
    ends, rates = rng.uniform(size=count), rng.uniform(2, 8, size=count)
    curves = [
        end + (1 - end) * np.exp(-np.arange(rounds) / rate) + 0.01 * rng.normal(size=rounds)
        for end, rate in zip(ends, rates, strict=True)
    ]
    for i in np.flatnonzero(rng.uniform(size=count) < failed):
        curves[i] = curves[i][: rng.integers(rounds - 1)]
    return curves


def test_the_best_score_after_a_share_of_the_training():
    found = learning_curves([[3.0, 1.0, 2.0, 0.5], [2.0, math.nan], []], rounds=[4, 4, 4], minimize=True)
    assert found.at([0.1, 0.25, 0.5, 0.75, 1.0]).tolist() == [
        [3.0, 3.0, 1.0, 1.0, 0.5],
        [2.0, 2.0, math.inf, math.inf, math.inf],
        [math.inf] * 5,
    ]
    cut = learning_curves([[2.0, 1.0]], rounds=[4], minimize=True)
    assert cut.at([0.5, 0.74, 0.75, 1.0]).tolist() == [[1.0, 1.0, math.inf, math.inf]]
    upwards = learning_curves([[1.0, 5.0, 3.0]], shares=[[0.1, 0.2, 1.0]], minimize=False)
    assert upwards.at([0.15, 0.5]).tolist() == [[-1.0, -5.0]]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (([[1.0], [2.0]],), "minimize=True"),
        (([],), "learning curves"),
        ((3,), "learning curves"),
        (([[1.0, 2.0]], [1], None), "2 values and 1 rounds"),
        (([[1.0, 2.0]], [0], None), "above 0"),
        (([[1.0, 2.0]], None, [[0.5, 0.4]]), "shares must rise"),
        (([[1.0, 2.0]], None, [[1.0]]), "one number for each value"),
    ],
)
def test_what_cannot_be_read_is_refused(arguments, part):
    source, rounds, shares = (*arguments, None, None)[:3]
    minimize = None if len(arguments) == 1 else True
    with pytest.raises(InputError, match=part) as error:
        curve_table(source, rounds=rounds, shares=shares, minimize=minimize)
    assert "\n" not in str(error.value)


def test_costs_of_a_bracket():
    """27 trials of a round, 9 of two more, 3 of six more, 1 of 18 more: three full trainings."""
    table = curve_table(_curves(), minimize=True)
    assert table.rungs == 4
    record = _Record(np.full(40, np.inf))
    costs = []
    record.add = lambda cost, score: (costs.append(cost), len(costs) < 40)[1]
    _brackets(table, [(27, 0)], np.random.default_rng(0), record)
    assert np.allclose(np.diff(costs, prepend=0), [1 / 27] * 27 + [2 / 27] * 9 + [6 / 27] * 3 + [18 / 27])
    assert costs[-1] == pytest.approx(3)


def _slow_asha(table, rows, workers, budget):
    """Return the best score by cost of ASHA, written again with plain lists, a step of time at a time."""
    best = np.full(budget, np.inf)
    results, gone = [{} for _ in range(table.rungs)], [set() for _ in range(table.rungs)]
    jobs, clock, begun, number = [], 0.0, 0, 0
    while True:
        while len(jobs) < workers:
            chosen = None
            for level in range(table.rungs - 2, -1, -1):
                ranked = sorted(results[level], key=lambda trial, level=level: (results[level][trial], trial))
                top = [t for t in ranked[: len(ranked) // table.eta] if results[level][t] < math.inf]
                left = [t for t in top if t not in gone[level]]
                if left:
                    chosen = left[0], level + 1
                    gone[level].add(left[0])
                    break
            if chosen is None:
                chosen = begun, 0
                begun += 1
            trial, level = chosen
            costs = table.costs[rows[trial]]
            jobs.append((clock + costs[level] - (costs[level - 1] if level else 0.0), number, trial, level))
            number += 1
        jobs.sort()
        clock, _, trial, level = jobs.pop(0)
        if clock * workers > budget + 1e-9:
            return np.minimum.accumulate(best)
        score = table.scores[rows[trial], level]
        results[level][trial] = score
        place = max(math.ceil(clock * workers - 1e-9), 1) - 1
        best[place] = min(best[place], score)


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_asha_equals_another_program(workers):
    """With trials of different lengths, some of which fail."""
    lengths = np.random.default_rng(1).integers(9, 60, size=400)
    table = curve_table(_curves(failed=0.2), rounds=[27] * 400, lengths=lengths, rungs=4, minimize=True)
    for seed in range(10):
        best = np.full(12, np.inf)
        _asha(table, workers, np.random.default_rng(seed), _Record(best))
        most = int(12 / table.costs[:, 0].min()) + workers + 1
        rows = np.random.default_rng(seed).integers(400, size=most)
        assert np.minimum.accumulate(best).tolist() == _slow_asha(table, rows, workers, 12).tolist()


class _InOrder:
    """Draws the trials of a table in their order."""

    def __init__(self):
        self._next = 0

    def integers(self, count, size):
        self._next += size
        assert self._next <= count
        return np.arange(self._next - size, self._next)


def test_the_median_rule_equals_a_real_search():
    """On the curves of whole trainings of several lengths, a replay costs and finds what the real search does."""
    space = {**tiny_task.Line.space, "epochs": DiscreteUniform(6, 12), "learning_rate": Choice(0.01, 0.03, 0.1, 0.3)}
    options = {"num_trials": 40, "key": KEY, "batch": 10}
    method = MedianStopping(min_rounds=2)
    whole = search.run(tiny_task.Line(), space, num_trials=40, key=KEY)
    real = search.run(tiny_task.Line(), space, method=method, **options)
    assert 5 < np.sum(real["trained"] < real["rounds"]) < 35
    found = []
    record = _Record(np.empty(0))
    record.add = lambda cost, score: (found.append((cost, score)), len(found) < 40)[1]
    median_search(curve_table(whole).curves, method, 10)(_InOrder(), record)
    costs, scores = np.array(found).T
    assert np.allclose(costs, np.cumsum(real["trained"]) / whole["rounds"].mean())
    assert np.allclose(scores, real.scores, rtol=1e-6)


def test_the_median_rule_is_worth_more_than_random_search_and_less_than_halving():
    table = curve_table(_curves(2000, failed=0.05), rounds=[27] * 2000, rungs=4, minimize=True)
    methods = {"median": MedianStopping(min_rounds=3), "halving": "halving"}
    best = replay(table, methods, replications=200, budget=30, key=KEY)
    found = {name: nqjax.worth(scores, table, at=[30], unit="full trainings") for name, scores in best.items()}
    assert 30 < found["median"].estimate[0] < found["halving"].estimate[0]


def test_worths_of_other_tables_vary_as_much_as_is_said():
    """Halving on 24 tables of 150 trials of one kind, against what single tables say of their error."""
    worths, errors = [], []
    for seed in range(24):
        table = curve_table(_curves(150, seed=seed), rungs=4, minimize=True)
        best = replay(table, ["halving"], replications=100, budget=8, key=KEY)["halving"]
        worths.append(nqjax.worth(best, table, at=[8], unit="full trainings").estimate[0])
        if seed < 6:
            errors.append(table_error(table, ["halving"], [8], key=KEY)["halving"][0])
    assert np.std(np.log(worths)) / np.median(errors) == pytest.approx(1.0, abs=0.45)  # each is known to 15 %
    table = curve_table(_curves(60), rungs=2, minimize=True)
    assert table_error(table, ["median"], [3, 6], key=KEY)["median"].shape == (2,)


def test_searches_do_not_depend_on_their_number():
    table = curve_table(_curves(), minimize=True)
    methods = ["random", "halving", "hyperband", "asha", "median"]
    few = replay(table, methods, replications=3, budget=10, key=KEY)
    many = replay(table, methods, replications=5, budget=14, key=KEY)
    assert list(few) == methods
    for name in ("halving", "hyperband"):
        assert np.array_equal(few[name], many[name][:3, :10])
    other = replay(table, methods, replications=3, budget=10, key=jax.random.key(1))
    assert not np.array_equal(few["asha"], other["asha"])


def test_random_search_is_worth_its_cost_and_halving_more():
    """Compare at equal cost, on a table whose early scores tell the late ones."""
    table = curve_table(_curves(2000, failed=0.1), rounds=[27] * 2000, rungs=4, minimize=True)
    best = replay(table, ["random", "halving", "asha"], replications=400, budget=20, key=KEY)
    found = {name: nqjax.worth(scores, table, at=[5, 10, 20], unit="full trainings") for name, scores in best.items()}
    own = found["random"]
    assert np.all(own.lower <= own.at)
    assert np.all(own.at <= own.upper)
    assert "After 20 full trainings, random equals random search after" in own.sentence("random")
    assert own.sentence("random").count("full trainings") == 2
    assert found["halving"].lower[-1] > 20
    assert found["asha"].lower[-1] > 20


def test_a_search_without_a_score_yet_is_worth_next_to_nothing():
    """Trials longer than the first budget, none of which fails."""
    table = curve_table(_curves(), lengths=np.resize([0.5, 1.5], 400), rungs=2, minimize=True)
    best = replay(table, ["random"], replications=200, budget=8, key=KEY)["random"]
    assert np.isinf(best[:, 0]).mean() > 0.3
    found = nqjax.worth(best, table, at=[1, 8], unit="full trainings")
    assert found.worse_quartile[0] < 0.1
    assert found.lower[1] < 8 < found.upper[1]
    nothing = nqjax.worth(np.full((50, 1), np.inf), table, at=[1])
    assert nothing.estimate[0] < 0.05
    assert nothing.lower[0] == 0


def test_ties_widen_the_interval():
    """A table of two scores: half of the trials are as good as the best, so the worth is 1 to any number."""
    table = CurveTable(np.repeat([[0.0], [1.0]], 50, axis=0), np.ones((100, 1)), 3)
    found = nqjax.worth(np.zeros((300, 1)), table, at=[1])
    assert found.lower[0] == pytest.approx(1.0)
    assert math.isinf(found.upper[0])
    assert found.estimate[0] == pytest.approx(math.log(2) / -math.log(0.75))


def test_failed_trials_stop_nothing():
    table = curve_table([[]] * 5 + [[0.5] * 9], rounds=[9] * 6, rungs=3, minimize=True)
    methods = ["random", "halving", "hyperband", "asha", "median"]
    for scores in replay(table, methods, replications=20, budget=30, key=KEY).values():
        assert np.nanmin(scores) == 0.5
        assert np.all(scores[:, -1] == 0.5)
    empty = curve_table([[]] * 5, rounds=[9] * 5, rungs=2, minimize=True)
    assert np.all(np.isinf(replay(empty, ["median"], replications=2, budget=4, key=KEY)["median"]))
    nothing = CurveTable(np.full((3, 2), np.inf), np.tile([1 / 3, 1.0], (3, 1)), 3)
    for scores in replay(
        nothing, ["random", "halving", "hyperband", "asha"], replications=2, budget=4, key=KEY
    ).values():
        assert np.all(np.isinf(scores))


def test_wrong_methods_are_refused():
    table = curve_table(_curves(20), minimize=True)
    for methods, part in (
        (["tpe"], "which a table cannot run"),
        ("asha", "a list of names"),
        ([], "a list of names"),
        ([ASHA(eta=2)], "eta = 3"),
        ([SuccessiveHalving(min_rounds=3)], "make another table"),
        (["asha", ASHA(workers=2)], "given twice"),
    ):
        with pytest.raises(InputError, match=part):
            replay(table, methods, replications=2, budget=4, key=KEY)
    without = CurveTable(table.scores, table.costs, 3)
    with pytest.raises(InputError, match="needs whole learning curves"):
        replay(without, ["median"], replications=2, budget=4, key=KEY)
    with pytest.raises(InputError, match="budget is 0"):
        replay(table, ["asha"], replications=2, budget=0, key=KEY)


@pytest.mark.slow
def test_two_thousand_searches_by_asha_take_less_than_a_minute():
    """Each costs 30 full trainings, by 8 workers."""
    table = curve_table(_curves(1000), minimize=True)
    began = time.process_time()
    replay(table, ["asha"], replications=500, budget=30, key=KEY)
    assert time.process_time() - began < 15
